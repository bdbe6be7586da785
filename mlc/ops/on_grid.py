"""Parts of programs that operators have for cards: loops over all threads of a grid, prefixes.

Such a program means what it says when its loops run one after the other, like any other. What is
allocated between a loop over blocks and one over threads is the block's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from .. import te
from ..dtypes import DType
from ..errors import ScheduleError
from ..ir.expr import Expr, const
from ..ir.grids import MOST_SHARED, Knob, knob
from ..ir.program import Buffer
from .programs import Writer

THREADS = 256  # of a block
LEAST = 32  # a warp
SPREAD = 1 << 15  # points from which blocks are of all THREADS: fewer go to more blocks
EACH = 9  # neighbours that a thread combines: an odd number, so that they lie in all banks
LINES = 512  # from which on a block for each keeps all processors busy
THREAD_CHOICES = (32, 64, 128, 256, 512, 1024)
EACH_CHOICES = (5, 7, 9, 11, 13, 15, 17, 21)

Parts = tuple[Expr, ...]  # of what is combined, one for each dtype
Combine = Callable[[Parts, Parts], Parts]
Read = Callable[[Expr, Expr], Parts]
Write = Callable[[Expr, Expr, Parts], None]


def threads_for(count: int) -> int:
    """How many threads blocks of :func:`points` have."""
    return THREADS if count >= SPREAD else LEAST * 2


def point_knobs(count: int) -> tuple[Knob, ...]:
    """``threads`` of a block, for :func:`points`."""
    return (knob("threads", THREAD_CHOICES, threads_for(count)),)


def prefix_knobs(n: int) -> tuple[Knob, ...]:
    """``threads`` of a block and ``each``, the neighbours that a thread combines, for
    :func:`prefixes` of lines of ``n``."""
    return knob("threads", THREAD_CHOICES, prefix_threads(n)), knob("each", EACH_CHOICES, EACH)


@contextmanager
def points(
    w: Writer, count: int, name: str = "i", atomic: bool = False, threads: int = 0
) -> Iterator[Expr]:
    """``for i in range(count)``, a thread for each: they must not meet, unless they combine
    (``atomic``) into places that variables hold. Blocks are of ``threads``, or as many as suit."""
    wide = threads or threads_for(count)
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


def prefix_threads(n: int) -> int:
    """How many threads blocks of :func:`prefixes` have, unless they are told."""
    return min(THREADS, max(LEAST, power_above(-(-n // EACH))))


def prefixes(
    w: Writer, lines: int, n: int, dtypes: Sequence[DType], read: Read, combine: Combine,
    write: Write, threads: int = 0, each: int = EACH, atomic: bool = False,
) -> None:  # fmt: skip
    """``write(line, i, read(line, 0) combined ... with read(line, i))`` for each of the ``n``
    places of each line; ``combine`` is associative. What is combined has a part of each dtype.

    Blocks of ``threads`` have tiles of a line, ``each`` elements a thread. Where one tile is not
    enough, a block goes through those of a line if there are many lines; of few the totals of tiles
    are combined first, and lines of totals are scanned in the same way. The order is fixed, and so
    are the bits. With ``atomic`` what is written may be combined into
    places that variables hold. ScheduleError where a block has no room for its tile.
    """
    threads = threads or prefix_threads(n)
    tile = threads * each
    needed = threads * (each + 2) * sum(dtype.itemsize for dtype in dtypes)
    if needed > MOST_SHARED:
        raise ScheduleError(
            f"{threads} threads of {each} elements each need {needed} bytes of shared memory, and "
            f"blocks have {MOST_SHARED} on every card; choose fewer of one"
        )
    tiles = -(-n // tile)
    before: list[Buffer] = []
    own = _Tile(w, threads, each, dtypes, combine)
    blocks = "blockIdx.x atomic" if atomic else "blockIdx.x"
    if tiles > 1 and lines >= LINES:
        with w.loop(lines, "b", blocks) as line:
            carried = [w.memory("carried", (2,), dtype) for dtype in dtypes]
            with w.loop(tiles, "tile") as number:
                so_far = tuple(part[number % 2] for part in carried)
                side = own.prefixes_of(n, number * tile, line, read, write, number, so_far)
                with w.loop(1, "t", "threadIdx.x"):
                    total = [w.variable("total", part) for part in own.sum(side, threads - 1)]
                    found = tuple(part[()] for part in total)
                    with w.when(number > 0):
                        own.set(total, combine(so_far, found))
                    own.store(carried, ((number + 1) % 2,), found)
        return
    if tiles > 1:
        totals = [w.memory("totals", (lines, tiles), dtype) for dtype in dtypes]
        with w.loop(lines * tiles, "b", "blockIdx.x") as b:
            line, number = b // tiles, b % tiles
            own.begin(n, number * tile, lambda i: read(line, i))
            own.store(totals, (line, number), own.whole())
        before = [w.memory("before", (lines, tiles - 1), dtype) for dtype in dtypes]
        prefixes(
            w, lines, tiles - 1, dtypes, lambda r, i: tuple(part[r, i] for part in totals),
            combine, lambda r, i, value: own.store(before, (r, i), value),
        )  # fmt: skip
    with w.loop(lines * tiles, "b", blocks) as b:
        line, number = b // tiles, b % tiles
        so_far = tuple(part[line, number - 1] for part in before)
        own.prefixes_of(n, number * tile, line, read, write, number, so_far)


class _Tile:
    """The tile of a block, in its memory: ``values`` are prefixes of ``each`` neighbours, ``sums``
    the last of these for each thread, on two sides, of which passes read one and write the other.
    """

    def __init__(
        self, w: Writer, threads: int, each: int, dtypes: Sequence[DType], combine: Combine
    ) -> None:
        self.w, self.threads, self.each, self.dtypes = w, threads, each, dtypes
        self.combine = combine

    def begin(self, n: int, start: Expr, read: Callable[[Expr], Parts]) -> None:
        """The tile from ``start`` on; behind the end of a line stands its last element again, which
        nobody asks for."""
        w, threads, each = self.w, self.threads, self.each
        tile = threads * each
        self.values = [w.memory("values", (tile,), dtype) for dtype in self.dtypes]
        self.sums = [w.memory("sums", (2, threads), dtype) for dtype in self.dtypes]
        with team(w, tile, threads) as i:
            place = start + i
            self.store(self.values, (i,), read(place if n % tile == 0 else te.min(place, n - 1)))
        with w.loop(threads, "t", "threadIdx.x") as t:
            total = [w.variable("total", part[t * each]) for part in self.values]
            found = tuple(part[()] for part in total)
            with w.loop(each - 1, "e") as e:
                place = t * each + e + const(1)
                self.set(total, self.combine(found, tuple(part[place] for part in self.values)))
                self.store(self.values, (place,), found)
            self.store(self.sums, (0, t), found)

    def prefixes_of(
        self, n: int, start: Expr, line: Expr, read: Read, write: Write, number: Expr, before: Parts
    ) -> int:
        """All that is written of the tile from ``start`` on, whose ``number`` is 0 for the first of
        a line; others come after what is combined ``before``. Returns the side of the sums."""
        w, combine, tile = self.w, self.combine, self.threads * self.each
        self.begin(n, start, lambda i: read(line, i))
        side = self.scanned()
        with team(w, tile, self.threads) as i, w.when(start + i < n):
            value = [w.variable("value", part[i]) for part in self.values]
            found = tuple(part[()] for part in value)
            with w.when(i >= self.each):
                self.set(value, combine(self.sum(side, i // self.each - 1), found))
            if before:
                with w.when(number > 0):
                    self.set(value, combine(before, found))
            write(line, start + i, found)
        return side

    def sum(self, side: int, t: Expr | int) -> Parts:
        return tuple(part[side, t] for part in self.sums)

    def whole(self) -> Parts:
        """All of the tile combined."""
        w, half, side = self.w, self.threads // 2, 0
        while half:
            with w.loop(half, "t", "threadIdx.x") as t:
                both = self.combine(self.sum(side, t * 2), self.sum(side, t * 2 + 1))
                self.store(self.sums, (1 - side, t), both)
            half, side = half // 2, 1 - side
        return self.sum(side, 0)

    def scanned(self) -> int:
        """Prefixes of the sums, on the side that is returned."""
        w, distance, side = self.w, 1, 0
        while distance < self.threads:
            with w.loop(self.threads, "t", "threadIdx.x") as t:
                with w.when(t >= distance):
                    both = self.combine(self.sum(side, t - distance), self.sum(side, t))
                    self.store(self.sums, (1 - side, t), both)
                with w.otherwise():
                    self.store(self.sums, (1 - side, t), self.sum(side, t))
            distance, side = distance * 2, 1 - side
        return side

    def store(self, buffers: Sequence[Buffer], place: Sequence[Expr | int], value: Parts) -> None:
        for buffer, part in zip(buffers, value, strict=True):
            self.w.store(buffer, place, part)

    def set(self, variables: Sequence[Buffer], value: Parts) -> None:
        """All parts at once: each may depend on what the others were."""
        if len(value) > 1:
            value = tuple(self.w.variable("new", part)[()] for part in value)
        for variable, part in zip(variables, value, strict=True):
            self.w.set(variable, part)
