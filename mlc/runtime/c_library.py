"""Implementations of intrinsics in C: compiled once with the C compiler there is, kept on disk."""

from __future__ import annotations

import atexit
import ctypes
import functools
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

from mlc.backends.llvm.intrinsics import c_symbol
from mlc.backends.llvm.target import host_target
from mlc.backends.llvm.types import memory_type
from mlc.errors import CompileError, UnsupportedError
from mlc.ir.intrinsic import Intrinsic, all_intrinsics, kept_dimensions
from mlc.runtime import cache

COMPILERS = ("cc", "clang", "gcc")
_C_TYPES = {
    "i8": "int8_t", "i16": "int16_t", "i32": "int32_t", "i64": "int64_t", "float": "float",
    "double": "double",
}  # fmt: skip


def address_of_symbol(symbol: str) -> int:
    """The address of the implementation in C that is called by ``symbol``; 0 if nobody has it."""
    for intrinsic in all_intrinsics():
        if "c" in intrinsic.implementations and c_symbol(intrinsic) == symbol:
            function = _library(_path_of(intrinsic, symbol))[symbol]
            return ctypes.cast(function, ctypes.c_void_p).value or 0
    return 0


def source_of(intrinsic: Intrinsic, symbol: str) -> str:
    """The user's source and after it the function that is called, which holds it to the types of
    the operands."""
    params, names = [], []
    for n, operand in enumerate(intrinsic.operands):
        kind = operand.dtype.name if operand.dtype.kind == "u" else ""
        kind = f"{kind}_t" if kind else _C_TYPES[memory_type(operand.dtype)]
        strides = [f"s{n}_{d}" for d in kept_dimensions(operand.shape)]
        params += [f"{kind} *a{n}", *(f"int64_t {s}" for s in strides)]
        names += [f"a{n}", *strides]
    return (
        f'#include <stdint.h>\n#line 1 "{intrinsic.name}.c"\n{intrinsic.implementations["c"]}\n'
        f'#line 1 "the call of {intrinsic.name}"\n'
        f"void {symbol}({', '.join(params)}) {{ {intrinsic.name}({', '.join(names)}); }}\n"
    )


def compiler() -> str:
    """The path of a C compiler. Raises :class:`UnsupportedError` where none is installed."""
    for name in COMPILERS:
        found = shutil.which(name)
        if found:
            return found
    raise UnsupportedError(
        f"an intrinsic is implemented in C, and no C compiler was found ({', '.join(COMPILERS)}); "
        f"install one, or implement it as LLVM IR: @name.implementation('llvm')"
    )


def _path_of(intrinsic: Intrinsic, symbol: str) -> Path:
    """The library with the function, compiled if it is not on disk."""
    source = source_of(intrinsic, symbol)
    folder = _folder()
    name = cache.content_key(source, host_target().key())
    path = folder / f"{name}.so"
    if not path.exists():
        _compile(intrinsic, source, path)
    return path


@functools.cache
def _private_folder() -> Path:
    folder = tempfile.mkdtemp(prefix="mlc-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _folder() -> Path:
    """Beside the images if they are kept on disk; else one that only this process uses."""
    images = cache._folder(create=True)
    if images is None:
        return _private_folder()
    folder = images.parent / "libraries"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError:
        return _private_folder()
    return folder


def _compile(intrinsic: Intrinsic, source: str, path: Path) -> None:
    native = "-march=native" if platform.machine() in ("x86_64", "AMD64") else "-mcpu=native"
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".new-") as work:
        file, library = Path(work) / "source.c", Path(work) / "library.so"
        file.write_text(source)
        command = [
            compiler(), "-O3", native, "-fPIC", "-shared", "-Werror=incompatible-pointer-types",
            "-Werror=implicit-function-declaration", "-Werror=int-conversion",
            "-o", str(library), str(file), "-lm",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            report = "\n  ".join(done.stderr.strip().splitlines()[:12])
            operands = ", ".join(f"{b.name}{list(b.shape)}" for b in intrinsic.operands)
            raise CompileError(
                f"the C implementation of intrinsic {intrinsic.name!r} does not compile; it must "
                f"define void {intrinsic.name}(...) that takes for each operand ({operands}) a "
                f"pointer and an int64_t stride for each dimension that is not 1:\n  {report}",
                source,
            )
        os.replace(library, path)


@functools.cache
def _library(path: Path) -> ctypes.CDLL:
    return ctypes.CDLL(str(path))
