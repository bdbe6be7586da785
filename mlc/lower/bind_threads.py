"""bind_threads: loops over the threads of an accelerator become loops of a processor."""

from __future__ import annotations

from ..errors import UnsupportedError
from ..ir.program import (
    Allocate,
    Block,
    Evaluate,
    For,
    If,
    LoopKind,
    Program,
    Seq,
    Stmt,
    While,
    children_of,
    seq,
    walk,
)
from ..records import replace
from ..schedules.legality import parallel_violation


def bind_threads(program: Program) -> Program:
    """``for i in T.thread_binding(4, "threadIdx.x"): s`` -> ``for i in range(4): s``.

    The outermost loop over ``blockIdx`` becomes parallel where that is proven to be right and
    nothing else is. A parallel loop inside another one becomes serial. Raises
    :class:`UnsupportedError` for a program whose threads wait for each other.
    """
    loops = [s for s in walk(program.body) if isinstance(s, For)]
    special = [s for s in loops if s.kind in (LoopKind.BOUND, LoopKind.PARALLEL)]
    if not any(isinstance(s, Evaluate) for s in walk(program.body)) and (
        not special or all(s.kind is LoopKind.PARALLEL for s in special) and not _nested(special)
    ):
        return program
    for stmt in walk(program.body):
        if isinstance(stmt, Evaluate) and stmt.name == "barrier":
            raise UnsupportedError(
                f"the threads of {program.name!r} wait for each other at a barrier, and a "
                f'processor runs them one after the other; build it with target="simulate", or '
                f"split the thread-bound loop at the barrier into two"
            )
    chosen = None
    if not any(s.kind is LoopKind.PARALLEL for s in special):
        chosen = _outermost_grid_loop(program)
    return program.with_body(_serial(program.body, chosen, False))


def _nested(loops: list[For]) -> bool:
    return any(
        isinstance(s, For) and s.kind is LoopKind.PARALLEL for f in loops for s in walk(f.body)
    )


def _outermost_grid_loop(program: Program) -> For | None:
    """The first loop over blocks of the grid that has iterations to spread and no loop but such
    ones around it."""
    stack: list[Stmt] = [program.body]
    while stack:
        stmt = stack.pop()
        if isinstance(stmt, For):
            thread = str(dict(stmt.annotations).get("thread", ""))
            if stmt.kind is not LoopKind.BOUND or not thread.startswith("blockIdx"):
                continue
            if stmt.extent > 1:
                return stmt if parallel_violation(program, stmt) is None else None
        stack.extend(reversed(children_of(stmt)))
    return None


def _serial(stmt: Stmt, chosen: For | None, inside: bool) -> Stmt:
    """``stmt`` without bound loops but ``chosen``, and without parallel loops if ``inside`` one."""
    match stmt:
        case For(kind=kind):
            parallel = stmt is chosen or kind is LoopKind.PARALLEL
            if parallel and not inside:
                body = _serial(stmt.body, chosen, True)
                return replace(stmt, body=body, kind=LoopKind.PARALLEL)
            body = _serial(stmt.body, chosen, inside)
            if parallel or kind is LoopKind.BOUND:
                return replace(stmt, body=body, kind=LoopKind.SERIAL)
            return replace(stmt, body=body)
        case Allocate() | While():
            return replace(stmt, body=_serial(stmt.body, chosen, inside))
        case Seq():
            return seq(*(_serial(s, chosen, inside) for s in stmt.stmts))
        case If():
            other = None if stmt.otherwise is None else _serial(stmt.otherwise, chosen, inside)
            return If(stmt.condition, _serial(stmt.then, chosen, inside), other)
        case Block():
            init = None if stmt.init is None else _serial(stmt.init, chosen, inside)
            return replace(stmt, body=_serial(stmt.body, chosen, inside), init=init)
        case _:
            return stmt
