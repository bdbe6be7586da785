"""Writes programs over the blocks and threads of a grid."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from ...dtypes import DType
from ...ir.combiner import reducer
from ...ir.expr import Expr, Var, cast, const
from ...ir.program import Accumulate, Buffer, For, LoopKind, Region, Scope
from ...ops.programs import Writer, joined

WARP = 32
ROOM = 88 << 10  # bytes of shared memory, with gaps less than any card has
GAP = 16  # bytes between rows of shared memory, so that they begin in different banks
SUMS_GAP = 32  # the same of sums, which threads write two at a time
_Late = Callable[[int, int], AbstractContextManager[None]]


class Grid(Writer):
    """A program over threads."""

    @contextmanager
    def bound(self, extent: int, thread: str, name: str) -> Iterator[Expr]:
        """``for i in thread_binding(extent, thread)``"""
        var = Var(name)
        with self._nested() as body:
            yield var
        hint = (("thread", thread),)
        self.lists[-1].append(For(var, extent, body.statement(), LoopKind.BOUND, hint))

    @contextmanager
    def overlapped(self, extent: int, name: str, copies: int, ahead: int = 1) -> Iterator[Expr]:
        """A loop whose first ``copies`` statements fill memory of its own, ``ahead`` iterations
        ahead of the others."""
        var = Var(name)
        with self._nested() as body:
            yield var
        first, rest = [], list(body.items)
        while copies:
            first.append(rest.pop(0))
            copies -= not isinstance(first[-1], Buffer)
        memory = [item for item in first if isinstance(item, Buffer)]
        filling = [item for item in first if not isinstance(item, Buffer)]
        stages = (*(0 for _ in filling), ahead)
        hints = (
            ("software_pipeline_order", tuple(range(len(stages)))),
            ("software_pipeline_stage", stages),
        )
        made = joined([*memory, *filling, joined(rest)])
        self.lists[-1].append(For(var, extent, made, LoopKind.SERIAL, hints))

    @contextmanager
    def staged(self, extent: int, name: str) -> Iterator[tuple[Expr, _Late]]:
        """A loop of which several iterations overlap. What is written within ``late(stage, place)``
        runs so many iterations late, at that place among those that run at one time; its buffers
        are those of the loop."""
        var = Var(name)
        parts: list[tuple[int, int, list[Any]]] = []

        @contextmanager
        def late(stage: int, place: int) -> Iterator[None]:
            with self._nested() as body:
                yield
            parts.append((stage, place, body.items))

        with self._nested():
            yield var, late
        items = [(stage, place, item) for stage, place, own in parts for item in own]
        memory = [item for *_, item in items if isinstance(item, Buffer)]
        rows = [row for row in items if not isinstance(row[2], Buffer)]
        order = sorted(range(len(rows)), key=lambda n: (rows[n][1], n))
        hints = (
            ("software_pipeline_order", tuple(order.index(n) for n in range(len(rows)))),
            ("software_pipeline_stage", tuple(stage for stage, *_ in rows)),
        )
        made = joined([*memory, *(item for *_, item in rows)])
        self.lists[-1].append(For(var, extent, made, LoopKind.SERIAL, hints))

    def place(
        self, name: str, shape: Sequence[int], dtype: DType, scope: str, gap: int = GAP
    ) -> Buffer:
        """Memory of a block of threads, of a warp or of a thread; rows are apart in shared memory,
        and aligned."""
        strides = None
        if scope == "shared" and len(shape) == 2:
            strides = (shape[1] + gap // dtype.itemsize, 1)
        return self._allocate(Buffer(name, tuple(shape), dtype, strides, Scope(scope)))

    def fold(self, fn: str, into: Buffer, part: Buffer) -> None:
        """``into`` = what the lanes of a warp have in ``part`` folded."""
        combiner = reducer(fn, into.dtype)
        self.store(into, (0,), combiner.identity[0])
        with self.bound(WARP, "threadIdx.x", "lane") as lane:
            self.lists[-1].append(Accumulate(combiner, (into,), (const(0),), (part[lane],)))


def box(buffer: Buffer, i: Expr | int, j: Expr | int, rows: int, columns: int) -> Region:
    return Region(buffer, (cast(i, "int64"), cast(j, "int64")), (rows, columns))


@contextmanager
def whens(w: Writer, tests: Sequence[Expr]) -> Iterator[None]:
    if tests:
        with w.when(tests[0]):
            yield
    else:
        yield
