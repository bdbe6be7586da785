"""fission: a loop over several statements becomes two loops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import ScheduleError
from ...ir.expr import Expr, Var
from ...ir.program import Allocate, Block, For, LoopKind, Program, Seq, Stmt, blocks_of, seq
from ...records import dataclass
from ..legality import fission_violation
from ..step import Step, block_name, find_loop, replace_loop, substitute_stmt

if TYPE_CHECKING:
    from ..refusal import Refusal
    from ..schedule import Schedule


@dataclass(frozen=True)
class Fission(Step):
    """``loop`` over the first ``position`` statements of its body, and again over the rest."""

    loop: Var
    position: int

    def check(self, program: Program) -> Refusal | str | None:
        loop = find_loop(program, self.loop)
        if loop.kind is not LoopKind.SERIAL:
            return f"loop {self.loop.name} is {loop.kind.value} already; cut it in two before that"
        if isinstance(loop.body, Allocate):
            names = ", ".join(b.name for b in loop.body.buffers)
            return (
                f"each iteration of loop {self.loop.name} has buffers of its own ({names}), which "
                "would have to outlive it"
            )
        if not isinstance(loop.body, Seq):
            return f"loop {self.loop.name} holds one statement; there is nothing to part"
        if not 0 < self.position < len(loop.body.stmts):
            return (
                f"loop {self.loop.name} holds {len(loop.body.stmts)} statements; position must be "
                f"1 to {len(loop.body.stmts) - 1}, got {self.position}"
            )
        return fission_violation(program, self.loop, self.position)

    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        first, second = Var(f"{self.loop.name}_0"), Var(f"{self.loop.name}_1")

        def part(loop: For, var: Var, stmts: tuple[Stmt, ...]) -> Stmt:
            mapping: dict[Var, Expr] = {loop.var: var}
            body = substitute_stmt(seq(*stmts), mapping)
            return For(var, loop.extent, body, loop.kind, loop.annotations)

        def change(loop: For) -> Stmt:
            assert isinstance(loop.body, Seq)
            stmts = loop.body.stmts
            return seq(
                part(loop, first, stmts[: self.position]),
                part(loop, second, stmts[self.position :]),
            )

        return replace_loop(program, self.loop, change), (first, second)


def fission(
    s: Schedule, loop: Var, position: int | None = None, after: Block | str | None = None
) -> tuple[Var, Var]:
    """A loop over several statements becomes two; returns both.

    ``i0, i1 = s.fission(i, 1)``, or ``s.fission(i, after="B")``::

        for i in range(8):               for i0 in range(8):
            B[i] = A[i] + 1      ->          B[i0] = A[i0] + 1
            C[i] = B[i] * 2              for i1 in range(8):
                                             C[i1] = B[i1] * 2

    Refused where a later iteration of the first part touches what an earlier one of the second
    does, and one of them changes it.
    """
    if (position is None) == (after is None):
        raise ScheduleError("fission takes a position or a block to cut after, one of the two")
    if position is None:
        assert after is not None
        position = _position_after(find_loop(s.program, loop), block_name(after))
    first, second = s.take(Fission(loop, position))
    return first, second


def _position_after(loop: For, name: str) -> int:
    stmts = loop.body.stmts if isinstance(loop.body, Seq) else (loop.body,)
    for number, stmt in enumerate(stmts, 1):
        if any(block.name == name for block in blocks_of(stmt)):
            return number
    raise ScheduleError(f"block {name!r} does not stand in loop {loop.var.name}")
