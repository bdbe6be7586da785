"""np.pad: arrays within a frame of numbers, of their own elements, or of what these come to."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import te
from ..errors import ShapeError, UnsupportedError
from ..ir.expr import Expr, const, select
from . import arithmetic
from .broadcast import Shape, as_axis, as_tensor, element, shape_of
from .create import linspace
from .elementwise import astype, wrapped_number
from .index import slice_axis
from .join import concatenate
from .op import implements, op
from .promotion import dtype_of
from .quantile import median
from .reduce import max as max_of
from .reduce import min as min_of
from .shape import broadcast_to, moved, reshape
from .statistics import mean

Pairs = Sequence[tuple[Any, Any]]
_OPTIONS = {
    "constant": "constant_values", "linear_ramp": "end_values", "maximum": "stat_length",
    "mean": "stat_length", "median": "stat_length", "minimum": "stat_length",
    "reflect": "reflect_type", "symmetric": "reflect_type", "edge": "", "wrap": "", "empty": "",
}  # fmt: skip
_STATISTICS: dict[str, Callable[..., Any]] = {
    "maximum": max_of, "mean": mean, "median": median, "minimum": min_of,
}  # fmt: skip


@op
def pad_constant(x: Any, value: Any, *, widths: tuple[tuple[int, int], ...]) -> Any:
    """``x`` within a frame of ``value``: ``widths`` holds (before, after) for each axis."""
    x = as_tensor(x)
    shape = tuple(s + b + a for s, (b, a) in zip(x.shape, widths, strict=True))

    def body(*index: Expr) -> Expr:
        fill = element(value, (), (), x.dtype)
        if not x.size:
            return fill
        out = x[tuple(i - b if b else i for i, (b, _) in zip(index, widths, strict=True))]
        inside: Expr | None = None
        for i, s, (before, after) in zip(index, x.shape, widths, strict=True):
            tests = [i >= before] * bool(before) + [i < s + before] * bool(after)
            for test in tests:
                inside = test if inside is None else inside & test
        return out if inside is None else select(inside, out, fill)

    return te.compute(shape, body, name="pad")


@op
def pad_mirror(x: Any, *, widths: tuple[tuple[int, int], ...], mode: str) -> Any:
    """``x`` continued at its borders: ``mode`` is edge, reflect, symmetric or wrap."""
    x = as_tensor(x)
    shape = tuple(s + b + a for s, (b, a) in zip(x.shape, widths, strict=True))

    def source(index: Sequence[Expr]) -> list[Expr]:
        return [
            i if widths[d] == (0, 0) else _continued(i - widths[d][0], x.shape[d], mode, widths[d])
            for d, i in enumerate(index)
        ]

    return moved(x, shape, source, "pad")


def _continued(place: Expr, extent: int, mode: str, widths: tuple[int, int]) -> Expr:
    """``place``, at most so far before ``range(extent)`` or behind it as ``widths`` say, brought
    into that. What does not come back to an end needs no division, and loops are cut there."""
    if extent == 1:
        return const(0)
    if mode == "edge":
        return te.min(te.max(place, 0), extent - 1)
    least = 0 if mode == "reflect" else -1  # what the mirror makes of 0
    period = 2 * (extent - 1) - 2 * least
    if max(widths) < extent:
        below, above = (
            (place + extent, place - extent)
            if mode == "wrap"
            else (least - place, period + least - place)
        )
        return select(place < 0, below, select(place < extent, place, above))
    if mode == "wrap":
        return place % extent
    turned = place % period
    return te.min(turned, period + least - turned)


@implements(np.pad)
def pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    """np.pad in all modes that have a name."""
    shape = shape_of(array)
    _check_mode(mode, kwargs)
    widths = widths_of(pad_width, shape)
    if mode == "empty":
        return pad_constant(array, 0, widths=widths)
    if mode == "constant":
        return _constant(array, kwargs.get("constant_values", 0), widths)
    for d, (extent, pair) in enumerate(zip(shape, widths, strict=True)):
        if extent == 0 and pair != (0, 0):
            raise ShapeError(
                f"pad: axis {d} of shape {shape} is empty, so mode {mode!r} has no values"
            )
    if mode == "linear_ramp":
        ends = _ends(kwargs.get("end_values", 0), len(shape))
        return _along_axes(array, widths, lambda x, d: _ramps(x, d, widths[d], ends[d]))
    if mode in _STATISTICS:
        lengths = _lengths(kwargs.get("stat_length"), len(shape))
        if mode in ("maximum", "minimum") and any(0 in pair for pair in lengths):
            raise ShapeError("pad: stat_length of 0 yields no value for padding")
        found = lambda x, d: _statistics(x, d, lengths[d], _STATISTICS[mode])
        return _along_axes(array, widths, found)
    if kwargs.get("reflect_type", "even") == "odd":
        for d, pair in enumerate(widths):
            array = _turned(array, d, pair, mode == "symmetric")
        return array
    return pad_mirror(array, widths=widths, mode=mode)


def _check_mode(mode: Any, options: dict[str, Any]) -> None:
    if callable(mode):
        raise UnsupportedError(
            "np.pad with a function as its mode writes into parts of the padded array one by one, "
            "which cannot be traced; pad with mode='empty', and write to the frame"
        )
    if mode not in _OPTIONS:
        raise ValueError(f"mode '{mode}' is not supported")
    unknown = set(options) - {_OPTIONS[mode]}
    if unknown:
        raise ValueError(f"unsupported keyword arguments for mode '{mode}': {unknown}")


def widths_of(pad_width: Any, shape: Shape) -> tuple[tuple[int, int], ...]:
    """(before, after) for each axis."""
    given = pad_width
    if isinstance(pad_width, dict):
        found = {as_axis("pad", d, len(shape)): w for d, w in pad_width.items()}
        pad_width = [found.get(d, (0, 0)) for d in range(len(shape))]
        pad_width = [(w, w) if isinstance(w, int) else w for w in pad_width]
    try:
        pairs = pairs_of(pad_width, len(shape))
        widths = tuple((operator.index(b), operator.index(a)) for b, a in pairs)
    except (TypeError, ValueError):
        raise ShapeError(
            f"pad: pad_width {given!r} must be integers of shape (), (2,) or ({len(shape)}, 2)"
        ) from None
    if any(w < 0 for pair in widths for w in pair):
        raise ShapeError(
            f"pad: widths must be >= 0, got {given}; slice the array to make it smaller"
        )
    return widths


def pairs_of(values: Any, ndim: int) -> Pairs:
    """(before, after) for each of ``ndim`` axes: of one value for all, of a pair for all, or of as
    many pairs; traced numbers among them are kept."""
    rows = _rows(values)
    if not isinstance(rows, list):
        return [(rows, rows)] * ndim
    flat = [part for row in rows for part in (row if isinstance(row, list) else [row])]
    if len(flat) == 1:
        return [(flat[0], flat[0])] * ndim
    is_column = len(rows) == 2 and all(isinstance(row, list) for row in rows)
    if len(flat) == 2 and not is_column:
        return [(flat[0], flat[1])] * ndim
    table = [row * 2 if len(row) == 1 else row for row in rows if isinstance(row, list)]
    if len(table) != len(rows) or len(rows) not in (1, ndim) or any(len(row) != 2 for row in table):
        raise ShapeError(
            f"pad: values for the sides of {ndim} axes are one number, (before, after), or one "
            f"such pair for each axis, got {values!r}"
        )
    return [(row[0], row[1]) for row in (table * ndim if len(table) == 1 else table)]


def _rows(values: Any) -> Any:
    """Arrays, traced ones too, and sequences as nested lists of numbers."""
    if isinstance(values, list | tuple):
        return [_rows(part) for part in values]
    shape = shape_of(values)
    return [_rows(values[n]) for n in range(shape[0])] if shape else values


def _constant(array: Any, values: Any, widths: Sequence[tuple[int, int]]) -> Any:
    dtype = dtype_of(array)
    pairs = pairs_of(values, len(widths))
    if dtype.kind == "u":  # signed ones refuse what does not fit
        pairs = [(wrapped_number(b, dtype), wrapped_number(a, dtype)) for b, a in pairs]
    first = pairs[0][0] if pairs else 0
    if all(value is first for pair in pairs for value in pair):
        return pad_constant(array, first, widths=tuple(widths))
    for d, (pair, value) in enumerate(zip(widths, pairs, strict=True)):
        for side in (0, 1):
            frame = [(0, 0)] * len(widths)
            frame[d] = (pair[0], 0) if side == 0 else (0, pair[1])
            if frame[d] != (0, 0):
                array = pad_constant(array, value[side], widths=tuple(frame))
    return array


def _along_axes(
    array: Any, widths: Sequence[tuple[int, int]], frame: Callable[[Any, int], tuple[Any, Any]]
) -> Any:
    """``array`` with what ``frame`` gives for the two sides of each axis, one axis after another:
    later ones see the frames of those before them."""
    dtype = dtype_of(array)
    for d, (before, after) in enumerate(widths):
        if not before and not after:
            continue
        parts = [array]
        sides = frame(array, d)
        for part, width in zip(sides, (before, after), strict=True):
            if not width:
                continue
            shape = tuple(width if n == d else s for n, s in enumerate(shape_of(array)))
            whole = broadcast_to(astype(part, dtype=dtype), shape)
            parts = [whole, *parts] if part is sides[0] and len(parts) == 1 else [*parts, whole]
        array = concatenate(parts, axis=d)
    return array


def _ends(values: Any, ndim: int) -> Pairs:
    """Where ramps begin: of one pair for all axes NumPy makes scalars of an array, which count as
    float64, of a table Python numbers, which take the dtype of the array."""
    pairs = pairs_of(values, ndim)
    if pairs and pairs[0] is pairs[-1]:
        return [(astype(b, dtype="float64"), astype(a, dtype="float64")) for b, a in pairs]
    plain = lambda value: value.item() if isinstance(value, np.generic) else value
    return [(plain(b), plain(a)) for b, a in pairs]


def _ramps(x: Any, axis: int, widths: tuple[int, int], ends: tuple[Any, Any]) -> tuple[Any, Any]:
    """From the end values to the edges, in even steps."""
    edges = slice_axis(x, slice(0, 1), axis), slice_axis(x, slice(-1, None), axis)
    lines = tuple(s for d, s in enumerate(shape_of(x)) if d != axis)
    left, right = (
        linspace(
            end, reshape(edge, lines), num=width, endpoint=False,
            dtype=dtype_of(x), axis=axis,
        )
        for end, edge, width in zip(ends, edges, widths, strict=True)
    )  # fmt: skip
    return left, slice_axis(right, slice(None, None, -1), axis)


def _lengths(values: Any, ndim: int) -> Pairs:
    if values is None:
        return [(None, None)] * ndim
    pairs = pairs_of(values, ndim)
    if any(v is None or v < 0 for pair in pairs for v in pair):
        raise ShapeError(f"pad: stat_length counts elements, and {values!r} is negative")
    return pairs


def _statistics(x: Any, axis: int, lengths: tuple[Any, Any], function: Any) -> tuple[Any, Any]:
    """What ``function`` makes of the elements nearest to each side, as many as ``lengths`` say."""
    dtype, extent = dtype_of(x), shape_of(x)[axis]
    found = []
    for side, length in enumerate(lengths):
        count = extent if length is None else min(int(length), extent)
        part = slice(0, count) if side == 0 else slice(extent - count, extent)
        made = function(slice_axis(x, part, axis), axis=axis, keepdims=True)
        is_between = dtype.kind in "iu" and dtype_of(made).is_float
        found.append(arithmetic.rint(made) if is_between else made)
    return found[0], found[1]


def _turned(x: Any, axis: int, widths: tuple[int, int], with_edge: bool) -> Any:
    """``x`` continued by its reflections about the edges, ``2 * edge - x``: as many elements at a
    time as there are."""
    dtype, period = dtype_of(x), shape_of(x)[axis]
    if period == 1:
        pairs = [widths if d == axis else (0, 0) for d in range(len(shape_of(x)))]
        return pad_mirror(x, widths=tuple(pairs), mode="edge")
    left = list(widths)
    shift = 1 if with_edge else 0
    while left[0] or left[1]:
        extent = shape_of(x)[axis]
        whole = extent // period * period if with_edge else (extent - 1) // (period - 1)
        count = whole if with_edge else whole * (period - 1)
        for side in (0, 1):
            size, extent = min(count, left[side]), shape_of(x)[axis]
            if not size:
                continue
            at = 1 - shift if side == 0 else extent - size - 1 + shift
            chunk = slice_axis(x, slice(at, at + size), axis)
            chunk = slice_axis(chunk, slice(None, None, -1), axis)
            edge = slice_axis(x, slice(0, 1) if side == 0 else slice(extent - 1, extent), axis)
            chunk = astype(arithmetic.subtract(arithmetic.multiply(edge, 2), chunk), dtype=dtype)
            x = concatenate([chunk, x] if side == 0 else [x, chunk], axis=axis)
            left[side] -= size
    return x
