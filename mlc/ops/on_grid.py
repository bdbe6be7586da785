"""Parts of programs that operators have for cards: loops over all threads of a grid, prefixes.

Such a program means what it says when its loops run one after the other, like any other. What is
allocated between a loop over blocks and one over threads is the block's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .. import te
from ..dtypes import DType
from ..ir.expr import Expr, const
from ..ir.program import Buffer
from .programs import Writer

THREADS = 256  # of a block
LEAST = 32  # a warp
SPREAD = 1 << 15  # points from which blocks are of all THREADS: fewer go to more blocks
EACH = 9  # neighbours that a thread combines: an odd number, so that they lie in all banks

Combine = Callable[[Expr, Expr], Expr]
Read = Callable[[Expr, Expr], Expr]
Write = Callable[[Expr, Expr, Expr], None]


@contextmanager
def points(w: Writer, count: int, name: str = "i", atomic: bool = False) -> Iterator[Expr]:
    """``for i in range(count)``, a thread for each: they must not meet, unless they combine
    (``atomic``) into places that variables hold."""
    wide = THREADS if count >= SPREAD else LEAST * 2
    blocks = "blockIdx.x atomic" if atomic else "blockIdx.x"
    with w.loop(-(-count // wide), "b", blocks) as b, w.loop(wide, name, "threadIdx.x") as t:
        i = b * wide + t
        if count % wide == 0:
            yield i
            return
        with w.when(i < count):
            yield i


@contextmanager
def team(w: Writer, count: int, threads: int, name: str = "v") -> Iterator[Expr]:
    """``for i in range(count)`` by the ``threads`` of a block, which must not meet; neighbours have
    neighbours."""
    with w.loop(threads, "t", "threadIdx.x") as t, w.loop(-(-count // threads), name) as v:
        i = v * threads + t
        if count % threads == 0:
            yield i
            return
        with w.when(i < count):
            yield i


def power_above(n: int) -> int:
    """The least power of 2 that is not less than ``n``."""
    return 1 << max(n - 1, 0).bit_length()


def prefixes(
    w: Writer, lines: int, n: int, dtype: DType, read: Read, combine: Combine, write: Write
) -> None:
    """``write(line, i, read(line, 0) combined ... with read(line, i))`` for each of the ``n``
    places of each line; ``combine`` is associative.

    Blocks have tiles of a line. Where one tile is not enough, the totals of tiles are combined
    first, and lines of totals are scanned in the same way. The order is fixed, and so are the bits.
    """
    threads = min(THREADS, max(LEAST, power_above(-(-n // EACH))))
    tile = threads * EACH
    tiles = -(-n // tile)
    before: Buffer | None = None
    if tiles > 1:
        totals = w.memory("totals", (lines, tiles), dtype)
        with w.loop(lines * tiles, "b", "blockIdx.x") as b:
            line, number = b // tiles, b % tiles
            sums = _parts(w, threads, n, number * tile, dtype, lambda i: read(line, i), combine)[1]
            half, side = threads // 2, 0
            while half:
                with w.loop(half, "t", "threadIdx.x") as t:
                    both = combine(sums[side, t * 2], sums[side, t * 2 + 1])
                    w.store(sums, (1 - side, t), both)
                half, side = half // 2, 1 - side
            w.store(totals, (line, number), sums[side, 0])
        before = w.memory("before", (lines, tiles - 1), dtype)
        held = before
        prefixes(
            w, lines, tiles - 1, dtype, lambda r, i: totals[r, i], combine,
            lambda r, i, value: w.store(held, (r, i), value),
        )  # fmt: skip
    with w.loop(lines * tiles, "b", "blockIdx.x") as b:
        line, number = b // tiles, b % tiles
        start = number * tile
        values, sums = _parts(w, threads, n, start, dtype, lambda i: read(line, i), combine)
        distance, side = 1, 0
        while distance < threads:
            with w.loop(threads, "t", "threadIdx.x") as t:
                with w.when(t >= distance):
                    both = combine(sums[side, t - distance], sums[side, t])
                    w.store(sums, (1 - side, t), both)
                with w.otherwise():
                    w.store(sums, (1 - side, t), sums[side, t])
            distance, side = distance * 2, 1 - side
        with team(w, tile, threads) as i, w.when(start + i < n):
            value = w.variable("value", values[i])
            with w.when(i >= EACH):
                w.set(value, combine(sums[side, i // EACH - 1], value[()]))
            if before is not None:
                with w.when(number > 0):
                    w.set(value, combine(before[line, number - 1], value[()]))
            write(line, start + i, value[()])


def _parts(
    w: Writer, threads: int, n: int, start: Expr, dtype: DType, read: Callable[[Expr], Expr],
    combine: Combine,
) -> tuple[Buffer, Buffer]:  # fmt: skip
    """The tile of a block as prefixes of EACH neighbours, and the last of these for each thread;
    behind the end of a line stands its last element again, which nobody asks for."""
    tile = threads * EACH
    values, sums = w.memory("values", (tile,), dtype), w.memory("sums", (2, threads), dtype)
    with team(w, tile, threads) as i:
        place = start + i
        w.store(values, (i,), read(place if n % tile == 0 else te.min(place, n - 1)))
    with w.loop(threads, "t", "threadIdx.x") as t:
        total = w.variable("total", values[t * EACH])
        with w.loop(EACH - 1, "e") as e:
            place = t * EACH + e + const(1)
            w.set(total, combine(total[()], values[place]))
            w.store(values, (place,), total[()])
        w.store(sums, (0, t), total[()])
    return values, sums
