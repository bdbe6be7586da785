"""prove_loops: iterations run at once only where that is proven to change nothing."""

from __future__ import annotations

from dataclasses import replace

from ..errors import ScheduleError
from ..ir.expr import Var
from ..ir.program import For, LoopKind, Program, Stmt, walk
from ..schedules.legality import carried_dependence
from ..schedules.step import rebuild
from ..schedules.steps.vectorize import is_fold

_AT_ONCE = {LoopKind.PARALLEL: "parallel", LoopKind.VECTORIZED: "vectorized"}


def prove_loops(program: Program) -> Program:
    """``for i in T.parallel(8): s`` -> ``for i in range(8): s`` where it is open whether iterations
    meet.

    Raises :class:`ScheduleError` with two iterations that do, where there are such: programs are
    written by hand too, with no step that would have refused. Lanes may fold, as vectorize says.
    What was marked as unsafe is trusted.
    """
    if program.attrs.get("unsafe"):
        return program
    open_questions: set[Var] = set()
    for loop in walk(program.body):
        if not isinstance(loop, For) or loop.kind not in _AT_ONCE or loop.extent < 2:
            continue
        if loop.kind is LoopKind.VECTORIZED and is_fold(program, loop):
            continue
        refusal = carried_dependence(program, loop.var)
        if refusal is None:
            continue
        if refusal.proven:
            raise ScheduleError(
                f"loop {loop.var.name} of {program.name!r} is {_AT_ONCE[loop.kind]}, which it "
                f"cannot be: {refusal}",
                refusal=refusal,
            )
        open_questions.add(loop.var)
    if not open_questions:
        return program

    def change(stmt: Stmt) -> Stmt | None:
        if isinstance(stmt, For) and stmt.var in open_questions:
            return replace(stmt, kind=LoopKind.SERIAL, body=rebuild(stmt.body, change))
        return None

    return program.with_body(rebuild(program.body, change))
