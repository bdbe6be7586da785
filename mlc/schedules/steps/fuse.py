"""fuse: perfectly nested loops become one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...ir.expr import Expr, Var
from ...ir.program import For, LoopKind, Program, Stmt, walk
from ...records import dataclass
from ..step import Step, find_loop, replace_loop, substitute_stmt

if TYPE_CHECKING:
    from ..refusal import Refusal
    from ..schedule import Schedule


@dataclass(frozen=True)
class Fuse(Step):
    """``loops``, each the only statement in the one before, as one."""

    loops: tuple[Var, ...]

    def within(self) -> Var | None:
        return self.loops[0] if self.loops else None

    def check(self, program: Program) -> Refusal | str | None:
        if len(self.loops) < 2:
            return f"fuse takes two or more loops, got {len(self.loops)}"
        stmt: Stmt = find_loop(program, self.loops[0])
        outer = self.loops[0]
        for var in self.loops:
            if not (isinstance(stmt, For) and stmt.var is var):
                return (
                    f"loop {var.name} is not the only statement inside {outer.name}; "
                    f"{_instead(program, outer, var)}"
                )
            if stmt.kind is not LoopKind.SERIAL:
                return "only serial loops can be fused; fuse before parallel, vectorize or unroll"
            if stmt.annotations:
                return (
                    f"loop {var.name} has annotations, which would be lost; fuse before annotate, "
                    f"or take them off with s.unannotate({var.name}, {stmt.annotations[0][0]!r})"
                )
            outer, stmt = var, stmt.body
        return None

    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        fused = Var("".join(var.name for var in self.loops))

        def change(outer: For) -> Stmt:
            nest = [outer]
            while len(nest) < len(self.loops):
                assert isinstance(nest[-1].body, For)
                nest.append(nest[-1].body)
            mapping: dict[Var, Expr] = {}
            rest: Expr = fused
            for loop in reversed(nest[1:]):
                extent = max(loop.extent, 1)  # where there is nothing, any number will do
                mapping[loop.var] = rest % extent
                rest = rest // extent
            mapping[outer.var] = rest
            total = 1
            for loop in nest:
                total *= loop.extent
            return For(fused, total, substitute_stmt(nest[-1].body, mapping))

        return replace_loop(program, self.loops[0], change), (fused,)

    def text(self, names: Mapping[Any, str]) -> str:
        return f"s.fuse({', '.join(names[v] for v in self.loops)})"


def _instead(program: Program, outer: Var, var: Var) -> str:
    """The step that would bring ``var`` right under ``outer``."""
    from .fission import Fission
    from .merge import Merge

    inside, around = find_loop(program, outer), find_loop(program, var)
    if any(stmt is inside for stmt in walk(around)):
        return f"name the outer one first: s.fuse({var.name}, {outer.name})"
    if all(stmt is not around for stmt in walk(inside)):
        if Merge(outer, var).check(program) is None:
            return f"it is beside it: make them one with s.merge({outer.name}, {var.name})"
        return "fused loops stand inside each other"
    between: list[Var] = []
    stmt: Stmt = inside.body
    while isinstance(stmt, For) and stmt is not around:
        between.append(stmt.var)
        stmt = stmt.body
    if stmt is around:
        names = ", ".join(v.name for v in (outer, *between, var))
        return f"fuse what stands between them, too, s.fuse({names}), or use s.reorder first"
    holder = (outer, *between)[-1]
    if Fission(holder, 1).check(program) is None:
        return f"use s.fission({holder.name}, 1) first, so that loops hold fewer statements"
    return f"loop {holder.name} does more than to run it, and fission would be refused"


def fuse(s: Schedule, *loops: Var) -> Var:
    """Perfectly nested loops become one, outermost first; returns it.

    ``f = s.fuse(i, j)``::

        for i in range(4):                   for f in range(32):
            for j in range(8):       ->          B[f // 8, f % 8] = A[f // 8, f % 8]
                B[i, j] = A[i, j]

    Points and their order stay the same, so it is always legal. Refused where a loop is not the
    only statement in the one before, or no longer serial.
    """
    (fused,) = s.take(Fuse(loops))
    return fused  # type: ignore[no-any-return]
