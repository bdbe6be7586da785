"""Joining and cutting along an axis: concatenate, stack, split, tile, repeat, pad, roll and
flip."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import te
from ..dtypes import as_dtype
from ..errors import ArgumentError, DTypeError, ShapeError
from ..ir.expr import Expr, cast, const, select
from ..te.extent import is_open
from .broadcast import Shape, as_axes, as_axis, as_tensor, is_only_axis, shape_of
from .index import getitem, slice_axis
from .moving import total_of
from .op import implements, op
from .promotion import common_dtype, dtype_of
from .shape import atleast_1d, atleast_2d, atleast_3d, expand_dims, moved, ravel, reshape, swapaxes


@op
def join(parts: Any, *, axis: int, dtype: Any) -> Any:
    """``parts``, a list of arrays equal but along ``axis``, one after the other."""
    target = as_dtype(dtype)
    parts = [p for p in map(as_tensor, parts) if p.shape[axis]] or [as_tensor(parts[0])]
    sizes = [p.shape[axis] for p in parts]
    if is_open(tuple(sizes)):
        total, ends = total_of(sizes)
    else:
        ends = np.cumsum(sizes).tolist()
        total = ends[-1]
    shape = tuple(total if d == axis else s for d, s in enumerate(parts[0].shape))

    def body(*index: Expr) -> Expr:
        def within(first: int, last: int) -> Expr:  # which part: a balanced tree of comparisons
            if first == last:
                size = parts[first].shape[axis]
                start = ends[first - 1] if first else 0
                place = index[axis] - start if first else index[axis]
                if size == 1 and axis == len(index) - 1:  # other rows go on as they lie
                    place = const(0)
                at = (*index[:axis], place, *index[axis + 1 :])
                return cast(parts[first][at], target)
            middle = (first + last) // 2
            return select(
                index[axis] < ends[middle], within(first, middle), within(middle + 1, last)
            )

        return within(0, len(parts) - 1)

    return te.compute(shape, body, name="concatenate")


@implements(np.concatenate, np.concat)
def concatenate(
    arrays: Sequence[Any], /, axis: Any = 0, out: None = None, *, dtype: Any = None,
    casting: Any = "same_kind",
) -> Any:  # fmt: skip
    """np.concatenate: arrays of one shape but for ``axis``; None joins them flattened."""
    parts = list(arrays)
    if not parts:
        raise ShapeError("concatenate: needs at least one array")
    made = common_dtype(*parts) if dtype is None else as_dtype(dtype)
    if axis is None:
        parts, axis = [ravel(p) for p in parts], 0
    first = shape_of(parts[0])
    if not first:
        raise ShapeError("concatenate: 0-d arrays cannot be joined; use np.stack")
    axis = as_axis("concatenate", axis, len(first))
    for number, part in enumerate(parts[1:], 1):
        given = shape_of(part)
        if len(given) != len(first):
            raise ShapeError(
                f"concatenate: array 0 has shape {first} and array {number} has shape {given}; "
                "all must have the same number of dimensions"
            )
        for d, (a, b) in enumerate(zip(first, given, strict=True)):
            if d != axis and a != b:
                raise ShapeError(
                    f"concatenate: shapes {first} and {given} (array {number}) differ in axis "
                    f"{d}: {a} and {b}; only axis {axis} may differ"
                )
    for part, given in zip(parts, arrays, strict=True):
        if type(given) in (bool, int, float) or getattr(given, "_is_weak", False):
            continue
        if not np.can_cast(dtype_of(part).numpy, made.numpy, casting):
            raise DTypeError(
                f"concatenate: {dtype_of(part).name} cannot be cast to {made.name} with "
                f"casting={casting!r}; pass casting='unsafe', or convert with .astype(...)"
            )
    return join(parts, axis=axis, dtype=made)


@implements(np.stack)
def stack(
    arrays: Sequence[Any], axis: int = 0, out: None = None, *, dtype: Any = None,
    casting: Any = "same_kind",
) -> Any:  # fmt: skip
    """np.stack: arrays of one shape along a new axis."""
    parts = list(arrays)
    if not parts:
        raise ShapeError("stack: needs at least one array")
    first = shape_of(parts[0])
    for number, part in enumerate(parts):
        if shape_of(part) != first:
            raise ShapeError(
                f"stack: array 0 has shape {first} and array {number} has {shape_of(part)}; all "
                "must be equal"
            )
    axis = as_axis("stack", axis, len(first) + 1)
    parts = [expand_dims(p, axis) for p in parts]
    return concatenate(parts, axis=axis, dtype=dtype, casting=casting)


def _several(function: Any, arrays: Sequence[Any]) -> list[Any]:
    return [function(a) for a in arrays]


@implements(np.vstack)
def vstack(tup: Sequence[Any], *, dtype: Any = None, casting: Any = "same_kind") -> Any:
    """np.vstack."""
    return concatenate(_several(atleast_2d, tup), axis=0, dtype=dtype, casting=casting)


@implements(np.hstack)
def hstack(tup: Sequence[Any], *, dtype: Any = None, casting: Any = "same_kind") -> Any:
    """np.hstack."""
    parts = _several(atleast_1d, tup)
    axis = 0 if len(shape_of(parts[0])) == 1 else 1
    return concatenate(parts, axis=axis, dtype=dtype, casting=casting)


@implements(np.dstack)
def dstack(tup: Sequence[Any]) -> Any:
    """np.dstack."""
    return concatenate(_several(atleast_3d, tup), axis=2)


@implements(np.column_stack)
def column_stack(tup: Sequence[Any]) -> Any:
    """np.column_stack: 1-d arrays become columns."""
    column = lambda a: a if len(shape_of(a)) > 1 else reshape(a, (-1, 1))
    return concatenate(_several(column, tup), axis=1)


@implements(np.append)
def append(arr: Any, values: Any, axis: Any = None) -> Any:
    """np.append."""
    if axis is None:
        return concatenate([ravel(arr), ravel(values)])
    return concatenate([arr, values], axis=axis)


@implements(np.array_split)
def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """np.array_split: equal parts where possible, or parts between the given indices."""
    axis = as_axis("array_split", axis, len(shape_of(ary)))
    extent = shape_of(ary)[axis]
    try:
        sections = operator.index(indices_or_sections)
    except TypeError:
        if isinstance(indices_or_sections, float):
            raise ArgumentError(
                f"array_split: the number of sections must be an integer, got {indices_or_sections}"
            ) from None
        cuts = [operator.index(c) for c in indices_or_sections]
    else:
        if sections <= 0:
            raise ShapeError(f"array_split: needs at least one section, got {sections}")
        each, extra = divmod(extent, sections)
        cuts = [each * n + min(n, extra) for n in range(1, sections)]
    bounds = [None, *cuts, None]
    return [slice_axis(ary, slice(a, b), axis) for a, b in itertools.pairwise(bounds)]


@implements(np.split)
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """np.split: a number of sections must divide the axis."""
    axis = as_axis("split", axis, len(shape_of(ary)))
    extent = shape_of(ary)[axis]
    if isinstance(indices_or_sections, (int, np.integer)) and (
        indices_or_sections <= 0 or extent % indices_or_sections
    ):
        raise ShapeError(
            f"split: axis {axis} of size {extent} does not divide into {indices_or_sections} equal "
            f"sections; use np.array_split"
        )
    return array_split(ary, indices_or_sections, axis)


@implements(np.hsplit)
def hsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """np.hsplit."""
    return split(ary, indices_or_sections, 0 if len(shape_of(ary)) == 1 else 1)


@implements(np.vsplit)
def vsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """np.vsplit."""
    if len(shape_of(ary)) < 2:
        raise ShapeError(f"np.vsplit: needs two axes or more, got shape {shape_of(ary)}")
    return split(ary, indices_or_sections, 0)


@implements(np.dsplit)
def dsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """np.dsplit."""
    return split(ary, indices_or_sections, 2)


@implements(np.flip)
def flip(m: Any, axis: Any = None) -> Any:
    """np.flip."""
    ndim = len(shape_of(m))
    axes = as_axes("flip", axis, ndim)
    if not ndim:
        return m[()]  # which is a scalar
    return getitem(m, tuple(slice(None, None, -1 if d in axes else 1) for d in range(ndim)))


@implements(np.fliplr)
def fliplr(m: Any) -> Any:
    """np.fliplr."""
    return flip(m, 1)


@implements(np.flipud)
def flipud(m: Any) -> Any:
    """np.flipud."""
    return flip(m, 0)


@implements(np.rot90)
def rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    """np.rot90."""
    ndim = len(shape_of(m))
    i, j = (as_axis("rot90", d, ndim) for d in axes)
    if i == j:
        raise ShapeError(f"np.rot90: the axes {tuple(axes)} of shape {shape_of(m)} are the same")
    match k % 4:
        case 0:
            return m
        case 1:
            return flip(swapaxes(m, i, j), i)
        case 2:
            return flip(m, (i, j))
        case _:
            return swapaxes(flip(m, i), i, j)


@op
def roll_axes(x: Any, *, shifts: tuple[tuple[int, int], ...]) -> Any:
    """``x`` with each axis d of the pairs (d, s) turned by s >= 0 places."""
    x = as_tensor(x)
    turn = {d: s for d, s in shifts if s}
    if not turn or not x.size:
        return x

    def source(index: Sequence[Expr]) -> list[Expr]:
        return [
            select(i < turn[d], i + (x.shape[d] - turn[d]), i - turn[d]) if d in turn else i
            for d, i in enumerate(index)
        ]

    return moved(x, x.shape, source, "roll")


@implements(np.roll)
def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    """np.roll."""
    shape = shape_of(a)
    if axis is None:
        return reshape(roll(ravel(a), shift, 0), shape)
    axes = [
        as_axis("roll", d, len(shape))
        for d in (axis if isinstance(axis, (tuple, list)) else (axis,))
    ]
    steps = shift if isinstance(shift, (tuple, list)) else (shift,) * len(axes)
    axes = axes * len(steps) if len(axes) == 1 else axes
    if len(axes) != len(steps):
        raise ShapeError(f"roll: shift {shift} and axis {axis} are not equally many")
    total: dict[int, int] = {}
    for d, step in zip(axes, steps, strict=True):
        total[d] = total.get(d, 0) + int(step)
    shifts = tuple((d, s % shape[d] if shape[d] else 0) for d, s in sorted(total.items()))
    return roll_axes(a, shifts=shifts)


@op
def repeat_axis(x: Any, *, count: int, axis: int) -> Any:
    """Each element ``count`` times in a row along ``axis``."""
    x = as_tensor(x)
    shape = tuple(s * count if d == axis else s for d, s in enumerate(x.shape))
    source = lambda index: [i // count if d == axis else i for d, i in enumerate(index)]
    return moved(x, shape, source, "repeat")


@implements(np.repeat)
def repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    """np.repeat; ``repeats`` is static: an int, or one int for each element of the axis."""
    if axis is None or is_only_axis(shape_of(a), axis):
        a, axis = ravel(a), 0
    axis = as_axis("repeat", axis, len(shape_of(a)))
    if not isinstance(repeats, (int, np.integer, list, tuple, np.ndarray)):
        raise ArgumentError("repeat: repeats decides the shape of the result, so it must be static")
    counts = np.asarray(repeats)
    if counts.ndim == 0 or counts.size == 1:
        return repeat_axis(a, count=int(counts.reshape(())), axis=axis)
    places = np.repeat(np.arange(shape_of(a)[axis]), counts)
    return getitem(a, (slice(None),) * axis + (places,))


@op
def tile_to(x: Any, *, shape: Shape) -> Any:
    """``x`` repeated as a whole to fill ``shape``."""
    x = as_tensor(x)
    source = lambda index: [
        i if shape[d] == x.shape[d] else i % x.shape[d] for d, i in enumerate(index)
    ]
    return moved(x, shape, source, "tile")


@implements(np.tile)
def tile(A: Any, reps: Any) -> Any:
    """np.tile."""
    counts = tuple(reps) if isinstance(reps, (tuple, list, np.ndarray)) else (reps,)
    given = shape_of(A)
    ndim = max(len(counts), len(given))
    given = (1,) * (ndim - len(given)) + given
    counts = (1,) * (ndim - len(counts)) + tuple(operator.index(c) for c in counts)
    target = tuple(s * c for s, c in zip(given, counts, strict=True))
    return tile_to(reshape(A, given), shape=target)
