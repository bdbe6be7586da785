"""Images: compiled code as one run of bytes that loads in a fraction of a millisecond.

`link_object` makes one from an object file, `load_image` maps it: writable while it is filled,
then code is read-and-execute and data read-and-write, never both. A loaded image stays for the
life of the process: threads may be asleep in it, and calls may be under way.

Where the object is not ELF (macOS, Windows) the image wraps the object file and LLVM's JIT linker
loads it.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import mmap
import os
import struct
import sys
from _thread import start_new_thread
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from mlc.errors import CompileError

# A process that finds its kernels in the cache runs without the compiler and without the linker:
# they are imported where they are used.
if TYPE_CHECKING:
    from mlc.backends.llvm.emit import Optimize
    from mlc.backends.llvm.target import Target

FORMAT_VERSION = 1
_MAGIC = b"MLCIMAGE"
# magic, version, kind, machine, ro bytes, rw offset, rw bytes, total size, counts, names' bytes
_HEADER = struct.Struct("<8sHHIQQQQIIII")
_LINKED, _OBJECT = 0, 1
_MACHINES = {"x86_64": 62, "aarch64": 183}  # ELF's numbers


class LoadedImage:
    """Code and data in this process's memory. ``exports`` maps names to absolute addresses."""

    __slots__ = ("base", "exports", "size")

    def __init__(self, exports: dict[str, int], base: int, size: int) -> None:
        self.exports = exports
        self.base = base
        self.size = size

    def address(self, name: str) -> int:
        """The address of a function or variable; KeyError if the image does not define it."""
        return self.exports[name]

    def pointer(self, name: str) -> ctypes.c_void_p:
        """A pointer-sized variable of the image, to read or to set through ``.value``."""
        return ctypes.c_void_p.from_address(self.exports[name])


def compile_image(
    ir_text: str, target: Target, *, optimize: Optimize = None, parts: Sequence[str] = ()
) -> bytes:
    """The image of an LLVM IR module, and of ``parts`` of it that are modules of their own, where
    objects are ELF. Raises CompileError, with the text, for a module LLVM refuses."""
    from mlc.backends.llvm.emit import emit_object
    from mlc.runtime.processors import available_cpus

    if "mlc.runtime.elf" not in sys.modules and available_cpus() > 1:
        start_new_thread(_load_what_follows, ())
    data = emit_object(ir_text, target, optimize=optimize)
    others = [emit_object(part, target, optimize=optimize) for part in parts]
    from mlc.runtime import elf

    if elf.is_linkable(data):
        return link_object(data, *others)
    from mlc.backends.llvm.llvmlite_binding import interface

    return wrap_object(data, *interface(ir_text))


def _load_what_follows() -> None:
    """What the first image needs once LLVM is done, in a thread beside it: LLVM runs without the
    lock of Python's. Whatever goes wrong here goes wrong again where it is waited for."""
    with contextlib.suppress(Exception):
        from mlc.runtime import elf, executor, sources  # noqa: F401

        sources.loaded_sources()


def link_object(*objects: bytes) -> bytes:
    """The image of relocatable ELF object files for x86-64 or aarch64."""
    from mlc.runtime import elf

    linked = elf.link(*objects)
    return _pack(
        _LINKED, linked.machine, linked.ro, linked.rw_offset, linked.rw, linked.size,
        linked.exports, linked.imports, linked.fixups,
    )  # fmt: skip


def wrap_object(data: bytes, exports: Iterable[str], imports: Iterable[str]) -> bytes:
    """The image of any other object file; to load it needs LLVM."""
    return _pack(
        _OBJECT, 0, data, 0, b"", 0, dict.fromkeys(exports, 0), dict.fromkeys(imports, 0), ()
    )


def load_image(image: bytes, resolve: Callable[[str], int]) -> LoadedImage:
    """Map an image into memory and give every import the address that ``resolve`` names.

    Raises CompileError for bytes that are no image of this version and processor, and whatever
    ``resolve`` raises for a name it does not know.
    """
    if len(image) < _HEADER.size or image[:8] != _MAGIC:
        raise CompileError("expected a compiled image, got other bytes")
    (
        _, version, kind, machine, ro_size, rw_offset, rw_size, size,
        n_exports, n_imports, n_fixups, names_size,
    ) = _HEADER.unpack_from(image)  # fmt: skip
    numbers = n_exports + n_imports + 2 * n_fixups
    expected = _HEADER.size + names_size + 8 * numbers + ro_size + rw_size
    if version != FORMAT_VERSION or len(image) != expected:
        raise CompileError("the compiled image is cut off, or of another version of mlc")
    at = _HEADER.size
    names = image[at : at + names_size].decode().split("\0")
    at += names_size
    table = struct.unpack_from(f"<{numbers}Q", image, at)
    at += 8 * numbers
    ro, rw = image[at : at + ro_size], image[at + ro_size :]
    exports = dict(zip(names[:n_exports], table))
    imports = dict(zip(names[n_exports : n_exports + n_imports], table[n_exports:]))
    if kind == _OBJECT:
        return _load_with_llvm(ro, list(exports), {name: resolve(name) for name in imports})
    if machine != _host_machine():
        raise CompileError("the compiled image is for another kind of processor")
    addresses = {name: resolve(name) for name in imports}
    base = _map_memory(size)
    ctypes.memmove(base, ro, ro_size)
    ctypes.memmove(base + rw_offset, rw, rw_size)
    for name, slot in imports.items():
        ctypes.c_uint64.from_address(base + slot).value = addresses[name]
    fixups = table[n_exports + n_imports :]
    for place, addend in zip(fixups[::2], fixups[1::2]):
        ctypes.c_uint64.from_address(base + place).value = (base + addend) & (2**64 - 1)
    _protect_code(base, rw_offset)
    return LoadedImage({name: base + offset for name, offset in exports.items()}, base, size)


def _pack(
    kind: int,
    machine: int,
    ro: bytes,
    rw_offset: int,
    rw: bytes,
    size: int,
    exports: dict[str, int],
    imports: dict[str, int],
    fixups: tuple[tuple[int, int], ...],
) -> bytes:
    names = "\0".join([*exports, *imports]).encode()
    flat = [*exports.values(), *imports.values()]
    for place, addend in fixups:
        flat += [place, addend & (2**64 - 1)]
    header = _HEADER.pack(
        _MAGIC, FORMAT_VERSION, kind, machine, len(ro), rw_offset, len(rw), size,
        len(exports), len(imports), len(fixups), len(names),
    )  # fmt: skip
    return b"".join([header, names, struct.pack(f"<{len(flat)}Q", *flat), ro, rw])


@functools.cache
def _host_machine() -> int:
    return _MACHINES.get(os.uname().machine, 0) if hasattr(os, "uname") else 0


@functools.cache
def _system_calls() -> tuple[Any, Any]:
    """The C library's mmap and mprotect.

    Python's mmap objects unmap at interpreter exit, while pool threads are still in the code.
    """
    library = ctypes.CDLL(None, use_errno=True)
    map_, protect = library["mmap"], library["mprotect"]
    map_.restype = ctypes.c_void_p
    map_.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return map_, protect


def _map_memory(size: int) -> int:
    map_, _ = _system_calls()
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    address: int | None = map_(None, size, mmap.PROT_READ | mmap.PROT_WRITE, flags, -1, 0)
    if address is None or address == ctypes.c_void_p(-1).value:
        raise MemoryError(f"no memory for {size} bytes of code: {os.strerror(ctypes.get_errno())}")
    return address


def _protect_code(base: int, size: int) -> None:
    _, protect = _system_calls()
    if size and protect(base, size, mmap.PROT_READ | mmap.PROT_EXEC):
        reason = os.strerror(ctypes.get_errno())
        raise CompileError(
            f"the system does not let this process run code made at run time ({reason}); "
            "a security policy such as SELinux's execmem or systemd's MemoryDenyWriteExecute is "
            "the usual cause"
        )


@functools.cache
def _llvm_jit() -> Any:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    jit = llvm.create_lljit_compiler()
    # Never disposed of: at interpreter exit, threads may still be asleep in its code.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(jit))
    return jit


def _load_with_llvm(data: bytes, exports: list[str], imports: dict[str, int]) -> LoadedImage:
    import llvmlite.binding as llvm

    builder = llvm.JITLibraryBuilder().add_object_img(data)
    for name, address in imports.items():
        builder.import_symbol(name, address)
    for name in exports:
        builder.export_symbol(name)
    _llvm_libraries.append(builder.link(_llvm_jit(), f"mlc_image_{len(_llvm_libraries)}"))
    library = _llvm_libraries[-1]
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(library))
    return LoadedImage({name: library[name] for name in exports}, 0, sys.getsizeof(data))


_llvm_libraries: list[Any] = []
