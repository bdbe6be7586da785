"""``x[places] = value`` and ``np.add.at`` for cards; see `mlc.ops.placing`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .. import te
from ..ir.expr import Expr, apply, cast, const
from ..ir.grids import Grid, Knob
from ..ir.program import Program
from .broadcast import size_of
from .grid_places import adds_at_once, in_order
from .grid_sort import sort_knobs
from .on_grid import point_knobs, points
from .placing import PutAt
from .programs import unflattened

_AT_ONCE: dict[object, str] = {
    np.add: "sum",
    np.maximum: "max",
    np.minimum: "min",
}  # by atomic operations


def put_on_grid(begun: Callable[[], PutAt]) -> Grid:
    """Writers are sorted by their places; the first of each place does the work of all, element by
    element of what each of them writes. Whole numbers are combined as they come. ``begun`` makes a
    program with its params, before anything is done."""

    def leaves_open() -> tuple[Knob, ...]:
        p = begun()
        writers = size_of(p.spread)
        return point_knobs(writers * size_of(_rest(p))) if _at_once(p) else sort_knobs(writers)

    def write(threads: int, tile: int = 0) -> Program:
        return _put(begun(), tile, threads)

    return Grid(write, leaves_open)


def _rest(p: PutAt) -> tuple[int, ...]:
    """The extents of what each writer writes."""
    return (*p.part[: p.at], *p.part[p.at + len(p.spread) :])


def _at_once(p: PutAt) -> str | None:
    """The atomic operation that combines, where its order does not show."""
    fits = adds_at_once(p.out.dtype) and p.values.dtype is p.out.dtype
    return _AT_ONCE.get(p.ufunc) if fits else None


def _put(p: PutAt, tile: int, threads: int) -> Program:
    w, rest = p.w, _rest(p)
    writers, each = size_of(p.spread), size_of(rest)
    extents = [p.out.shape[axis] for axis in p.searched]
    with points(w, size_of(p.out.shape)) as i:
        here = unflattened(i, p.out.shape)
        w.store(p.out, here, p.old[tuple(here)])

    def split(number: Expr) -> tuple[list[Expr], list[Expr]]:
        """The indices before and after those of the index arrays."""
        others = unflattened(number, rest)
        return others[: p.at], others[p.at :]

    name = _at_once(p)
    if name is not None:
        with points(w, writers * each, atomic=True, threads=threads) as i:
            chosen = unflattened(i // each, p.spread)
            before, after = split(i % each)
            at_axis = {axis: w.variable("at", p.found(axis, chosen)) for axis in p.searched}
            target = p.target(before, after, {axis: at[()] for axis, at in at_axis.items()})
            held = [w.variable("to", place)[()] for place in target]
            w.accumulate(name, p.out, held, p.value(before, chosen, after))
        return w.program()

    def place_of(writer: Expr) -> Expr:
        chosen = unflattened(writer, p.spread)
        place: Expr = const(0)
        for axis, extent in zip(p.searched, extents, strict=True):
            place = place * extent + p.found(axis, chosen)
        return place

    places, order = in_order(w, writers, size_of(extents), place_of, tile, threads)
    with points(w, writers * each) as i:
        number = i // each
        before, after = split(i % each)
        mine = w.variable("mine", places[number])
        indices = unflattened(cast(mine[()], "int64"), extents)
        along = dict(zip(p.searched, indices, strict=True))

        def write(which: Expr) -> None:
            chosen = unflattened(cast(order[which], "int64"), p.spread)
            p.write(before, chosen, after, along)

        if p.ufunc is None:  # the last one wins
            after_it = places[te.min(number + 1, writers - 1)]
            is_last = apply("eq", number, const(writers - 1)) | apply("ne", after_it, mine[()])
            with w.when(is_last):
                write(number)
        else:
            before_it = places[te.max(number - 1, 0)]
            j = w.variable("j", number)
            alike = apply("eq", places[te.min(j[()], writers - 1)], mine[()])
            with w.when(apply("eq", number, const(0)) | apply("ne", before_it, mine[()])):
                with w.repeat((j[()] < writers) & alike):
                    write(j[()])
                    w.set(j, j[()] + 1)
    return w.program()
