"""Folds over the same elements, one behind the other, become one loop."""

from __future__ import annotations

from ..ir.expr import Var
from ..ir.program import (
    Accumulate,
    Allocate,
    Buffer,
    Evaluate,
    For,
    LoopKind,
    Program,
    Scope,
    Seq,
    Stmt,
    Store,
    While,
    expressions_of,
    seq,
    walk,
)
from ..ir.rewrite import loads_of
from ..records import replace
from ..schedules.step import rebuild
from .data_extents import is_open
from .simplify_program import substitute_all

MOST = 2  # folds of one loop: their sums share the registers


def join_folds(program: Program) -> Program:
    """``for i: s += x[i] * m[i]``, ``for i: n += m[i]`` -> ``for i: s += x[i] * m[i]; n += m[i]``
    where both read the same memory, which is read once then."""
    body = rebuild(program.body, _neighbours)
    return program if body is program.body else program.with_body(body)


def _neighbours(stmt: Stmt) -> Stmt | None:
    """Statements in a row, with folds among them that were neighbours as one."""
    if not isinstance(stmt, Seq):
        return None
    made: list[Stmt] = []
    joined = 1
    for part in (rebuild(s, _neighbours) for s in stmt.stmts):
        both = _joined(made[-1], part) if made and joined < MOST else None
        if both is None:
            made.append(part)
            joined = 1
        else:
            made[-1] = both
            joined += 1
    return stmt if all(a is b for a, b in zip(made, stmt.stmts)) else seq(*made)


def _joined(one: Stmt, other: Stmt) -> Stmt | None:
    """Two folds in registers as one; None where they are no such, or not alike."""
    if not isinstance(one, Allocate) or not isinstance(other, Allocate):
        return None
    if any(b.scope is not Scope.REGISTER for b in (*one.buffers, *other.buffers)):
        return None
    if not isinstance(one.body, Seq) or not isinstance(other.body, Seq):
        return None
    first, second = one.body.stmts, other.body.stmts
    if len(first) != len(second) or any(map(_is_other, (*walk(one), *walk(other)))):
        return None
    read, written = _touched(one)
    also_read, also_written = _touched(other)
    if written & (also_read | also_written) or also_written & read:
        return None
    if not any(b.shape and b.scope is not Scope.REGISTER for b in read & also_read):
        return None
    pairs = list(zip(first, second))
    if not any(_may_be_one(a, b) and _is_long(a) for a, b in pairs):
        return None
    return Allocate((*one.buffers, *other.buffers), seq(*(_in_one(a, b) for a, b in pairs)))


def _is_other(stmt: Stmt) -> bool:
    """Whether ``stmt`` does anything but fold into registers."""
    if isinstance(stmt, Store):
        return bool(stmt.indices) and stmt.buffer.scope is not Scope.REGISTER
    return isinstance(stmt, (While, Evaluate))


def _touched(stmt: Stmt) -> tuple[set[Buffer], set[Buffer]]:
    """The buffers that ``stmt`` reads, and those that it writes."""
    read: set[Buffer] = set()
    written: set[Buffer] = set()
    for part in walk(stmt):
        read.update(n.source for e in expressions_of(part) for n in loads_of(e))
        if isinstance(part, Store):
            written.add(part.buffer)
        elif isinstance(part, Accumulate):
            written.update(part.buffers)
    return read, written


def _is_long(stmt: Stmt) -> bool:
    return isinstance(stmt, For) and stmt.kind is LoopKind.SERIAL


def _may_be_one(one: Stmt, other: Stmt) -> bool:
    """Whether two loops have the same iterations: as many as data say are none of these."""
    if not isinstance(one, For) or not isinstance(other, For):
        return False
    return not (is_open(one) or is_open(other)) and (one.extent, one.kind) == (
        other.extent,
        other.kind,
    )


def _in_one(one: Stmt, other: Stmt) -> Stmt:
    if not _may_be_one(one, other):
        return seq(one, other)
    assert isinstance(one, For) and isinstance(other, For)
    there: dict[Var, Var] = {other.var: one.var}
    return replace(one, body=_in_one(one.body, substitute_all(other.body, there)))  # type: ignore[arg-type]
