"""Whether the threads of a block may run what they are given, with the memory that they share.

The serial meaning of a loop over threads runs one thread after the other, and memory allocated
inside the loop is fresh in each of them. An accelerator gives all threads of a block one copy of
shared memory, wherever it is allocated. Both are the same where every thread would *fill* it with
the same values: then the threads may do so together, each a part of it (a loop inside the nest that
fills it, bound to the same thread again) or all of it, with a barrier before and after.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field, replace
from weakref import WeakKeyDictionary

from ...ir.call_names import is_intrinsic
from ...ir.expr import Var
from ...ir.program import (
    Allocate,
    Buffer,
    Evaluate,
    For,
    LoopKind,
    Program,
    Scope,
    Seq,
    Stmt,
    expressions_of,
    walk,
)
from ...ir.rewrite import variables_of
from ...records import dataclass
from ..refusal import Refusal
from ..step import find_loop
from . import is_shared, is_thread, shares_memory, thread_of
from .accesses import Access, accesses_of
from .conflict import Steps, conflict
from .dependence import carried_dependence
from .teams import atomic_violation, is_atomic_fold, is_team_fold

_SAME = (0, 0)
_AHEAD = (1, None)

Problem = Refusal | str


@dataclass(eq=False)
class Fills:
    """What a thread loop does with the shared memory that is allocated inside it.

    ``nests`` are the statements that fill such memory, the same in every thread; ``problems`` says
    of other buffers why they are not filled so.
    """

    nests: list[Stmt] = field(default_factory=list)
    problems: dict[Buffer, Problem] = field(default_factory=dict)


_known: WeakKeyDictionary[Program, dict[Var, Fills]] = WeakKeyDictionary()


def thread_violation(program: Program, loop: Var) -> Problem | None:
    """Why the iterations of ``loop``, which is bound to a thread, must not run at once.

    A loop bound to the thread of a loop around it must stand in a nest that fills shared memory.
    Threads may fold one element together, and blocks where that is asked for by atomics.
    """
    found = find_loop(program, loop)
    around = accesses_of(program).loops[loop][:-1]
    if not is_thread(found):
        if is_atomic_fold(found):
            return atomic_violation(program, found)
        return carried_dependence(program, loop)
    again = next((f for f in around if thread_of(f) == thread_of(found)), None)
    if again is not None:
        return _again_violation(program, again, found) or carried_dependence(program, loop)
    if is_team_fold(found):
        return None
    common = frozenset(fills_of(program, loop).problems)
    refusal = carried_dependence(program, loop, common)
    if refusal is None:
        return _inner_violation(program, found)
    if refusal.witness is None or refusal.witness.buffer not in {b.name for b in common}:
        return refusal
    name = refusal.witness.buffer
    rule = f"all threads of a block have one {name}, and {refusal.rule}"
    fix = (
        f"bind {loop.name} before s.compute_at(...) puts it there, or use "
        f"s.set_scope({name!r}, 'local')"
    )
    return replace(refusal, rule=rule, fix=fix)


def shared_violation(program: Program) -> Problem | None:
    """The first thread loop whose threads would get in each other's way in shared memory."""
    if not shares_memory(program):
        return None
    for stmt in walk(program.body):
        if isinstance(stmt, For) and is_thread(stmt):
            around = accesses_of(program).loops[stmt.var][:-1]
            if any(thread_of(f) == thread_of(stmt) for f in around):
                continue
            fills = fills_of(program, stmt.var)
            if fills.problems or fills.nests:
                problem = thread_violation(program, stmt.var)
                if problem is not None:
                    return problem
    return None


def fill_nests(program: Program) -> frozenset[Stmt]:
    """The statements that fill shared memory with the same values in every thread around them:
    barriers stand before and after."""
    nests: dict[Stmt, bool] = {}
    for stmt in walk(program.body):
        if isinstance(stmt, For) and is_thread(stmt):
            found = fills_of(program, stmt.var).nests
            inside = set(walk(stmt.body))
            for nest in [n for n in nests if n in inside and n not in found]:
                nests[nest] = False
            nests.update({nest: nests.get(nest, True) for nest in found})
    return frozenset(nest for nest, same in nests.items() if same)


def fills_of(program: Program, loop: Var) -> Fills:
    """How the loop over ``loop`` fills the shared memory that is allocated inside it."""
    known = _known.setdefault(program, {})
    if loop not in known:
        known[loop] = _fills(program, find_loop(program, loop))
    return known[loop]


def _fills(program: Program, loop: For) -> Fills:
    found = accesses_of(program)
    homes = {
        buffer: stmt
        for stmt in walk(loop.body)
        if isinstance(stmt, Allocate)
        for buffer in stmt.buffers
        if is_shared(buffer)
    }
    out = Fills()
    nests: dict[Buffer, list[Stmt]] = {}
    for buffer, home in homes.items():
        parts = _nests(program, loop, home, buffer, frozenset(homes))
        if isinstance(parts, str):
            out.problems[buffer] = parts
        else:
            nests[buffer] = parts
    while True:
        wrong = dict[Buffer, Problem]()
        for buffer, parts in nests.items():
            for nest in parts:
                problem = _fill_violation(program, loop, nest, frozenset(nests))
                if problem is not None:
                    wrong[buffer] = problem
        if not wrong:
            break
        out.problems.update(wrong)
        nests = {buffer: parts for buffer, parts in nests.items() if buffer not in wrong}
    kept = {nest for parts in nests.values() for nest in parts}
    out.nests = sorted(kept, key=lambda nest: found.spans[nest])
    return out


def _nests(
    program: Program, loop: For, home: Allocate, buffer: Buffer, homes: frozenset[Buffer]
) -> list[Stmt] | str:
    """The statements that fill ``buffer`` and do nothing else; a sentence if something else writes
    it."""
    if buffer.scope is Scope.WARP:
        return f"{buffer.name} is memory of a warp"
    way = _way(loop.body, home)
    if way is None or not all(_passes(stmt) for stmt in way):
        return f"{buffer.name} is allocated under a condition, or in a loop of another kind"
    found = accesses_of(program)

    def search(stmt: Stmt) -> Iterator[Stmt | None]:
        rows = found.of(stmt)
        own = [row for row in rows if row.buffer is buffer]
        if not any(row.changes for row in own):
            return
        changed = {row.buffer for row in rows if row.changes}
        if not isinstance(stmt, (Seq, Allocate)):
            if all(row.changes for row in own) and changed <= homes:
                yield stmt
                return
        match stmt:
            case Seq(stmts=stmts):
                for part in stmts:
                    yield from search(part)
            case Allocate(body=body):
                yield from search(body)
            case For(body=body) if _passes(stmt):
                yield from search(body)
            case _:
                yield None

    parts = list(search(home.body))
    nests = [part for part in parts if part is not None]
    if len(nests) < len(parts):
        return f"{buffer.name} is written under a condition, or by what does other things, too"
    return nests


def _passes(stmt: Stmt) -> bool:
    """Whether all threads come through ``stmt``, the same number of times."""
    if isinstance(stmt, For):
        return stmt.kind in (LoopKind.SERIAL, LoopKind.UNROLLED) or is_thread(stmt)
    return isinstance(stmt, (Seq, Allocate))


def _way(stmt: Stmt, target: Stmt) -> list[Stmt] | None:
    """The statements from ``stmt`` down to ``target``, that one left out."""
    if stmt is target:
        return []
    match stmt:
        case Seq(stmts=parts):
            below = [_way(part, target) for part in parts]
        case For(body=body) | Allocate(body=body):
            below = [_way(body, target)]
        case _:
            return None
    return next(([stmt, *rest] for rest in below if rest is not None), None)


def _fill_violation(
    program: Program, loop: For, nest: Stmt, uniform: frozenset[Buffer]
) -> Problem | None:
    """Why threads must not share what ``nest`` does."""
    found = accesses_of(program)
    rows = found.of(nest)
    written = {row.buffer for row in rows if row.changes}
    names = ", ".join(sorted(buffer.name for buffer in written))
    if not written <= uniform:
        return f"{names} is not filled alike"
    for stmt in walk(nest):
        if any(v is loop.var for e in expressions_of(stmt) for v in variables_of(e)):
            return (
                f"what is written to {names} depends on the thread {loop.var.name}, and all "
                f"threads of a block share {names}"
            )
        if isinstance(stmt, Evaluate) and not is_intrinsic(stmt.name):
            return f"{names} is written by the call of {stmt.name!r}"
    if any(row.kind == "combine" for row in rows):
        return f"{names} is combined into, which each thread would do once more"
    changed = {row.buffer for row in found.of(loop) if row.changes}
    for row in rows:
        if row.changes:
            continue
        if row.buffer in written or (row.buffer in changed and row.buffer not in uniform):
            return f"{row.buffer.name} is read to fill {names}, and the threads change it"
    return _written_twice(nest, [row for row in rows if row.changes])


def _written_twice(nest: Stmt, rows: list[Access]) -> Refusal | None:
    """Two points of ``nest`` that write one element: threads would do so at once."""
    inside = {stmt.var for stmt in walk(nest) if isinstance(stmt, For)}
    for n, a in enumerate(rows):
        for b in rows[n:]:
            if a.buffer is not b.buffer:
                continue
            steps: Steps = {f.var: _SAME for f in a.loops if f.var not in inside}
            own = [f.var for f, g in zip(a.loops, b.loops) if f is g and f.var in inside]
            questions: list[Steps] = [] if a is b else [{**steps, **dict.fromkeys(own, _SAME)}]
            for depth, var in enumerate(own):
                fixed = dict.fromkeys(own[:depth], _SAME)
                questions += [{**steps, **fixed, var: _AHEAD}]
                if a is not b:
                    questions += [{**steps, **fixed, var: (None, -1)}]
            for question in questions:
                hit = conflict(a, b, question)
                if hit is not None:
                    rule = f"{a.buffer.name} is filled twice at the same place"
                    certain = hit.witness is not None and hit.is_certain
                    return Refusal(rule, hit.witness, proven=certain)
    return None


def _again_violation(program: Program, outer: For, inner: For) -> Problem | None:
    """Why the threads of ``outer`` must not share out the iterations of ``inner``."""
    thread, name = thread_of(outer), inner.var.name
    touched = {row.buffer for row in accesses_of(program).of(inner) if row.changes}
    if not thread.startswith("threadIdx") or not any(map(is_shared, touched)):
        return (
            f"loop {outer.var.name} is bound to {thread} already, and loops {outer.var.name} and "
            f"{name} stand in one another; fuse them first, or take another thread"
        )
    if inner.extent > outer.extent:
        return (
            f"loop {name} has {inner.extent} iterations, and loop {outer.var.name} starts "
            f"{outer.extent} threads on {thread}; use s.split({name}, [None, {outer.extent}]) and "
            f"bind the inner loop"
        )
    fills = fills_of(program, outer.var)
    if any(inner in set(walk(nest)) for nest in fills.nests):
        chain = accesses_of(program).loops[inner.var]
        between = chain[chain.index(outer) + 1 : -1]
        twice = next((f for f in between if thread_of(f) == thread), None)
        if twice is not None:
            return f"loop {twice.var.name} around it shares out these threads already"
        if _way(outer.body, inner) is None:
            return f"loop {name} stands under a condition, which not all threads may reach"
        return None
    ordered = sorted(touched, key=lambda buffer: buffer.name)
    reasons = [fills.problems[buffer] for buffer in ordered if buffer in fills.problems]
    rule = (
        f"loop {outer.var.name} around loop {name} is bound to {thread} already, and threads share "
        f"out a loop only where it fills shared memory that is allocated inside loop "
        f"{outer.var.name}, with the same values in each of them"
    )
    match reasons[0] if reasons else None:
        case Refusal(rule=reason, witness=witness, fix=fix, proven=proven):
            return Refusal(f"{rule}; but {reason}", witness, fix, proven)
        case str(reason):
            return f"{rule}; but {reason}"
    names = ", ".join(buffer.name for buffer in ordered)
    return f"{rule}; loop {name} writes {names}; fuse the two loops, or take another thread"


def _inner_violation(program: Program, outer: For) -> Problem | None:
    """The same for the loops inside ``outer`` that are bound to its thread."""
    for stmt in walk(outer.body):
        if isinstance(stmt, For) and thread_of(stmt) == thread_of(outer):
            problem = _again_violation(program, outer, stmt)
            if problem is not None:
                return problem
    return None
