"""bind: the iterations of a loop run on the threads of a grid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ...ir.expr import Var
from ...ir.program import For, LoopKind, Program, Stmt, walk
from ...records import dataclass, replace
from ..legality import accesses_of, thread_of, thread_violation
from ..legality.teams import ATOMIC
from ..refusal import Refusal
from ..step import Step, find_loop, replace_loop

if TYPE_CHECKING:
    from ..schedule import Schedule


THREADS = (
    "blockIdx.x", "blockIdx.y", "blockIdx.z",
    "threadIdx.x", "threadIdx.y", "threadIdx.z",
    "vthread.x", "vthread.y", "vthread.z",
)  # fmt: skip


@dataclass(frozen=True)
class Bind(Step):
    """``loop`` on the threads, or blocks of threads, that ``thread`` counts; ``atomic`` lets blocks
    combine into the same elements."""

    is_concurrent: ClassVar[bool] = True

    loop: Var
    thread: str
    atomic: bool = False

    def check(self, program: Program) -> Refusal | str | None:
        loop = find_loop(program, self.loop)
        if self.thread not in THREADS:
            return f"thread must be one of {', '.join(THREADS)}, got {self.thread!r}"
        if loop.kind is not LoopKind.SERIAL:
            return f"loop {self.loop.name} is {loop.kind.value} already"
        if self.atomic and not self.thread.startswith("blockIdx"):
            return (
                f"threads of one block fold without atomic operations, so atomic=True is for "
                f"blockIdx, got {self.thread!r}; leave it out"
            )
        around = accesses_of(program).loops[self.loop][:-1]
        inside = [n for n in walk(loop.body) if isinstance(n, For)]
        for other in (*around, *inside):
            if other.kind is LoopKind.PARALLEL:
                return (
                    f"loop {other.var.name} is parallel already, and the threads of the pool do "
                    "not mix with those of a grid"
                )
            if thread_of(other) == self.thread and not self.thread.startswith("threadIdx"):
                return (
                    f"loop {other.var.name} is bound to {self.thread} already, and loops "
                    f"{other.var.name} and {self.loop.name} stand in one another; fuse them first, "
                    "or take another thread"
                )
        grid = self.thread.startswith("blockIdx")
        wrong = [
            other
            for other in (around if grid else inside)
            if thread_of(other).startswith("threadIdx" if grid else "blockIdx")
        ]
        if wrong and not self.thread.startswith("vthread"):
            one, two = (wrong[0].var.name, self.loop.name)[:: 1 if grid else -1]
            return f"threads are inside blocks of threads, and loop {one} is around loop {two}"
        return thread_violation(self.apply(program)[0], self.loop)

    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        def change(loop: For) -> Stmt:
            hints = (*loop.annotations, ("thread", self.thread))
            if self.atomic:
                hints = (*hints, (ATOMIC, True))
            return replace(loop, kind=LoopKind.BOUND, annotations=hints)

        return replace_loop(program, self.loop, change), ()


def bind(s: Schedule, loop: Var, thread: str, atomic: bool = False) -> None:
    """The iterations of ``loop`` run on the threads of a grid, one each.

    ``s.bind(i, "threadIdx.x")``::

        for i in range(64):      ->      for i in T.thread_binding(64, "threadIdx.x"):

    A thread may be taken again further in, where threads fill shared memory together: each runs its
    own iteration, with a barrier before and after::

        for tx in T.thread_binding(8, "threadIdx.x"):
            for k0 in T.serial(4):
                S = T.alloc((8,), scope="shared")
                for ax in T.thread_binding(8, "threadIdx.x"):
                    ...  # S[ax] = A[k0 * 8 + ax]

    That is so where every thread would write the same values to memory that is allocated inside the
    loop over the threads, as compute_at does; there must be threads enough.

    A loop of a reduction whose combiner is commutative may be bound to threadIdx: the threads of a
    block fold together, by shuffles within a warp and through shared memory beyond, in an order
    that is always the same::

        for k in range(32):             for k in T.thread_binding(32, "threadIdx.x"):
            t[i] += x[i, k]     ->          t[i] += x[i, k]

    Blocks do so with ``atomic=True`` alone, by atomic operations, which come in any order: the last
    digits of sums of floats may differ from run to run.

    Refused where two iterations touch the same element and one of them changes it (shared memory is
    one for all threads of a block, wherever it is allocated), and where blocks of threads would
    stand inside threads.
    """
    s.take(Bind(loop, thread, atomic))
