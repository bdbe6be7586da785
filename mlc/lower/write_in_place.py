"""Rows that wait for a number of their own are kept where the result will be.

::

    for i in range(32):                              for i in range(32):
        e = alloc(1, 50257)                   ->         for j in range(50257):
        for j in range(50257):                               y[i, j] = exp(x[i, j])
            e[0, j] = exp(x[i, j])                       s = sum of y[i, :]
        s = sum of e[0, :]                               for j in range(50257):
        for j in range(50257):                               y[i, j] = y[i, j] / s
            y[i, j] = e[0, j] / s

The lines of the result come to the cache while there is something to compute, and fewer bytes have
to stay there. It is for programs that write all of their results and read none, as kernels do.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from ..ir.expr import Const, Expr, Var
from ..ir.program import (
    Accumulate,
    Allocate,
    Buffer,
    Evaluate,
    For,
    Program,
    Scope,
    Seq,
    Stmt,
    Store,
    children_of,
    expressions_of,
    walk,
)
from ..ir.rewrite import loads_of, variables_of
from ..ir.simplify import simplify
from ..records import replace
from .replace_buffers import Place, replace_buffers


def write_in_place(program: Program, rows: set[Buffer], most_bytes: int) -> Program:
    """``program`` with one of the ``rows``, which it allocates, kept in a result that is no larger
    than ``most_bytes``: larger ones are written past the caches."""
    loads = [n for stmt in walk(program.body) for e in expressions_of(stmt) for n in loads_of(e)]
    touched, folded = {n.source for n in loads}, set[Buffer]()
    for stmt in walk(program.body):
        if isinstance(stmt, Evaluate):
            return program
        if isinstance(stmt, Accumulate):
            folded.update(stmt.buffers)
    for loops, around in _allocations(program.body, ()):
        for row in around.buffers:
            if row not in rows or row.scope is not Scope.STACK or row in folded:
                continue
            for result in program.params[len(program.params) - program.outputs :]:
                small = result.size * result.dtype.itemsize <= most_bytes
                if result in touched | folded or result.dtype != row.dtype or not small:
                    continue
                place = _place(program, loops, around, row, result)
                if place is not None:
                    body = replace_buffers(_without(program.body, row), {row: place})
                    return replace(program, body=body)
    return program


def _allocations(stmt: Stmt, loops: tuple[For, ...]) -> Iterator[tuple[tuple[For, ...], Allocate]]:
    """Each allocation that only loops stand around, with those."""
    if isinstance(stmt, Allocate):
        yield loops, stmt
    if isinstance(stmt, For):
        loops = (*loops, stmt)
    if isinstance(stmt, (Allocate, For, Seq)):
        for child in children_of(stmt):
            yield from _allocations(child, loops)


def _place(
    program: Program, loops: tuple[For, ...], around: Allocate, row: Buffer, result: Buffer
) -> Place | None:
    """Where the elements of ``row`` can be in ``result``, if nothing else is there meanwhile."""
    body: Stmt = around
    while isinstance(body, Allocate):
        body = body.body
    cut = next((d for d, extent in enumerate(row.shape) if extent > 1), 0)
    outer = result.ndim - (row.ndim - cut)  # axes of the result that rows have not
    if not isinstance(body, Seq) or outer < 0:
        return None
    several = row.shape[cut] < result.shape[outer]  # rows of those that lie one behind the other
    if row.shape[cut + several :] != result.shape[outer + several :]:
        return None
    first = next((n for n, s in enumerate(body.stmts) if _stores(s, result)), None)
    if first is None or len(_stores(program.body, result)) != sum(
        len(_stores(s, result)) for s in body.stmts
    ):
        return None
    starts: list[tuple[Expr, ...]] = []
    for stmt in body.stmts[first:]:
        for part in walk(stmt):
            read = [n for e in expressions_of(part) for n in loads_of(e) if n.source is row]
            if not isinstance(part, Store) or part.buffer is not result:
                if read or isinstance(part, Store) and part.buffer is row:
                    return None
                continue
            after = part.indices[outer + several :]
            if not all(_same(n.indices[cut + several :], after) for n in read):
                return None
            base = part.indices[:outer]
            if several:
                moved = [simplify(part.indices[outer] - n.indices[cut]) for n in read]
                starts += [(*base, by) for by in moved] or [()]
            else:
                starts.append(base)
    if any(len(start) != outer + several or not _same(start, starts[0]) for start in starts):
        return None
    if not _is_own(loops, starts[0], result, row.shape[cut] if several else 1):
        return None
    base, start = starts[0][:outer], starts[0][-1] if several else None
    return Place(result, base, cut=cut, start=start)


def _is_own(loops: tuple[For, ...], start: tuple[Expr, ...], result: Buffer, rows: int) -> bool:
    """Whether each iteration of ``loops`` has for itself what lies at ``start`` in ``result``, or
    the ``rows`` that begin there: there are as many of either, and all of the result is written."""
    used: set[Var] = {v for index in start for v in variables_of(index)}
    moving = {loop.var for loop in loops if loop.extent > 1}
    parts = prod(result.shape[: len(start)]) / rows
    if rows > 1 and not any(_same((start[-1],), (f.var * rows,)) for f in loops):
        return False
    return moving <= used <= {f.var for f in loops} and parts == prod(f.extent for f in loops)


def _same(left: tuple[Expr, ...], right: tuple[Expr, ...]) -> bool:
    differences = [simplify(a - b) for a, b in zip(left, right, strict=True)]
    return all(isinstance(d, Const) and d.value == 0 for d in differences)


def _stores(stmt: Stmt, buffer: Buffer) -> list[Store]:
    return [s for s in walk(stmt) if isinstance(s, Store) and s.buffer is buffer]


def _without(stmt: Stmt, buffer: Buffer) -> Stmt:
    """``stmt``, in which ``buffer`` is not allocated."""
    match stmt:
        case Allocate(buffers=buffers, body=body) if buffer in buffers:
            rest = tuple(b for b in buffers if b is not buffer)
            return Allocate(rest, body) if rest else body
        case Allocate(buffers=buffers, body=body):
            return Allocate(buffers, _without(body, buffer))
        case For():
            return replace(stmt, body=_without(stmt.body, buffer))
        case Seq(stmts=stmts):
            return Seq(tuple(_without(s, buffer) for s in stmts))
        case _:
            return stmt
