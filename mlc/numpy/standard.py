"""Functions that the array API standard calls otherwise than NumPy does, in one form for both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..dtypes import as_dtype
from . import wrapping

_ABSENT: Any = object()


def _base(name: str) -> Callable[..., Any]:
    return wrapping.wrapped(getattr(np, name), name, "mlc.numpy")


def clip(x: Any, /, min: Any = _ABSENT, max: Any = _ABSENT, **options: Any) -> Any:
    """``x`` with what is below ``min`` or above ``max`` replaced by that; None is no bound.

    NumPy's ``a_min``, ``a_max``, ``out`` and the options of a ufunc are taken too.
    """
    low = options.pop("a_min", None if min is _ABSENT else min)
    high = options.pop("a_max", None if max is _ABSENT else max)
    return _base("clip")(x, low, high, **options)


def sort(
    x: Any, /, axis: int | None = -1, kind: Any = None, order: Any = None, *,
    descending: bool = False, stable: bool | None = None,
) -> Any:  # fmt: skip
    """``x`` in order along ``axis`` (None: flattened); NaN comes last, or first if descending."""
    found = _base("sort")(x, **_options(axis=axis, kind=kind, order=order, stable=stable))
    return _base("flip")(found, -1 if axis is None else axis) if descending else found


def argsort(
    x: Any, /, axis: int | None = -1, kind: Any = None, order: Any = None, *,
    descending: bool = False, stable: bool | None = None,
) -> Any:  # fmt: skip
    """The indices that `sort` ``x``; equal elements keep their order if ``stable``."""
    options = _options(axis=axis, kind=kind, order=order, stable=stable)
    if not descending:
        return _base("argsort")(x, **options)
    if axis is None:
        x, axis = _base("ravel")(x), -1
        options["axis"] = axis
    flip = _base("flip")
    found = flip(_base("argsort")(flip(x, axis), **options), axis)
    return np.shape(x)[axis] - 1 - found


def _options(**given: Any) -> dict[str, Any]:
    """The options of a sort that say something: the axis, and what is not None."""
    return {key: value for key, value in given.items() if value is not None or key == "axis"}


class Limits:
    """What `finfo` or `iinfo` tells: Python numbers for the standard's names, all else NumPy's."""

    __slots__ = ("_found", "dtype")

    def __init__(self, found: Any) -> None:
        self._found = found
        self.dtype = np.dtype(found.dtype)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._found, name)
        return value.item() if isinstance(value, np.generic) and name in _LIMITS else value

    def __repr__(self) -> str:
        return repr(self._found)

    def __reduce__(self) -> Any:
        return (finfo if self.dtype.kind == "f" else iinfo), (self.dtype,)


_LIMITS = ("eps", "epsneg", "max", "min", "smallest_normal", "tiny", "resolution")


def finfo(type: Any, /) -> Limits:
    """Limits of a floating dtype, or of an array's; for complex ones those of a component."""
    dtype = _dtype(type)
    if dtype.name == "bfloat16":
        import ml_dtypes

        return Limits(ml_dtypes.finfo(dtype))
    return Limits(np.finfo(dtype))


def iinfo(type: Any, /) -> Limits:
    """Limits of an integer dtype, or of an array's."""
    return Limits(np.iinfo(_dtype(type)))


def _dtype(value: Any) -> np.dtype[Any]:
    """A dtype, or that of an array."""
    if isinstance(value, str) and value == "bfloat16":
        return as_dtype(value).numpy
    found = getattr(value, "dtype", None)
    return found if isinstance(found, np.dtype) else np.dtype(value)


OVERRIDES = {f.__name__: f for f in (clip, sort, argsort, finfo, iinfo)}
for _function in OVERRIDES.values():
    _function.__module__ = "mlc.numpy"
