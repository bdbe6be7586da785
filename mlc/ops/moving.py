"""Slices whose bounds are traced: ``x[k + 1:]``, ``x[i, :i]``, ``x[i:i + 3]`` in loops.

A slice of fixed length is an array like any other. The length of any other is an
`mlc.te.extent.Extent`; such arrays live inside of native loops only.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from .. import te
from ..dtypes import DType
from ..errors import ArgumentError, UnsupportedError
from ..ir.affine import as_sum
from ..ir.bounds import interval
from ..ir.expr import Cast, Const, Expr, Load, Var, apply, as_expr, cast, const, select
from ..ir.rewrite import substitute_loads
from ..ir.simplify import simplify
from ..te.extent import Extent
from ..te.tensor import Compute, Tensor
from .aliasing import View
from .broadcast import as_tensor, element
from .op import CURRENT, op

Items = tuple[Any, ...]
_UNBOUNDED = 1 << 40  # more iterations than any loop makes
_DEEP = 40  # integers made of integers that are looked through for what loop variables decide
# What is known of 0-d tensors in the loops that are being traced: expressions over variables with
# ranges. None outside of loops, where no length may depend on data.
KNOWN: ContextVar[tuple[dict[Tensor, Expr], dict[Var, int]] | None] = ContextVar(
    "loops", default=None
)


@contextmanager
def inside_loop() -> Iterator[None]:
    """Inside, lengths may depend on data."""
    values, ranges = KNOWN.get() or ({}, {})
    token = KNOWN.set((values, ranges))  # another object, which tells this place from others
    try:
        yield
    finally:
        KNOWN.reset(token)


def is_inside_loop() -> bool:
    """Whether what is traced now belongs to a native loop or branch."""
    return KNOWN.get() is not None


@contextmanager
def index_range(
    index: Tensor, start: Tensor | int, stop: Tensor | int, step: int
) -> Iterator[None]:
    """Inside, ``index`` is known to be in ``range(start, stop, step)``."""
    values, ranges = KNOWN.get() or ({}, {})
    first, last = (_symbolic(_expr(bound, 0)) for bound in (start, stop))
    away = last - first if step > 0 else first - last
    most = interval(simplify(away, ranges), ranges)[1]
    extent = -(-int(most) // abs(step)) if most < _UNBOUNDED else _UNBOUNDED
    var = Var("i")
    place = simplify(var * step + first, ranges)
    token = KNOWN.set(({**values, index: place}, {**ranges, var: max(extent, 0)}))
    try:
        yield
    finally:
        KNOWN.reset(token)


def number_range(tensor: Tensor) -> tuple[float, float]:
    """The least and greatest that a 0-d integer can be, by what is known of the loops around."""
    return interval(_symbolic(tensor[()]), _ranges())


def is_within(tensor: Tensor, extent: Any) -> bool:
    """Whether a 0-d integer is surely a place of an axis, by what is known of the loops around."""
    if tensor.shape or isinstance(extent, Extent):
        return False
    least, most = interval(_symbolic(tensor[()]), _ranges())
    return bool(-extent <= least and most < extent)


def is_longer(extent: Extent, number: int) -> bool:
    """Whether a length is surely greater than ``number``, by what is known of the loops around."""
    return bool(interval(extent.key, _ranges())[0] > number)


def range_bounds(start: Any, stop: Any) -> tuple[int, int, bool] | None:
    """What integers from ``start`` to ``stop`` in a native loop lie between, and whether ``stop``
    surely does, if what is known of the loops tells that; else None."""
    if not is_inside_loop():
        return None
    bounds = []
    for value in (start, stop):
        if _traced(value):
            trace: Any = CURRENT.get()
            tensor = trace.lift(value)
            if tensor.shape or tensor.dtype.kind not in "iu":
                return None
            bounds.append(interval(_symbolic(cast(tensor[()], "int64")), _ranges()))
        elif isinstance(value, (int, np.integer)):
            bounds.append((int(value), int(value)))
        else:
            return None
    least, most = bounds[0][0], bounds[1][1]
    if not -_UNBOUNDED < least <= most < _UNBOUNDED:
        return None
    return int(least), int(most), bool(bounds[1][0] >= least)


def is_moving(part: slice) -> bool:
    """Whether a bound of a slice is a traced value."""
    return any(_traced(b) for b in (part.start, part.stop, part.step))


def _traced(value: Any) -> bool:
    return (
        isinstance(value, Tensor)
        or hasattr(type(value), "__mlc_lift__")
        and (getattr(type(value), "__mlc_known__", lambda v: None)(value) is None)
    )


def moving_item(part: slice, extent: Any, arrays: list[Any]) -> Any:
    """A slice with traced bounds as an item ("from", start, step, size); what is traced of it is
    (n,), the place of a 0-d array among ``arrays``."""
    start = _expr(part.start, 0)
    stop = _expr(part.stop, extent)
    step = _expr(part.step, 1)
    if not interval(_symbolic(step), _ranges())[0] >= 1:
        raise UnsupportedError(
            "the step of a slice is traced, and may be zero or negative as far as is known; use a "
            "step that is positive for certain, such as the index of a loop over range(2, n)"
        )
    window = _window(start, stop, extent)
    if window and isinstance(step, Const):
        # Other data may have windows elsewhere, and nothing beyond the ends may be read.
        first = te.max(te.min(start, int(extent) - window), 0)
        size = -(-window // int(step.value))
        return "from", _reference(first, "start", arrays), int(step.value), size
    first = _within(start, extent)
    return _item(first, _within(stop, extent) - first, step, extent, arrays)


def _window(start: Expr, stop: Expr, extent: Any) -> int:
    """How many elements there are from ``start`` to ``stop``, one number of an array of places and
    more, ``x[i - 2:i + 3] for i in places``, where all of these windows lie in the axis, which the
    data are asked for all places at once; else 0."""
    rooms: Any = getattr(CURRENT.get(), "rooms", None)
    if rooms is None or isinstance(extent, Extent):
        return 0
    first, last = (as_sum(_inside_cast(_symbolic(bound))) for bound in (start, stop))
    match first.terms, last.terms:
        case ((place, 1),), ((other, 1),) if place is other:
            load = _inside_cast(place)
            places = load.source if isinstance(load, Load) else None
            away, beyond = int(first.constant), int(last.constant)
        case _:
            return 0
    if (
        not isinstance(places, Tensor)
        or not places.shape
        or not 0 < beyond - away <= extent < 1 << 31
    ):
        return 0
    in_axis = rooms.all_within(CURRENT.get(), places, -away, int(extent) - beyond)
    return beyond - away if in_axis else 0


def _inside_cast(expr: Expr) -> Expr:
    """What ``expr``, an integer, is made of, of 32 bits or more: enough for places in any array."""
    match expr:
        case Cast(value=value) if value.dtype.kind in "iu" and value.dtype.bits >= 32:
            return value
    return expr


def open_item(part: slice, extent: Extent, arrays: list[Any]) -> Any:
    """A slice of known bounds of an axis whose length only the loop knows."""
    bounds = (part.start, part.stop, part.step)
    start, stop, step = (None if b is None else operator.index(b) for b in bounds)
    if step in (None, 1):
        first, last = _expr(start, 0), _expr(stop, extent)
        # The length is the same without some bounds, and so x[1:] and x[:-1] are of one length.
        away = _within(last, extent, low=False) - _within(first, extent, high=False)
        return _item(_within(first, extent), away, const(1), extent, arrays)
    if step is not None and step > 0:
        first = _within(_expr(start, 0), extent)
        away = _within(_expr(stop, extent), extent) - first
        return _item(first, away, const(step), extent, arrays)
    if step != -1 or start is not None or stop is not None:
        extent._refuse()
    last = extent.length[()] - 1
    return "from", _reference(last, "start", arrays), -1, extent


def from_end(extent: Extent, place: int) -> Tensor:
    """The place ``place``, which is negative, of an axis whose length only the loop knows."""
    return _scalar(extent.length[()] + place, "place")


def is_traced_number(value: Any) -> bool:
    """Whether ``value`` is a length, or an integer that is not known while tracing."""
    if isinstance(value, Extent):
        return True
    return _traced(value) and not value.shape and value.dtype.kind in "iu"


def length_from(count: Tensor, bound: int) -> Extent:
    """The length of an array that has ``count`` of ``bound`` rows, one of 0 to ``bound``."""
    return Extent(bound, count, simplify(_symbolic(count[()]), _ranges()))


def _item(first: Expr, away: Expr, step: Expr, extent: Any, arrays: list[Any]) -> Any:
    length = away if step is const(1) else apply("floordiv", away + (step - 1), step)
    key = simplify(_symbolic(length), _ranges())
    least, most = interval(key, _ranges())
    if least < 0:
        length, key = te.max(length, 0), simplify(apply("maximum", key, const(0)), _ranges())
    bound = int(max(min(most, int(extent)), 0))
    size: Any = bound
    if least != most:
        known_length = _scalar(length, "length")
        if KNOWN.get() is None:
            size = _chosen(known_length)
            if size:  # other data may choose less, and nothing beyond the end may be read
                step = te.min(step, max((int(extent) - 1) // max(size - 1, 1), 1))
                first = te.min(first, int(extent) - 1 - (size - 1) * step)
        else:
            size = Extent(bound, known_length, key)
    return "from", _reference(first, "start", arrays), _reference(step, "step", arrays), size


def _chosen(length: Tensor) -> int:
    """The length of a slice outside of loops: what the data choose."""
    trace: Any = CURRENT.get()
    try:
        return operator.index(trace.wrap(length))
    except (ArgumentError, TypeError) as error:
        raise ArgumentError(
            "a slice bound must be known while tracing, unless it is in a loop: shapes are "
            "static; for a window that moves use x[start + np.arange(size)]"
        ) from error


def total_of(sizes: Sequence[Any]) -> tuple[Any, list[Any]]:
    """(the sum of sizes, some of which may be of open length; the sums of the first, the first two,
    ... of them, as expressions)."""
    ends: list[Any] = []
    for size in sizes:
        length = size.length[()] if isinstance(size, Extent) else const(size)
        ends.append(ends[-1] + length if ends else length)
    if not any(isinstance(size, Extent) for size in sizes):
        return int(np.sum(sizes)), ends
    key = simplify(_symbolic(ends[-1]), _ranges())
    if isinstance(key, Const):
        return int(key.value), ends
    return Extent(int(np.sum([int(s) for s in sizes])), _scalar(ends[-1], "length"), key), ends


def _reference(expr: Expr, name: str, arrays: list[Any]) -> Any:
    """A number as part of an item: itself if it is known, else (place among ``arrays``,)."""
    if isinstance(expr, Const):
        return int(expr.value)
    arrays.append(_scalar(expr, name))
    return (len(arrays) - 1,)


def _referred(reference: Any, tensors: Sequence[Tensor]) -> Expr:
    return const(reference) if isinstance(reference, int) else tensors[reference[0]][()]


def _expr(bound: Any, default: Any) -> Expr:
    if bound is None:
        bound = default
    if isinstance(bound, Extent):
        return bound.length[()]
    if _traced(bound):
        trace: Any = CURRENT.get()
        lifted = trace.lift(bound)
        if lifted.shape or lifted.dtype.kind not in "iu":
            raise ArgumentError(f"a slice bound must be an integer, got {lifted!r}")
        return cast(lifted[()], "int64")
    return as_expr(int(np.asarray(bound)[()]))


def _ranges() -> dict[Var, int]:
    known = KNOWN.get()
    return {} if known is None else known[1]


def _symbolic(expr: Expr, made: dict[Tensor, Expr] | None = None, deep: int = _DEEP) -> Expr:
    """``expr`` in terms of loop variables, as far as it is made from them: integers that are made
    of others in at most ``deep`` steps. ``made`` holds those that were looked at."""
    known = KNOWN.get()
    values = {} if known is None else known[0]
    found: dict[Tensor, Expr] = {} if made is None else made

    def on_load(node: Load) -> Expr | None:
        source = node.source
        if not isinstance(source, Tensor) or source.shape:
            return None
        if source in values:
            return values[source]
        op = source.op
        if source.dtype.is_float:
            return None
        if not deep or not isinstance(op, Compute) or op.reduction is not None:
            return None
        if source not in found:
            found[source] = _symbolic(op.body[source.index], found, deep - 1)
        return found[source]

    return simplify(substitute_loads(expr, on_load), _ranges())


def _within(place: Expr, extent: Any, low: bool = True, high: bool = True) -> Expr:
    """A bound of a slice as NumPy reads it: negative ones count from the end, others are moved into
    the axis; those before it only if ``low``, those behind it only if ``high`` where its length is
    open."""
    least, most = interval(_symbolic(place), _ranges())
    if isinstance(extent, Extent):
        length = extent.length[()]
        if place is length:
            return place
        if most < 0:
            place = place + length
            if low and interval(_symbolic(place), _ranges())[0] < 0:
                place = te.max(place, 0)
        elif least < 0:
            place = select(place < 0, place + length, place)
            place = te.max(place, 0) if low else place
        if not high:
            return place
        beyond = interval(_symbolic(length - place), _ranges())[0] < 0
        return te.min(place, length) if beyond else place
    if least < 0:
        place = select(place < 0, te.max(place + extent, 0), place)
    return place if most <= extent else te.min(place, extent)


def _scalar(expr: Expr, name: str) -> Tensor:
    if isinstance(expr, Load) and not expr.indices and isinstance(expr.source, Tensor):
        return expr.source
    made = te.compute((), lambda: expr, name=name, op=f"slice.{name}")
    assert isinstance(made, Tensor)
    return made


def sizes_of(items: Items) -> tuple[int, ...]:
    """The shape of what ``items`` choose, but for axes that arrays choose along."""
    return tuple(
        1 if item is None else item[-1]
        for item in items
        if not isinstance(item, int) and not (item and item[0] == "array")
    )


def _written(x: Any, value: Any, others: tuple[Any, ...], static: dict[str, Any]) -> Any:
    return moving_update(x, list(others[0]), value, items=static["items"])


def _laid_out(x: Any, others: tuple[Any, ...], static: dict[str, Any]) -> Any:
    key: list[Any] = []
    for item in static["items"]:
        if item is None or isinstance(item, int):
            key.append(item)
        elif item[0] == "array":
            key.append(0)
        elif item[0] == "from":
            key.append(slice(0, int(item[3])))
        else:
            start, step, size = item
            stop = start + step * size
            key.append(slice(start, stop if stop >= 0 else None, step) if size else slice(0, 0))
    places = (..., *key)
    return x[places]


@op(view=View(_written, _laid_out))
def moving_view(x: Any, indices: Any, *, items: Items) -> Any:
    """The part of ``x`` that ``items`` name, where ``indices`` are 0-d integers."""
    from .index import _place, looked_at, place_tests, read_where, within

    x, tensors = as_tensor(x), [as_tensor(t) for t in indices]
    tensors = looked_at(x, tensors, items)
    tests = place_tests(x, items)

    def body(*index: Expr) -> Expr:
        given = iter(index)
        places: list[Expr] = []
        for item in items:
            if isinstance(item, tuple) and item[0] == "from":
                start, step = _referred(item[1], tensors), _referred(item[2], tensors)
                places.append(next(given) * step + start)
            elif isinstance(item, tuple) and item[0] == "array":
                places.append(within(tensors[item[1]][()], x.shape[len(places)]))
            else:
                place = _place(item, given)
                if place is not None:
                    places.append(place)
        return read_where(x, places, tests)

    return te.compute(sizes_of(items), body, name="slice")


@op
def moving_update(x: Any, indices: Any, value: Any, *, items: Items) -> Any:
    """``x`` with the part that ``items`` name replaced by ``value``, broadcast."""
    from .index import within
    from .update import guarded, offset

    x, tensors = as_tensor(x), [as_tensor(t) for t in indices]
    part = sizes_of(items)

    def body(*index: Expr) -> Expr:
        inside: list[Expr] = []
        places: list[Expr] = []
        axes = iter(zip(index, x.shape, strict=True))
        for item in items:
            if item is None:
                places.append(const(0))
                continue
            i, extent = next(axes)
            if isinstance(item, int):
                inside.append(apply("eq", i, const(item)))
            elif item[0] == "from":
                places.append(_distance(i, item, tensors, inside))
            elif item[0] == "array":
                inside.append(apply("eq", i, within(tensors[item[1]][()], extent)))
            else:
                places.append(offset(i, item, extent, inside))
        fresh = element(value, places, part, x.dtype)
        return guarded(inside, fresh, x[index])

    return te.compute(x.shape, body, name="setitem")


def _distance(i: Expr, item: Any, tensors: Sequence[Tensor], inside: list[Expr]) -> Expr:
    """Which element of a moving slice the place ``i`` is; its tests go into ``inside``."""
    start, step, size = _referred(item[1], tensors), _referred(item[2], tensors), item[3]
    length = size.length[()] if isinstance(size, Extent) else const(size)
    pace = _symbolic(step)
    if pace is const(-1):
        inside += [i <= start, i > start - length]
        return start - i
    inside.append(i >= start)
    inside.append(i <= start + ((length - 1) * step if step is not const(1) else length - 1))
    if pace is const(1):
        return i - start
    inside.append(apply("eq", apply("mod", i - start, step), const(0)))
    return apply("floordiv", i - start, step)


def greatest(dtype: DType) -> Any:
    """What comes last where elements of ``dtype`` are sorted."""
    if dtype.is_float:
        return np.nan
    return True if dtype.kind == "b" else np.iinfo(dtype.numpy).max


def length_of(extent: Extent) -> Any:
    """The length as a value of the trace."""
    trace: Any = CURRENT.get()
    return trace.wrap(extent.length)
