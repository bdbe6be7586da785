"""Operators over places that data say, for cards: counts, sums and writes at places that may be
equal, the places that hold, searches.

Whole numbers are combined by atomic operations, whose order does not show. Where an order shows,
writers are sorted by their place first, those of one place as they came; then one thread has all
that goes to a place, and the bits are those of one loop after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .. import te
from ..dtypes import DType, boolean, int32, int64, uint8, uint32, uint64
from ..ir.expr import Expr, apply, cast, const
from ..ir.grids import Grid
from ..ir.program import Buffer, Program
from .broadcast import size_of
from .grid_sort import merge_sorted, sort_knobs
from .on_grid import Parts, point_knobs, points, prefix_knobs, prefixes
from .programs import Writer, unflattened
from .sort_keys import key_dtype, sort_key

Read = Callable[[Expr], Expr]


def adds_at_once(dtype: DType) -> bool:
    """Whether cards combine elements of ``dtype`` at once with the same result in any order."""
    return dtype.kind in "iu" and dtype.itemsize >= 4


def in_order(
    w: Writer, n: int, extent: int, place_of: Read, tile: int, threads: int
) -> tuple[Buffer, Buffer]:
    """The places, below ``extent``, of ``n`` writers, sorted; and who writes there. ``tile`` and
    ``threads`` are those of :func:`mlc.ops.grid_sort.sort_knobs`."""
    kind = uint32 if extent <= uint32.highest else uint64
    where = w.memory("where", (n,), kind)
    with points(w, n) as i:
        w.store(where, (i,), place_of(i))
    places = w.memory("places", (n,), kind)
    order = w.memory("order", (n,), int32 if n <= int32.highest else int64)

    def finish(row: Expr, i: Expr, place: Expr, number: Expr | None) -> None:
        w.store(places, (i,), place)
        w.store(order, (i,), number)

    merge_sorted(w, 1, n, kind, lambda row, i: where[i], finish, True, tile, threads)
    return places, order


def halved(w: Writer, n: int, goes_before: Callable[[Expr], Expr]) -> Expr:
    """How many of ``n`` elements go before something: the first ones."""
    low, high = w.variable("low", const(0)), w.variable("high", const(n))
    with w.repeat(low[()] < high[()]):
        middle = w.variable("middle", (low[()] + high[()]) >> const(1))
        with w.when(goes_before(middle[()])):
            w.set(low, middle[()] + 1)
        with w.otherwise():
            w.set(high, middle[()])
    return low[()]


def counts_on_grid(
    n: int, given: DType, weights: DType | None, size: int, target: DType, refusal: str
) -> Grid:
    """How often each of ``range(size)`` is among ``n`` places, or the sum of its weights."""

    def write(threads: int, tile: int = 0) -> Program:
        return _counts(n, given, weights, size, target, refusal, tile, threads)

    return Grid(write, lambda: point_knobs(n) if adds_at_once(target) else sort_knobs(n))


def _counts(
    n: int, given: DType, weights: DType | None, size: int, target: DType, refusal: str,
    tile: int, threads: int,
) -> Program:  # fmt: skip
    w = Writer("counts")
    at = w.input("places", (n,), given)
    weight = None if weights is None else w.input("weights", (n,), weights)
    out = w.output("out", (size,), target)
    guard = w.guard("DomainError", refusal, size) if refusal else None

    def more(i: Expr) -> Expr:
        return const(1, target) if weight is None else cast(weight[i], target)

    def checked(i: Expr) -> tuple[Buffer, Expr]:
        """The place that ``i`` counts for, and whether it is one."""
        place = w.variable("place", cast(at[i], int64))
        if guard is not None:
            w.store(guard, (place[()],), 0)
        return place, (place[()] >= 0) & (place[()] < size)

    if adds_at_once(target):
        with points(w, size, "d") as d:
            w.store(out, (d,), const(0, target))
        with points(w, n, atomic=True, threads=threads) as i:
            place, inside = checked(i)
            with w.when(inside):
                w.accumulate("sum", out, (place[()],), more(i))
        return w.program()

    def place_of(i: Expr) -> Expr:
        place, inside = checked(i)
        with w.when(~inside):
            w.set(place, size)
        return place[()]

    places, order = in_order(w, n, size + 1, place_of, tile, threads)
    with points(w, size, "d") as d:
        total = w.variable("total", const(0, target))
        begin = halved(w, n, lambda i: cast(places[i], int64) < d)
        at_one = w.variable("i", begin)
        here = at_one[()]
        with w.repeat((here < n) & apply("eq", cast(places[te.min(here, n - 1)], int64), d)):
            w.set(total, total[()] + more(cast(order[here], int64)))
            w.set(at_one, here + 1)
        w.store(out, (d,), total[()])
    return w.program()


def search_on_grid(
    n: int, given: DType, size: int, values: DType, work: DType, right: bool
) -> Grid:
    """How many of ``n`` sorted elements are less than each of ``size`` values, or not more."""

    def write(threads: int) -> Program:
        return _searched(n, given, size, values, work, right, threads)

    return Grid(write, lambda: point_knobs(size))


def _searched(
    n: int, given: DType, size: int, values: DType, work: DType, right: bool, threads: int
) -> Program:
    w = Writer("searchsorted")
    table, keys = w.input("a", (n,), given), w.input("v", (size,), values)
    out = w.output("out", (size,), int64)
    with points(w, size, threads=threads) as i:
        key = w.variable("key", cast(keys[i], work))

        def goes_before(place: Expr) -> Expr:
            found = cast(table[place], work)
            before = found <= key[()] if right else found < key[()]
            if not work.is_float:
                return before
            missing = apply("isnan", key[()])
            return before | missing if right else before | (missing & ~apply("isnan", found))

        w.store(out, (i,), halved(w, n, goes_before))
    return w.program()


def places_on_grid(n: int, given: DType, size: int, fill: int, sentence: str) -> Grid:
    """The first ``size`` places of what is not 0 among ``n`` elements, in order, then ``fill``.
    More of them are refused with ``sentence``, if there is one."""

    def write(threads: int, each: int) -> Program:
        return _places(n, given, size, fill, sentence, threads, each)

    return Grid(write, lambda: prefix_knobs(n))


def _places(
    n: int, given: DType, size: int, fill: int, sentence: str, threads: int, each: int
) -> Program:
    w = Writer("nonzero")
    x, out = w.input("x", (n,), given), w.output("out", (size,), int64)
    full = w.guard("BoundsError", sentence, size + 1) if sentence else None
    found = w.memory("found", (1,), int64)
    _compacted(
        w, n, size, lambda i: cast(x[i], boolean), lambda to, i: w.store(out, (to,), i), found,
        threads, each,
    )  # fmt: skip
    with points(w, size) as i:
        with w.when(i >= found[0]):
            w.store(out, (i,), const(fill))
    if full is not None:
        with points(w, 1):
            w.store(full, (found[0],), 0)
    return w.program()


def elements_on_grid(n: int, dtype: DType, size: int) -> Grid:
    """The first ``size`` of ``n`` elements where a mask holds."""

    def write(threads: int, each: int) -> Program:
        return _elements(n, dtype, size, threads, each)

    return Grid(write, lambda: prefix_knobs(n))


def _elements(n: int, dtype: DType, size: int, threads: int, each: int) -> Program:
    w = Writer("chosen")
    mask, x = w.input("mask", (n,), boolean), w.input("x", (n,), dtype)
    out = w.output("out", (size,), dtype)
    _compacted(
        w, n, size, lambda i: mask[i], lambda to, i: w.store(out, (to,), x[i]), None, threads, each
    )
    return w.program()


def _compacted(
    w: Writer, n: int, size: int, holds: Read, write: Callable[[Expr, Expr], None],
    found: Buffer | None, threads: int, each: int,
) -> None:  # fmt: skip
    """``write(number, i)`` for the first ``size`` of ``n`` places that hold, which are counted from
    0; how many hold goes to ``found``. ``threads`` and ``each`` are those of
    :func:`mlc.ops.on_grid.prefix_knobs`."""
    kind = int32 if n <= int32.highest else int64

    def finish(row: Expr, i: Expr, found_here: Parts) -> None:
        (count,) = found_here
        with w.when(holds(i) & (count <= size)):
            write(cast(count, int64) - 1, i)
        if found is not None:
            with w.when(apply("eq", i, const(n - 1))):
                w.store(found, (0,), count)

    prefixes(
        w, 1, n, (kind,), lambda row, i: (cast(holds(i), kind),),
        lambda a, b: (a[0] + b[0],), finish, threads, each,
    )  # fmt: skip


def membership_on_grid(size: int, given: DType, n: int, tests: DType, work: DType) -> Grid:
    """Whether each of ``size`` elements equals one of ``n`` others, compared in ``work``."""

    def write(tile: int, threads: int) -> Program:
        return _members(size, given, n, tests, work, tile, threads)

    return Grid(write, lambda: sort_knobs(n))


def _members(
    size: int, given: DType, n: int, tests: DType, work: DType, tile: int, threads: int
) -> Program:
    w = Writer("isin")
    x, known = w.input("x", (size,), given), w.input("tests", (n,), tests)
    out = w.output("out", (size,), boolean)
    kind = key_dtype(work)
    table = w.memory("table", (n,), kind)
    merge_sorted(
        w, 1, n, kind, lambda row, i: sort_key(cast(known[i], work)),
        lambda row, i, k, place: w.store(table, (i,), k), False, tile, threads,
    )  # fmt: skip
    with points(w, size) as i:
        key = w.variable("key", sort_key(cast(x[i], work)))
        at = w.variable("at", halved(w, n, lambda place: table[place] < key[()]))
        stands = table[te.min(at[()], n - 1)]
        w.store(out, (i,), (at[()] < n) & apply("eq", stands, key[()]))
    return w.program()


def bytes_on_grid(
    shape: Sequence[int], size: int, byte: Callable[[Buffer, list[Expr], Expr, int], Expr]
) -> Grid:
    """``size`` bytes of each row of bits; ``byte(bits, row, place, 0)`` is one."""
    outer = tuple(shape[:-1])
    count = size_of(outer) * size

    def write(threads: int) -> Program:
        w = Writer("packbits")
        bits, out = w.input("x", shape, boolean), w.output("out", (*outer, size), uint8)
        with points(w, count, threads=threads) as i:
            *row, place = unflattened(i, (*outer, size))
            w.store(out, (*row, place), byte(bits, row, place, 0))
        return w.program()

    return Grid(write, lambda: point_knobs(count))
