"""partition_loops: conditions that hold in the middle of a loop are tested at its ends only."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ..dtypes import int64
from ..ir.affine import Sum, as_sum
from ..ir.bounds import interval
from ..ir.expr import Apply, Const, Expr, Select, Var, const
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
_LONG_PART = 5  # a part that is no less than one in so many is worth a cut of its own
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
    """The loop in parts: [0, low), [low, high) and [high, extent), of which the first and the last
    are cut once more where they are long."""
    parts: list[tuple[int, Stmt]] = []
    for start, stop, piece in _pieces(loop, low, high, ranges):
        if stop - start == 1:
            at: dict[Var, Expr] = {piece.var: const(0)}
            body = simplify_stmt(substitute_all(piece.body, at), ranges)
            if any(isinstance(s, For) and s.annotations for s in walk(body)):
                from .unroll_partly import without_factors

                body = without_factors(body)
            parts.append((stop, _partition(body, ranges, depth + 1)))
            continue
        body = _partition(piece.body, {**ranges, piece.var: stop - start}, depth + 1)
        if loop.kind is LoopKind.PARALLEL:
            index = loop.var - start if start else loop.var
            parts.append((stop, substitute_all(body, {piece.var: index})))
        else:
            parts.append((stop, replace(piece, body=body)))
    if loop.kind is not LoopKind.PARALLEL:
        return seq(*(body for _, body in parts))
    out = parts[-1][1]
    for stop, body in reversed(parts[:-1]):
        out = If(loop.var < stop, body, out)
    return replace(loop, body=out)


def _pieces(
    loop: For, low: int, high: int, ranges: dict[Var, int], is_first: bool = True
) -> Iterator[tuple[int, int, For]]:
    """(where it begins, where it ends, its loop from 0 on) for each part."""
    for start, stop in ((0, low), (low, high), (high, loop.extent)):
        if start >= stop:
            continue
        var = Var(loop.var.name)
        body = substitute_all(loop.body, {loop.var: var + start if start else var})
        body = simplify_stmt(body, {**ranges, var: stop - start})
        piece = For(var, stop - start, body, loop.kind, loop.annotations)
        if is_first and (start, stop) != (low, high) and (stop - start) * _LONG_PART > loop.extent:
            first, last = _interior(piece, ranges)
            if first < last and (first, last) != (0, piece.extent):
                for a, b, inner in _pieces(piece, first, last, ranges, False):
                    yield start + a, start + b, inner
                continue
        yield start, stop, piece


def _interior(loop: For, ranges: dict[Var, int]) -> tuple[int, int]:
    """A run of iterations in which every condition on ``loop.var`` of which anything is known for
    long is known to hold, or known not to hold."""
    inside = {**ranges, loop.var: loop.extent}
    inside.update({n.var: n.extent for n in walk(loop.body) if isinstance(n, For)})
    low, high = 0, loop.extent
    for condition in _conditions(loop.body):
        for slack in _slacks(condition):
            total = _undivided(as_sum(slack))
            step = total.coefficient(loop.var)
            if step == 0:
                continue
            rest = total.plus(as_sum(loop.var), -step)
            runs = _runs(step, *interval(rest.expr(), inside), loop.extent)
            first, last = max(runs, key=lambda run: run[1] - run[0])
            if first < last:
                low, high = max(low, first), min(high, last)
    return low, high


def _runs(step: int, least: float, most: float, extent: int) -> list[tuple[int, int]]:
    """The iterations i of ``extent`` in which ``step * i`` and what lies between ``least`` and
    ``most`` are 0 or more in sum, and those in which they are less."""
    if step < 0:
        sure = int(least // -step) + 1 if math.isfinite(least) else 0
        none = int(most // -step) + 1 if math.isfinite(most) else extent
        return [(0, min(sure, extent)), (max(none, 0), extent)]
    sure = int(-(least // step)) if math.isfinite(least) else extent
    none = int(-(most // step)) if math.isfinite(most) else 0
    return [(max(sure, 0), extent), (0, min(none, extent))]


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


def _undivided(slack: Sum) -> Sum:
    """What is >= 0 where ``slack`` is, without its quotient: for ``r - x // n`` that is
    ``n * r + n - 1 - x``, and for ``r + x // n`` it is ``n * r + x``."""
    for atom, c in slack.terms:
        match atom:
            case Apply(fn="floordiv", args=(x, Const(value=n))) if n > 0 and abs(c) == 1:
                rest = Sum((), 0).plus(slack.plus(as_sum(atom), -c), n).plus(as_sum(x), c)
                return rest.plus(Sum((), n - 1)) if c < 0 else rest
            case _:
                pass
    return slack
