"""What holds of loops whose iterations run at once after every step, whatever it is: where they
stand, and that their iterations stay independent."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from ..ir.parts import Part, parts_of
from ..ir.program import For, LoopKind, Program, Stmt, While, children_of
from ..records import replace
from .legality import shares_memory

if TYPE_CHECKING:
    from .refusal import Refusal

Mark = tuple[For, str]  # a loop that does not run serially, and the thread that it is bound to


def misplaced_loop(program: Program) -> str | None:
    """The first loop that stands inside one which cannot hold it, as a sentence; None if there is
    none.

    A vectorized loop holds none but unrolled ones; iterations run on the threads of the pool, or on
    those of a grid, at one level; no block of a grid is taken twice on the way to a statement, and
    blocks of threads hold threads. Threads may be: they share out what they do together.
    """
    found = (_misplaced_in(part.stmt) for part in parts_of(program))
    return next((problem for problem in found if problem is not None), None)


@lru_cache(maxsize=1024)
def _misplaced_in(part: Stmt) -> str | None:
    todo: list[tuple[Stmt, tuple[Mark, ...]]] = [(part, ())]
    while todo:
        stmt, around = todo.pop()
        if around and isinstance(stmt, (For, While)):
            for outer, thread in around:
                problem = _clash(outer, thread, stmt)
                if problem is not None:
                    return problem
        if isinstance(stmt, For) and stmt.kind not in (LoopKind.SERIAL, LoopKind.UNROLLED):
            around = (*around, (stmt, _thread_of(stmt)))
        todo += [(child, around) for child in reversed(children_of(stmt))]
    return None


def _thread_of(loop: For) -> str:
    return str(dict(loop.annotations).get("thread", "")) if loop.kind is LoopKind.BOUND else ""


def _clash(outer: For, thread: str, inner: For | While) -> str | None:
    name, kind = outer.var.name, outer.kind
    if isinstance(inner, While):
        if kind is not LoopKind.VECTORIZED:
            return None
        return f"loop {name} is vectorized and would hold a loop that runs while a condition holds"
    if kind is LoopKind.VECTORIZED:
        if inner.kind is LoopKind.UNROLLED:
            return None
        return (
            f"loop {name} is vectorized and would hold loop {inner.var.name}, while vectorized "
            f"loops are innermost but for unrolled ones; take this step before vectorize"
        )
    if inner.kind is LoopKind.PARALLEL or (
        kind is LoopKind.PARALLEL and inner.kind is LoopKind.BOUND
    ):
        return (
            f"loop {name} is {kind.value} and would hold loop {inner.var.name}, which is "
            f"{inner.kind.value}; one level of parallelism only"
        )
    own = _thread_of(inner)
    if thread.startswith("threadIdx") and own.startswith("blockIdx"):
        return f"threads are inside blocks of threads, and loop {name} would hold {inner.var.name}"
    return None


def new_clash(before: Program, after: Program) -> Refusal | str | None:
    """What a run of iterations one after the other, and of statements in order, does not show: the
    first thing that must not run at once or overlap in ``after``, though it may in ``before``."""
    problem = new_race(before, after) or broken_pipeline(before, after)
    if problem is None and shares_memory(after):
        from .legality import shared_violation  # loaded for programs of threads alone

        problem = shared_violation(after)
        if problem is not None and shared_violation(before) is not None:
            return None
    return problem


def broken_mark(before: Program, after: Program) -> Refusal | str | None:
    """The same for a step that lets iterations of one loop run at once, and has shown that they
    may: what other loops were marked for must still hold."""
    return broken_team(before, after) or broken_pipeline(before, after)


def broken_team(before: Program, after: Program) -> Refusal | str | None:
    """Why threads that fold one element together in ``before`` would race for it in ``after``."""
    loops = [loop for loop in _concurrent(before) if loop.kind is LoopKind.BOUND]
    if not loops:
        return None
    from .legality.teams import is_team_fold

    teams = {loop.var for loop in loops if is_team_fold(loop)}
    for loop in _concurrent(after) if teams else ():
        if loop.var in teams and not is_team_fold(loop):
            problem = _race(after, loop)
            if problem is not None:
                return problem
    return None


def broken_pipeline(before: Program, after: Program) -> Refusal | str | None:
    """Why the statements of a pipelined loop of ``after`` must not overlap as its hints say, though
    those of ``before`` may."""
    same = _common(before, after)
    known = {loop.var: loop for loop in _pipelined(before, same)}
    for loop in _pipelined(after, same):
        old = known.get(loop.var)
        if old is loop:
            continue
        problem = _pipeline_violation(after, loop)
        if problem is None or old is not None and _pipeline_violation(before, old) is not None:
            continue
        why = f"loop {loop.var.name} is pipelined, which would not fit any more"
        fix = f"take this step before pipeline, or unannotate {loop.var.name} first"
        if isinstance(problem, str):
            return f"{why}: {problem}; {fix}"
        return replace(problem, rule=f"{why}: {problem.rule}", fix=fix)
    return None


def _common(before: Program, after: Program) -> frozenset[Part]:
    """The parts that two programs have in common: their loops are the same objects in both."""
    return frozenset(parts_of(before)).intersection(parts_of(after))


def _pipelined(program: Program, but: frozenset[Part]) -> Iterator[For]:
    for part in parts_of(program):
        for loop in part.loops.values() if part not in but else ():
            if any(key == "software_pipeline_stage" for key, _ in loop.annotations):
                yield loop


def _pipeline_violation(program: Program, loop: For) -> Refusal | str | None:
    from .steps.pipeline import Pipeline

    hints = dict(loop.annotations)
    stages = tuple(hints["software_pipeline_stage"])
    order = tuple(hints.get("software_pipeline_order", range(len(stages))))
    return Pipeline(loop.var, stages, order).check(program)


def new_race(before: Program, after: Program) -> Refusal | str | None:
    """Why the iterations of some loop must not run at once in ``after``, though they may in
    ``before``; what is not proven counts. That both mean the same, run serially, shows no races.

    A loop that is the same object in both touches the same elements in each iteration.
    """
    same = _common(before, after)
    known = {loop.var: loop for loop in _concurrent(before, same)}
    for loop in _concurrent(after, same):
        old = known.get(loop.var)
        if old is loop:
            continue
        problem = _race(after, loop)
        if problem is not None and (old is None or _race(before, old) is None):
            return problem
    return None


def _concurrent(program: Program, but: frozenset[Part] = frozenset()) -> Iterator[For]:
    for part in parts_of(program):
        for loop in part.loops.values() if part not in but else ():
            if loop.kind is not LoopKind.SERIAL and loop.kind is not LoopKind.UNROLLED:
                yield loop


def _race(program: Program, loop: For) -> Refusal | str | None:
    from .steps.vectorize import is_fold

    if loop.kind is not LoopKind.VECTORIZED:
        from .placement import race_in

        return race_in(program, [loop])
    if loop.extent < 2 or is_fold(program, loop):
        return None
    from .legality import carried_dependence

    return carried_dependence(program, loop.var)
