"""unroll_partly: loops marked so do several iterations before each test whether they are done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..ir.expr import Var
from ..ir.program import Allocate, For, If, LoopKind, Program, Seq, Stmt, While, seq, walk
from ..records import replace
from ..schedules.steps.unroll import FACTOR
from .simplify_program import substitute_all


def unroll_partly(program: Program) -> Program:
    """``for k in range(9): s(k)``, marked with 4 ->
    ``for k in range(2): s(4 * k); s(4 * k + 1); s(4 * k + 2); s(4 * k + 3)`` and ``s(8)``.

    Iterations run in the order they had. What is left over is a loop of its own.
    """
    if not any(isinstance(stmt, For) and factor_of(stmt) > 1 for stmt in walk(program.body)):
        return program
    return program.with_body(_unroll(program.body))


def factor_of(loop: For) -> int:
    """How many iterations of ``loop`` are to be done at a time."""
    return int(dict(loop.annotations).get(FACTOR, 1)) if loop.annotations else 1


def without_factors(stmt: Stmt) -> Stmt:
    """``stmt`` with no marks: where it seldom runs, more code is worth nothing."""
    match stmt:
        case For():
            kept = tuple((k, v) for k, v in stmt.annotations if k != FACTOR)
            return replace(stmt, body=without_factors(stmt.body), annotations=kept)
        case _:
            return _in_parts(stmt, without_factors)


def _unroll(stmt: Stmt) -> Stmt:
    match stmt:
        case For(kind=LoopKind.SERIAL) if 1 < factor_of(stmt) <= stmt.extent:
            return _unrolled(stmt, factor_of(stmt))
        case For():
            return replace(stmt, body=_unroll(stmt.body))
        case _:
            return _in_parts(stmt, _unroll)


def _unrolled(loop: For, factor: int) -> Stmt:
    body = _unroll(loop.body)
    hints = _hints_of_turns(loop, factor)
    turns, left = divmod(loop.extent, factor)
    turn, rest = Var(loop.var.name), Var(loop.var.name)
    copies = [substitute_all(body, {loop.var: turn * factor + n}) for n in range(factor)]
    main = For(turn, turns, seq(*copies), annotations=hints)
    if not left:
        return main
    last = substitute_all(body, {loop.var: rest + turns * factor})
    return seq(main, For(rest, left, last))


def _hints_of_turns(loop: For, factor: int) -> tuple[tuple[str, Any], ...]:
    """The other hints, for a loop of which one iteration does ``factor``: what is asked for early
    is asked for no later."""
    hints = {k: v for k, v in loop.annotations if k != FACTOR}
    if "prefetch" in hints:
        hints["prefetch"] = tuple(
            (block, buffer, -(-distance // factor), *share)
            for block, buffer, distance, *share in hints["prefetch"]
        )
    return tuple(hints.items())


def _in_parts(stmt: Stmt, rewrite: Callable[[Stmt], Stmt]) -> Stmt:
    match stmt:
        case Allocate() | While():
            return replace(stmt, body=rewrite(stmt.body))
        case Seq():
            return seq(*map(rewrite, stmt.stmts))
        case If():
            other = None if stmt.otherwise is None else rewrite(stmt.otherwise)
            return If(stmt.condition, rewrite(stmt.then), other)
        case _:
            return stmt
