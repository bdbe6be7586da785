"""Conditions on the place of a lane, where there are many lanes.

As numbers, places take a register for every eight lanes, and a comparison each. But a condition
such as ``begin + lane < n`` holds in the first ``n - begin`` lanes, whose bits one shift makes. And
lanes that read ``a[lane + x if begin + lane < n else lane + y]`` read neighbours on each side.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...dtypes import boolean, int64
from ...ir.affine import Sum, as_sum
from ...ir.bounds import may_wrap
from ...ir.expr import Expr, Load, Select, Var, load, select
from .emitter import Emitter
from .types import Value, type_of

MOST = 64  # lanes, of which one number has the bits
FEW = 4  # lanes; fewer are loaded one by one as quickly


def test_lanes(e: Emitter, fn: str, args: Sequence[Expr]) -> Value | None:
    """The comparison ``fn``, such as "lt", if it holds in lanes up to one place or from it on."""
    if e.lanes > MOST or args[0].dtype is not int64:
        return None
    left, right = map(as_sum, args)
    if may_wrap(left, e.facts.ranges) or may_wrap(right, e.facts.ranges):
        return None
    low, high = (left, right) if fn in ("lt", "le") else (right, left)
    apart = low.plus(high, -1).plus(Sum((), 1), -1 if fn in ("le", "ge") else 0)  # is below 0
    along = next((c for atom, c in apart.terms if atom is e.lane), 0)
    rest = Sum(tuple((atom, c) for atom, c in apart.terms if atom is not e.lane), apart.constant)
    if along not in (1, -1) or any(_varies(e, atom) for atom, _ in rest.terms):
        return None
    first = e.value((rest.scaled(-1) if along == 1 else rest.plus(Sum((), 1))).expr())
    if first.lanes:
        return None
    if first.const is not None:
        count = min(max(int(first.const), 0), e.lanes)
        bits = str((1 << count) - 1 if count < e.lanes else -1)
    else:
        bits = _first_bits(e, first.text)
    if along == -1:
        bits = e.raw(f"xor i{e.lanes} {bits}, -1")
    return e.op(f"bitcast i{e.lanes} {bits} to {type_of(boolean, e.lanes)}", boolean, e.lanes)


def _first_bits(e: Emitter, count: str) -> str:
    """A number with a bit for each lane, of which the first ``count`` are 1, or none, or all."""
    lanes = e.lanes
    for name in ("smax", "smin"):
        e.declare(f"declare i64 @llvm.{name}.i64(i64, i64)")
    some = e.raw(f"call i64 @llvm.smax.i64(i64 {count}, i64 0)")
    inside = e.raw(f"call i64 @llvm.smin.i64(i64 {some}, i64 {lanes})")
    short = e.raw(f"and i64 {inside}, 63")
    above = e.raw(f"shl i64 1, {short}")
    bits = e.raw(f"sub i64 {above}, 1")
    if lanes < 64:
        return e.raw(f"trunc i64 {bits} to i{lanes}")
    is_all = e.raw(f"icmp eq i64 {inside}, 64")
    return e.raw(f"select i1 {is_all}, i64 -1, i64 {bits}")


def load_of_either(e: Emitter, expr: Load) -> Expr | None:
    """``a[x if test else y]`` as ``a[x] if test else a[y]``, where lanes read neighbours, or all of
    them one element, on both sides."""
    if e.lanes < FEW:
        return None
    chosen = [i for i in expr.indices if isinstance(i, Select) and _varies(e, i)]
    if len(chosen) != 1:
        return None
    (pick,) = chosen
    sides = []
    for side in (pick.then, pick.otherwise):
        indices = tuple(side if i is pick else i for i in expr.indices)
        terms, _ = e.facts.linear(expr.source, indices)
        if any(_varies(e, atom) and (atom is not e.lane or c not in (1, -1)) for atom, c in terms):
            return None
        sides.append(load(expr.source, indices))
    return select(pick.condition, *sides)


def _varies(e: Emitter, expr: Expr) -> bool:
    """Whether lanes differ in ``expr``, or in what a load of it reads."""
    if isinstance(expr, Var):
        return expr is e.lane
    known = e.facts.of(expr)
    return any(var is e.lane for var in known.variables) or bool(known.sources)
