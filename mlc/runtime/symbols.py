"""Addresses of what compiled code may call: libm and libc, Python's C API and NumPy's."""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Callable, Mapping
from typing import Any

from mlc.errors import CompileError

# Slots of NumPy's C API table: part of its binary interface, the same in 1.26 and 2.x.
_NUMPY_SLOTS = {
    "PyArray_Type": 2,
    "PyArray_DescrFromType": 45,
    "PyArray_Return": 76,
    "PyArray_Resize": 80,
    "PyArray_New": 93,
    "PyArray_NewFromDescr": 94,
    "PyArray_Zeros": 183,
    "PyArray_Empty": 184,
    "PyDataMem_GetHandler": 305,
    "PyDataMem_DefaultHandler": 306,
}
WORKSPACE_CELLS = 48
# One cached block for each power of two, shared by all kernels of the process.
_workspace_cells = (ctypes.c_void_p * WORKSPACE_CELLS)()
_room_cells = (ctypes.c_void_p * WORKSPACE_CELLS)()  # the same for results of unknown sizes
workspace_limit = ctypes.c_int64()  # bytes of all blocks that are kept between calls
LARGE = 1 << 25  # bytes from which the C library takes fresh pages for every array
ALIGNED = 1 << 12  # bytes from which results begin at cache lines
aligned_results = ctypes.c_void_p()  # what makes arrays of that size, once there were MANY
MANY = 16
results_to_come = ctypes.c_int64(MANY)  # after so many the entry calls the Python function ...
when_many_results = ctypes.c_void_p()


def resolver(extra: Mapping[str, int] | None = None) -> Callable[[str], int]:
    """A function from a symbol's name to its address; ``extra`` symbols hide all others."""
    if not extra:
        return resolve
    return lambda name: extra[name] if name in extra else resolve(name)


def resolve(name: str) -> int:
    """The address of a symbol, CompileError if nobody has it."""
    if name in _addresses:
        return _addresses[name]
    address = _find(name)
    if not address:
        raise CompileError(
            f"compiled code calls {name!r}, and no library that this process has loaded has a "
            f"function of that name; load its library first, with ctypes.CDLL(path, "
            f"mode=ctypes.RTLD_GLOBAL), or give its code to @mlc.intrinsic"
        )
    _addresses[name] = address
    return address


def define(name: str, address: int) -> None:
    """Provide a symbol to all images loaded from now on."""
    _addresses[name] = address


def provide(name: str, address: int) -> bool:
    """The same for a symbol of a user's; False where another function goes by that name."""
    known = _addresses.get(name) or _find(name)
    if known in (0, address):
        define(name, address)
    return known in (0, address)


_addresses: dict[str, int] = {
    "mlc_workspace_cells": ctypes.addressof(_workspace_cells),
    "mlc_room_cells": ctypes.addressof(_room_cells),
    "mlc_workspace_limit": ctypes.addressof(workspace_limit),
    "mlc_aligned_results": ctypes.addressof(aligned_results),
    "mlc_results_to_come": ctypes.addressof(results_to_come),
    "mlc_when_many_results": ctypes.addressof(when_many_results),
}


def _find(name: str) -> int:
    if name in ("mlc_parallel_for", "mlc_thread_count"):
        from mlc.runtime.threads import pool_address

        return pool_address(name)
    if name.startswith("mlc_gufunc_"):
        from mlc.ir.gufuncs import loop_address

        return loop_address(name)
    if name.startswith("mlc_numpy_sort_"):
        return _sort_address(name.removeprefix("mlc_numpy_sort_"))
    if name.startswith("mlc_c_"):
        from mlc.runtime.c_library import address_of_symbol

        return address_of_symbol(name)
    if name in _NUMPY_SLOTS:
        return numpy_api()[_NUMPY_SLOTS[name]] or 0
    if name.startswith(("Py", "_Py")):
        return _address_in(ctypes.pythonapi, name)
    return next(filter(None, (_address_in(library, name) for library in _libraries())), 0)


def _address_in(library: ctypes.CDLL, name: str) -> int:
    try:
        return ctypes.cast(library[name], ctypes.c_void_p).value or 0
    except (AttributeError, ValueError):
        return 0


@functools.cache
def numpy_api() -> Any:
    """NumPy's C API table, as an array of addresses."""
    try:
        from numpy._core import _multiarray_umath as core  # type: ignore[attr-defined]
    except ImportError:  # NumPy 1.26
        from numpy.core import _multiarray_umath as core  # type: ignore[no-redef]
    unwrap = ctypes.pythonapi["PyCapsule_GetPointer"]
    unwrap.restype = ctypes.c_void_p
    unwrap.argtypes = [ctypes.py_object, ctypes.c_char_p]
    return ctypes.cast(unwrap(core._ARRAY_API, None), ctypes.POINTER(ctypes.c_void_p))


# Of PyArray_ArrFuncs: 21 conversions and 12 functions stand before those that sort.
_SORT_FIELD = (21 + 12) * 8
_OLD_FUNCTIONS = 64  # bytes from the beginning of NumPy 1's PyArray_Descr to its ArrFuncs


def _sort_address(dtype: str) -> int:
    """The C function by which NumPy sorts contiguous elements of ``dtype`` in place."""
    import numpy as np

    descr = np.dtype(dtype)
    if np.lib.NumpyVersion(np.__version__) >= "2.0.0":
        functions_of = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)(numpy_api()[365])
        functions = functions_of(id(descr))
    else:
        functions = ctypes.c_void_p.from_address(id(descr) + _OLD_FUNCTIONS).value
    return ctypes.c_void_p.from_address(functions + _SORT_FIELD).value or 0


@functools.cache
def _libraries() -> tuple[ctypes.CDLL, ...]:
    if sys.platform == "win32":
        return (ctypes.CDLL("ucrtbase"), ctypes.CDLL("msvcrt"))
    # Python itself links libc, and nearly always libm; `find_library` would start a compiler.
    found = [ctypes.CDLL(None)]
    for path in ("libm.so.6", "libm.so", "libSystem.B.dylib"):
        try:
            found.append(ctypes.CDLL(path))
            break
        except OSError:
            continue
    return tuple(found)
