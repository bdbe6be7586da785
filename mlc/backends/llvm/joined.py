"""Neighbours that make one number together, as instructions for narrow types take them.

::

    x[4 * i] | x[4 * i + 1] << 8 | x[4 * i + 2] << 16 | x[4 * i + 3] << 24      # of bytes
    ->  one load of an int32, or of a vector of them
    x[0, i] | x[1, i] << 8 | x[2, i] << 16 | x[3, i] << 24
    ->  four loads of bytes, which one shuffle mixes

Numbers lie in memory with their lowest byte first on all processors that code is written for here.
"""

from __future__ import annotations

from ...ir.expr import Apply, Cast, Const, Expr, Load
from .addressing import Address, address_of, alignment
from .emitter import Emitter
from .types import Value, memory_type, shuffle_mask, type_of


def joined(e: Emitter, expr: Apply) -> Value | None:
    """The value of ``expr``, a disjunction, if it is made of neighbours as above, else None."""
    parts = _parts(expr)
    if parts is None or e.target.arch not in ("x86_64", "aarch64"):
        return None
    places: list[Address] = []
    for node in parts:
        buffer, indices = node.source, node.indices
        safe = e.facts.in_bounds(buffer, indices)
        if buffer in e.registers or not (safe or e.mask is None):
            return None
        if not safe:
            e.check_bounds(buffer, indices)
        places.append(address_of(e, buffer, indices))
    first, count = places[0], len(parts)
    if any(p.spread is not None or p.step != first.step for p in places):
        return None
    if first.step in (0, count) and _are_neighbours(places):
        many = count * e.lanes if first.step else 0
        kind = memory_type(first.buffer.dtype, many) if many else type_of(expr.dtype)
        volatile = "volatile " if e.volatile else ""
        line = f"load {volatile}{kind}, ptr {first.pointer}, align {alignment(first.buffer)}"
        if not many:
            return e.op(line, expr.dtype)
        raw = e.raw(line)
        text = f"bitcast {kind} {raw} to {type_of(expr.dtype, e.lanes)}"
        return e.op(text, expr.dtype, e.lanes)
    if first.step != 1:
        return None
    return _mixed(e, [e.value(part) for part in parts], expr)


def _parts(expr: Apply) -> list[Load] | None:
    """The loads of numbers that fill ``expr``, the lowest first."""
    bits, found, pending = expr.dtype.bits, dict[int, Load](), list[Expr](expr.args)
    if expr.dtype.kind not in "iu":
        return None
    while pending:
        node, shift = pending.pop(), 0
        match node:
            case Apply(fn="bitor", args=args):
                pending += args
                continue
            case Apply(fn="shl", args=(inner, Const(value=count))):
                node, shift = inner, int(count)
        raw = _raw(node)
        if raw is None or shift in found:
            return None
        found[shift] = raw
    width = bits // len(found)
    whole = sorted(found) == list(range(0, bits, width)) and width * len(found) == bits
    if not whole or len(found) not in (2, 4, 8):
        return None
    loads = [found[shift] for shift in sorted(found)]
    return loads if all(node.dtype.bits == width for node in loads) else None


def _raw(node: Expr) -> Load | None:
    """What is loaded if ``node`` has its bits, and zeros above them."""
    if not isinstance(node, Cast):
        return None
    inner = node.value
    if inner.dtype.kind != "u":
        return None
    same = isinstance(inner, Cast) or (isinstance(inner, Apply) and inner.fn == "bitcast")
    if same:
        (below,) = inner.children
        if below.dtype.bits != inner.dtype.bits or (
            isinstance(inner, Cast) and below.dtype.kind not in "iu"
        ):
            return None
        inner = below
    return inner if isinstance(inner, Load) else None


def _are_neighbours(places: list[Address]) -> bool:
    first = places[0]
    return all(
        p.buffer is first.buffer and p.base == first.base and p.offset == first.offset + n
        for n, p in enumerate(places)
    )


def _mixed(e: Emitter, values: list[Value], expr: Apply) -> Value | None:
    """Vectors of narrow numbers, lane by lane."""
    count, lanes = len(values), e.lanes
    if count > 4 or any(v.lanes != lanes for v in values):
        return None
    element = memory_type(values[0].dtype)
    vectors, size = [v.text for v in values], lanes
    while len(vectors) > 1:
        last = len(vectors) == 2
        picks = list(range(2 * size))
        if last:
            picks = [lanes * n + lane for lane in range(lanes) for n in range(count)]
        kind = f"<{size} x {element}>"
        vectors = [
            e.raw(f"shufflevector {kind} {a}, {kind} {b}, {shuffle_mask(picks)}")
            for a, b in zip(vectors[::2], vectors[1::2], strict=True)
        ]
        size *= 2
    text = f"bitcast <{size} x {element}> {vectors[0]} to {type_of(expr.dtype, lanes)}"
    return e.op(text, expr.dtype, lanes)
