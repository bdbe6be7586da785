"""Outputs that a program may leave unwritten, or read before: as operations such programs begin
with zeros there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..ir.affine import as_sum
from ..ir.expr import Expr, Var, const
from ..ir.program import (
    Accumulate,
    Allocate,
    Block,
    Buffer,
    Evaluate,
    For,
    If,
    Program,
    Region,
    Seq,
    Stmt,
    Store,
    While,
    children_of,
    expressions_of,
    seq,
)
from ..ir.rewrite import loads_of, substitute


def with_zeros(program: Program) -> Program:
    """``program``, begun by a loop of zeros over each output that it is not seen to write whole
    before it reads any of it.

    ``B[i] += A[i]`` becomes ``B[i] = 0``, then ``B[i] += A[i]``. Programs of operators, which say
    that they are right, stay as they are.
    """
    if program.attrs.get("unsafe") is True:
        return program
    outputs = program.params[len(program.params) - program.outputs :]
    unsure = [buffer for buffer in outputs if buffer.size and not _is_whole(program.body, buffer)]
    if not unsure:
        return program
    return program.with_body(seq(*map(_zeros, unsure), program.body))


def _zeros(buffer: Buffer) -> Stmt:
    loops = tuple(Var(f"z{d}") for d in range(buffer.ndim))
    made: Stmt = Store(buffer, loops, const(0, buffer.dtype))
    for var, extent in reversed(tuple(zip(loops, buffer.shape, strict=True))):
        made = For(var, extent, made)
    return made


class _Touch(NamedTuple):
    """A touch of the buffer at ``indices`` over the loops around it; None where they are unknown.
    ``is_sure`` says that it is a store that no condition keeps from running."""

    indices: tuple[Expr, ...] | None
    is_sure: bool


class _Place(NamedTuple):
    loops: dict[Var, int]
    axes: dict[Var, Expr]
    is_sure: bool


def _is_whole(body: Stmt, buffer: Buffer) -> bool:
    """Whether every element is certain to be stored before it is read."""
    piece = _first(body, buffer)
    if piece is None:
        return False
    loops: dict[Var, int] = {}
    touches = list(_touches(piece, buffer, _Place(loops, {}, True)))
    first = touches[0]
    if not (first.is_sure and first.indices is not None and all(loops.values())):
        return False
    if not _covers(first.indices, buffer, loops):
        return False
    return all(
        touch.indices is not None and all(a is b for a, b in zip(touch.indices, first.indices))
        for touch in touches
    )


def _first(body: Stmt, buffer: Buffer) -> Stmt | None:
    """The first of the statements in order that touches ``buffer``."""
    match body:
        case Seq(stmts=stmts):
            return next((found for s in stmts if (found := _first(s, buffer))), None)
        case Allocate(body=inner):
            return _first(inner, buffer)
        case _:
            return body if _mentions(body, buffer) else None


def _mentions(body: Stmt, buffer: Buffer) -> bool:
    return next(_touches(body, buffer, _Place({}, {}, True)), None) is not None


def _touches(stmt: Stmt, buffer: Buffer, place: _Place) -> Iterator[_Touch]:
    """All touches of ``buffer`` in program order; ``place.loops`` gathers the loops met."""

    def at(indices: tuple[Expr, ...]) -> tuple[Expr, ...]:
        return tuple(substitute(index, place.axes) for index in indices)

    for expression in expressions_of(stmt):
        for load in loads_of(expression):
            if load.source is buffer:
                yield _Touch(at(load.indices), False)
    match stmt:
        case For(var=var, extent=extent):
            place.loops[var] = extent
        case While() | If():
            place = place._replace(is_sure=False)
        case Block(iters=iters, predicate=predicate):
            bound: dict[Var, Expr] = {it.axis: substitute(it.binding, place.axes) for it in iters}
            starts = (as_sum(bound[it.axis]).constant for it in iters if it.axis.is_reduce)
            sure = place.is_sure and predicate is None and not any(starts)
            place = _Place(place.loops, {**place.axes, **bound}, sure)
        case Store(buffer=target, indices=indices) if target is buffer:
            yield _Touch(at(indices), place.is_sure)
        case Accumulate(buffers=targets, indices=indices) if any(t is buffer for t in targets):
            yield _Touch(at(indices), False)
        case Evaluate(args=args):
            for arg in args:
                if arg is buffer or isinstance(arg, Region) and arg.buffer is buffer:
                    yield _Touch(None, False)
    for part in children_of(stmt):
        yield from _touches(part, buffer, place)


def _covers(indices: tuple[Expr, ...], buffer: Buffer, loops: dict[Var, int]) -> bool:
    """Whether ``indices`` go over all of ``buffer``: each a number whose digits are loops of its
    own."""
    used: set[Expr] = set()
    for index, size in zip(indices, buffer.shape, strict=True):
        found = as_sum(index)
        reached = 1
        for atom, scale in sorted(found.terms, key=lambda term: term[1]):
            if atom in used or scale != reached or not isinstance(atom, Var):
                return False
            used.add(atom)
            reached *= loops.get(atom, 0)
        if found.constant or reached != size:
            return False
    return True
