"""declare_late: memory of a thread begins where it is first used."""

from __future__ import annotations

from dataclasses import replace

from ...ir.program import Allocate, Buffer, Evaluate, For, If, Seq, Stmt, While, seq
from .overlap_stages import LATE
from .touching import buffers_touched


def declare_late(stmt: Stmt) -> Stmt:
    """``with alloc(a, b): s; (with alloc(c): t(b, c)); u(a)`` ->
    ``s; with alloc(b, c): (t(b, c); with alloc(a): u(a))``. What nobody touches is left out."""
    match stmt:
        case Allocate() | Seq():
            stmts: list[Stmt] = []
            buffers: list[Buffer] = []
            _flatten(stmt, stmts, buffers)
            return _nested([declare_late(s) for s in stmts], buffers)
        case For() | While():
            return replace(stmt, body=declare_late(stmt.body))
        case If(otherwise=otherwise):
            other = None if otherwise is None else declare_late(otherwise)
            return replace(stmt, then=declare_late(stmt.then), otherwise=other)
        case _:
            return stmt


def _flatten(stmt: Stmt, stmts: list[Stmt], buffers: list[Buffer]) -> None:
    """The statements that ``stmt`` does one after the other, and the memory for them."""
    match stmt:
        case Allocate(buffers=made, body=body):
            buffers += made
            _flatten(body, stmts, buffers)
        case Seq(stmts=parts):
            for part in parts:
                _flatten(part, stmts, buffers)
        case _:
            stmts.append(stmt)


def _nested(stmts: list[Stmt], buffers: list[Buffer]) -> Stmt:
    if not buffers:
        return seq(*stmts)
    waiting = dict.fromkeys(buffers)
    first: list[tuple[Buffer, ...]] = []
    for stmt in stmts:
        here = buffers_touched(stmt)
        found = tuple(b for b in waiting if b in here)
        for b in found:
            del waiting[b]
        first.append(found)
    tail: tuple[Stmt, ...] = ()
    for n in reversed(range(len(stmts))):
        tail = (stmts[n], *tail)
        before = stmts[n - 1] if n else None
        if isinstance(before, Evaluate) and before.name == LATE:
            first[n - 1] += first[n]  # the mark stands right before what it is about
        elif first[n]:
            tail = (Allocate(first[n], seq(*tail)),)
    return seq(*tail)
