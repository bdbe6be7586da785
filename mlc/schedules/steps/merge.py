"""merge: two loops, one after the other, become one."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ...ir.expr import Var
from ...ir.program import For, LoopKind, Program, Seq, Stmt, seq
from ...records import dataclass
from ..legality import merge_violation
from ..step import Step, find_loop, rebuild, substitute_stmt

if TYPE_CHECKING:
    from ..refusal import Refusal
    from ..schedule import Schedule


@dataclass(frozen=True)
class Merge(Step):
    """Loops ``first`` and ``second``, which comes right after it, as one."""

    first: Var
    second: Var

    def check(self, program: Program) -> Refusal | str | None:
        one, two = find_loop(program, self.first), find_loop(program, self.second)
        if one is two:
            return f"loop {self.first.name} cannot be merged with itself"
        for loop in (one, two):
            if loop.kind is not LoopKind.SERIAL:
                return f"loop {loop.var.name} is {loop.kind.value} already; merge before that"
            if loop.annotations:
                return (
                    f"loop {loop.var.name} has annotations, which would be lost; "
                    "merge before annotate"
                )
        return merge_violation(program, self.first, self.second)

    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        merged = Var(self.first.name)

        def on(stmt: Stmt) -> Stmt | None:
            if not isinstance(stmt, Seq):
                return None
            parts = stmt.stmts
            for n, (one, two) in enumerate(pairwise(parts)):
                if isinstance(one, For) and isinstance(two, For) and one.var is self.first:
                    body = seq(
                        substitute_stmt(one.body, {one.var: merged}),
                        substitute_stmt(two.body, {two.var: merged}),
                    )
                    return seq(*parts[:n], For(merged, one.extent, body), *parts[n + 2 :])
            return None

        return program.with_body(rebuild(program.body, on)), (merged,)


def merge(s: Schedule, first: Var, second: Var) -> Var:
    """Two loops of one extent, one right after the other, become one; returns it.

    ``i = s.merge(i0, i1)``::

        for i0 in range(8):              for i in range(8):
            B[i0] = A[i0] + 1    ->          B[i] = A[i] + 1
        for i1 in range(8):                  C[i] = B[i] * 2
            C[i1] = B[i1] * 2

    Refused where an iteration of the second loop needs a later one of the first, and where
    something stands between them.
    """
    (merged,) = s.take(Merge(first, second))
    return merged  # type: ignore[no-any-return]
