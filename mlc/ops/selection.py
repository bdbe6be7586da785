"""Selection: the elements of some places of the sorted order, without sorting the rest.

A part of the row that holds a wanted place is divided by a pivot: what is smaller moves to its
front, what is larger to its end, and equal elements, of which one is like another, are counted. The
pivot is the element of 32 that lies as far up among them as the wanted place does in the part, or a
little beyond: the side that remains is mostly the smaller one, and few parts follow (after Floyd
and Rivest, 1975). Where pivots were bad for long, the middle of the keys that are left is taken,
which ends after as many rounds as keys have bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

from .. import te
from ..dtypes import DType, as_dtype, float64, int32, int64
from ..intrinsics.dividing import LANES, divide
from ..intrinsics.sorting import has_compress
from ..ir.expr import Expr, apply, cast, const, select
from ..ir.grids import Grid
from ..ir.program import Buffer, Program, Region
from .broadcast import as_tensor, size_of
from .op import op
from .programs import Writer, threads, unflattened
from .sort import for_cards
from .sort_keys import from_key, key_dtype, sort_key

FEW = 6  # places of a row, those close together taken for one, that are selected
NEAR = 8  # places that are close together
LEAST = 1 << 11  # elements of a row for which that pays
SAMPLE = 32  # elements that a pivot is chosen among
SMALL = 64  # elements of a part that is sorted by rank
PATIENCE = 24  # rounds until pivots are the middle of the keys


def pays(n: int, places: tuple[int, ...]) -> bool:
    """Whether selecting ``places`` of ``n`` elements beats sorting them."""
    known = sorted(set(places))
    regions = sum(b - a > NEAR for a, b in pairwise([-NEAR - 1, *known]))
    return n >= LEAST and 0 < regions <= FEW


@op
def placed_along(x: Any, *, axis: int, places: tuple[int, ...]) -> Any:
    """``x`` in an order along ``axis`` in which those of ``places`` are as in the sorted order,
    smaller elements before each of them, and larger ones behind."""
    return _placed(x, axis, lambda w, keys: sorted(set(places)), False)


@op
def numbers_placed_along(x: Any, *, axis: int, shares: tuple[float, ...]) -> Any:
    """`placed_along` for floats, of which NaN come last: the places are those near ``shares``,
    which are in order, of as many numbers as each row has."""
    greatest = key_dtype(as_tensor(x).dtype).highest

    def places(w: Writer, keys: Buffer) -> list[Expr]:
        count = _counted(w, int(x.shape[axis]), lambda i: keys[i] < const(greatest, keys.dtype))
        middles = [floor_of(cast(count[()], float64) * const(share)) for share in shares]
        last = te.max(count[()] - 1, const(0))
        return [te.min(te.max(m + d, const(0)), last) for m in middles for d in range(-2, 3)]

    def floor_of(value: Expr) -> Expr:
        return cast(apply("floor", value), int64)

    return _placed(x, axis, places, False)


@op
def order_placed_along(x: Any, *, axis: int, places: tuple[int, ...]) -> Any:
    """The places in ``x`` that such elements come from; of equal ones the first come first. For
    elements of 4 bytes at most."""
    return _placed(x, axis, lambda w, keys: sorted(set(places)), True)


Places = Sequence[int] | Sequence[Expr]


def _counted(w: Writer, n: int, test: Callable[[Expr], Expr]) -> Buffer:
    """For how many numbers below ``n`` the ``test`` holds."""
    found = w.registers("found", (LANES,), int64)
    with w.loop(LANES, "l", "lanes") as l:
        w.store(found, (l,), 0)
    with w.loop(n // LANES, "g") as g, w.loop(LANES, "l", "lanes") as l:
        w.store(found, (l,), found[l] + cast(test(g * LANES + l), int64))
    total = w.variable("total", const(0))
    with w.loop(LANES, "l", "unrolled") as l:
        w.set(total, total[()] + found[l])
    with w.loop(n % LANES, "i") as i:
        w.set(total, total[()] + cast(test(n // LANES * LANES + i), int64))
    return total


def _placed(x: Any, axis: int, places: Callable[[Writer, Buffer], Places], order: bool) -> Any:
    x = as_tensor(x)
    w = Writer("argpartition" if order else "partition")
    source = w.input("x", x.shape, x.dtype)
    out = w.output("out", x.shape, int64 if order else x.dtype)
    outer, n, inner = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    rows = size_of((*outer, *inner))
    own = key_dtype(x.dtype)  # narrow keys in wider ones, which vectors are compressed of
    kind = as_dtype("uint64" if order else f"uint{max(own.bits, 32)}")
    with w.loop(rows, "r", threads(rows, x.size * 2)) as r:
        rest = unflattened(r, (*outer, *inner))
        at = lambda i: (*rest[:axis], i, *rest[axis:])
        keys, aside = w.memory("keys", (n,), kind), w.memory("aside", (n + LANES,), kind)

        def key(i: Expr) -> Expr:
            found = sort_key(source[at(i)], zeros_apart=not order)
            if not order:
                return cast(found, kind)
            return (cast(found, kind) << const(32, kind)) | cast(i, kind)

        with w.loop(n, "i", "lanes") as i:
            w.store(keys, (i,), key(i))
        _Selection(w, keys, aside).of(places(w, keys))
        with w.loop(n, "i", "lanes") as i:
            if order:
                w.store(out, at(i), cast(keys[i] & const(0xFFFFFFFF, kind), int64))
            else:
                w.store(out, at(i), from_key(cast(keys[i], own), x.dtype))
    return w.call(x, on_grid=for_cards(w.name, x, axis, False, order, order))


@op
def order_around(x: Any, found: Any, *, axis: int) -> Any:
    """The places in ``x`` of what is less than the first of ``found`` along ``axis``, then those of
    its equals, of what lies between it and the second, and so on; each kind in order. ``found`` are
    elements of ``x``, sorted."""
    x, found = as_tensor(x), as_tensor(found)
    w = Writer("argpartition")
    source, pivots = w.input("x", x.shape, x.dtype), w.input("found", found.shape, x.dtype)
    out = w.output("out", x.shape, int64)
    outer, n, inner = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    rows, count, kind = size_of((*outer, *inner)), found.shape[axis], key_dtype(x.dtype)
    with w.loop(rows, "r", threads(rows, x.size * 4)) as r:
        rest = unflattened(r, (*outer, *inner))
        at = lambda i: (*rest[:axis], i, *rest[axis:])
        keys = w.memory("keys", (n,), kind)
        starts = w.memory("starts", (2 * count + 1,), int64)  # of each kind
        borders = [w.variable("border", sort_key(pivots[at(const(j))])) for j in range(count)]
        place_of = lambda key: sum(
            (
                cast(test, int64)
                for border in borders
                for test in (key >= border[()], key > border[()])
            ),
            const(0),
        )
        w.store(starts, (0,), 0)
        before = w.registers("before", (2 * count, LANES), int64)
        for number in range(2 * count):
            with w.loop(LANES, "l", "lanes") as l:
                w.store(before, (number, l), 0)
        with w.loop(n, "i", "lanes") as i:
            w.store(keys, (i,), sort_key(source[at(i)]))
        with w.loop(n // LANES, "g") as g:
            for number in range(2 * count):
                with w.loop(LANES, "l", "lanes") as l:
                    is_before = place_of(keys[g * LANES + l]) <= number
                    w.store(before, (number, l), before[number, l] + cast(is_before, int64))
        for number in range(2 * count):
            total = w.variable("total", const(0))
            with w.loop(LANES, "l", "unrolled") as l:
                w.set(total, total[()] + before[number, l])
            with w.loop(n % LANES, "i") as i:
                is_before = place_of(keys[n // LANES * LANES + i]) <= number
                w.set(total, total[()] + cast(is_before, int64))
            w.store(starts, (number + 1,), total[()])
        with w.loop(n, "i") as i:
            key = w.variable("key", keys[i])
            chosen = w.variable("chosen", place_of(key[()]))
            to = w.variable("to", starts[chosen[()]])
            w.store(out, at(to[()]), i)
            w.store(starts, (chosen[()],), to[()] + 1)
    shape, dtype = x.shape, x.dtype

    def write() -> Grid:
        from .grid_sort import order_around_on_grid

        return order_around_on_grid(shape, dtype, found.shape, axis)

    return w.call(x, found, on_grid=write)


@contextmanager
def _loop(w: Writer, extent: Expr) -> Iterator[Expr]:
    """``for i in range(extent)`` for an extent that is known when the program runs."""
    i = w.variable("i", const(0))
    end = w.variable("end", extent)
    with w.repeat(i[()] < end[()]):
        yield i[()]
        w.set(i, i[()] + 1)


def _divide(
    w: Writer, keys: Buffer, aside: Buffer, low: Expr, high: Expr, pivot: Expr,
    less: Buffer, more: Buffer,
) -> None:  # fmt: skip
    """Keys of ``low:high`` below ``pivot`` to the front, those above it to ``aside``; ``less`` and
    ``more`` tell where they end."""
    key = w.variable("key", const(0, keys.dtype))
    with _loop(w, high - low) as i:
        w.set(key, keys[low + i])
        w.store(keys, (less[()],), key[()])
        w.store(aside, (more[()],), key[()])
        w.set(less, less[()] + cast(key[()] < pivot, int64))
        w.set(more, more[()] + cast(key[()] > pivot, int64))


def _dividing(name: str, n: int, kind: DType) -> Program:
    """The program that says what the intrinsic does."""
    w = Writer(name)
    pivot = w.input("pivot", (1,), kind)
    keys, aside = w.output("keys", (n,), kind), w.output("aside", (n + LANES,), kind)
    state = w.output("state", (4,), int64)
    less, more = w.variable("less", state[0]), w.variable("more", const(0))
    _divide(w, keys, aside, state[0], state[1], pivot[0], less, more)
    w.store(state, (2,), less[()])
    w.store(state, (3,), more[()])
    return w.program()


class _Selection:
    """One row of keys while the program that divides it is written."""

    def __init__(self, w: Writer, keys: Buffer, aside: Buffer) -> None:
        self.w, self.keys, self.aside, self.kind = w, keys, aside, keys.dtype
        self.n = int(keys.shape[0])
        self.low, self.high = w.variable("low", const(0)), w.variable("high", const(0))
        self.done = w.variable("done", const(0))  # places before it need nothing more
        self.least = w.variable("least", const(0, self.kind))
        self.most = w.variable("most", const(0, self.kind))
        self.pivot = w.variable("pivot", const(0, self.kind))
        self.rounds = w.variable("rounds", const(0))

    def of(self, places: Places) -> None:
        """Divide until each of ``places`` has its element. They are in order; those that are not
        known yet may go back, as far as one from which on none was left out."""
        w = self.w
        wanted = w.memory("places", (len(places),), int64)
        for number, place in enumerate(places):
            w.store(wanted, (number,), place)
        with w.loop(len(places), "p") as p, w.when(wanted[p] >= self.done[()]):
            k = wanted[p]
            w.set(self.low, self.done[()])
            w.set(self.high, const(self.n))
            w.set(self.least, const(0, self.kind))
            w.set(self.most, const(self.kind.highest, self.kind))
            w.set(self.rounds, const(0))
            with w.repeat(self.high[()] - self.low[()] > SMALL):
                self._choose(k)
                self._divide(k)
            self._sort()

    def _choose(self, k: Expr) -> None:
        """The pivot: of a sample, or in the middle of the keys that the part may hold."""
        w, kind = self.w, self.kind
        low, size = self.low[()], self.high[()] - self.low[()]
        w.set(self.rounds, self.rounds[()] + 1)
        with w.when(self.rounds[()] > PATIENCE):
            half = (self.most[()] - self.least[()]) >> const(1, kind)
            w.set(self.pivot, self.least[()] + half)
        with w.otherwise():
            sample = w.memory("sample", (SAMPLE,), kind)
            with w.loop(SAMPLE, "s") as s:
                w.store(sample, (s,), self.keys[low + (s * 2 + 1) * size // (2 * SAMPLE)])
            ranks = self._ranks(sample, SAMPLE)
            at = (k - low) * SAMPLE // size
            near = at + select(at * 2 < SAMPLE, const(2), const(-2))
            rank = te.max(te.min(near, const(SAMPLE - 1)), const(0))
            with w.loop(SAMPLE, "s") as s:
                with w.when(apply("eq", cast(ranks[s], int64), rank)):
                    w.set(self.pivot, sample[s])

    def _ranks(self, keys: Buffer, n: int) -> Buffer:
        """How many of ``n`` keys come before each, of equal ones in order."""
        w = self.w
        ranks = w.memory("ranks", (n,), int32)
        with w.loop(n, "i", "lanes") as i:
            w.store(ranks, (i,), const(0, int32))
        with w.loop(n, "j") as j, w.loop(n, "i", "lanes") as i:
            tie = apply("eq", keys[j], keys[i]) & (cast(j, int32) < cast(i, int32))
            w.store(ranks, (i,), ranks[i] + cast((keys[j] < keys[i]) | tie, int32))
        return ranks

    def _divide(self, k: Expr) -> None:
        """Smaller, equal and larger ones in this order; the part that holds ``k`` remains."""
        w, keys, aside = self.w, self.keys, self.aside
        low, high, pivot = self.low, self.high, self.pivot
        less, more = w.variable("less", low[()]), w.variable("more", const(0))
        if has_compress(self.kind):
            at, state = w.memory("at", (1,), self.kind), w.memory("state", (4,), int64)
            w.store(at, (0,), pivot[()])
            w.store(state, (0,), low[()])
            w.store(state, (1,), high[()])
            named = divide(self.kind, self.n, lambda name: _dividing(name, self.n, self.kind)).name
            regions = [Region(b, (const(0),), b.shape) for b in (at, keys, aside, state)]
            w.run_on(named, *regions)
            w.set(less, state[2])
            w.set(more, state[3])
        else:
            _divide(w, keys, aside, low[()], high[()], pivot[()], less, more)
        above = w.variable("above", high[()] - more[()])
        with _loop(w, above[()] - less[()]) as i:
            w.store(keys, (less[()] + i,), pivot[()])
        whole = w.variable("whole", more[()] // LANES)
        with _loop(w, whole[()]) as i, w.loop(LANES, "l", "lanes") as l:
            w.store(keys, (above[()] + i * LANES + l,), aside[i * LANES + l])
        with _loop(w, more[()] % LANES) as i:
            w.store(keys, (above[()] + whole[()] * LANES + i,), aside[whole[()] * LANES + i])
        with w.when(k < less[()]):
            w.set(high, less[()])
            w.set(self.most, pivot[()] - const(1, self.kind))
        with w.otherwise():
            w.set(low, above[()])
            with w.when(k >= above[()]):
                w.set(self.least, pivot[()] + const(1, self.kind))
            with w.otherwise():
                w.set(high, above[()])

    def _sort(self) -> None:
        """The part that is left, by rank."""
        w = self.w
        low, size = self.low[()], self.high[()] - self.low[()]
        few = w.memory("few", (SMALL,), self.kind)
        with w.loop(SMALL, "i") as i:
            w.store(few, (i,), const(self.kind.highest, self.kind))
        with _loop(w, size) as i:
            w.store(few, (i,), self.keys[low + i])
        ranks = self._ranks(few, SMALL)
        with _loop(w, size) as i:
            w.store(self.keys, (low + cast(ranks[i], int64),), few[i])
        w.set(self.done, self.high[()])
