"""partition_loops: conditions that hold in the middle of a loop are tested at its ends only."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ..dtypes import int64
from ..ir.affine import as_sum
from ..ir.bounds import interval
from ..ir.expr import Apply, Expr, Select, Var, const
from ..ir.program import (
    Accumulate,
    Allocate,
    Evaluate,
    For,
    If,
    LoopKind,
    Program,
    Seq,
    Stmt,
    Store,
    While,
    expressions_of,
    seq,
    walk,
)
from ..ir.rewrite import postorder, variables_of
from ..records import replace
from .simplify_program import simplify_stmt, substitute_all

_MOST_PARTS = 3  # nested partitions multiply code
_LONG = 250  # nodes of a body beside which masks are cheap, and a second copy is not


def partition_loops(program: Program) -> Program:
    """``for i in range(9): if 16 * i + j < 130: s`` ->
    ``for i in range(8): s`` followed by the body for ``i = 8`` with its condition.

    A parallel loop stays one loop; its body asks once which part it is in. A long body in vectors
    whose last lanes alone are conditional stays one: each copy would take as long to compile.
    """
    return program.with_body(_partition(simplify_stmt(program.body, {}), {}, 0))


def _partition(stmt: Stmt, ranges: dict[Var, int], depth: int) -> Stmt:
    match stmt:
        case For(kind=LoopKind.SERIAL | LoopKind.PARALLEL):
            low, high = _interior(stmt, ranges)
            whole = (low, high) == (0, stmt.extent) or low >= high or depth >= _MOST_PARTS
            if whole or _is_long_with_tail(stmt, low):
                inner = {**ranges, stmt.var: stmt.extent}
                return replace(stmt, body=_partition(stmt.body, inner, depth))
            return _split(stmt, low, high, ranges, depth)
        case For():
            inner = {**ranges, stmt.var: stmt.extent}
            return replace(stmt, body=_partition(stmt.body, inner, depth))
        case Allocate() | While():
            return replace(stmt, body=_partition(stmt.body, ranges, depth))
        case Seq():
            return seq(*(_partition(s, ranges, depth) for s in stmt.stmts))
        case If():
            other = stmt.otherwise
            if other is not None:
                other = _partition(other, ranges, depth)
            return If(stmt.condition, _partition(stmt.then, ranges, depth), other)
        case _:
            return stmt


def _is_long_with_tail(loop: For, low: int) -> bool:
    """Whether ``loop`` has a long body, and conditions only around stores in vectorized loops that
    fail for the last of all lanes: then they are masks."""
    if low > 0:
        return False
    lanes: set[Var] = set()
    nodes: set[Expr] = set()
    for stmt in walk(loop.body):
        match stmt:
            case For(kind=LoopKind.VECTORIZED, var=var):
                lanes.add(var)
            case If(condition=test, then=Store(), otherwise=None):
                if lanes.isdisjoint(variables_of(test)):
                    return False
            case If() | Accumulate() | Evaluate() | While():
                return False
            case _:
                pass
        for root in expressions_of(stmt):
            nodes.update(postorder(root))
    if len(nodes) < _LONG:
        return False
    tests = (n.condition for n in nodes if isinstance(n, Select))
    slacks = (slack for test in tests for slack in _slacks(test))
    return not any(as_sum(slack).coefficient(loop.var) for slack in slacks)


def _split(loop: For, low: int, high: int, ranges: dict[Var, int], depth: int) -> Stmt:
    """The loop in up to three parts: [0, low), [low, high) and [high, extent)."""
    parts: list[tuple[int, int, Stmt]] = []
    for start, stop in ((0, low), (low, high), (high, loop.extent)):
        if start < stop:
            var = Var(loop.var.name)
            index: Expr = var + start if start else var
            if stop - start == 1:
                index = const(start)
            body = substitute_all(loop.body, {loop.var: index})
            inner = {**ranges, var: stop - start}
            body = _partition(simplify_stmt(body, inner), inner, depth + 1)
            if loop.kind is LoopKind.PARALLEL:
                body = substitute_all(body, {var: loop.var - start if start else loop.var})
                parts.append((start, stop, body))
            else:
                whole = For(var, stop - start, body, loop.kind, loop.annotations)
                parts.append((start, stop, body if stop - start == 1 else whole))
    if loop.kind is not LoopKind.PARALLEL:
        return seq(*(body for _, _, body in parts))
    out = parts[-1][2]
    for _, stop, body in reversed(parts[:-1]):
        out = If(loop.var < stop, body, out)
    return replace(loop, body=out)


def _interior(loop: For, ranges: dict[Var, int]) -> tuple[int, int]:
    """The longest run of iterations in which every condition on ``loop.var`` is known to hold."""
    inside = {**ranges, loop.var: loop.extent}
    inside.update({n.var: n.extent for n in walk(loop.body) if isinstance(n, For)})
    low, high = 0, loop.extent
    for condition in _conditions(loop.body):
        for slack in _slacks(condition):
            total = as_sum(slack)
            step = total.coefficient(loop.var)
            if step == 0:
                continue
            rest = total.plus(as_sum(loop.var), -step)
            least = interval(rest.expr(), inside)[0]
            if not math.isfinite(least):
                continue
            if step < 0:
                bound = int(least // -step) + 1
                if bound > 0:
                    high = min(high, bound)
            else:
                bound = int(-(least // step))
                if bound < loop.extent:
                    low = max(low, bound)
    return low, high


def _conditions(stmt: Stmt) -> Iterator[Expr]:
    for node in walk(stmt):
        if isinstance(node, If):
            yield node.condition
        for root in expressions_of(node):
            for expr in postorder(root):
                if isinstance(expr, Select):
                    yield expr.condition


def _slacks(condition: Expr) -> Iterator[Expr]:
    """Expressions that are >= 0 exactly where the (conjunctive) condition holds."""
    match condition:
        case Apply(fn="bitand", args=(a, b)):
            yield from _slacks(a)
            yield from _slacks(b)
        case Apply(fn="lt", args=(a, b)) if a.dtype is int64:
            yield b - a - 1
        case Apply(fn="le", args=(a, b)) if a.dtype is int64:
            yield b - a
        case Apply(fn="gt", args=(a, b)) if a.dtype is int64:
            yield a - b - 1
        case Apply(fn="ge", args=(a, b)) if a.dtype is int64:
            yield a - b
