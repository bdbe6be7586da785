"""Reductions over lanes, and combiners applied to values."""

from __future__ import annotations

from collections.abc import Sequence

from ...ir.combiner import Combiner
from .emitter import Emitter
from .expressions import call
from .types import Value, constant


def combine(
    e: Emitter, combiner: Combiner, left: Sequence[Value], right: Sequence[Value]
) -> list[Value]:
    """The combiner's result for two partial results, lane by lane."""
    if combiner.fn in ("maximum", "minimum"):
        # These look whether the first is NaN: of what is new, that need not wait for what is old.
        return [call(e, combiner.fn, (right[0], left[0]), combiner.dtypes[0])]
    if combiner.fn:
        return [call(e, combiner.fn, (left[0], right[0]), combiner.dtypes[0])]
    e.enter()
    for var, value in zip(combiner.lhs + combiner.rhs, (*left, *right), strict=True):
        e.bind(var, value)
    out = [e.value(part) for part in combiner.result]
    e.leave()
    return out


def identities(combiner: Combiner) -> list[Value]:
    """The combiner's identity, part by part."""
    return [constant(part.value, part.dtype) for part in combiner.identity]


def reduce_lanes(
    e: Emitter, combiner: Combiner, values: Sequence[Value], mask: Value | None
) -> list[Value]:
    """One scalar for each part from vectors of one width; lanes outside ``mask`` do not count.

    The order is fixed: lanes half a vector apart are combined, then a quarter, down to neighbours.
    A width that is no power of two is filled up with identities."""
    lanes = e.lanes
    parts = [e.splat(value, lanes) for value in values]
    neutral = identities(combiner)
    if mask is not None:
        mask = e.splat(mask, lanes)
        parts = [e.select(mask, p, e.splat(n, lanes)) for p, n in zip(parts, neutral, strict=True)]
    width = 1 << (lanes - 1).bit_length()
    while width > 1:
        half = width // 2
        low = list(range(half))
        have = parts[0].lanes
        high = [lane + half for lane in low]
        lower = [e.shuffle(p, low) for p in parts]
        if have < width:
            high = [lane if lane < have else have for lane in high]
            upper = [_filled(e, p, n, high) for p, n in zip(parts, neutral, strict=True)]
        else:
            upper = [e.shuffle(p, high) for p in parts]
        parts = [e.splat(p, half) for p in combine(e, combiner, lower, upper)]
        width = half
    return [e.extract(p, 0) for p in parts]


def _filled(e: Emitter, value: Value, neutral: Value, lanes: list[int]) -> Value:
    """Lanes of ``value``, with the identity where the number is that of no lane."""
    filler = e.splat(neutral, value.lanes)
    picked = ", ".join(f"i32 {lane}" for lane in lanes)
    text = f"shufflevector {value}, {filler}, <{len(lanes)} x i32> <{picked}>"
    return e.op(text, value.dtype, len(lanes))
