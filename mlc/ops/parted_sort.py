"""Long rows that threads sort together, by vector code: each of them parts of its own.

Pivots are taken from a sample of the row. Pieces of it are counted by parts, and when it is known
where the parts begin, moved there; then the parts are sorted, each as one thread would sort a row.
Sorted rows are the same however many threads there are, bit for bit; of zeros of both signs the
negative ones come first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import accumulate
from operator import and_

from .. import te
from ..dtypes import DType, int64
from ..intrinsics.parting import PARTS, STATE, count_parts, move_parts, sort_part, threads_at_hand
from ..intrinsics.sorting import sort_row
from ..ir.expr import Expr, cast, const
from ..ir.program import Buffer, Program, Region
from .programs import Writer

PIECES = 8
SAMPLE = 16 * PARTS

RowProgram = Callable[[str, int], Program]


def sort_by_parts(
    w: Writer, row: Region, result: Region, n: int, program: RowProgram, spare: Buffer
) -> None:
    """The ``n`` elements of ``row`` in order as ``result``, by the threads at hand. ``program``
    writes, under a name, one that sorts so many elements in place; ``spare`` is memory for two
    more rows."""
    with w.when(is_alone(w)):
        sort_apart(w, row, result, n, spare)
    with w.otherwise():
        _sort_parts(w, row, result, n, program, spare)


def is_alone(w: Writer) -> Expr:
    """Whether threads at hand are one."""
    found = w.memory("threads", (1,), int64)
    w.run_on(threads_at_hand(_one_thread).name, Region(found, (const(0),), (1,)))
    return found[0] <= 1


def _sort_parts(
    w: Writer, row: Region, result: Region, n: int, program: RowProgram, spare: Buffer
) -> None:
    """The same by several threads."""
    dtype = result.buffer.dtype
    parted = w.memory("parted", (n,), dtype)
    sample, pivots = w.memory("sample", (SAMPLE,), dtype), w.memory("pivots", (PARTS - 1,), dtype)
    with w.loop(SAMPLE, "s") as s:
        w.store(sample, (s,), _read(row, (s * 2 + 1) * n // (2 * SAMPLE)))
    named = sort_row(dtype, SAMPLE, "", lambda name: program(name, SAMPLE)).name
    w.run_on(named, _whole(sample))
    with w.loop(PARTS - 1, "q") as q:
        w.store(pivots, (q,), sample[(q + 1) * (SAMPLE // PARTS)])
    state = w.memory("state", (PIECES, STATE), int64)
    with w.loop(PIECES, "t") as t:
        w.store(state, (t, 0), t * n // PIECES)
        w.store(state, (t, 1), (t + 1) * n // PIECES)
    own = lambda t: Region(state, (t, const(0)), (1, STATE))
    counting = count_parts(dtype, n, lambda name: _counting(name, n, dtype)).name
    moving = move_parts(dtype, n, lambda name: _moving(name, n, dtype)).name
    sorting = part_sorter(dtype, n)
    with w.loop(PIECES, "t", "threads") as t:
        w.run_on(counting, _whole(pivots), row, own(t))
    bounds = w.memory("bounds", (PARTS, 2), int64)
    total, count = w.variable("total", const(0)), w.variable("count", const(0))
    with w.loop(PARTS, "q") as q:
        w.store(bounds, (q, 0), total[()])
        with w.loop(PIECES, "t") as t:
            w.set(count, state[t, q + 2])
            w.store(state, (t, q + 2), total[()])
            w.set(total, total[()] + count[()])
        w.store(bounds, (q, 1), total[()])
    with w.loop(PIECES, "t", "threads") as t:
        w.run_on(moving, _whole(pivots), row, own(t), _whole(parted))
    with w.loop(PARTS, "q", "threads") as q:
        part = Region(bounds, (q, const(0)), (1, 2))
        w.run_on(sorting, part, _whole(parted), _whole(spare), result)


def part_sorter(dtype: DType, n: int) -> str:
    """The name of the intrinsic."""
    return sort_part(dtype, n, lambda name: _sorting(name, n, dtype)).name


def sort_apart(w: Writer, row: Region, result: Region, n: int, spare: Buffer) -> None:
    """A row in order to another place, by one thread."""
    bounds = w.memory("ends", (2,), int64)
    w.store(bounds, (0,), 0)
    w.store(bounds, (1,), n)
    w.run_on(part_sorter(result.buffer.dtype, n), _whole(bounds), row, _whole(spare), result)


def _at(row: Region, i: Expr) -> tuple[Expr, ...]:
    """The indices of element number ``i`` of a row."""
    return tuple(
        i if extent > 1 else start for start, extent in zip(row.starts, row.extents, strict=True)
    )


def _read(row: Region, i: Expr) -> Expr:
    return row.buffer[_at(row, i)]


def _whole(buffer: Buffer) -> Region:
    return Region(buffer, (const(0),), buffer.shape)


@contextmanager
def _between(w: Writer, start: Expr, end: Expr) -> Iterator[Expr]:
    i, stop = w.variable("i", start), w.variable("stop", end)
    with w.repeat(i[()] < stop[()]):
        yield i[()]
        w.set(i, i[()] + 1)


def _one_thread(name: str) -> Program:
    w = Writer(name)
    w.store(w.output("count", (1,), int64), (0,), 1)
    return w.program()


def _part_of(x: Expr, pivots: Buffer) -> Expr:
    behind = [~(x < pivots[q]) for q in range(PARTS - 1)]
    return sum((cast(test, int64) for test in accumulate(behind, and_)), const(0))


def _counting(name: str, n: int, dtype: DType) -> Program:
    """The program that says how elements are counted."""
    w = Writer(name)
    pivots, row = w.input("pivots", (PARTS - 1,), dtype), w.input("row", (n,), dtype)
    state = w.output("state", (STATE,), int64)
    with w.loop(PARTS, "q") as q:
        w.store(state, (q + 2,), 0)
    with _between(w, state[0], state[1]) as i:
        part = w.variable("part", _part_of(row[i], pivots))
        w.store(state, (part[()] + 2,), state[part[()] + 2] + 1)
    return w.program()


def _moving(name: str, n: int, dtype: DType) -> Program:
    """The program that says how they are moved."""
    w = Writer(name)
    pivots, row = w.input("pivots", (PARTS - 1,), dtype), w.input("row", (n,), dtype)
    state, out = w.output("state", (STATE,), int64), w.output("out", (n,), dtype)
    with _between(w, state[0], state[1]) as i:
        part = w.variable("part", _part_of(row[i], pivots))
        w.store(out, (state[part[()] + 2],), row[i])
        w.store(state, (part[()] + 2,), state[part[()] + 2] + 1)
    return w.program()


def _sorting(name: str, n: int, dtype: DType) -> Program:
    """The program that says how one part is sorted: by insertion."""
    from .sort_keys import sort_key

    w = Writer(name)
    bounds, row = w.input("bounds", (2,), int64), w.input("row", (n,), dtype)
    _, a = w.output("spare", (2 * n,), dtype), w.output("a", (n,), dtype)
    j, kept = w.variable("j", const(0)), w.variable("kept", row[0])
    with _between(w, bounds[0], bounds[1]) as i:
        w.set(j, i)
        w.set(kept, row[i])
        before = te.max(j[()] - 1, 0)
        with w.repeat((j[()] > bounds[0]) & (sort_key(a[before], True) > sort_key(kept[()], True))):
            w.store(a, (j[()],), a[before])
            w.set(j, j[()] - 1)
        w.store(a, (j[()],), kept[()])
    return w.program()
