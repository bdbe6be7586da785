"""Accesses whose lanes lie apart, or that a mask keeps from harm."""

from __future__ import annotations

from ...dtypes import boolean, int32, int64
from ...ir.expr import Expr
from .addressing import (
    Address,
    alignment,
    gep,
    stored_as,
)
from .emitter import Emitter
from .types import Value, mangled, memory_type, shuffle_mask, vector_constant


def picked(e: Emitter, where: Address, kind: str, mask: Value | None) -> Value:
    """Lanes a few elements apart: whole vectors are loaded, and their elements picked.

    The last vector ends at the last lane's element, so that nothing outside is read; under a mask
    nothing but the elements of its lanes is.
    """
    lanes, step = e.lanes, where.step
    stored, align = stored_as(where.buffer), alignment(where.buffer)
    element = memory_type(where.buffer.dtype)
    starts = [lanes * j for j in range(step - 1)] + [(lanes - 1) * (step - 1)]
    total: Value | None = None
    for j, start in enumerate(starts):
        pointer = gep(e, element, where.pointer, str(start)).text if start else where.pointer
        if mask is None:
            part = e.op(f"load {kind}, ptr {pointer}, align {align}", stored, lanes)
        else:
            wanted = _spread_mask(e, mask, start, step)
            name = f"@llvm.masked.load.{mangled(stored, lanes)}.p0"
            e.declare(f"declare {kind} {name}(ptr, {wanted.type}, {kind})")
            part = e.op(
                f"call {kind} {name}(ptr align {align} {pointer}, {wanted}, "
                f"{kind} zeroinitializer)",
                stored, lanes,
            )  # fmt: skip
        if total is None:
            total = part
            continue
        picks = []
        for lane in range(lanes):
            at = lane * step
            if start <= at < start + lanes:
                picks.append(lanes + at - start)
            else:
                picks.append(at if j == 1 and at < lanes else lane)
        text = f"shufflevector {total}, {part}, {shuffle_mask(picks)}"
        total = e.op(text, stored, lanes)
    assert total is not None
    return total


def are_whole(e: Emitter, where: Address, indices: tuple[Expr, ...]) -> bool:
    """Whether all between the lanes is in the buffer, from a multiple of their step on to the next
    one behind them."""
    buffer, step = where.buffer, where.step
    if buffer.strides is not None or buffer in e.parts:
        return False
    low, high = e.facts.reach(buffer, indices)
    before = where.offset % step
    return low >= before and high + step - 1 - before < buffer.size


def picked_of_whole(e: Emitter, where: Address) -> Value:
    """Lanes ``step`` elements apart, where `are_whole`: what lies between them is loaded with them,
    and so once for all neighbours that a window reads, or all colours of a pixel::

        x[2 * i], x[2 * i + 1]  ->  a, b = x[2 * i : 2 * i + 32]; picked from a and b twice
    """
    lanes, step = e.lanes, where.step
    stored, align = stored_as(where.buffer), alignment(where.buffer)
    element, kind = memory_type(where.buffer.dtype), memory_type(where.buffer.dtype, lanes)
    before = where.offset % step
    total: Value | None = None
    for j in range(step):
        at = where.offset - before + lanes * j
        pointer = gep(e, element, where.base, str(at)).text if at else where.base
        part = e.op(f"load {kind}, ptr {pointer}, align {align}", stored, lanes)
        if total is None:
            total = part
            continue
        picks = []
        for lane in range(lanes):
            place = lane * step + before
            if lanes * j <= place < lanes * (j + 1):
                picks.append(lanes + place - lanes * j)
            else:
                picks.append(place if j == 1 and place < lanes else lane)
        total = e.op(f"shufflevector {total}, {part}, {shuffle_mask(picks)}", stored, lanes)
    assert total is not None
    return total


def _spread_mask(e: Emitter, mask: Value, start: int, step: int) -> Value:
    """Which of the elements from number ``start`` on belong to a lane of ``mask``, where lane ``n``
    is element ``n * step``."""
    lanes = e.lanes
    mask = e.splat(mask, lanes)
    places = range(start, start + lanes)
    picks = [at // step if at % step == 0 else lanes for at in places]
    text = f"shufflevector {mask}, {mask.type} zeroinitializer, {shuffle_mask(picks)}"
    return e.op(text, boolean, lanes)


def at_lane(e: Emitter, where: Address, lane: int) -> Address:
    """The address of one lane, as one that is uniform."""
    element = memory_type(where.buffer.dtype)
    pointer = where.pointer
    if where.step * lane:
        pointer = gep(e, element, pointer, str(where.step * lane)).text
    if where.spread is not None:
        pointer = gep(e, element, pointer, e.extract(where.spread, lane).text).text
    return Address(where.buffer, pointer, 0, None)


def hidden(e: Emitter, mask: Value) -> Value:
    """``mask``, which LLVM cannot compute beforehand. Where it knows that one lane alone is stored,
    of integers cut down from wider ones, LLVM for AVX-512 (22 does, at least) writes that lane as
    wide as it was, over what lies behind."""
    bits = max(64, mask.lanes)

    def all_lanes() -> Value:
        e.declare(f"@mlc_ones_{bits} = private unnamed_addr constant i{bits} -1, align 8")
        ones = e.raw(f"load volatile i{bits}, ptr @mlc_ones_{bits}, align 8")
        if mask.lanes < bits:
            ones = e.raw(f"trunc i{bits} {ones} to i{mask.lanes}")
        return e.op(f"bitcast i{mask.lanes} {ones} to {mask.type}", boolean, mask.lanes)

    return e.binary("and", mask, e.at(0, ("all lanes", mask.lanes), all_lanes))


def pointers_of(e: Emitter, where: Address) -> str:
    """The address of each lane's element."""
    element, lanes = memory_type(where.buffer.dtype), e.lanes
    if where.spread is None:
        # 32-bit offsets let the processor gather twice as many at once.
        width = int32 if abs(where.step) * lanes < 2**31 else int64
        offsets = vector_constant([where.step * i for i in range(lanes)], width)
    else:
        offsets = where.spread
        if where.step:
            ramp = vector_constant([where.step * i for i in range(lanes)], int64)
            offsets = e.binary("add", offsets, ramp)
    return e.raw(f"getelementptr {element}, ptr {where.pointer}, {offsets}")


def harmless(e: Emitter, pointer: str, mask: Value) -> str:
    """``pointer``, or the address of zeros if no lane is on."""
    e.declare("@mlc_zeros = private unnamed_addr constant [8 x i8] zeroinitializer, align 8")
    any_lane = e.any_lane(mask)
    return e.raw(f"select i1 {any_lane.text}, ptr {pointer}, ptr @mlc_zeros")
