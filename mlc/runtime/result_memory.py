"""The memory of results: it begins at cache lines, and that of large ones is kept for later calls.

Most of NumPy's arrays begin 16 bytes after a cache line, and each store of a whole line then writes
to two of them. So a compiled function makes results of `symbols.ALIGNED` bytes and more in memory
of its own.

The C library gives memory of 32 MB and more back to the system at once, and a new array of that
size begins with pages that the system must clear: for a sum of two arrays of ten million elements
that takes as long as the sum. So a compiled function makes such results in memory that is kept when
the array is freed, up to ``mlc.config.result_memory`` bytes in all. They are ordinary arrays: they
own their memory, ``base`` is None, ``resize`` works, and ``tracemalloc`` sees them.

A process without such results never loads this module.
"""

from __future__ import annotations

import ctypes
from typing import Any

from mlc.config import Config, config
from mlc.records import dataclass
from mlc.runtime.native_call import is_native
from mlc.runtime.symbols import aligned_results, resolve


@dataclass(frozen=True)
class ResultMemory:
    """What is kept now: bytes of it, bytes that may be, and how often a result was given some."""

    kept: int
    limit: int
    reused: int


@dataclass(slots=True)
class _Loaded:
    image: Any = None


_loaded = _Loaded()


def switch_on() -> None:
    """Let results of the native entry come from here. The second call does nothing."""
    if aligned_results.value or not config.result_memory or not _knows_handlers():
        return
    _loaded.image = loaded = _loaded.image or _load()
    new = ctypes.pythonapi["PyCapsule_New"]
    new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p] * 3
    capsule = new(
        loaded.address("mlc_results_handler"), loaded.address("mlc_results_capsule_name"), None
    )
    # Arrays that outlive the interpreter's modules go on referring to it.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(capsule))
    loaded.pointer("mlc_results_capsule").value = id(capsule)
    _follow_limit()
    Config.result_memory.watchers.append(_follow_limit)
    aligned_results.value = loaded.address("mlc_new_result")


def result_memory() -> ResultMemory:
    """What is kept now for large results."""
    if _loaded.image is None:
        return ResultMemory(0, config.result_memory, 0)
    return ResultMemory(*(_number(what).value for what in ("kept", "limit", "reused")))


def release_memory() -> int:
    """Give kept memory back to the system: that of freed large results, and workspaces that no
    kernel is using. Returns the bytes of the former. Later calls keep memory again."""
    if not is_native():
        return 0
    if _loaded.image is None:
        _loaded.image = _load()
    kept = int(_number("kept").value)
    _call("mlc_results_drop")
    return kept


def _knows_handlers() -> bool:
    """Whether NumPy's arrays hold what frees them where `HANDLER_AT` says."""
    import numpy as np

    from mlc.runtime.result_memory_ir import HANDLER_AT

    get_handler = ctypes.PYFUNCTYPE(ctypes.py_object)(resolve("PyDataMem_GetHandler"))
    array = np.empty(0)
    return ctypes.c_void_p.from_address(id(array) + HANDLER_AT).value == id(get_handler())


def _follow_limit() -> None:
    _number("limit").value = config.result_memory
    _call("mlc_results_trim")


def _number(what: str) -> Any:
    return ctypes.c_int64.from_address(_loaded.image.address(f"mlc_results_{what}"))


def _call(name: str) -> None:
    ctypes.CFUNCTYPE(None)(_loaded.image.address(name))()


def _load() -> Any:
    from mlc.backends.llvm.target import host_target
    from mlc.runtime import cache, image
    from mlc.runtime.result_memory_ir import result_memory_ir
    from mlc.runtime.symbols import resolver

    target, text = host_target(), result_memory_ir()
    key = cache.content_key("result memory", text, target.key())
    found = cache.get(key)
    data = found.image if found else image.compile_image(text, target, optimize=None)
    if found is None:
        cache.put(key, data, {"name": "memory of large results"})
    return image.load_image(data, resolver())
