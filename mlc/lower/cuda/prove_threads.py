"""prove_threads: threads run at once, so none may need what another one does meanwhile."""

from __future__ import annotations

from ...errors import ScheduleError
from ...ir.program import Evaluate, For, LoopKind, Program, walk
from ...schedules.legality import accesses_of, carried_dependence
from ...schedules.legality.teams import atomic_violation, is_atomic_fold, is_team_fold
from ...schedules.refusal import Refusal
from .bind_threads import thread_of
from .kernel import BARRIER
from .prove_private import prove_private


def prove_threads(program: Program) -> Program:
    """``program``, unless two iterations of a loop over threads or blocks are found that meet.

    Raises :class:`ScheduleError` with these: programs are written by hand too, with no step that
    would have refused. Where the answer depends on data the program is trusted, as it is where it
    is marked as unsafe; and its own barriers are: threads may meet with one in between.
    """
    if program.attrs.get("unsafe"):
        return program
    prove_private(program)
    statements = list(walk(program.body))
    waits = any(isinstance(s, Evaluate) and s.name == BARRIER for s in statements)
    for loop in statements:
        if not isinstance(loop, For) or loop.kind is not LoopKind.BOUND or loop.extent < 2:
            continue
        thread = thread_of(loop)
        if waits and not thread.startswith("blockIdx"):
            continue
        around = accesses_of(program).loops[loop.var][:-1]
        again = any(o.kind is LoopKind.BOUND and thread_of(o) == thread for o in around)
        if is_team_fold(loop) and not again:
            continue
        if is_atomic_fold(loop):
            problem = atomic_violation(program, loop)
            refusal = Refusal(problem) if isinstance(problem, str) else problem
        else:
            refusal = carried_dependence(program, loop.var)
        if refusal is not None and refusal.proven:
            raise ScheduleError(
                f"loop {loop.var.name} of {program.name!r} is bound to {thread}, which it cannot "
                f"be: {refusal}",
                refusal=refusal,
            )
    return program
