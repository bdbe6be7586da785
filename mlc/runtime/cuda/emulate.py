"""CUDA kernels on the processor: their very text, compiled by a C++ compiler, with every thread a
fiber, every barrier and warp operation, and every access looked at."""

from __future__ import annotations

import ctypes
import functools
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlc.backends.cuda import prelude
from mlc.backends.cuda.device import DeviceModule, HostCall, Launch, TensorMap
from mlc.config import config
from mlc.errors import ArgumentError, BoundsError, CompileError, SimulationError, UnsupportedError
from mlc.forks import free_after_fork
from mlc.runtime import cache
from mlc.runtime.cuda import banks
from mlc.runtime.cuda.host_calls import call_here
from mlc.runtime.cuda.tensor_maps import aligned_map, emulated_map

COMPILERS = ("g++", "clang++", "c++")
ORDERS = ("forward", "reverse", "random")
MAX_THREADS = 1024
MAX_SHARED = 227 << 10  # bytes of shared memory that a block can have on any card
_UNKNOWN = (1 << 64) - 1
_FLAGS = ("-std=c++17", "-O1", "-fPIC", "-fvisibility=hidden", "-fwrapv", "-fno-strict-aliasing",
          "-ffp-contract=off", "-fno-exceptions", "-fno-rtti",
          "-Werror=frame-larger-than=200000")  # fmt: skip
_GCC = re.compile(r"(.*-)?g\+\+(-[\d.]+)?")  # clang++ finds a compiled header another way
_CHECKS = ("-fsanitize=thread,bounds,alignment,integer-divide-by-zero",)
_MESSAGE_BYTES = 1024


class _Launch(ctypes.Structure):
    """``MlcLaunch`` of emulator.h."""

    _fields_ = (
        ("kernel", ctypes.c_char_p),
        ("grid", ctypes.c_uint * 3),
        ("block", ctypes.c_uint * 3),
        ("cluster", ctypes.c_uint),
        ("shared_bytes", ctypes.c_uint64),
        ("order", ctypes.c_int32),
        ("checks", ctypes.c_int32),
        ("arrays", ctypes.c_int32),
        ("message_bytes", ctypes.c_int32),
        ("addresses", ctypes.c_void_p),
        ("sizes", ctypes.c_void_p),
        ("names", ctypes.c_void_p),
        ("message", ctypes.c_void_p),
        ("finding", ctypes.c_int32),
        ("site_room", ctypes.c_int32),
        ("sites_found", ctypes.c_int32),
        ("sites", ctypes.c_void_p),
    )


class Emulated:
    """The kernels of a module, ready to run on memory of the processor.

    ``run(pointers, workspace, sizes)`` launches them in order. ``pointers`` are the addresses of
    the arrays that launches name by number, ``sizes`` their bytes: no kernel may leave them.
    Without a ``workspace`` one is allocated. The GIL is released; kernels of one text run one at a
    time, whoever launches them.
    """

    def __init__(self, module: DeviceModule, library: _Library) -> None:
        self.module = module
        self._library = library
        self._names = {
            launch.kernel: parameter_names(module.source, launch) for launch in module.launches
        }

    def __call__(
        self, pointers: Sequence[int], workspace: int = 0, sizes: Sequence[int] = ()
    ) -> None:
        if sizes and len(sizes) != len(pointers):
            raise ArgumentError(f"{len(pointers)} pointers came with {len(sizes)} sizes")
        size, held = self.module.workspace_bytes, None
        if size and not workspace:
            held = np.full(size + 1024, 0xFF, np.uint8)
            workspace = (held.ctypes.data + 1023) & ~1023
        for step in self.module.steps():
            if isinstance(step, int):
                self._launch(self.module.launches[step], pointers, workspace, sizes)
            else:
                self._call(step, pointers, workspace)

    def _call(self, call: HostCall, pointers: Sequence[int], workspace: int) -> None:
        """A step of the processor, unless a kernel has refused its data before."""
        module = self.module
        if module.checks:
            record = workspace + module.record
            module.raise_failed(bytes((ctypes.c_uint8 * 16).from_address(record)))
        call_here(call, lambda argument: argument.address(pointers, workspace))

    def _launch(
        self, launch: Launch, pointers: Sequence[int], workspace: int, sizes: Sequence[int]
    ) -> None:
        count = max(len(launch.arguments), 1)
        arguments = (ctypes.c_void_p * count)()
        bases = (ctypes.c_void_p * count)()
        extents = (ctypes.c_uint64 * count)()
        names = (ctypes.c_char_p * count)()
        maps = []
        for n, (argument, name) in enumerate(zip(launch.arguments, self._names[launch.kernel])):
            described = argument if isinstance(argument, TensorMap) else None
            if isinstance(argument, TensorMap):
                argument, name = argument.array, name.removesuffix("_boxes")
            if argument.kind == "array":
                arguments[n] = bases[n] = pointers[argument.number]
                extents[n] = sizes[argument.number] if sizes else _UNKNOWN
                names[n] = name.encode()
            else:
                arguments[n], bases[n] = workspace + argument.number, workspace
                extents[n] = self.module.workspace_bytes
                names[n] = b"the workspace"
            if described is not None:
                maps.append(aligned_map(emulated_map(described, int(arguments[n] or 0))))
                arguments[n] = maps[-1].ctypes.data
        message = ctypes.create_string_buffer(_MESSAGE_BYTES)
        counter, library, image = banks.counter(), self._library, b""
        if counter is not None:
            library, image = _counting_library(self.module)
        room = 0 if counter is None else banks.MOST_SITES
        sites = (banks.Site * max(room, 1))()
        record = _Launch(
            launch.kernel.encode(), launch.grid, launch.block, launch.cluster, launch.shared_bytes,
            ORDERS.index(config.emulated_order), config.emulated_checks, len(launch.arguments),
            _MESSAGE_BYTES, ctypes.addressof(bases), ctypes.addressof(extents),
            ctypes.addressof(names), ctypes.addressof(message), 0,
            room, 0, ctypes.addressof(sites) if room else None,
        )  # fmt: skip
        with library._lock:
            finding = library.text[f"mlc_launch_{launch.kernel}"](ctypes.byref(record), arguments)
        if finding == -1:
            raise MemoryError(f"no memory to emulate the kernel {launch.kernel}")
        if finding:
            text = f"the kernel {launch.kernel} is wrong: {message.value.decode()}"
            raise BoundsError(text) if finding == 1 else SimulationError(text)
        if counter is not None:
            counter.add(launch.kernel, self.module.source, sites[: record.sites_found], image)


def load(module: DeviceModule) -> Emulated:
    """The kernels of ``module`` compiled for the processor, from the disk cache where it has them.

    Raises UnsupportedError where no C++ compiler is installed, and CompileError with its log.
    """
    for launch in module.launches:
        _check(launch)
    return Emulated(module, _library(module, config.emulated_checks))


def run_arrays(module: DeviceModule, arrays: Sequence[np.ndarray[Any, Any]]) -> None:
    """Run a module on C-contiguous arrays, in the order that its launches number them."""
    if not all(array.flags.c_contiguous for array in arrays):
        raise ArgumentError("kernels take C-contiguous arrays; copy with np.ascontiguousarray")
    load(module)([a.ctypes.data for a in arrays], 0, [a.nbytes for a in arrays])


def compiler() -> str:
    """The path of a C++ compiler: that of ``mlc.config.cxx``, or the first one on the path."""
    wanted = config.cxx
    for name in (wanted,) if wanted else COMPILERS:
        found = shutil.which(name)
        if found:
            return found
    looked = f"{wanted!r} (mlc.config.cxx)" if wanted else ", ".join(COMPILERS)
    raise UnsupportedError(
        f"target 'cuda-emulated' needs a C++ compiler, and none was found ({looked}); install one "
        f"('apt install g++', 'dnf install gcc-c++', 'conda install gxx'), or set MLC_CXX to its "
        f"path"
    )


def parameter_names(source: str, launch: Launch) -> list[str]:
    """What the text calls the parameters of a kernel; numbers where it cannot be told."""
    found = re.search(rf"\b{re.escape(launch.kernel)}\s*\(([^)]*)\)", source)
    names = [re.sub(r".*\W", "", part.strip()) for part in found[1].split(",")] if found else []
    count = len(launch.arguments)
    return names if len(names) == count else [f"argument {n}" for n in range(count)]


def source_of(module: DeviceModule) -> str:
    """The text that is compiled: prelude, kernels, and a function that launches each of them."""
    calls = []
    for name, count in {x.kernel: len(x.arguments) for x in module.launches}.items():
        pointers = ", ".join(f"MlcPointer{{a[{n}]}}" for n in range(count))
        calls.append(f"MLC_LAUNCH({name}, {name}({pointers}))")
    text = prelude.emulated_source(module.source, module.name)
    return "\n".join([text, f'#line 1 "the launches of {module.name}"', *calls, ""])


def _check(launch: Launch) -> None:
    x, y, z = launch.block
    if not (0 < x * y * z <= MAX_THREADS and z <= 64):
        raise UnsupportedError(
            f"the kernel {launch.kernel} wants blocks of {x} x {y} x {z} threads; a block has 1 to "
            f"{MAX_THREADS}, and at most 64 along z"
        )
    if launch.grid[0] % launch.cluster or x * y * z * launch.cluster > MAX_THREADS:
        raise UnsupportedError(
            f"the kernel {launch.kernel} wants clusters of {launch.cluster} blocks of {x * y * z} "
            f"threads in a grid of {launch.grid}; whole clusters lie along x, and a cluster has up "
            f"to {MAX_THREADS} threads here"
        )
    if not all(launch.grid) or max(launch.grid[1:]) > 65535 or launch.grid[0] >= 1 << 31:
        raise UnsupportedError(
            f"the kernel {launch.kernel} wants a grid of {launch.grid} blocks; extents are at "
            "least 1 and at most 2147483647, 65535 and 65535"
        )
    if launch.shared_bytes > MAX_SHARED:
        raise UnsupportedError(
            f"the kernel {launch.kernel} wants {launch.shared_bytes} bytes of shared memory; no "
            f"card has more than {MAX_SHARED} for a block"
        )


class _Library:
    """Kernels that are loaded; the emulator's memory in them serves one launch at a time."""

    def __init__(self, text: ctypes.CDLL) -> None:
        self.text = text
        self._lock = threading.Lock()
        free_after_fork(self)


def _library(module: DeviceModule, checks: bool) -> _Library:
    path = compiler()
    source = source_of(module)
    flags = (*_FLAGS, *_CHECKS) if checks else _FLAGS
    key = cache.content_key("emulated", source, _prelude(), _version(path), *flags)
    return _loaded(key) or _open(key, _built(key, path, source, flags, module))


_counting: dict[str, tuple[_Library, bytes]] = {}


def _counting_library(module: DeviceModule) -> tuple[_Library, bytes]:
    """The kernels as they are counted, and the library's bytes, for its lines."""
    path, source, flags = compiler(), source_of(module), (*_FLAGS, *_CHECKS, *banks.FLAGS)
    key = cache.content_key("emulated", source, _prelude(), _version(path), *flags)
    if key not in _counting:
        image = _built(key, path, source, flags, module)
        _counting[key] = _open(key, image), image
    return _counting[key]


_libraries: dict[str, _Library] = {}


def _loaded(key: str) -> _Library | None:
    if key in _libraries:
        return _libraries[key]
    entry = cache.get(key)
    return None if entry is None else _open(key, entry.image)


def _open(key: str, image: bytes) -> _Library:
    """A library from memory: the file it is read from is gone once it is loaded."""
    with tempfile.TemporaryDirectory(prefix="mlc-") as folder:
        file = Path(folder) / "kernels.so"
        file.write_bytes(image)
        made = _Library(ctypes.CDLL(str(file)))
    return _libraries.setdefault(key, made)


def _built(key: str, path: str, source: str, flags: Sequence[str], module: DeviceModule) -> bytes:
    with tempfile.TemporaryDirectory(prefix="mlc-") as folder:
        work = Path(folder)
        (work / "kernels.cpp").write_text(source)
        (work / "emulator.o").write_bytes(_emulator(path))
        header = _header(path, flags)
        if header:  # taken instead of the text that it is of, which costs more than most kernels
            (work / "emulated.h.gch").write_bytes(header)
        command = [
            path, *flags, f"-I{prelude.FOLDER}", "-c",
            "-o", str(work / "kernels.o"), str(work / "kernels.cpp"),
        ]  # fmt: skip
        _run(command, module.name, source)
        library = work / "kernels.so"
        _run(
            [path, "-shared", "-Wl,-Bsymbolic", "-o", str(library), str(work / "kernels.o"),
             str(work / "emulator.o"), "-lm"], module.name, source,
        )  # fmt: skip
        image = library.read_bytes()
    cache.put(key, image, {"emulated": module.name})
    return image


def _emulator(path: str) -> bytes:
    """The object file of the emulator itself, compiled once."""
    flags = ("-std=c++17", "-O2", "-fPIC", "-fvisibility=hidden", "-fno-exceptions", "-fno-rtti")
    return _compiled_once(path, (*flags, "-c"), "emulator.cpp")


def _header(path: str, flags: Sequence[str]) -> bytes:
    """What kernels include, compiled once for each set of flags; empty if not by GCC."""
    if not _GCC.fullmatch(os.path.basename(os.path.realpath(path))):
        return b""
    return _compiled_once(path, (*flags, "-w", "-x", "c++-header"), "emulated.h")


_compiled: dict[str, bytes] = {}


def _compiled_once(path: str, flags: Sequence[str], name: str) -> bytes:
    """A file of the prelude as the compiler makes it, from the disk cache if that has it."""
    key = cache.content_key(name, _prelude(), _version(path), *flags)
    if key in _compiled:
        return _compiled[key]
    entry = cache.get(key)
    if entry is not None:
        image = entry.image
    else:
        with tempfile.TemporaryDirectory(prefix="mlc-") as folder:
            made = Path(folder) / "made"
            _run([path, *flags, "-o", str(made), str(prelude.FOLDER / name)], name, "")
            image = made.read_bytes()
        cache.put(key, image, {"emulated": name})
    _compiled[key] = image
    return image


def _run(command: list[str], name: str, source: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        log = "\n  ".join(done.stderr.strip().splitlines()[:20])
        raise CompileError(f"the CUDA text of {name} does not compile:\n  {log}", source)


@functools.cache
def _prelude() -> str:
    names = ("emulator.h", "emulator.cpp", "emulated.h", "emulated_tensor_cores.h",
             "emulated_boxes.h", "emulator_boxes.h", "emulator_banks.h",
             "emulator_scheduler.h", "mixed.h")  # fmt: skip
    return "\n".join(map(prelude.text, names))


def _version(path: str) -> str:
    """What tells one compiler from another, without starting it."""
    real = os.path.realpath(path)
    status = os.stat(real)
    return f"{real} {status.st_size} {status.st_mtime_ns}"
