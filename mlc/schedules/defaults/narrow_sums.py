"""Sums of small whole numbers, in types as narrow as hold them.

::

    s[j] = sum_k int64(x[k, j])     ->      p[c, j] = sum_k uint16(x[c * 128 + k, j])
                                            s[j] = sum_c int64(p[c, j])

What NumPy adds up in 64 bits comes from elements of 8 or 16: vectors hold four or eight times as
many, and no element is widened further than its partial sum needs. Whole numbers add up to the
same in any order, in float64 too while no sum leaves the numbers that it holds without rounding.
"""

from __future__ import annotations

from dataclasses import replace
from math import isfinite, prod

from ...dtypes import DType, float32, float64, int16, int32, uint8, uint16, uint32
from ...ir.bounds import interval
from ...ir.combiner import reducer
from ...ir.expr import Axis, Cast, Const, Expr, Reduce, Select, cast, const, reduce, select
from ...ir.rewrite import postorder
from ...te.factor import factor_reduction
from ...te.program import Nest
from .access import points, reduce_axes
from .folds import vector_axis
from .machine import Machine
from .reduction import ROW_BLOCKS, rows_in_vectors

LEAST = 32  # elements of a sum; fewer gain less than the second pass costs
LEAST_POINTS = 1 << 13
STEPS = 8  # of a partial sum, at least
VECTORS = 2, 1  # of partial sums beside each other, where lanes run along the fold
EXACT = {float64: 1 << 53, float32: 1 << 24}  # up to here every whole number is one of the type


def narrow_sum(nest: Nest, machine: Machine) -> tuple[Nest, Nest] | None:
    """Partial sums in a narrower type, and what adds them up; None where that gains nothing."""
    root, folds = nest.compute.body[0], reduce_axes(nest)
    if not isinstance(root, Reduce) or len(nest.compute.body) != 1 or root.combiner.fn != "add":
        return None
    many = prod(a.extent for a in folds)
    if many < LEAST or points(nest) < LEAST_POINTS:
        return None
    (value,) = root.values
    wide = value.dtype
    bounds = _bounds(value)
    if bounds is None or wide.itemsize < 4 or (wide.is_float and wide not in EXACT):
        return None
    low, high = bounds
    if wide.is_float and max(-low, high) * many > EXACT[wide]:
        return None
    axis = vector_axis(nest, nest.compute.axes)
    split = axis if axis is not None and axis.is_reduce else folds[0]
    beside = axis is split
    for dtype in (uint8, int16, uint16, int32, uint32):
        if dtype.itemsize < _width(value) or dtype.itemsize >= wide.itemsize:
            continue
        whole = machine.vector_bytes // dtype.itemsize
        if beside:
            lanes = next((v * whole for v in VECTORS if split.extent >= STEPS * v * whole), 0)
        else:
            lanes = rows_in_vectors(nest, whole) if nest.compute.axes else 1
            lanes = lanes if split.extent >= STEPS * lanes else 1
        if not lanes:
            return None
        steps = _steps(low, high, dtype, many // split.extent, split.extent, lanes)
        if steps is not None:
            if lanes == 1 and split.extent >= ROW_BLOCKS**2:  # in order, each thread its share
                steps = min(steps, -(-split.extent // ROW_BLOCKS))
            return _factored(nest, root, split, steps, lanes, dtype, beside)
    return None


def _bounds(value: Expr) -> tuple[int, int] | None:
    """What a whole number of at most 16 bits, which was widened, lies between."""
    match value:
        case Cast(x) if not x.dtype.is_float and x.dtype.itemsize <= 2:
            low, high = interval(x, {})
            if not (isfinite(low) and isfinite(high)):
                low, high = x.dtype.lowest, x.dtype.highest
            return int(low), int(high)
        case Select(_, a, b):
            both = _bounds(a), _bounds(b)
            if both[0] is None or both[1] is None:
                return None
            return min(both[0][0], both[1][0]), max(both[0][1], both[1][1])
        case Const(value=number) if number == int(number) and abs(number) < 1 << 16:
            return int(number), int(number)
    return None


def _width(value: Expr) -> int:
    """Bytes of the widest element that decides how many lanes there are."""
    sizes = [1]
    left = [value]
    while left:
        match left.pop():
            case Cast(x):
                sizes += [n.dtype.itemsize for n in postorder(x) if n.dtype.name != "int64"]
            case Select(test, a, b):
                sizes += [n.dtype.itemsize for n in postorder(test) if n.dtype.name != "int64"]
                left += [a, b]
    return max(sizes)


def _steps(low: int, high: int, dtype: DType, others: int, extent: int, lanes: int) -> int | None:
    """How many steps of an axis one partial sum in ``dtype`` takes, ``others`` elements in each."""
    least, greatest = int(dtype.lowest), int(dtype.highest)
    if low < least or high > greatest:
        return None
    most = min(greatest // high if high > 0 else extent, least // low if low < 0 else extent)
    steps = -(-extent // lanes)
    most //= others
    if most >= steps:
        return steps
    if most < STEPS:
        return None
    return 1 << (most.bit_length() - 1)


def _factored(
    nest: Nest, root: Reduce, axis: Axis, steps: int, lanes: int, dtype: DType, is_last: bool
) -> tuple[Nest, Nest]:
    """Sums of ``steps`` in ``dtype``, ``lanes`` of them beside each other, as the last axis if that
    ``is_last``, and the sum of those."""
    narrow = reduce(reducer("sum", dtype), (_narrowed(root.values[0], dtype),), root.axes, 0)
    op = replace(nest.compute, body=(narrow,))
    chunks = -(-axis.extent // (steps * lanes))
    parts = (chunks, steps, lanes) if lanes > 1 else (chunks, steps)
    kept = (0, 2) if lanes > 1 else (0,)
    first, last = factor_reduction(
        Nest(nest.tensors, op), axis, parts, kept, "narrow", is_outermost=not is_last
    )
    again = last.compute.body[0]
    assert isinstance(again, Reduce)
    wide = cast(again.values[0], root.values[0].dtype)
    body = (reduce(root.combiner, (wide,), again.axes, 0),)
    return first, Nest(nest.tensors, replace(last.compute, body=body))


def _narrowed(value: Expr, dtype: DType) -> Expr:
    match value:
        case Cast(x):
            return cast(x, dtype)
        case Select(test, a, b):
            return select(test, _narrowed(a, dtype), _narrowed(b, dtype))
        case Const(value=number):
            return const(int(number), dtype)
    raise AssertionError(value)
