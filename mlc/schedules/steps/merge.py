"""merge: two loops, one after the other, become one."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ...ir.expr import Var
from ...ir.program import Allocate, For, LoopKind, Program, Seq, Stmt, seq
from ...records import dataclass, replace
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
        return merge_violation(self.side_by_side(program), self.first, self.second)

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

        beside = self.side_by_side(program)
        return beside.with_body(rebuild(beside.body, on)), (merged,)

    def side_by_side(self, program: Program) -> Program:
        """``program`` with both loops in one body, if only memory ends or begins between them."""

        def on(stmt: Stmt) -> Stmt | None:
            if not isinstance(stmt, Seq):
                return None
            for n, (one, two) in enumerate(pairwise(stmt.stmts)):
                made = None
                if isinstance(one, Allocate) and _begins_with(two, self.second):
                    made = _beside(one, self.first, two, last=True)
                elif isinstance(two, Allocate) and _is_loop(one, self.first):
                    made = _beside(two, self.second, one, last=False)
                if made is not None:
                    return seq(*stmt.stmts[:n], made, *stmt.stmts[n + 2 :])
            return None

        body = rebuild(program.body, on)
        return program if body is program.body else self.side_by_side(program.with_body(body))


def _begins_with(stmt: Stmt, var: Var) -> bool:
    """Whether the loop over ``var`` is the first thing that ``stmt`` does."""
    while isinstance(stmt, (Allocate, Seq)):
        stmt = stmt.body if isinstance(stmt, Allocate) else stmt.stmts[0]
    return _is_loop(stmt, var)


def _is_loop(stmt: Stmt, var: Var) -> bool:
    return isinstance(stmt, For) and stmt.var is var


def _beside(holder: Allocate, var: Var, other: Stmt, last: bool) -> Allocate | None:
    """``holder`` with ``other`` beside the loop over ``var``, which is the last statement in it, or
    the first; None if it is not."""
    body = holder.body
    if isinstance(body, Allocate):
        inner = _beside(body, var, other, last)
        return None if inner is None else replace(holder, body=inner)
    parts = body.stmts if isinstance(body, Seq) else (body,)
    end = parts[-1 if last else 0]
    if isinstance(end, Allocate):
        inner = _beside(end, var, other, last)
        if inner is None:
            return None
        parts = (*parts[:-1], inner) if last else (inner, *parts[1:])
        return replace(holder, body=seq(*parts))
    if not _is_loop(end, var):
        return None
    return replace(holder, body=seq(*parts, other) if last else seq(other, *parts))


def merge(s: Schedule, first: Var, second: Var) -> Var:
    """Two loops of one extent, one right after the other, become one; returns it.

    ``i = s.merge(i0, i1)``::

        for i0 in range(8):              for i in range(8):
            B[i0] = A[i0] + 1    ->          B[i] = A[i] + 1
        for i1 in range(8):                  C[i] = B[i] * 2
            C[i1] = B[i1] * 2

    Memory that ends or begins between them lasts over both. Refused where an iteration of the
    second loop needs a later one of the first, and where something stands between them.
    """
    (merged,) = s.take(Merge(first, second))
    return merged  # type: ignore[no-any-return]
