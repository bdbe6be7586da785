"""A Python type whose instances are called without Python in between.

An instance holds the address of a vectorcall function, which the interpreter jumps to: at first a
stub of a few instructions that forwards the call, arguments and all, to the instance's *slow*
callable; once a signature is installed, the native entry (see `mlc.runtime.entry_ir`), which runs
the kernel of the first signature that fits and forwards the other calls.

Where this is not possible (Python 3.10, free-threaded Python, PyPy, other systems) the type is an
ordinary class that calls the slow callable, which is then the only way in.
"""

from __future__ import annotations

import ctypes
import functools
import os
import struct
import sys
import types
from collections.abc import Callable, Mapping
from typing import Any, Literal

from mlc.config import Config, config
from mlc.runtime import image

# The instance: object header, then these pointers.
_ENTRY, _SLOW, _DICT, _WEAK, _CHAIN, _SIZE = 16, 24, 32, 40, 48, 56

_HAVE_GC, _HAVE_VECTORCALL, _METHOD_DESCRIPTOR = 1 << 14, 1 << 11, 1 << 17
# Numbers of CPython's stable type slots and member kinds.
_TP_CALL, _TP_CLEAR, _TP_DESCR_GET, _TP_TRAVERSE = 50, 51, 54, 71
_TP_MEMBERS, _TP_GETSET = 72, 73
_T_OBJECT_EX, _T_PYSSIZET, _READONLY = 16, 19, 1


class _Slot(ctypes.Structure):
    _fields_ = (("slot", ctypes.c_int), ("function", ctypes.c_void_p))


class _Spec(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("basicsize", ctypes.c_int),
        ("itemsize", ctypes.c_int),
        ("flags", ctypes.c_uint),
        ("slots", ctypes.POINTER(_Slot)),
    )


class _Member(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("kind", ctypes.c_int),
        ("offset", ctypes.c_ssize_t),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


class _GetSet(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("get", ctypes.c_void_p),
        ("set", ctypes.c_void_p),
        ("doc", ctypes.c_char_p),
        ("closure", ctypes.c_void_p),
    )


@functools.cache
def is_native() -> bool:
    """Whether calls can go straight into compiled code here."""
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    machine = os.uname().machine if hasattr(os, "uname") else ""
    return (
        sys.implementation.name == "cpython"
        and gil
        and object.__basicsize__ == 16
        and sys.platform.startswith("linux")
        and machine in _STUBS
        and hasattr(ctypes.pythonapi, "PyObject_Vectorcall")  # a macro before Python 3.11
    )


def callable_type(name: str, namespace: Mapping[str, Any]) -> type:
    """A new final class called ``name`` (``module.Name``) with the methods of ``namespace``.

    Its instances take attributes and weak references, bind as methods do, and are called through
    what `prepare` and `install` set; until `prepare`, calling one is a TypeError.
    """
    if is_native():
        kind = _native_type(name)
    else:
        module, _, short = name.rpartition(".")
        kind = type(short, (_PlainCallable,), {"__module__": module})
    for key, value in namespace.items():
        if key not in ("__dict__", "__weakref__", "__module__", "__qualname__"):
            setattr(kind, key, value)
    return kind


def prepare(instance: Any, slow: Callable[..., Any]) -> None:
    """Let calls of ``instance`` go to ``slow``, which gets the arguments without the instance."""
    instance._slow = slow
    if is_native():
        _pointer(instance, _ENTRY).value = slow_entry()


def install(instance: Any, signature: int, *, build: bool = False) -> bool:
    """Let calls of ``instance`` try the chain of signatures that starts at address ``signature``.

    Signatures and kernels must live as long as the instance. 0 takes the chain away again. Says
    whether native calls are on: the entry's own code may have to be compiled first (50 to 130 ms,
    once for a disk cache), which is only done with ``build``. Until then calls take the slow path,
    which may install again: say, at the second call of a signature.
    """
    if not is_native():
        return False
    _pointer(instance, _CHAIN).value = signature
    entry = native_entry(build=build) if signature else slow_entry()
    _pointer(instance, _ENTRY).value = entry or slow_entry()
    return bool(entry)


def first_signature(instance: Any) -> int:
    """The address of the signature that calls of ``instance`` try first, which may be another than
    the one that was installed; 0 if there is none."""
    return (_pointer(instance, _CHAIN).value or 0) if is_native() else 0


def is_installed(instance: Any) -> bool:
    """Whether calls of ``instance`` go to the native entry."""
    return is_native() and _pointer(instance, _ENTRY).value == native_entry(build=False) != 0


def native_entry(*, build: bool) -> int:
    """The address of the entry's code, 0 if there is none: not native here, or not built yet."""
    global _entry
    if not _entry and is_native():
        _entry = _load_entry(build)
    return _entry


_entry = 0
_is_absent = False  # from the disk cache: that is asked once


def _load_entry(build: bool) -> int:
    global _is_absent
    if _is_absent and not build:
        return 0
    from mlc.backends.llvm.target import host_target
    from mlc.runtime import cache
    from mlc.runtime.sources import installation, loaded_sources
    from mlc.runtime.symbols import resolver

    target = host_target()
    key = cache.content_key("entry", installation(), target.key())
    found = cache.get(key)
    _is_absent = found is None
    if _is_absent and not build:
        return 0
    # Optimising takes twice as long again; it pays when later processes find the result.
    effort: Literal["light"] | None = "light" if config.cache else None
    if found is not None:
        data = found.image
    else:
        from mlc.runtime.entry_ir import ENTRY_IR

        data = image.compile_image(ENTRY_IR, target, optimize=effort)
        cache.put(key, data, {"name": "native entry"}, loaded_sources())
    _follow_limit()
    Config.workspace_memory.watchers.append(_follow_limit)
    return image.load_image(data, resolver({"mlc_slow_entry": slow_entry()})).address("mlc_entry")


def _follow_limit() -> None:
    from mlc.runtime.symbols import workspace_limit

    lower = workspace_limit.value > config.workspace_memory
    workspace_limit.value = config.workspace_memory
    if lower:
        from mlc.runtime.result_memory import release_memory

        release_memory()


def _pointer(instance: Any, offset: int) -> ctypes.c_void_p:
    return ctypes.c_void_p.from_address(id(instance) + offset)


@functools.cache
def slow_entry() -> int:
    """The address of the stub that forwards a call to the instance's slow callable; 0 where calls
    are not native."""
    if not is_native():
        return 0
    function = ctypes.cast(ctypes.pythonapi.PyObject_Vectorcall, ctypes.c_void_p).value or 0
    code = _STUBS[os.uname().machine](function, id(_destroyed))
    base = image._map_memory(len(code))
    ctypes.memmove(base, code, len(code))
    image._protect_code(base, len(code))
    return base


def _destroyed(*_: object, **__: object) -> None:
    raise ReferenceError("this compiled function is being destroyed and cannot be called any more")


def _x86_stub(function: int, fallback: int) -> bytes:
    return b"".join([
        b"\x48\x8b\x7f" + bytes([_SLOW]),  # mov rdi, [rdi + slow]
        b"\x48\x85\xff",  # test rdi, rdi
        b"\x75\x0a",  # jnz over the next
        b"\x48\xbf" + struct.pack("<Q", fallback),  # mov rdi, fallback
        b"\xff\x25\x00\x00\x00\x00" + struct.pack("<Q", function),  # jmp [rip]
    ])  # fmt: skip


def _arm_stub(function: int, fallback: int) -> bytes:
    return struct.pack(
        "<6I2Q",
        0xF9400000 | (_SLOW // 8) << 10,  # ldr x0, [x0, slow]
        0xB5000040,  # cbnz x0, over the next
        0x58000080,  # ldr x0, fallback
        0x580000B0,  # ldr x16, function
        0xD61F0200,  # br x16
        0xD503201F,  # nop
        fallback,
        function,
    )


_STUBS = {"x86_64": _x86_stub, "aarch64": _arm_stub}


class _PlainCallable:
    """The same face without native calls."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        slow = self.__dict__.get("_slow")
        if slow is None:
            raise TypeError(f"{type(self).__name__} object is not ready to be called")
        return slow(*args, **kwargs)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)


def _native_type(name: str) -> type:
    """The heap type: what a C extension would declare, through the stable C API."""
    api = ctypes.pythonapi

    def address(symbol: str) -> int | None:
        return ctypes.cast(api[symbol], ctypes.c_void_p).value

    get_slot = api["PyType_GetSlot"]
    get_slot.restype, get_slot.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_int]
    members = (_Member * 5)(
        _Member(b"__vectorcalloffset__", _T_PYSSIZET, _ENTRY, _READONLY, None),
        _Member(b"__dictoffset__", _T_PYSSIZET, _DICT, _READONLY, None),
        _Member(b"__weaklistoffset__", _T_PYSSIZET, _WEAK, _READONLY, None),
        _Member(b"_slow", _T_OBJECT_EX, _SLOW, 0, None),
        _Member(),
    )
    getset = (_GetSet * 2)(
        _GetSet(
            b"__dict__", address("PyObject_GenericGetDict"), address("PyObject_GenericSetDict"),
            None, None,
        ),
        _GetSet(),
    )  # fmt: skip
    # A Python class's own traverse and clear handle members, dictionary and bases of any class;
    # a function's binding only makes the method object.
    pattern = type("Pattern", (), {})
    slots = (_Slot * 7)(
        _Slot(_TP_CALL, address("PyVectorcall_Call")),
        _Slot(_TP_TRAVERSE, get_slot(pattern, _TP_TRAVERSE)),
        _Slot(_TP_CLEAR, get_slot(pattern, _TP_CLEAR)),
        _Slot(_TP_DESCR_GET, get_slot(types.FunctionType, _TP_DESCR_GET)),
        _Slot(_TP_MEMBERS, ctypes.addressof(members)),
        _Slot(_TP_GETSET, ctypes.addressof(getset)),
        _Slot(0, None),
    )
    flags = _HAVE_GC | _HAVE_VECTORCALL | _METHOD_DESCRIPTOR
    spec = _Spec(name.encode(), _SIZE, 0, flags, slots)
    # The type goes on pointing into these.
    _kept.append((members, getset, spec))
    from_spec = api["PyType_FromSpec"]
    from_spec.restype, from_spec.argtypes = ctypes.py_object, [ctypes.POINTER(_Spec)]
    made: type = from_spec(ctypes.byref(spec))
    return made


_kept: list[Any] = []
