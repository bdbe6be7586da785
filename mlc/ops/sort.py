"""Sorting: every dtype by an unsigned key of its width, in NumPy's order (NaN last).

Short rows are sorted by rank: how many elements come before each, counted in lanes. Longer ones by
their digits, the lowest first (radix sort): each pass is stable, needs no comparison, and is left
out where all elements share the digit. Where NumPy sorts by vector instructions, and order among
equal elements does not show, processors sort such rows by a network of vectors or by NumPy's
function (`mlc.intrinsics.sorting`); for the order too (`mlc.ops.packed_order`).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..dtypes import DType, int32, int64, uint64
from ..errors import ArgumentError, AxisError, DomainError
from ..intrinsics.sorting import divides, has_compress, has_vector_sort, sort_row
from ..ir.expr import Expr, apply, cast, const
from ..ir.grids import Grid
from ..ir.program import Buffer, Program, Region
from .broadcast import as_axis, as_tensor, is_only_axis, shape_of, size_of
from .create import zeros
from .index import take
from .op import implements, op
from .programs import Writer, threads, unflattened
from .promotion import dtype_of
from .shape import ravel
from .sort_keys import from_key, key_dtype, sort_key
from .sorting_network import sorted_by_network, suits

TINY = 8  # elements of a row that is sorted by rank even where NumPy has vector code
SHORT = 64  # elements of a row that is sorted by rank
TWO_DIGITS = 1 << 11  # elements of a row from which on two passes by digits beat vector code
WIDE_DIGITS = 1 << 13  # elements from which a larger table is worth its cost

PLACE_BITS = 32  # of a key of 8 bytes that hold the place of an element

MANY = 1 << 12  # rows, which threads of a card sort better than blocks if they are short
LANES = 16
PIECES = 8  # of a long row, which threads sort together
LONG = 1 << 17

Place = Callable[[Expr | int], list[Expr]]


@op
def sorted_along(x: Any, *, axis: int, descending: bool = False, stable: bool = True) -> Any:
    """``x`` in order along ``axis``; equal elements keep theirs if it is ``stable``: zeros of both
    signs are equal."""
    x = as_tensor(x)
    if x.shape[axis] < 2 or not x.size:
        return x
    alike = not x.dtype.is_float or not stable
    if alike and suits(x.shape, axis, x.dtype):
        return sorted_by_network(x, axis, descending)
    if alike and not descending and x.shape[axis] > TINY and has_vector_sort(x.dtype):
        return _sorted_by_vectors(x, axis)
    return _sorted(x, axis, descending, False, stable and x.dtype.is_float)


@op
def order_along(x: Any, *, axis: int, descending: bool = False) -> Any:
    """The places that the elements of the sorted array come from; equal ones in order."""
    x = as_tensor(x)
    n = x.shape[axis]
    if n < 2 or not x.size:
        return zeros(x.shape, dtype="int64")
    if suits(x.shape, axis, x.dtype, places=True):
        return sorted_by_network(x, axis, descending, places=True)
    few = key_dtype(x.dtype).itemsize <= 2 and n >= TWO_DIGITS
    if TINY < n <= 1 << PLACE_BITS and not few and has_vector_sort(uint64):
        from .packed_order import order_by_numpy

        return order_by_numpy(x, axis, descending)
    return _sorted(x, axis, descending, True, True)


def _sorted(x: Any, axis: int, descending: bool, places: bool, follows: bool) -> Any:
    """``follows``: what is sorted are elements, whose keys may be equal, and not keys alone."""
    w = Writer("argsort" if places else "sort")
    source = w.input("x", x.shape, x.dtype)
    out = w.output("out", x.shape, int64 if places else x.dtype)
    outer, n, inner = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    rows = size_of((*outer, *inner))
    work = x.size * (n // 4 if n <= SHORT else 16)
    at_once = rows < PIECES and n >= LONG
    with w.loop(rows, "r", "" if at_once else threads(rows, work)) as r:
        rest = unflattened(r, (*outer, *inner))
        at = lambda i: [*rest[:axis], i, *rest[axis:]]
        read = lambda i: source[tuple(at(i))]
        flipped = (lambda k: ~k) if descending else (lambda k: k)
        moves = n <= SHORT or follows
        key = lambda i: flipped(sort_key(read(i), zeros_apart=not moves))
        row = Row(w, n, key_dtype(x.dtype), key)
        write = lambda place, i: w.store(out, at(place), i if places else read(i))
        write_key = lambda i, k: w.store(out, at(i), from_key(flipped(k), x.dtype))
        if n <= SHORT:
            row.by_rank(write)
        elif at_once:
            row.in_pieces(*((write, None) if follows else (None, write_key)))
        else:
            row.by_digits(*((write, None) if follows else (None, write_key)))
    return w.call(x, on_grid=for_cards(w.name, x, axis, descending, places, follows))


def for_cards(
    name: str, x: Any, axis: int, descending: bool, places: bool, follows: bool
) -> Callable[[], Grid] | None:
    """What writes the program that cards run; see :func:`mlc.ops.grid_sort.sort_on_grid`."""

    def on_grid() -> Grid:
        from .grid_sort import sort_on_grid

        return sort_on_grid(name, shape, dtype, axis, descending, places, follows)

    shape, dtype = x.shape, x.dtype
    n = shape[axis]
    return on_grid if n > SHORT or x.size // n < MANY else None


def _sorted_by_vectors(x: Any, axis: int) -> Any:
    """Row after row by vector code; rows that are not contiguous in memory of their own."""
    w = Writer("sort")
    source, out = w.input("x", x.shape, x.dtype), w.output("out", x.shape, x.dtype)
    outer, n, inner = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    rows = size_of((*outer, *inner))
    in_pieces = rows < PIECES and n >= LONG
    strided = size_of(inner) > 1
    by_parts = in_pieces and not strided and has_compress(x.dtype)
    is_divided = not strided and divides(x.dtype, n)
    with w.loop(rows, "r", "" if by_parts else threads(rows, x.size * 16)) as r:
        rest = unflattened(r, (*outer, *inner))
        at = lambda i: (*rest[:axis], i, *rest[axis:])
        row = w.memory("row", (n,), x.dtype) if strided else out
        place = (lambda i: (i,)) if strided else at
        extents = tuple(n if d == (0 if strided else axis) else 1 for d in range(row.ndim))
        if by_parts or is_divided:
            from .parted_sort import sort_apart, sort_by_parts

            whole = Region(source, at(const(0)), extents), Region(out, at(const(0)), extents)
            spare = w.memory("spare", (2 * n,), x.dtype)
            if by_parts:
                sorting = lambda name, n: _row_program(name, n, x.dtype, False)
                sort_by_parts(w, *whole, n, sorting, spare)
            else:
                sort_apart(w, *whole, n, spare)
        else:
            with w.loop(n // LANES, "i") as i, w.loop(LANES, "l", "lanes") as l:
                w.store(row, place(i * LANES + l), source[at(i * LANES + l)])
            with w.loop(n % LANES, "i") as i:
                w.store(row, place(i + n // LANES * LANES), source[at(i + n // LANES * LANES)])
            variant = "_in_pieces" if in_pieces else ""
            meant = lambda name: _row_program(name, n, x.dtype, in_pieces)
            named = sort_row(x.dtype, n, variant, meant).name
            w.run_on(named, Region(row, place(const(0)), extents))
        if strided:
            with w.loop(n, "i") as i:
                w.store(out, at(i), row[i])
    return w.call(x, on_grid=for_cards(w.name, x, axis, False, False, False))


def _row_program(name: str, n: int, dtype: DType, in_pieces: bool) -> Program:
    """A program that sorts its only param in place, by digits."""
    w = Writer(name)
    a = w.output("A", (n,), dtype)
    row = Row(w, n, key_dtype(dtype), lambda i: sort_key(a[i], zeros_apart=True))
    write = lambda i, key: w.store(a, (i,), from_key(key, dtype))
    (row.in_pieces if in_pieces else row.by_digits)(None, write)
    return w.program()


class Row:
    """One row of ``n`` keys while the program that sorts it is written."""

    def __init__(self, w: Writer, n: int, dtype: DType, key: Callable[[Expr], Expr]) -> None:
        self.w, self.n, self.dtype, self.key = w, n, dtype, key
        self.counter = int32 if n <= int32.highest else int64

    def by_rank(self, write: Callable[[Expr, Expr], None]) -> None:
        """``write(place, i)`` for every element i."""
        w, n = self.w, self.n
        keys = w.memory("keys", (n,), self.dtype)
        ranks = w.memory("ranks", (n,), int32)
        with w.loop(n, "i") as i:
            w.store(keys, (i,), self.key(i))
        with w.loop(n, "i", "lanes") as i:
            w.store(ranks, (i,), const(0, int32))
        with w.loop(n, "j") as j, w.loop(n, "i", "lanes") as i:
            tie = apply("eq", keys[j], keys[i]) & (cast(j, int32) < cast(i, int32))
            w.store(ranks, (i,), ranks[i] + cast((keys[j] < keys[i]) | tie, int32))
        with w.loop(n, "i") as i:
            write(cast(ranks[i], int64), i)

    def by_digits(
        self,
        write: Callable[[Expr, Expr], None] | None,
        write_key: Callable[[Expr, Expr], None] | None,
    ) -> None:
        """``write(place, i)`` for every place: element i of the row belongs there; or else
        ``write_key(place, key)``, of the key that belongs there."""
        w, n, counter = self.w, self.n, self.counter
        width = 11 if n >= WIDE_DIGITS and self.dtype.bits > 16 else 8
        passes, size = -(-self.dtype.bits // width), 1 << width
        keys = w.memory("keys", (2, n), self.dtype)
        order = w.memory("order", (2, n), counter) if write is not None else None
        counts = w.memory("counts", (passes, size), counter)
        mask = const(size - 1, self.dtype)
        digit = lambda key, p: cast((key >> cast(p * width, self.dtype)) & mask, int64)
        zero, one = const(0, counter), const(1, counter)
        with w.loop(passes, "p") as p, w.loop(size, "d", "lanes") as d:
            w.store(counts, (p, d), zero)
        with w.loop(n, "i") as i:
            w.store(keys, (0, i), self.key(i))
            if order is not None:
                w.store(order, (0, i), i)
            with w.loop(passes, "p", "unrolled") as p:
                d = digit(keys[0, i], p)
                w.store(counts, (p, d), counts[p, d] + one)
        side = w.variable("side", const(0))
        with (
            w.loop(passes, "p") as p,
            w.when(counts[p, digit(keys[side[()], 0], p)] < const(n, counter)),
        ):
            self._places(counts, p, size)
            key, at = w.variable("key", const(0, self.dtype)), w.variable("at", const(0))
            to = w.variable("to", zero)
            with w.loop(n, "i") as i:
                w.set(key, keys[side[()], i])
                w.set(at, digit(key[()], p))
                w.set(to, counts[p, at[()]])
                w.store(counts, (p, at[()]), to[()] + one)
                w.store(keys, (1 - side[()], to[()]), key[()])
                if order is not None:
                    w.store(order, (1 - side[()], to[()]), order[side[()], i])
            w.set(side, 1 - side[()])
        with w.loop(n, "i") as i:
            if order is not None and write is not None:
                write(i, cast(order[side[()], i], int64))
            elif write_key is not None:
                write_key(i, keys[side[()], i])

    def in_pieces(
        self,
        write: Callable[[Expr, Expr], None] | None,
        write_key: Callable[[Expr, Expr], None] | None,
    ) -> None:
        """The same as :meth:`by_digits`, by threads that have a piece of the row each: they count,
        and when it is known where the elements of each begin, move them."""
        w, n, counter = self.w, self.n, self.counter
        width = 11 if self.dtype.bits > 16 else 8
        passes, size, each = -(-self.dtype.bits // width), 1 << width, -(-n // PIECES)
        keys = w.memory("keys", (2, n), self.dtype)
        order = w.memory("order", (2, n), counter) if write is not None else None
        counts = w.memory("counts", (PIECES, size), counter)
        state = w.memory("state", (2,), int64)  # where the keys are; whether they share the digit
        mask = const(size - 1, self.dtype)
        digit = lambda key, p: cast((key >> cast(p * width, self.dtype)) & mask, int64)
        zero, one, side = const(0, counter), const(1, counter), state[0]

        @contextmanager
        def pieces() -> Iterator[tuple[Expr, Expr]]:
            """(the piece, the element) for every element, pieces at once."""
            with w.loop(PIECES, "t", "threads") as t, w.loop(each, "i") as i:
                with w.when(t * each + i < n):
                    yield t, t * each + i

        with pieces() as (_, i):
            w.store(keys, (0, i), self.key(i))
            if order is not None:
                w.store(order, (0, i), i)
        w.store(state, (0,), 0)
        with w.loop(passes, "p") as p:
            with w.loop(PIECES, "t") as t, w.loop(size, "d", "lanes") as d:
                w.store(counts, (t, d), zero)
            with pieces() as (t, i):
                d = digit(keys[side, i], p)
                w.store(counts, (t, d), counts[t, d] + one)
            total, before = w.variable("total", zero), w.variable("before", zero)
            count = w.variable("count", zero)
            w.store(state, (1,), 0)
            with w.loop(size, "d") as d:
                w.set(before, total[()])
                with w.loop(PIECES, "t") as t:
                    w.set(count, counts[t, d])
                    w.store(counts, (t, d), total[()])
                    w.set(total, total[()] + count[()])
                with w.when(apply("eq", total[()] - before[()], const(n, counter))):
                    w.store(state, (1,), 1)
            with w.when(apply("eq", state[1], const(0))):
                with pieces() as (t, i):
                    at = w.variable("at", digit(keys[side, i], p))
                    to = w.variable("to", counts[t, at[()]])
                    w.store(counts, (t, at[()]), to[()] + one)
                    w.store(keys, (1 - side, to[()]), keys[side, i])
                    if order is not None:
                        w.store(order, (1 - side, to[()]), order[side, i])
                w.store(state, (0,), 1 - side)
        with pieces() as (_, i):
            if order is not None and write is not None:
                write(i, cast(order[side, i], int64))
            elif write_key is not None:
                write_key(i, keys[side, i])

    def _places(self, counts: Buffer, p: Expr, size: int) -> None:
        """Where the elements with each digit begin, in place of how many there are."""
        w = self.w
        total = w.variable("total", const(0, self.counter))
        count = w.variable("count", const(0, self.counter))
        with w.loop(size, "d") as d:
            w.set(count, counts[p, d])
            w.store(counts, (p, d), total[()])
            w.set(total, total[()] + count[()])


def check_kinds(name: str, kind: Any, stable: Any) -> None:
    """DomainError for ``kind`` and ``stable`` of np.sort and its like that NumPy does not take."""
    if kind is not None and stable is not None:
        raise DomainError(f"np.{name}: give kind= or stable=, and not both")
    if kind not in (None, "quicksort", "mergesort", "heapsort", "stable"):
        raise DomainError(
            f"np.{name}: kind must be quicksort, mergesort, heapsort or stable, got {kind!r}"
        )


def _arguments(
    name: str, a: Any, axis: Any, kind: Any, order: Any, stable: Any = None
) -> tuple[Any, int]:
    check_kinds(name, kind, stable)
    if order is not None:
        raise ArgumentError(f"np.{name}: order= is for arrays with fields, got {order!r}")
    if axis is None or name.startswith("arg") and is_only_axis(shape_of(a), axis):
        return ravel(a), 0
    if not shape_of(a):
        message = f"np.{name}: axis {axis} is out of range for an array of 0 dimensions"
        raise AxisError(message, axis, 0)
    return a, as_axis(f"np.{name}", axis, len(shape_of(a)))


@implements(np.sort)
def sort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    """np.sort."""
    a, axis = _arguments("sort", a, axis, kind, order, stable)
    return sorted_along(a, axis=axis, stable=kind in ("mergesort", "stable") or stable is True)


@implements(np.argsort)
def argsort(
    a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None
) -> Any:
    """np.argsort; every ``kind`` is stable."""
    a, axis = _arguments("argsort", a, axis, kind, order, stable)
    return order_along(a, axis=axis)


def _places(name: str, a: Any, kth: Any, axis: Any) -> tuple[int, ...]:
    """``kth`` are places within the axis, or an error says which is not; they are counted from 0
    in the result. As in NumPy, any place is one of an array without elements."""
    n = shape_of(a)[axis]
    places = [operator.index(place) for place in np.ravel(np.asarray(kth)).tolist()]
    if not size_of(shape_of(a)):
        return ()
    for place in places:
        if not -n <= place < n:
            raise DomainError(f"np.{name}: kth {place} is out of bounds for an axis of size {n}")
    return tuple(place % n for place in places)


def _check_kind(name: str, kind: Any) -> None:
    if kind != "introselect":
        raise DomainError(f"np.{name}: kind must be introselect, got {kind!r}")


@implements(np.partition)
def partition(
    a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None
) -> Any:
    """np.partition; short rows, and those with many places, are sorted."""
    from .selection import pays, placed_along

    _check_kind("partition", kind)
    a, axis = _arguments("partition", a, axis, None, order)
    places = _places("partition", a, kth, axis)
    if pays(shape_of(a)[axis], places):
        return placed_along(a, axis=axis, places=places)
    return sorted_along(a, axis=axis, stable=False)


@implements(np.argpartition)
def argpartition(
    a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None
) -> Any:
    """np.argpartition; the order that sorts the axis where rows are short or places many."""
    from .selection import FEW, order_around, order_placed_along, pays, placed_along

    _check_kind("argpartition", kind)
    a, axis = _arguments("argpartition", a, axis, None, order)
    places = _places("argpartition", a, kth, axis)
    if not pays(shape_of(a)[axis], places) or len(places) > FEW:
        return order_along(a, axis=axis)
    if dtype_of(a).itemsize <= 4:
        return order_placed_along(a, axis=axis, places=places)
    known = sorted(set(places))
    return order_around(a, take(placed_along(a, axis=axis, places=places), known, axis), axis=axis)
