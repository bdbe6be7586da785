"""place_barriers: threads wait where one needs what another has done, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from ...ir.expr import Var
from ...ir.program import (
    Allocate,
    Buffer,
    Evaluate,
    For,
    If,
    Scope,
    Seq,
    Stmt,
    While,
    children_of,
    seq,
    walk,
)
from ...schedules.legality.accesses import Access, Accesses, accesses_of
from ...schedules.legality.conflict import Steps, conflict
from .kernel import BARRIER, BOUNDARY, Thread
from .place_shared import overlap

Placed = Sequence[tuple[Buffer, int]]


def place_barriers(
    body: Stmt,
    threads: tuple[Thread, ...],
    placed: Placed,
    boxed: frozenset[Buffer] = frozenset(),
) -> Stmt:
    """``s; boundary; t`` -> ``s; barrier; t`` where a thread may touch in ``t`` what another one
    touches in ``s`` and one of them writes; else ``s; t``.

    Of the boundaries between two such accesses the last one is taken; where the first stands before
    a loop, the last one before the loop. The way around a loop is looked at as well. ``placed`` are
    the shared buffers with their places in the pool: those that share bytes are one memory.
    What is in ``boxed`` is filled and used in slots, which threads wait for by other means.
    """
    if not any(_is_boundary(s) for s in walk(body)):
        return body
    analysis = _Analysis(body, threads, placed, boxed)
    analysis.visit(body, [], [])
    return _chosen(body, analysis.chosen)


@dataclass(eq=False)
class _Pending:
    """An access that no barrier has followed yet, and the last boundary since. Loops that are not
    in ``fixed`` may be in any iteration; ``ahead`` is the loop of which a later one is looked at,
    and how far it is ahead."""

    access: Access
    fixed: frozenset[Var]
    ahead: tuple[Var, int | None] | None = None
    last: Evaluate | None = None


@dataclass(eq=False)
class _Result:
    """What is pending after a statement, and whether each way through it has a barrier."""

    pending: list[_Pending] = field(default_factory=list)
    crosses: bool = False


class _Analysis:
    def __init__(
        self, body: Stmt, threads: tuple[Thread, ...], placed: Placed, boxed: frozenset[Buffer]
    ) -> None:
        self.boxed = boxed
        self.chosen: set[Evaluate] = {
            s for s in walk(body) if isinstance(s, Evaluate) and s.name == BARRIER
        }
        self.threads = [t for t in threads if not t.is_block and t.extent > 1]
        self.blocks = [t for t in threads if t.is_block]
        self.memory = {b: n for n, (b, _) in enumerate(placed)}
        self.placed = placed
        wrapped = body
        for thread in reversed((*self.blocks, *self.threads)):
            wrapped = For(thread.var, thread.extent, wrapped)
        self.accesses: Accesses = accesses_of(wrapped)
        self.answers: dict[tuple[int, int, frozenset[Var], object], bool] = {}
        self.around: list[Var] = []

    def visit(self, stmt: Stmt, pending: list[_Pending], before: list[_Pending]) -> _Result:
        """Looks at ``stmt``. ``pending`` are accesses right before it, ``before`` those before the
        loops and conditions around it: a barrier for them goes there."""
        match stmt:
            case Seq(stmts=stmts):
                out = _Result(pending)
                for part in stmts:
                    step = self.visit(part, out.pending, [] if out.crosses else before)
                    out = _Result(step.pending, out.crosses or step.crosses)
                return out
            case Allocate(body=body):
                return self.visit(body, pending, before)
            case Evaluate(name="boundary" | "barrier"):
                if stmt in self.chosen:
                    return _Result([], True)
                for entry in pending:
                    entry.last = stmt
                return _Result(pending, False)
            case For() | While() if _has_boundary(stmt):
                return self.loop(stmt, pending, before)
            case If() if _has_boundary(stmt):
                return self.branch(stmt, pending, before)
            case _:
                return self.leaf(self.accesses.of(stmt), pending, before)

    def leaf(
        self, accesses: Sequence[Access], pending: list[_Pending], before: list[_Pending]
    ) -> _Result:
        fresh = [a for a in accesses if a.buffer.scope is Scope.SHARED or _is_global(a)]
        crossed = False
        for access in fresh:
            for entry in (*pending, *before):
                if entry.last is None or entry.last in self.chosen:
                    continue
                if self.meets(entry, access):
                    self.chosen.add(entry.last)
                    crossed = crossed or entry in pending
            pending = [e for e in pending if e.last is None or e.last not in self.chosen]
            before = [] if crossed else before
        fixed = frozenset(self.around)
        return _Result([*pending, *(_Pending(a, fixed) for a in fresh)], crossed)

    def loop(self, stmt: For | While, pending: list[_Pending], before: list[_Pending]) -> _Result:
        outer = [*pending, *before]
        var = stmt.var if isinstance(stmt, For) else None
        if var is not None:
            self.around.append(var)
        test = self.own(stmt) if isinstance(stmt, While) else []

        def body(pending: list[_Pending], before: list[_Pending]) -> _Result:
            first = self.leaf(test, pending, before)
            return self.visit(stmt.body, first.pending, before)

        once = body([], [])
        fixed = frozenset(self.around[:-1] if var is not None else self.around)
        ahead = None if var is None else (var, 1 if once.crosses else None)
        again = [replace(e, fixed=e.fixed & fixed, ahead=ahead, last=None) for e in once.pending]
        body(again, [])
        last = body([], outer)
        if var is not None:
            self.around.pop()
        kept = [e for e in pending if e.last is None or e.last not in self.chosen]
        left = [replace(e, fixed=frozenset(self.around)) for e in last.pending]
        if last.crosses:
            kept = []
        return _Result([*kept, *left], last.crosses)

    def branch(self, stmt: If, pending: list[_Pending], before: list[_Pending]) -> _Result:
        first = self.leaf(self.own(stmt), pending, before)
        outer = [*first.pending, *before]
        sides = [self.visit(stmt.then, [], outer)]
        if stmt.otherwise is not None:
            sides.append(self.visit(stmt.otherwise, [], outer))
        crosses = len(sides) == 2 and all(side.crosses for side in sides)
        kept = [] if crosses else [
            e for e in first.pending if e.last is None or e.last not in self.chosen
        ]  # fmt: skip
        left = [e for side in sides for e in side.pending]
        return _Result([*kept, *left], crosses or first.crosses)

    def own(self, stmt: If | While) -> list[Access]:
        """What the condition of a statement reads."""
        start, _ = self.accesses.spans[stmt]
        end, _ = self.accesses.spans[children_of(stmt)[0]]
        return self.accesses.rows[start:end]

    def meets(self, entry: _Pending, later: Access) -> bool:
        """Whether two different threads may touch one element in these accesses."""
        first = entry.access
        if not (first.changes or later.changes):
            return False
        if first.buffer is later.buffer and first.buffer in self.boxed:
            return False
        if first.buffer is not later.buffer:
            one, two = self.memory.get(first.buffer), self.memory.get(later.buffer)
            if one is None or two is None:
                return False
            return overlap(self.placed[one], self.placed[two])
        key = (id(first), id(later), entry.fixed & frozenset(self.around), entry.ahead)
        known = self.answers.get(key)
        if known is None:
            known = self.answers[key] = self._meets(entry, later)
        return known

    def _meets(self, entry: _Pending, later: Access) -> bool:
        steps: dict[Var, tuple[int | None, int | None]] = dict.fromkeys(
            entry.fixed.intersection(self.around), (0, 0)
        )
        steps.update({t.var: (0, 0) for t in self.blocks})
        if entry.ahead is not None:
            steps[entry.ahead[0]] = (1, entry.ahead[1])
        return any(
            conflict(entry.access, later, _parted(steps, thread.var, limits)) is not None
            for thread in self.threads
            for limits in ((1, None), (None, -1))
        )


def _parted(
    steps: Steps, var: Var, limits: tuple[int | None, int | None]
) -> dict[Var, tuple[int | None, int | None]]:
    return {**steps, var: limits}


def _is_global(access: Access) -> bool:
    return access.buffer.scope is Scope.GLOBAL


def _is_boundary(stmt: Stmt) -> bool:
    return isinstance(stmt, Evaluate) and stmt.name in (BOUNDARY, BARRIER)


def _boundaries(stmt: Stmt) -> Iterator[Evaluate]:
    for node in walk(stmt):
        if isinstance(node, Evaluate) and _is_boundary(node):
            yield node


def _has_boundary(stmt: Stmt) -> bool:
    return any(True for _ in _boundaries(stmt))


def _chosen(stmt: Stmt, chosen: set[Evaluate]) -> Stmt:
    """``stmt`` with barriers for the chosen boundaries, and without the others."""
    match stmt:
        case Evaluate() if _is_boundary(stmt):
            return Evaluate(BARRIER, ()) if stmt in chosen else Seq(())
        case Allocate() | For() | While():
            return replace(stmt, body=_chosen(stmt.body, chosen))
        case Seq(stmts=stmts):
            return seq(*(_chosen(s, chosen) for s in stmts))
        case If(otherwise=otherwise):
            other = None if otherwise is None else _chosen(otherwise, chosen)
            return replace(stmt, then=_chosen(stmt.then, chosen), otherwise=other)
        case _:
            return stmt
