"""``np.vectorize`` while tracing: a native loop over the elements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from ..ops.op import leaves_of
from ..tracer import tree
from .convert import converted
from .forms import map as map_over

_PYTHON = {"f": "float64", "i": "int64", "u": "int64"}  # what Python's numbers are, by kind


def vectorized(function: Any) -> Callable[..., Any]:
    """What to call in the place of an ``np.vectorize`` object: for traced arguments a loop that
    calls the Python function with one element each.

    As in NumPy the function computes with Python's numbers, and the result has the dtype that it
    has for a number of the array; where NumPy looks at the first element alone, it is one that
    suits all.
    """

    def run(*args: Any, **kwargs: Any) -> Any:
        if not any(hasattr(type(leaf), "__mlc_lift__") for leaf in leaves_of([*args, kwargs])):
            return function(*args, **kwargs)
        if kwargs or function.signature is not None or function.excluded or not args:
            raise UnsupportedError(
                "np.vectorize with signature=, excluded= or arguments by name cannot be traced; "
                "give the arrays by position, and write the others into the function"
            )
        return _mapped(converted(function.pyfunc), args, function.otypes)

    return run


def _wide(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return dtype if dtype == np.uint64 else np.dtype(_PYTHON.get(dtype.kind, dtype))


def _mapped(function: Callable[..., Any], args: tuple[Any, ...], otypes: Any) -> Any:
    arrays: Any = np.broadcast_arrays(*args)
    shape = np.shape(arrays[0])
    flat = [np.ravel(array) for array in arrays]
    if not np.size(arrays[0]):
        raise UnsupportedError(f"np.vectorize over arrays of shape {shape} cannot be traced")
    kinds = otypes or [
        np.result_type(part) for part in tree.flatten(function(*(a[0] for a in flat)))[0]
    ]
    wide = tuple(a.astype(_wide(np.dtype(a.dtype))) for a in flat)
    found = map_over(lambda given: function(*given), wide)
    parts, structure = tree.flatten(found)
    made = [
        np.reshape(part, shape).astype(np.dtype(kind))
        for part, kind in zip(parts, kinds, strict=True)
    ]
    return tree.unflatten(structure, made)
