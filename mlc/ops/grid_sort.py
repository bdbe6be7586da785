"""Sorting for cards: tiles by blocks of threads in shared memory, then pairs of sorted runs become
one, pass after pass. An element of a run knows its place in both when it has found, by halving, how
many of the other run go before it. Equal elements keep their order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from .. import te
from ..dtypes import DType, int32, int64, uint32, uint64
from ..errors import ScheduleError
from ..ir.expr import Expr, apply, cast, const, select
from ..ir.grids import MOST_SHARED, Grid, Knob, knob
from ..ir.program import Buffer, Program
from .broadcast import size_of
from .on_grid import LEAST, THREADS, points, power_above, team
from .programs import Writer, unflattened
from .sort_keys import from_key, key_dtype, sort_key

TILE = 1 << 10  # elements that a block sorts
TILES = (256, 512, 1024, 2048, 4096)
BLOCKS = (64, 128, 256, 512, 1024)  # threads that sort a tile

Key = Callable[[Expr, Expr], Expr]
Finish = Callable[[Expr, Expr, Expr, Expr | None], None]


def merge_sorted(
    w: Writer, rows: int, n: int, dtype: DType, key: Key, finish: Finish, places: bool,
    tile: int = 0, threads: int = 0,
) -> None:  # fmt: skip
    """``finish(row, i, k, place)`` for each of the ``n`` places of each row: ``k`` is the key that
    belongs to ``i``, element number ``place`` of the row, None unless ``places`` are wanted.
    ``key(row, i)`` is an unsigned number of ``dtype``. ``tile`` and ``threads`` are those of
    :func:`sort_knobs`."""
    tile = tile or _tile(n)
    needed = 2 * tile * (dtype.itemsize + (int32.itemsize if places else 0))
    if needed > MOST_SHARED:
        raise ScheduleError(
            f"tiles of {tile} elements need {needed} bytes of shared memory, and blocks have "
            f"{MOST_SHARED} on every card; choose a smaller one"
        )
    tiles = -(-n // tile)
    passes = (tiles - 1).bit_length()
    counter = int32 if n <= int32.highest else int64
    keys = [w.memory(f"keys{side}", (rows, n), dtype) for side in range(min(passes, 2))]
    order = [w.memory(f"order{side}", (rows, n), counter) for side in range(min(passes, 2))]
    order = order if places else []

    def hand_on(number: int, row: Expr, i: Expr, k: Expr, place: Expr | None) -> None:
        """What pass ``number`` has found for place ``i``."""
        if number == passes:
            finish(row, i, k, None if place is None else cast(place, int64))
            return
        w.store(keys[number % 2], (row, i), k)
        if place is not None:
            w.store(order[number % 2], (row, i), place)

    team_of = min(threads or THREADS, tile)
    _tiles(w, rows, n, tile, team_of, dtype, key, places, lambda *found: hand_on(0, *found))
    for number in range(passes):
        mine, its = keys[number % 2], order[number % 2] if places else None
        with points(w, rows * n) as point:
            row, i = (point // n, point % n) if rows > 1 else (const(0), point)
            k = w.variable("k", mine[row, i])
            ahead = partial(_of_row, mine, row)
            at = _place(w, i, tile << number, n, k, ahead)
            hand_on(number + 1, row, at, k[()], None if its is None else its[row, i])


def _tile(n: int) -> int:
    return min(TILE, max(power_above(n), LEAST))


def sort_knobs(n: int) -> tuple[Knob, ...]:
    """For rows of ``n`` elements: ``tile``, what a block sorts in shared memory before pairs of
    tiles become one, and ``threads`` of such a block, no more than that."""
    most = max(power_above(n), LEAST)
    tiles = tuple(tile for tile in TILES if tile <= most)
    return knob("tile", tiles, _tile(n)), knob("threads", BLOCKS, min(THREADS, _tile(n)))


def _of_row(keys: Buffer, row: Expr | int, i: Expr) -> Expr:
    return keys[row, i]


def _tiles(
    w: Writer, rows: int, n: int, tile: int, threads: int, dtype: DType, key: Key, places: bool,
    hand_on: Callable[[Expr, Expr, Expr, Expr | None], None],
) -> None:  # fmt: skip
    """Each block sorts a tile of a row in shared memory."""
    tiles = -(-n // tile)
    with w.loop(rows * tiles, "b", "blockIdx.x") as b:
        row, start = b // tiles, b % tiles * tile
        count = n - start
        whole = n % tile == 0
        keys = w.memory("keys", (2, tile), dtype)
        order = w.memory("order", (2, tile), int32) if places else None
        with team(w, tile, threads) as i, w.when(const(True) if whole else i < count):
            w.store(keys, (0, i), key(row, start + i))
            if order is not None:
                w.store(order, (0, i), i)
        passes = (tile - 1).bit_length()
        with w.loop(passes, "p") as p:
            side = p % 2
            with team(w, tile, threads) as i, w.when(const(True) if whole else i < count):
                k = w.variable("k", keys[side, i])
                limit = const(tile) if whole else count
                at = _place(w, i, const(1) << p, limit, k, partial(_of_row, keys, side))
                w.store(keys, (1 - side, at), k[()])
                if order is not None:
                    w.store(order, (1 - side, at), order[side, i])
        last = passes % 2
        with team(w, tile, threads) as i, w.when(const(True) if whole else i < count):
            place = None if order is None else start + cast(order[last, i], int64)
            hand_on(row, start + i, keys[last, i], place)


def _place(
    w: Writer, i: Expr, run: Expr | int, n: Expr | int, k: Buffer, key: Callable[[Expr], Expr]
) -> Expr:
    """Where element ``i``, whose key is ``k``, belongs when its run and the one beside it, of
    ``run`` elements each, a power of 2, as far as there are ``n``, become one."""
    kind = uint64 if isinstance(run, int) and run >= 1 << 31 else uint32
    run = w.variable("run", run)[()] if isinstance(run, Expr) else const(run)
    own = w.variable("own", i & (run - 1))
    is_left = w.variable("is_left", apply("eq", i & run, const(0)))
    pair = w.variable("pair", i - own[()] - select(is_left[()], const(0), run))
    other = pair[()] + select(is_left[()], run, const(0))
    start = w.variable("start", other)
    low, high = w.variable("low", const(0, kind)), w.variable("high", const(0, kind))
    with w.when(start[()] < n):
        w.set(high, te.min(n - start[()], run))
    with w.repeat(low[()] < high[()]):
        middle = w.variable("middle", (low[()] + high[()]) >> const(1, kind))
        found = w.variable("found", key(start[()] + cast(middle[()], int64)))
        goes_before = (found[()] < k[()]) | (~is_left[()] & apply("eq", found[()], k[()]))
        with w.when(goes_before):
            w.set(low, middle[()] + const(1, kind))
        with w.otherwise():
            w.set(high, middle[()])
    return pair[()] + own[()] + cast(low[()], int64)


def sort_on_grid(
    name: str, shape: Sequence[int], dtype: DType, axis: int, descending: bool,
    places: bool, follows: bool,
) -> Grid:  # fmt: skip
    """An array of ``dtype`` sorted along ``axis``, or the ``places`` that the elements come from.
    ``follows`` says that elements of equal keys may differ."""

    def write(tile: int, threads: int) -> Program:
        return _sorted(name, shape, dtype, axis, descending, places, follows, tile, threads)

    return Grid(write, lambda: sort_knobs(shape[axis]))


def _sorted(
    name: str, shape: Sequence[int], dtype: DType, axis: int, descending: bool,
    places: bool, follows: bool, tile: int, threads: int,
) -> Program:  # fmt: skip
    w = Writer(name)
    x, out = w.input("x", shape, dtype), w.output("out", shape, int64 if places else dtype)
    n, rest = shape[axis], (*shape[:axis], *shape[axis + 1 :])

    def at(row: Expr, i: Expr) -> tuple[Expr, ...]:
        others = unflattened(row, rest)
        return (*others[:axis], i, *others[axis:])

    def key(row: Expr, i: Expr) -> Expr:
        found = sort_key(x[at(row, i)], zeros_apart=not follows)
        return ~found if descending else found

    def finish(row: Expr, i: Expr, k: Expr, place: Expr | None) -> None:
        if place is None:
            value = from_key(~k if descending else k, dtype)
        else:
            value = place if places else x[at(row, place)]
        w.store(out, at(row, i), value)

    rows = size_of(rest)
    kind = key_dtype(dtype)
    merge_sorted(w, rows, n, kind, key, finish, follows or places, tile, threads)
    return w.program()


def order_around_on_grid(
    shape: Sequence[int], dtype: DType, pivots: Sequence[int], axis: int
) -> Grid:
    """The places of what is less than the first of the sorted pivots along ``axis``, then those of
    its equals, and so on; each kind in order."""

    def write(tile: int, threads: int) -> Program:
        return _order_around(shape, dtype, pivots, axis, tile, threads)

    return Grid(write, lambda: sort_knobs(shape[axis]))


def _order_around(
    shape: Sequence[int], dtype: DType, pivots: Sequence[int], axis: int, tile: int, threads: int
) -> Program:
    w = Writer("argpartition")
    x, found = w.input("x", shape, dtype), w.input("found", pivots, dtype)
    out = w.output("out", shape, int64)
    rest = (*shape[:axis], *shape[axis + 1 :])

    def at(row: Expr, i: Expr | int) -> tuple[Expr | int, ...]:
        others = unflattened(row, rest)
        return (*others[:axis], i, *others[axis:])

    def kind(row: Expr, i: Expr) -> Expr:
        mine = sort_key(x[at(row, i)])
        number: Expr = const(0, uint32)
        for j in range(pivots[axis]):
            border = sort_key(found[at(row, j)])
            number = number + cast(mine >= border, uint32) + cast(mine > border, uint32)
        return number

    def finish(row: Expr, i: Expr, k: Expr, place: Expr | None) -> None:
        w.store(out, at(row, i), place)

    merge_sorted(w, size_of(rest), shape[axis], uint32, kind, finish, True, tile, threads)
    return w.program()
