"""NumPy functions that are a line or two over other operators."""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import index
from typing import Any

import numpy as np

from .. import te
from ..dtypes import boolean, int8
from ..errors import ArgumentError, DTypeError, ShapeError
from ..ir.expr import Expr
from . import arithmetic, logic, reduce, transcendental
from .aliasing import View
from .broadcast import as_axes, as_axis, as_sizes, as_tensor, shape_of
from .elementwise import astype, select_where
from .index import slice_axis
from .join import concatenate
from .op import implements, op
from .promotion import common_dtype, dtype_of
from .shape import broadcast_to, moved, reshape


@implements(np.copy, np.real)
def copy(a: Any, *_: Any, **__: Any) -> Any:
    """np.copy and np.real: values never change, and are real."""
    return a


@implements(np.conjugate)
def conjugate(x: Any) -> Any:
    """np.conjugate of real numbers, which has no loop for booleans: they become int8."""
    return astype(x, dtype=int8) if dtype_of(x) is boolean else arithmetic.positive(x)


@implements(np.result_type)
def result_type(*arrays_and_dtypes: Any) -> np.dtype[Any]:
    """np.result_type, with traced values among the arguments."""
    return np.result_type(*map(_speaker, arrays_and_dtypes))


def _speaker(value: Any) -> Any:
    """What says the same about dtypes as ``value`` does: a number for a traced Python number."""
    if not hasattr(value, "shape") or isinstance(value, (type, np.dtype)):
        return value
    kind = dtype_of(value).numpy
    return kind.type(0).item() if getattr(value, "_is_weak", False) else kind


@implements(np.can_cast)
def can_cast(from_: Any, to: Any, casting: Any = "safe") -> bool:
    """np.can_cast of the dtype of an array."""
    return np.can_cast(dtype_of(from_).numpy, to, casting)


@implements(np.min_scalar_type)
def min_scalar_type(a: Any, /) -> np.dtype[Any]:
    """np.min_scalar_type: the dtype of an array; of a number the smallest that holds it, which the
    data choose."""
    kind = dtype_of(a).numpy
    if shape_of(a) or kind.kind not in "iuf":
        return kind
    if kind.kind == "f":
        floats = [each for each in map(np.dtype, "efd") if each.itemsize <= kind.itemsize]
        away = np.abs(np.where(np.isfinite(a), a, 0))
        return _first([away < 65000, away < 3.4e38], floats)  # as NumPy's source has them
    sizes = [size for size in (1, 2, 4, 8) if size <= kind.itemsize]
    whole, signed = ([np.dtype(f"{sign}{size}") for size in sizes] for sign in "ui")
    fits = [a <= np.iinfo(each).max for each in whole[:-1]]
    if kind.kind == "u":
        return _first(fits, whole)
    if index(np.where(a < 0, 0, 1)):
        return _first(fits, whole)
    return _first([a >= np.iinfo(each).min for each in signed[:-1]], signed)


def _first(fits: Sequence[Any], kinds: Sequence[np.dtype[Any]]) -> np.dtype[Any]:
    """The first of ``kinds`` of which ``fits`` says so, else the last."""
    missed = [np.where(fit, 0, 1) for fit in fits[: len(kinds) - 1]]
    return kinds[index(sum(missed[1:], missed[0])) if missed else 0]


@implements(np.common_type)
def common_type(*arrays: Any) -> Any:
    """np.common_type."""
    return np.common_type(*(np.empty(0, dtype_of(a).numpy) for a in arrays))


@implements(np.iscomplexobj)
def iscomplexobj(x: Any) -> bool:
    """np.iscomplexobj: False, dtypes here are all real."""
    return False


@implements(np.isrealobj)
def isrealobj(x: Any) -> bool:
    """np.isrealobj: True, dtypes here are all real."""
    return True


@implements(np.allclose)
def allclose(
    a: Any, b: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Any:
    """np.allclose: whether all is close."""
    return reduce.all(logic.isclose(a, b, rtol, atol, equal_nan))


@implements(np.array_equal)
def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> Any:
    """np.array_equal: False at once for different shapes, else a traced bool."""
    if shape_of(a1) != shape_of(a2):
        return False
    same = logic.equal(a1, a2)
    if equal_nan:
        same = logic.logical_or(same, logic.logical_and(logic.isnan(a1), logic.isnan(a2)))
    return reduce.all(same)


@implements(np.diff)
def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """np.diff: ``n`` times the differences of neighbours along ``axis``."""
    axis = as_axis("diff", axis, len(shape_of(a)))
    if n < 0:
        raise ShapeError(f"np.diff: n must not be negative, got {n}")
    if not n:
        return a
    edge = tuple(1 if d == axis else s for d, s in enumerate(shape_of(a)))
    ends = [
        end if end is None or shape_of(end) else broadcast_to(end, edge)
        for end in (None if e is np._NoValue else e for e in (prepend, append))  # type: ignore[attr-defined]
    ]
    parts = [p for p in (ends[0], a, ends[1]) if p is not None]
    a = concatenate(parts, axis=axis) if len(parts) > 1 else a
    subtract = logic.not_equal if dtype_of(a).kind == "b" else arithmetic.subtract
    for _ in range(n):
        after, before = slice_axis(a, slice(1, None), axis), slice_axis(a, slice(None, -1), axis)
        a = subtract(after, before)
    return a


@implements(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1) -> Any:
    """np.trapezoid: the integral of ``y`` along ``axis`` by the trapezoidal rule."""
    axis = as_axis("trapezoid", axis, len(shape_of(y)))
    step = dx if x is None else diff(x, axis=axis if len(shape_of(x)) > 1 else -1)
    if shape_of(step):
        ones = (1,) * (len(shape_of(y)) - 1 - axis)
        step = step if len(shape_of(step)) > 1 else reshape(step, (-1, *ones))
    pairs = arithmetic.add(
        slice_axis(y, slice(1, None), axis), slice_axis(y, slice(None, -1), axis)
    )
    return reduce.sum(arithmetic.divide(arithmetic.multiply(step, pairs), 2.0), axis=axis)


@implements(np.select)
def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    """np.select: of the choices, that of the first condition that holds."""
    if len(condlist) != len(choicelist) or not len(condlist):
        raise ArgumentError(
            f"select: needs equally many conditions and choices, at least one; got {len(condlist)} "
            f"and {len(choicelist)}"
        )
    if default is None:
        raise DTypeError("np.select: default=None would make an array of objects; give a number")
    for condition in condlist:
        if dtype_of(condition).kind != "b":
            raise ArgumentError(f"np.select: conditions must be bools, got {dtype_of(condition)}")
    dtype = common_dtype(*choicelist, default)
    if dtype.is_integer:
        for choice in choicelist:
            if type(choice) is int and not dtype.lowest <= choice <= dtype.highest:
                raise DTypeError(f"np.select: the choice {choice} is out of bounds for {dtype}")
    out = astype(default, dtype=dtype)
    for condition, choice in reversed(list(zip(condlist, choicelist))):
        out = select_where(condition, astype(choice, dtype=dtype), out)
    return out


@implements(np.sinc)
def sinc(x: Any) -> Any:
    """np.sinc: ``sin(pi * x) / (pi * x)``, 1 at 0."""
    y = arithmetic.multiply(x, math.pi)
    ratio = arithmetic.divide(transcendental.sin(y), select_where(logic.equal(y, 0), 1.0, y))
    return select_where(logic.equal(y, 0), 1.0, ratio)


def _in_windows(x: Any, others: Any, static: dict[str, Any]) -> Any:
    return np.lib.stride_tricks.sliding_window_view(x, static["window"], static["axes"])


@op(view=View(None, _in_windows))
def windows(x: Any, *, window: tuple[int, ...], axes: tuple[int, ...]) -> Any:
    """Every window of the given sizes along ``axes``, as new last axes."""
    x = as_tensor(x)
    size = dict(zip(axes, window, strict=True))
    outer = tuple(s - size[d] + 1 if d in size else s for d, s in enumerate(x.shape))

    def source(index: Sequence[Expr]) -> list[Expr]:
        inner = dict(zip(axes, index[x.ndim :], strict=True))
        return [i + inner[d] if d in inner else i for d, i in enumerate(index[: x.ndim])]

    made: te.Tensor = moved(x, (*outer, *window), source, "windows")
    return made


@implements(np.lib.stride_tricks.sliding_window_view)
def sliding_window_view(x: Any, window_shape: Any, axis: Any = None, **_: Any) -> Any:
    """np.lib.stride_tricks.sliding_window_view, an index map like any view."""
    shape, sizes = shape_of(x), as_sizes("sliding_window_view", window_shape)
    axes = as_axes("sliding_window_view", axis, len(shape))
    if isinstance(axis, (tuple, list)):  # the windows are in the order of the axes given
        axes = tuple(as_axis("sliding_window_view", item, len(shape)) for item in axis)
    if len(axes) != len(sizes) or any(s > shape[d] or s < 1 for d, s in zip(axes, sizes)):
        raise ShapeError(
            f"sliding_window_view: windows of {sizes} do not fit axes {axes} of shape {shape}"
        )
    return windows(x, window=sizes, axes=axes)
