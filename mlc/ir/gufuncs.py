"""NumPy's generalised ufuncs as library functions: LAPACK as NumPy brings it, called by address.

A call is ``Evaluate("mlc_gufunc_linalg__inv__d_d", (a, out, 2, N, n, ...steps))``: the arrays as
buffers, then the number of sizes, the sizes and the steps in bytes, as the C loop of a ufunc gets
them (NumPy's C API, "PyUFuncGenericFunction"). The loops hold no lock and may be called from
anywhere. Where LAPACK fails they fill the results with NaN.
"""

from __future__ import annotations

import ctypes
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from .call_names import GUFUNC
from .printing import is_print, print_address, tell

_MODULES = {"linalg": "numpy.linalg._umath_linalg", "fft": "numpy.fft._pocketfft_umath"}
PARTS = {"f": ("float32", 1), "d": ("float64", 1), "F": ("float32", 2), "D": ("float64", 2)}
# Fields of PyUFuncObject, part of NumPy's binary interface since 1.0: bytes from its beginning.
_FUNCTIONS, _DATA = 32, 40


def gufunc_name(module: str, function: str, types: str) -> str:
    """The name under which a loop, such as "dd->d", of a NumPy gufunc is called."""
    return f"{GUFUNC}{module}__{function}__{types.replace('->', '_')}"


def gufunc(module: str, *names: str) -> tuple[str, Any]:
    """The first of ``names`` that this NumPy has, with the ufunc."""
    found = import_module(_MODULES[module])
    for name in names:
        made = getattr(found, name, None)
        if isinstance(made, np.ufunc):
            return name, made
    raise UnsupportedError(
        f"NumPy {np.__version__} has no {_MODULES[module]}.{names[0]}, which traced functions "
        f"call; call the function outside"
    )


@cache
def _loop(name: str) -> tuple[Any, str, int, int]:
    """(ufunc, its types, address of the loop, address of what the loop is given: of a bool)."""
    module, function, kinds = name.removeprefix(GUFUNC).split("__")
    _, made = gufunc(module, function)
    types = kinds.replace("_", "->")
    if types not in made.types or np.dtype(np.intp).itemsize != 8:
        raise UnsupportedError(f"NumPy {np.__version__} has no {function} for {types} that fits")
    number = made.types.index(types)

    def entry(field: int) -> int:
        table = ctypes.c_void_p.from_address(id(made) + field).value
        return ctypes.c_void_p.from_address(table + 8 * number).value or 0 if table else 0

    return made, types, entry(_FUNCTIONS), entry(_DATA)


def loop_address(name: str) -> int:
    """Where the C loop is; 0 if it wants data of its own, which is passed to Fourier's alone."""
    if is_print(name):
        return print_address(name)
    _, _, address, data = _loop(name)
    return 0 if data and not name.startswith(f"{GUFUNC}fft__") else address


def direction_of(name: str) -> bool | None:
    """Of a Fourier transform: whether it goes forward, as its loop wants to be told by the address
    of a bool; None for all other loops."""
    if not name.startswith((f"{GUFUNC}fft__fft__", f"{GUFUNC}fft__ifft__")):
        return None
    _, _, _, data = _loop(name)
    return ctypes.c_bool.from_address(data).value if data else None


def run_gufunc(name: str, arrays: list[Any]) -> None:
    """The call by way of Python: the last of ``arrays`` are written."""
    if is_print(name):
        whole = [np.ascontiguousarray(array) for array in arrays]
        tell(name, [array.ctypes.data for array in whole])
        return
    made, types, _, _ = _loop(name)
    kinds = types.replace("->", "")
    arrays = [_complex(a) if k in "FD" else a for a, k in zip(arrays, kinds, strict=True)]
    inputs, outputs = arrays[: made.nin], arrays[made.nin :]
    if name.startswith(f"{GUFUNC}fft__"):  # how long the results are, they say themselves
        made(*inputs, signature=types, out=tuple(outputs))
        return
    with np.errstate(all="ignore"):
        found = made(*inputs, signature=types)
    for out, value in zip(outputs, found if made.nout > 1 else (found,), strict=True):
        out[...] = value


def _complex(array: Any) -> Any:
    """Real numbers with a last axis of 2 as the complex numbers whose memory they are."""
    return array.view(np.result_type(array.dtype, np.complex64))[..., 0]
