"""Operators that give back an array which they get, changed: in native loops they change it where
it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..ir.expr import Load
from ..ir.program import (
    Accumulate,
    Allocate,
    Buffer,
    Evaluate,
    Program,
    Region,
    Seq,
    Stmt,
    Store,
    expressions_of,
    seq,
    walk,
)
from ..ir.rewrite import loads_of
from ..records import dataclass, replace
from ..te.tensor import Call
from .update import same

if TYPE_CHECKING:
    from .write import Writer


@dataclass(frozen=True, eq=False)
class Changed:
    """The result of a program is the input number ``number``, changed by ``body``, in which the
    result stands for both."""

    number: int
    body: Stmt


def place_to_change(w: Writer, op: Call, position: int) -> tuple[Stmt, Buffer | None]:
    """What ``op`` does, and the buffer of an input that it may do it to, where nobody needs that
    input later."""
    found = changed_input(op.program) if op.program.outputs == 1 else None
    if found is not None:
        old = op.inputs[found.number]
        buffer = w.where.get(old)
        others = [w.where.get(t) for t in op.inputs if t is not old]
        is_ours = buffer in w.owned and w.last[old] <= position
        if buffer is not None and is_ours and buffer not in others:
            w.flush(buffer, position)
            return found.body, buffer
    return op.program.body, None


def changed_input(program: Program) -> Changed | None:
    """
    ::

        for i in range(n): out[i] = x[i]
        ...                                 # writes out, and does not read x

    -> the ``...``, for an ``out`` that holds ``x`` at first.
    """
    (*inputs, out) = program.params
    leaves = list(_leaves(program.body))
    for number, old in enumerate(inputs):
        if old.shape != out.shape or old.dtype != out.dtype:
            continue
        copies = [stmt for stmt in leaves if any(_is_copy(s, old, out) for s in walk(stmt))]
        if copies and _are_alone(copies, leaves, old, out):
            return Changed(number, _without(program.body, copies))
    return None


def _leaves(stmt: Stmt) -> Iterator[Stmt]:
    """The statements that are done once, in their order."""
    match stmt:
        case Allocate(body=body):
            yield from _leaves(body)
        case Seq(stmts=stmts):
            for part in stmts:
                yield from _leaves(part)
        case _:
            yield stmt


def _is_copy(stmt: Stmt, old: Buffer, out: Buffer) -> bool:
    if not isinstance(stmt, Store) or stmt.buffer is not out or not isinstance(stmt.value, Load):
        return False
    return stmt.value.source is old and same(stmt.value.indices, stmt.indices)


def _are_alone(copies: list[Stmt], leaves: list[Stmt], old: Buffer, out: Buffer) -> bool:
    """Whether ``copies`` do nothing else to ``out``, which others write after them only, nor for
    others; and nobody else reads ``old``."""
    begun = False
    made = {s.buffer for leaf in copies for s in walk(leaf) if isinstance(s, Store)} - {out}
    for leaf in leaves:
        is_copying = any(leaf is copy for copy in copies)
        if is_copying and begun:
            return False
        for stmt in walk(leaf):
            touched = _written(stmt)
            if old in touched or is_copying and isinstance(stmt, (Accumulate, Evaluate)):
                return False
            if is_copying and _is_copy(stmt, old, out):
                continue
            begun = begun or out in touched
            read = {n.source for e in expressions_of(stmt) for n in loads_of(e)}
            if old in read or not is_copying and made & read:
                return False
        if is_copying and begun:
            return False
    return True


def _written(stmt: Stmt) -> set[Buffer]:
    """The buffers that ``stmt`` itself may write."""
    match stmt:
        case Store(buffer=buffer):
            return {buffer}
        case Accumulate(buffers=buffers):
            return set(buffers)
        case Evaluate(args=args):
            parts = (arg.buffer if isinstance(arg, Region) else arg for arg in args)
            return {part for part in parts if isinstance(part, Buffer)}
        case _:
            return set()


def _without(stmt: Stmt, dropped: list[Stmt]) -> Stmt:
    match stmt:
        case Allocate(body=body):
            return replace(stmt, body=_without(body, dropped))
        case Seq(stmts=stmts):
            return seq(*(_without(part, dropped) for part in stmts))
        case _:
            return Seq(()) if any(stmt is copy for copy in dropped) else stmt
