"""Vectorized loops moved to the leaves of what they hold, and cut to the width of registers."""

from __future__ import annotations

from itertools import groupby

from ..ir.expr import Expr, Var
from ..ir.program import (
    Allocate,
    Buffer,
    Evaluate,
    For,
    If,
    LoopKind,
    Scope,
    Seq,
    Stmt,
    While,
    seq,
    walk,
)
from ..ir.rewrite import loads_of, variables_of
from ..records import replace
from .fit_vectors import (
    UNROLLED_CHUNKS,
    VECTOR_BYTES,
    fits,
    is_simple,
    item_bytes,
)
from .simplify_program import is_empty, substitute_all


def in_chunks(stmt: Stmt) -> Stmt:
    match stmt:
        case For(kind=LoopKind.VECTORIZED):
            body = in_chunks(stmt.body)
            pushed = _push(body, stmt.var, stmt.extent, ()) if _can_push(body, stmt.var) else None
            return replace(stmt, body=body, kind=LoopKind.SERIAL) if pushed is None else pushed
        case For() | Allocate() | While():
            return replace(stmt, body=in_chunks(stmt.body))
        case Seq():
            return seq(*map(in_chunks, stmt.stmts))
        case If():
            other = None if stmt.otherwise is None else in_chunks(stmt.otherwise)
            return If(stmt.condition, in_chunks(stmt.then), other)
        case _:
            return stmt


def _can_push(stmt: Stmt, lane: Var) -> bool:
    """Whether a loop over ``lane`` can move to the leaves of ``stmt``: it holds neither vectors nor
    threads nor calls, and its conditions on the lane depend on no memory."""
    simple = is_simple(stmt)
    for node in walk(stmt):
        match node:
            case Evaluate() | While():
                return False
            case For(kind=LoopKind.VECTORIZED | LoopKind.PARALLEL):
                return False
            case If(condition=test) if not simple:
                if lane in set(variables_of(test)) and loads_of(test):
                    return False
            case _:
                continue
    return True


def _push(stmt: Stmt, lane: Var, extent: int, tests: tuple[Expr, ...]) -> Stmt | None:
    """The leaves of ``stmt``, where ``tests`` hold, in loops over ``lane``; None where something
    that is allocated cannot be spread over lanes."""
    if is_simple(stmt):
        guarded = stmt
        for test in reversed(tests):
            guarded = If(test, guarded)
        return _lanes(guarded, lane, extent)
    match stmt:
        case For():
            body = _push(stmt.body, lane, extent, tests)
            return None if body is None else replace(stmt, body=body)
        case Allocate(buffers=buffers):
            from .replace_buffers import Place, is_replaceable, replace_buffers

            places = {b: Place(_spread(b, extent), (), (lane,)) for b in buffers}
            if not is_replaceable(stmt.body, places):
                return None
            body = _push(replace_buffers(stmt.body, places), lane, extent, tests)
            held = tuple(place.buffer for place in places.values())
            return None if body is None else Allocate(held, body)
        case Seq():
            parts: list[Stmt | None] = []
            for simple, run in groupby(stmt.stmts, is_simple):
                members = list(run)
                together = [seq(*members)] if simple else members
                parts += [_push(s, lane, extent, tests) for s in together]
            found = [part for part in parts if part is not None]
            return seq(*found) if len(found) == len(parts) else None
        case If(condition=test, then=then, otherwise=other):
            varies = lane in set(variables_of(test))
            yes = _push(then, lane, extent, (*tests, test) if varies else tests)
            no = None
            if other is not None and not is_empty(other):
                no = _push(other, lane, extent, (*tests, ~test) if varies else tests)
                if no is None:
                    return None
            if yes is None or not varies:
                return None if yes is None else If(test, yes, no)
            return yes if no is None else seq(yes, no)
        case _:
            raise AssertionError(type(stmt))


def _spread(buffer: Buffer, lanes: int) -> Buffer:
    return Buffer(buffer.name, (*buffer.shape, lanes), buffer.dtype, None, Scope.STACK)


def _lanes(body: Stmt, var: Var, extent: int) -> Stmt:
    """``body`` for ``extent`` values of ``var``, in vectors that fit."""
    fresh = Var(var.name)
    loop = For(fresh, extent, substitute_all(body, {var: fresh}), LoopKind.VECTORIZED)
    if fits(loop):
        return loop
    width = _widest(VECTOR_BYTES // item_bytes(body, var), extent)
    parts: list[Stmt] = []
    count, rest = divmod(extent, width)
    if count == 1:
        parts.append(_lanes(body, var, width))
    else:
        chunk = Var(f"{var.name}o")
        inner = Var(f"{var.name}i")
        vector = substitute_all(body, {var: chunk * width + inner})
        kind = LoopKind.UNROLLED if count <= UNROLLED_CHUNKS else LoopKind.SERIAL
        parts.append(For(chunk, count, For(inner, width, vector, LoopKind.VECTORIZED), kind))
    if rest:
        last = Var(var.name)
        tail = substitute_all(body, {var: count * width + last})
        parts.append(_lanes(tail, last, rest))
    return seq(*parts)


def _widest(most: int, extent: int) -> int:
    """The largest power of two that is no more than either."""
    return 1 << (max(min(most, extent), 1).bit_length() - 1)
