"""``np.vectorize`` and ``np.apply_along_axis`` while tracing: native loops over what they call a
function with."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from ..ops.broadcast import as_axis
from ..ops.op import leaves_of
from ..tracer import tree
from ..tracer.lists import whole
from .carry import NotNative
from .convert import converted
from .forms import map as map_over
from .spec import ONE_DTYPE

_FEW = 4  # slices that are written out
_PYTHON = {"f": "float64", "i": "int64", "u": "int64"}  # what Python's numbers are, by kind


def vectorized(function: Any) -> Callable[..., Any]:
    """What to call in the place of an ``np.vectorize`` object: for traced arguments a loop that
    calls the Python function with one element each.

    As in NumPy the function computes with Python's numbers, and the result has the dtype that it
    has for the first number of the array: where branches of the function give several, the data
    choose.
    """

    def run(*args: Any, **kwargs: Any) -> Any:
        if not any(
            hasattr(type(leaf), "__mlc_lift__") for leaf in leaves_of([*args, *kwargs.values()])
        ):
            return function(*args, **kwargs)
        if function.signature is not None:
            raise UnsupportedError(
                "np.vectorize with signature= cannot be traced; np.apply_along_axis, with the "
                "function of a row, and loops over the rows are native loops"
            )
        inner, apart = converted(function.pyfunc), function.excluded
        places = [n for n in range(len(args)) if n not in apart]
        names = [name for name in kwargs if name not in apart]

        def of_element(*elements: Any) -> Any:
            given = list(args)
            for place, element in zip(places, elements):
                given[place] = element
            return inner(*given, **{**kwargs, **dict(zip(names, elements[len(places) :]))})

        along = (*(args[place] for place in places), *(kwargs[name] for name in names))
        return _mapped(of_element, along, function.otypes) if along else inner(*args, **kwargs)

    return run


def along_axis(func1d: Callable[..., Any], axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """``np.apply_along_axis``: a native loop over the slices, where there are more than a few."""
    given = [arr, *args, *kwargs.values()]
    if not any(hasattr(type(leaf), "__mlc_lift__") for leaf in leaves_of(given)):
        return np.apply_along_axis(func1d, axis, arr, *args, **kwargs)
    function = converted(func1d)
    place = as_axis("np.apply_along_axis", axis, np.ndim(arr))
    rows = np.moveaxis(arr, place, -1)
    *outer, n = rows.shape
    count = math.prod(outer)
    if count <= _FEW:
        return np.apply_along_axis(function, axis, arr, *args, **kwargs)
    of_row = lambda row: _as_array(function(row, *args, **kwargs))
    found = map_over(of_row, np.reshape(rows, (count, n)))
    whole = np.reshape(found, (*outer, *found.shape[1:]))
    inner = tuple(range(len(outer), whole.ndim))
    return np.moveaxis(whole, inner, tuple(range(place, place + len(inner))))


def _as_array(value: Any) -> Any:
    value = whole(value)
    return value if hasattr(value, "shape") else np.asarray(value)


def _wide(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return dtype if dtype == np.uint64 else np.dtype(_PYTHON.get(dtype.kind, dtype))


def _mapped(function: Callable[..., Any], args: tuple[Any, ...], otypes: Any) -> Any:
    arrays: Any = np.broadcast_arrays(*args)
    shape = np.shape(arrays[0])
    flat = [np.ravel(array) for array in arrays]
    if not np.size(arrays[0]):
        raise UnsupportedError(f"np.vectorize over arrays of shape {shape} cannot be traced")
    kinds = otypes or _kinds(function, [a[0] for a in flat])
    wide = tuple(a.astype(_wide(np.dtype(a.dtype))) for a in flat)
    found = map_over(lambda given: function(*given), wide)
    parts, structure = tree.flatten(found)
    made = [
        np.reshape(part, shape).astype(np.dtype(kind))
        for part, kind in zip(parts, kinds, strict=True)
    ]
    return tree.unflatten(structure, made)


def _kinds(function: Callable[..., Any], first: list[Any]) -> list[np.dtype[Any]]:
    """The dtypes of what ``function`` returns for the ``first`` elements."""
    token = ONE_DTYPE.set(True)
    try:
        parts = tree.flatten(function(*first))[0]
    except NotNative as reason:
        ONE_DTYPE.set(False)
        function(*first)  # which tells what else is the matter
        raise UnsupportedError(
            f"np.vectorize: {reason.message}, and the dtype of the result is that of the first, "
            f"which data decide; say which with otypes="
        ) from None
    finally:
        ONE_DTYPE.reset(token)
    return [np.result_type(part) for part in parts]
