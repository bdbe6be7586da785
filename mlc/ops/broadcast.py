"""Broadcasting and axis numbers: shapes in, shapes and index maps out."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import te
from ..dtypes import DType
from ..errors import ArgumentError, AxisError, ShapeError
from ..ir.expr import Expr, as_expr, const
from ..ir.expr import cast as cast_expr
from ..te.extent import Extent
from .known_lists import unlifted
from .limits import note_conversion
from .op import CURRENT, why_unrolled

Shape = tuple[int, ...]


def shape_of(value: Any) -> Shape:
    """The shape of an array-like; () for a number."""
    shape = getattr(value, "shape", None)
    return tuple(shape) if shape is not None else np.asarray(unlifted(value)).shape


def as_tensor(value: Any) -> te.Tensor:
    """``value`` as a te tensor: numbers, and lists of them, become constants."""
    if isinstance(value, te.Tensor):
        return value
    value = unlifted(value)
    if isinstance(value, (list, tuple)) and any(isinstance(v, te.Tensor) for v in value):
        raise ArgumentError("expected an array, got a list with traced values; use np.stack(...)")
    return te.constant(np.asarray(value))


def size_of(shape: Sequence[int]) -> int:
    return math.prod(shape)


def broadcast_shape(name: str, *shapes: Shape) -> Shape:
    """The shape that all ``shapes`` broadcast to.

    Raises ShapeError naming the two shapes and the axis that clash.
    """
    ndim = max(map(len, shapes), default=0)
    out: list[int] = [1] * ndim
    owner: list[Shape] = [()] * ndim
    for shape in shapes:
        for back, extent in enumerate(reversed(shape), 1):
            if extent == 1 or extent == out[-back]:
                continue
            if out[-back] != 1:
                raise ShapeError(
                    f"{name}: shapes {owner[-back]} and {shape} do not broadcast: axis -{back} has "
                    f"size {out[-back]} in one and {extent} in the other; sizes must be equal or 1"
                )
            out[-back], owner[-back] = extent, shape
    return tuple(out)


def element(value: Any, index: Sequence[Expr], shape: Shape, dtype: DType | None = None) -> Expr:
    """The element of ``value`` (tensor or number) at ``index`` of the shape it is broadcast to."""
    if isinstance(value, te.Tensor):
        if dtype is not None and not value.shape:
            note_conversion(CURRENT.get(), value, dtype)
        offset = len(shape) - value.ndim
        at = [
            index[offset + d] if extent == shape[offset + d] else const(0)
            for d, extent in enumerate(value.shape)
        ]
        expr = value[tuple(at)]
    elif dtype is not None and not isinstance(value, np.generic):
        return const(value, dtype)
    else:
        expr = as_expr(value)
    return expr if dtype is None else cast_expr(expr, dtype)


def as_axis(name: str, axis: Any, ndim: int) -> int:
    """``axis`` counted from the front, checked against ``ndim``."""
    try:
        number = operator.index(axis)
    except TypeError:
        raise ArgumentError(f"{name}: axis must be an integer, got {axis!r}") from None
    if not -ndim <= number < ndim:
        message = f"{name}: axis {number} is out of range for an array of {ndim} dimensions"
        raise AxisError(message, number, ndim)
    return number % ndim


def as_axes(name: str, axis: Any, ndim: int) -> tuple[int, ...]:
    """``axis`` (None for all, an int, or a tuple) as sorted numbers counted from the front."""
    if axis is None:
        return tuple(range(ndim))
    items = axis if isinstance(axis, (tuple, list)) else (axis,)
    axes = tuple(sorted(as_axis(name, item, ndim) for item in items))
    if len(set(axes)) < len(axes):
        raise ShapeError(f"{name}: axis {axis} names the same axis twice")
    return axes


def strict_axes(name: str, axis: Any, ndim: int) -> tuple[int, ...]:
    """The same for reductions, which take neither lists nor bools as axes."""
    if isinstance(axis, (bool, list)):
        raise ArgumentError(f"{name}: axis must be an integer or a tuple of them, got {axis!r}")
    return as_axes(name, axis, ndim)


def is_only_axis(shape: Shape, axis: Any) -> bool:
    """Whether ``axis`` is 0 or -1 of shape (): NumPy's reductions take it, as of shape (1,)."""
    return not shape and not isinstance(axis, (tuple, list, bool)) and axis in (0, -1)


def as_sizes(name: str, shape: Any) -> Shape:
    """``shape`` (an int or a sequence of ints) as a tuple."""
    is_traced_row = hasattr(type(shape), "__mlc_lift__") and shape.ndim == 1
    is_row = is_traced_row or isinstance(shape, (tuple, list, np.ndarray))
    items = tuple(shape) if is_row else (shape,)
    try:
        sizes: Any = tuple(n if type(n) is Extent else operator.index(n) for n in items)
        return sizes
    except TypeError:
        text = "expected a shape of integers"
        raise ShapeError(
            f"{name}: {text}, got {shape!r}; sizes are static: take them from .shape or make the "
            f"argument static{why_unrolled(text)}"
        ) from None
