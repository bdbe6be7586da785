"""CUDA C to machine code of a card, by NVRTC; no driver and no card is needed."""

from __future__ import annotations

import ctypes
import functools
import re
from collections.abc import Sequence

from mlc.backends.cuda import prelude
from mlc.backends.cuda.device import DeviceModule
from mlc.errors import ArgumentError, CompileError, UnsupportedError
from mlc.runtime import cache
from mlc.runtime.cuda.toolkit import Toolkit, toolkit

OPTIONS = ("-std=c++17", "-default-device")
_ARCH = re.compile(r"sm_(\d+)[af]?")
_LEAST = 80  # with asynchronous copies, and tensor cores as they are used here
_HALVES = 70  # with atomic operations of 16 bits, without which the prelude does not compile
_ERROR_LINE = re.compile(r"\.cu\((\d+)\): error")


def compile_module(module: DeviceModule, arch: str, options: Sequence[str] = ()) -> bytes:
    """The cubin of a module for ``arch``, such as "sm_80" or "sm_90a"; from the disk cache if it is
    there. ``options`` come after our own. CompileError carries the compiler's log,
    UnsupportedError says that this NVRTC, or a card of that kind, cannot do it."""
    return _compiled(module, arch, options, "CUBIN")


def ptx_text(module: DeviceModule, arch: str) -> str:
    """The PTX of a module for ``arch``, as :func:`compile_module` compiles it."""
    return _compiled(module, arch, (), "PTX").rstrip(b"\0").decode()


def compiler_log(module: DeviceModule, arch: str) -> str:
    """What is said of a module as it is compiled for ``arch``: what costs speed, and the registers
    of each kernel."""
    return _compiled(module, arch, ("--ptxas-options=-v",), "ProgramLog").rstrip(b"\0").decode()


def _compiled(module: DeviceModule, arch: str, options: Sequence[str], form: str) -> bytes:
    """The ``form`` of a module, "CUBIN", "PTX" or "ProgramLog"."""
    wanted = _ARCH.fullmatch(arch)
    if not wanted:
        raise ArgumentError(f"an architecture is a name such as 'sm_90a', got {arch!r}")
    tools = toolkit()
    library = _library(tools)
    text = prelude.device_source(module.source, module.name)
    chosen = (f"--gpu-architecture={arch}", *OPTIONS, *options)
    key = cache.content_key(form.lower(), text, library.version, *chosen)
    entry = cache.get(key)
    if entry is not None:
        return entry.image
    number, known = int(wanted[1]), library.architectures()
    if number not in known:
        raise UnsupportedError(
            f"{module.name} was to be compiled for {arch}, and NVRTC {library.version} compiles "
            f"for sm_{known[0]} to sm_{known[-1]}; a newer card needs a newer NVRTC (pip install "
            f"-U nvidia-cuda-nvrtc), an older one that of CUDA 12 (pip install 'mlc[cuda12]')"
        )
    try:
        made = library.compile(text, module, chosen, tools, form)
    except CompileError as error:
        if number >= _LEAST or number >= _HALVES and f"sm_{_LEAST} or higher" not in str(error):
            raise
        raise UnsupportedError(
            f"kernels of {module.name} copy asynchronously, multiply on tensor cores or add 16-bit "
            f"floats atomically, as cards can from sm_{_LEAST} on, and were to be compiled for "
            f"{arch}; use a newer card"
        ) from error
    cache.put(key, made, {form.lower(): module.name, "arch": arch})
    return made


def nvrtc_version() -> str:
    """The version of NVRTC, as "13.0"; UnsupportedError where there is none."""
    return _library(toolkit()).version


def architectures() -> tuple[int, ...]:
    """What NVRTC compiles for: 80 is "sm_80"."""
    return _library(toolkit()).architectures()


class _Nvrtc:
    """The functions of libnvrtc that are used here."""

    def __init__(self, tools: Toolkit) -> None:
        try:
            # Loaded before, so that NVRTC finds it whatever the search path is.
            for builtins in sorted(tools.nvrtc.parent.glob("libnvrtc-builtins.so*"))[-1:]:
                ctypes.CDLL(str(builtins), mode=ctypes.RTLD_GLOBAL)
            self._library = ctypes.CDLL(str(tools.nvrtc))
        except OSError as error:
            raise UnsupportedError(f"NVRTC at {tools.nvrtc} cannot be loaded: {error}") from None
        self._library.nvrtcGetErrorString.restype = ctypes.c_char_p
        major, minor = ctypes.c_int(), ctypes.c_int()
        self._do("Version", ctypes.byref(major), ctypes.byref(minor))
        self.version = f"{major.value}.{minor.value}"

    def architectures(self) -> tuple[int, ...]:
        count = ctypes.c_int()
        self._do("GetNumSupportedArchs", ctypes.byref(count))
        found = (ctypes.c_int * count.value)()
        self._do("GetSupportedArchs", found)
        return tuple(found)

    def compile(
        self, text: str, module: DeviceModule, options: Sequence[str], tools: Toolkit, form: str
    ) -> bytes:
        program = ctypes.c_void_p()
        name = f"{module.name}.cu".encode()
        self._do(
            "CreateProgram", ctypes.byref(program), text.encode(), name, 0, None, None
        )  # fmt: skip
        try:
            every = [*options, *(f"-I{path}" for path in tools.includes)]
            given = (ctypes.c_char_p * len(every))(*(option.encode() for option in every))
            if self._library.nvrtcCompileProgram(program, len(every), given):
                log = self._bytes("ProgramLog", program).rstrip(b"\0").decode(errors="replace")
                raise CompileError(_explained(log, module, options), text)
            return self._bytes(form, program)
        finally:
            self._library.nvrtcDestroyProgram(ctypes.byref(program))

    def _bytes(self, what: str, program: ctypes.c_void_p) -> bytes:
        size = ctypes.c_size_t()
        self._do(f"Get{what}Size", program, ctypes.byref(size))
        data = ctypes.create_string_buffer(size.value)
        self._do(f"Get{what}", program, data)
        return data.raw

    def _do(self, name: str, *arguments: object) -> None:
        code = self._library[f"nvrtc{name}"](*arguments)
        if code:
            said = self._library.nvrtcGetErrorString(code).decode()
            raise CompileError(f"NVRTC's nvrtc{name} failed: {said}")


def _explained(log: str, module: DeviceModule, options: Sequence[str]) -> str:
    lines = log.strip().splitlines()[:20]
    found = _ERROR_LINE.search(log)
    source = module.source.splitlines()
    if found and 0 < int(found[1]) <= len(source):
        number = int(found[1])
        lines.append(f"line {number} of {module.name}.cu is: {source[number - 1].strip()}")
    said = "\n  ".join(lines)
    return f"NVRTC refused the CUDA text of {module.name} ({' '.join(options)}):\n  {said}"


_library = functools.cache(_Nvrtc)
