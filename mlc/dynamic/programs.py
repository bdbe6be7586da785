"""Tensor programs of two sizes side by side, and one program for all sizes.

In the program for all sizes a loop whose extent changes runs up to a number that is passed, and so
do constants; arrays whose first axis changes are as long as any can be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from ..dtypes import int64
from ..ir.expr import Const, Expr, Load, Var, apply, const, load
from ..ir.program import (
    Accumulate,
    Allocate,
    Buffer,
    Evaluate,
    For,
    If,
    LoopKind,
    Program,
    Seq,
    Stmt,
    Store,
    While,
    map_exprs,
    seq,
)
from ..ir.rewrite import rewrite, substitute
from ..te.key import combiner_text

ROWS = 1 << 40  # the rows of an array that is read whole, as far as a kernel knows
_PARTS = 64  # that threads take of a loop
Pairs = list[tuple[Expr, Expr]]


class Different(Exception):
    """The programs differ in more than sizes, or the size is where it cannot change."""


class Comparison:
    """Two programs statement by statement: ``extents`` of loops, pairs of ``buffers``, and
    ``expressions`` that have to agree."""

    def __init__(self, mine: Program, theirs: Program) -> None:
        self.loops: list[tuple[For, For]] = []
        self.buffers: dict[Buffer, Buffer] = {}
        self.variables: dict[Expr, Expr] = {}
        self.expressions: Pairs = []
        same = len(mine.params) == len(theirs.params) and mine.outputs == theirs.outputs
        if not same or mine.attrs != theirs.attrs:
            raise Different("programs differ")
        for pair in zip(mine.params, theirs.params):
            self._buffer(*pair)
        pending = [(mine.body, theirs.body)]
        while pending:
            pending += self._statement(*pending.pop())

    def _buffer(self, a: Buffer, b: Buffer) -> None:
        known = self.buffers.setdefault(a, b)
        alike = a.dtype is b.dtype and a.ndim == b.ndim and a.scope == b.scope
        plain = a.strides is None and b.strides is None or a.shape == b.shape
        same = a.strides == b.strides and a.aligned == b.aligned
        if known is not b or not alike or not (plain and same):
            raise Different("programs use memory differently")

    def _statement(self, a: Stmt, b: Stmt) -> list[tuple[Stmt, Stmt]]:
        match a, b:
            case Allocate(), Allocate() if len(a.buffers) == len(b.buffers):
                for one, two in zip(a.buffers, b.buffers):
                    self._buffer(one, two)
                    if one.shape != two.shape:
                        raise Different("a program has memory of its own that depends on the size")
                return [(a.body, b.body)]
            case Seq(), Seq() if len(a.stmts) == len(b.stmts):
                return list(zip(a.stmts, b.stmts))
            case For(), For() if a.kind is b.kind:
                self.variables[a.var] = b.var
                self.loops.append((a, b))
                return [(a.body, b.body)]
            case While(), While():
                self.expressions.append((a.condition, b.condition))
                return [(a.body, b.body)]
            case If(), If() if (a.otherwise is None) == (b.otherwise is None):
                self.expressions.append((a.condition, b.condition))
                rest = [] if a.otherwise is None else [(a.otherwise, b.otherwise)]
                return [(a.then, b.then), *rest]  # type: ignore[list-item]
            case Store(), Store():
                self._buffer(a.buffer, b.buffer)
                self.expressions += zip((*a.indices, a.value), (*b.indices, b.value), strict=True)
                return []
            case Accumulate(), Accumulate() if len(a.buffers) == len(b.buffers):
                if combiner_text(a.combiner) == combiner_text(b.combiner):
                    for one, two in zip(a.buffers, b.buffers):
                        self._buffer(one, two)
                    self.expressions += zip(a.indices, b.indices, strict=True)
                    self.expressions += zip(a.values, b.values, strict=True)
                    return []
            case Evaluate(), Evaluate() if a.name == b.name and len(a.args) == len(b.args):
                for x, y in zip(a.args, b.args):
                    if isinstance(x, Buffer) and isinstance(y, Buffer):
                        self._buffer(x, y)
                    elif isinstance(x, Expr) and isinstance(y, Expr):
                        self.expressions.append((x, y))
                    else:
                        raise Different("a program calls functions over parts of arrays")
                return []
        raise Different("programs have different statements")


def for_all_sizes(
    program: Program, n_inputs: int, numbers: Sequence[Const | For], moving: Mapping[Buffer, int]
) -> Program:
    """``program`` with parameters for ``numbers`` after its inputs. ``moving`` names the parameters
    that depend on the size, and along which axis. Raises :class:`Different` if that cannot be."""
    passed = [Buffer(f"n{i}", (), getattr(n, "dtype", int64)) for i, n in enumerate(numbers)]
    value = {node: load(buffer, ()) for node, buffer in zip(numbers, passed)}
    buffers: dict[Buffer, Buffer] = {}
    for buffer, axis in moving.items():
        if axis:
            raise Different("a program over arrays whose first axis is not the one that changes")
        shape = (ROWS, *buffer.shape[1:])
        buffers[buffer] = Buffer(
            buffer.name, shape, buffer.dtype, None, buffer.scope, buffer.aligned
        )

    def rule(node: Expr) -> Expr | None:
        match node:
            case Const():
                return value.get(node)
            case Load(source=source) if source in buffers:
                return load(buffers[source], node.indices)
        return None

    memo: dict[Expr, Expr] = {}

    def change(expr: Expr) -> Expr:
        return rewrite(expr, rule, memo)

    params = tuple(buffers.get(b, b) for b in program.params)
    params = (*params[:n_inputs], *passed, *params[n_inputs:])
    body = _changed(program.body, change, buffers, value)
    # Results lie apart from arguments here: so loops can trust the numbers they end at.
    return replace(program, params=params, body=body, attrs={**program.attrs, "noalias": True})


def _changed(
    stmt: Stmt, change: Callable[[Expr], Expr], buffers: Mapping[Buffer, Buffer],
    value: Mapping[Const | For, Expr],
) -> Stmt:  # fmt: skip
    def inner(part: Stmt) -> Stmt:
        return _changed(part, change, buffers, value)

    match stmt:
        case Allocate():
            return replace(stmt, body=inner(stmt.body))
        case Seq():
            return seq(*map(inner, stmt.stmts))
        case For():
            stop = value.get(stmt)
            if stop is None:
                return replace(stmt, body=inner(stmt.body))
            return _open_loop(stmt, stop, inner(stmt.body))
        case While():
            return While(change(stmt.condition), inner(stmt.body))
        case If():
            other = None if stmt.otherwise is None else inner(stmt.otherwise)
            return If(change(stmt.condition), inner(stmt.then), other)
        case Store():
            place = buffers.get(stmt.buffer, stmt.buffer)
            return Store(place, tuple(map(change, stmt.indices)), change(stmt.value))
        case Accumulate():
            return replace(
                stmt,
                buffers=tuple(buffers.get(b, b) for b in stmt.buffers),
                indices=tuple(map(change, stmt.indices)),
                values=tuple(map(change, stmt.values)),
            )
        case Evaluate():
            args = tuple(
                change(arg)
                if isinstance(arg, Expr)
                else buffers.get(arg, arg)
                if isinstance(arg, Buffer)
                else arg
                for arg in stmt.args
            )
            return Evaluate(stmt.name, args)
        case _:
            raise Different("a program has blocks")


def _open_loop(loop: For, stop: Expr, body: Stmt) -> Stmt:
    """``loop`` that ends at ``stop``; one whose iterations run on threads is cut into parts."""
    if loop.kind is LoopKind.SERIAL:
        return replace(loop, extent=ROWS, body=If(apply("lt", loop.var, stop), body))
    if loop.kind is not LoopKind.PARALLEL:
        raise Different(f"a program has a {loop.kind.value} loop over the size")
    part, place = Var(f"{loop.var.name}p"), Var(loop.var.name)
    length = apply("floordiv", stop + (_PARTS - 1), const(_PARTS))
    first = part * length
    here = apply("minimum", length, stop - first)
    mapping = {loop.var: first + place}
    moved = map_exprs(body, lambda expr: substitute(expr, mapping))
    inner = For(place, ROWS, If(apply("lt", place, here), moved))
    return replace(loop, var=part, extent=_PARTS, body=inner)
