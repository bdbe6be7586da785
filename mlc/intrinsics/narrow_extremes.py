"""Where the greatest or least of a row of integers of 8 or 16 bits stands, in one pass.

::

    narrow_place("argmax", uint8, (1000,), int32, meaning)      P[0] = argmax(A[0:1000])

A place needs more bits than an element, so none is kept beside the elements: a new extreme is rare
after the first vectors, and where it comes, the step at which it came is noted. That step is looked
at again at the end, for the first element that equals the extreme. Nothing is beyond the last
number of the type: the search ends there.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from ..dtypes import DType
from ..ir.intrinsic import Intrinsic, intrinsic_named, is_intrinsic, kept_dimensions, register
from ..ir.program import Program
from .lane_text import LaneText, with_and_without_requests

TYPES = ("int8", "uint8", "int16", "uint16")
AHEAD_BYTES = 8192  # what comes then is asked for: memory far away answers late
TOGETHER = 8  # vectors of a step


def narrow_place(
    fn: str,
    dtype: DType,
    shape: tuple[int, ...],
    counter: DType,
    meaning: Callable[[str], Program],
) -> Intrinsic:
    """``fn`` is argmax or argmin; ``dtype`` is among TYPES, and a contiguous array of ``shape``
    fills a vector at least. ``meaning(name)`` writes the program that says it."""
    name = f"{fn}_{dtype.name}_{'_'.join(map(str, shape))}_{counter.name}"
    if is_intrinsic(name):
        return intrinsic_named(name)
    text = _text(name, fn, dtype, shape, counter)
    return register(Intrinsic(name, meaning(name), with_and_without_requests(name, text)))


def _text(name: str, fn: str, dtype: DType, shape: tuple[int, ...], counter: DType) -> str:
    """The LLVM function; the last step overlaps the one before, which it cannot win against with
    what that has seen."""
    text = LaneText(dtype)
    n, lanes, kind, vector = prod(shape), text.lanes, text.element, text.vector
    many = min(TOGETHER, n // lanes)
    width = many * lanes
    sign = "u" if dtype.kind == "u" else "s"
    fold, beyond = ("max", "gt") if fn == "argmax" else ("min", "lt")
    worst, last = dtype.lowest, dtype.highest
    if fn == "argmin":
        worst, last = last, worst
    folded = f"{vector} @llvm.{sign}{fold}.{text.mangled}({vector}"
    reduced = f"{kind} @llvm.vector.reduce.{sign}{fold}.{text.mangled}({vector}"
    text.declare(f"{folded}, {vector})")
    text.declare(f"{reduced})")
    text.declare("i64 @llvm.umin.i64(i64, i64)")
    text.declare(f"i{lanes} @llvm.cttz.i{lanes}(i{lanes}, i1)")
    steps = "".join(f"i64 %step{d}, " for d in kept_dimensions(shape))
    text.add(f"define void @{name}(ptr %a, {steps}ptr %p) {{", "entry:", "br label %loop", "loop:")
    text.add(
        "%i = phi i64 [ 0, %entry ], [ %i2, %next ]",
        "%at = phi i64 [ 0, %entry ], [ %at2, %next ]",
        f"%best = phi {kind} [ {worst}, %entry ], [ %best2, %next ]",
    )
    start = text.let(f"call i64 @llvm.umin.i64(i64 %i, i64 {n - width})")
    values = []
    for u in range(many):
        place = text.place("%a", text.let(f"add i64 {start}, {u * lanes}"))
        text.prefetch(text.place(place, str(AHEAD_BYTES), "i8"))
        values.append(text.load(vector, place))
    while len(values) > 1:
        pairs = zip(values[::2], values[1::2], strict=False)
        odd = values[-1:] if len(values) % 2 else []
        values = [text.let(f"call {folded} {x}, {vector} {y})") for x, y in pairs] + odd
    held = text.splat(kind, "%best")
    won = text.let(f"icmp {sign}{beyond} {vector} {values[0]}, {held}")
    some = text.let(f"icmp ne i{lanes} {text.let(f'bitcast {text.masks} {won} to i{lanes}')}, 0")
    text.add(f"br i1 {some}, label %take, label %next", "take:")
    text.add(
        f"%new = call {reduced} {values[0]})",
        f"%end = icmp eq {kind} %new, {last}",
        "br i1 %end, label %done, label %next",
        "next:",
        f"%at2 = phi i64 [ %at, %loop ], [ {start}, %take ]",
        f"%best2 = phi {kind} [ %best, %loop ], [ %new, %take ]",
        f"%i2 = add nuw nsw i64 %i, {width}",
        f"%more = icmp ult i64 %i2, {n}",
        "br i1 %more, label %loop, label %done",
        "done:",
        f"%from = phi i64 [ %at2, %next ], [ {start}, %take ]",
        f"%most = phi {kind} [ %best2, %next ], [ %new, %take ]",
    )
    wanted = text.splat(kind, "%most")
    text.add("br label %look", "look:", "%j = phi i64 [ %from, %done ], [ %j2, %look ]")
    equal = text.let(f"icmp eq {vector} {text.load(vector, text.place('%a', '%j'))}, {wanted}")
    bits = text.let(f"bitcast {text.masks} {equal} to i{lanes}")
    text.add(
        f"%j2 = add nuw nsw i64 %j, {lanes}",
        f"%none = icmp eq i{lanes} {bits}, 0",
        "br i1 %none, label %look, label %found",
        "found:",
    )
    bit = text.let(f"call i{lanes} @llvm.cttz.i{lanes}(i{lanes} {bits}, i1 true)")
    wide = bit if lanes == 64 else text.let(f"zext i{lanes} {bit} to i64")
    place = text.let(f"add i64 %j, {wide}")
    number = f"i{counter.bits}"
    if counter.bits < 64:
        place = text.let(f"trunc i64 {place} to {number}")
    text.add(f"store {number} {place}, ptr %p, align {counter.itemsize}", "ret void", "}")
    return text.text()
