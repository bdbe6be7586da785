"""Where a condition holds: 64 truth values at a time, as the bits of one number.

::

    places_where(1000, 40, meaning)             B[:count] = the places of what holds in A[1000]
    elements_where(float32, 1000, 40, meaning)  B[:count] = X at those places

The operands: the truth values; the elements X, if any; room for what is chosen, of which no more is
written than there is room for; how many hold. Vectors of places or elements are compressed where
the processor does that in registers, and blocks in which nothing holds are passed over.
"""

from __future__ import annotations

from collections.abc import Callable

from ..dtypes import DType, int64
from ..ir.intrinsic import Intrinsic, intrinsic_named, is_intrinsic, register
from ..ir.program import Program
from .sorting import has_compress

BLOCK = 64


def places_where(n: int, size: int, meaning: Callable[[str], Program]) -> Intrinsic:
    """The places among ``n`` truth values, at least BLOCK, for ``size`` of which, at least 2, there
    is room. ``meaning(name)`` writes the program that says so."""
    name = f"places_where_{n}_{size}"
    if is_intrinsic(name):
        return intrinsic_named(name)
    return register(Intrinsic(name, meaning(name), {"llvm": _text(name, n, size, None)}))


def elements_where(dtype: DType, n: int, size: int, meaning: Callable[[str], Program]) -> Intrinsic:
    """The elements, of 4 or 8 bytes, where truth values hold; the rest as for the places."""
    name = f"elements_where_{dtype.name}_{n}_{size}"
    if is_intrinsic(name):
        return intrinsic_named(name)
    return register(Intrinsic(name, meaning(name), {"llvm": _text(name, n, size, dtype)}))


def _text(name: str, n: int, size: int, dtype: DType | None) -> str:
    kind = "i64" if dtype is None else f"i{dtype.itemsize * 8}"
    elements, near_elements, each_value, tail_value = "", "true", "%bit_place", "%j"
    each_load = tail_load = ""
    if dtype is not None:
        elements, near_elements = "ptr %elements, i64 %far, ", "%near_elements"
        each_value, tail_value = "%each_element", "%tail_element"
        each_load = f"""
  %each_from = getelementptr {kind}, ptr %elements, i64 %bit_place
  %each_element = load {kind}, ptr %each_from"""
        tail_load = f"""
  %tail_offset = mul i64 %j, %far
  %tail_from = getelementptr {kind}, ptr %elements, i64 %tail_offset
  %tail_element = load {kind}, ptr %tail_from"""
    quick, start, from_quick = "", "br label %each", ""
    if has_compress(dtype or int64):
        lanes = 64 // (dtype or int64).itemsize
        quick = _compressed(lanes, kind, dtype is not None)
        from_quick = f", [ %k{BLOCK // lanes}, %quick ]"
        start = f"""%last = add i64 %count, {BLOCK}
  %fits = icmp ule i64 %last, {size}
  br i1 %fits, label %quick, label %each"""
    return f"""
declare <8 x i64> @llvm.experimental.vector.compress.v8i64(<8 x i64>, <8 x i1>, <8 x i64>)
declare <16 x i32> @llvm.experimental.vector.compress.v16i32(<16 x i32>, <16 x i1>, <16 x i32>)
declare i8 @llvm.ctpop.i8(i8)
declare i16 @llvm.ctpop.i16(i16)
declare i64 @llvm.cttz.i64(i64, i1)
define void @{name}(ptr %mask, i64 %apart, {elements}ptr %out, i64 %step, ptr %state) {{
entry:
  %near_mask = icmp eq i64 %apart, 1
  %near_out = icmp eq i64 %step, 1
  %near_both = and i1 %near_mask, %near_out
{"  %near_elements = icmp eq i64 %far, 1" if elements else ""}
  %near = and i1 %near_both, {near_elements}
  %whole = select i1 %near, i64 {n // BLOCK * BLOCK}, i64 0
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %i_next, %next ]
  %count = phi i64 [ 0, %entry ], [ %count_next, %next ]
  %more = icmp ult i64 %i, %whole
  br i1 %more, label %block, label %tail
block:
  %at = getelementptr i8, ptr %mask, i64 %i
  %v = load <{BLOCK} x i8>, ptr %at, align 1
  %holds = icmp ne <{BLOCK} x i8> %v, zeroinitializer
  %bits = bitcast <{BLOCK} x i1> %holds to i64
  %none = icmp eq i64 %bits, 0
  br i1 %none, label %next, label %some
some:
  {start}
{quick}
each:
  %left = phi i64 [ %bits, %some ], [ %left_next, %each_next ]
  %c = phi i64 [ %count, %some ], [ %c_next, %each_next ]
  %bit = call i64 @llvm.cttz.i64(i64 %left, i1 true)
  %bit_place = add i64 %i, %bit
  %has_room = icmp ult i64 %c, {size}
  br i1 %has_room, label %each_store, label %each_next
each_store:{each_load}
  %to = getelementptr {kind}, ptr %out, i64 %c
  store {kind} {each_value}, ptr %to
  br label %each_next
each_next:
  %c_next = add i64 %c, 1
  %lower = sub i64 %left, 1
  %left_next = and i64 %left, %lower
  %over = icmp eq i64 %left_next, 0
  br i1 %over, label %next, label %each
next:
  %count_next = phi i64 [ %count, %block ], [ %c_next, %each_next ]{from_quick}
  %i_next = add i64 %i, {BLOCK}
  br label %head
tail:
  %j = phi i64 [ %i, %head ], [ %j_next, %tail_next ]
  %d = phi i64 [ %count, %head ], [ %d_next, %tail_next ]
  %inside = icmp ult i64 %j, {n}
  br i1 %inside, label %tail_one, label %done
tail_one:
  %offset = mul i64 %j, %apart
  %one_at = getelementptr i8, ptr %mask, i64 %offset
  %one = load i8, ptr %one_at
  %one_holds = icmp ne i8 %one, 0
  %room = icmp ult i64 %d, {size}
  %enters = and i1 %one_holds, %room
  %d_more = zext i1 %one_holds to i64
  br i1 %enters, label %tail_store, label %tail_next
tail_store:{tail_load}
  %place = mul i64 %d, %step
  %tail_to = getelementptr {kind}, ptr %out, i64 %place
  store {kind} {tail_value}, ptr %tail_to
  br label %tail_next
tail_next:
  %d_next = add i64 %d, %d_more
  %j_next = add i64 %j, 1
  br label %tail
done:
  store i64 %d, ptr %state
  ret void
}}"""


def _compressed(lanes: int, kind: str, given: bool) -> str:
    """The elements of a block, which are ``given`` or places, by vectors: what is stored behind the
    last of them is room still."""
    vector, mask = f"<{lanes} x {kind}>", f"<{lanes} x i1>"
    compress = f"@llvm.experimental.vector.compress.v{lanes}{kind}"
    parts = ["quick:", "  %k0 = add i64 %count, 0"]
    if not given:
        ramp = ", ".join(f"{kind} {lane}" for lane in range(lanes))
        parts += [
            f"  %one_i = insertelement {vector} poison, i64 %i, i64 0",
            f"  %all_i = shufflevector {vector} %one_i, {vector} poison, <{lanes} x i32> "
            "zeroinitializer",
            f"  %p0 = add {vector} %all_i, <{ramp}>",
        ]
    step = ", ".join([f"{kind} {lanes}"] * lanes)
    for g in range(BLOCK // lanes):
        if given:
            parts += [
                f"  %at{g} = add i64 %i, {g * lanes}",
                f"  %from{g} = getelementptr {kind}, ptr %elements, i64 %at{g}",
                f"  %p{g} = load {vector}, ptr %from{g}, align {int(kind[1:]) // 8}",
            ]
        elif g:
            parts.append(f"  %p{g} = add {vector} %p{g - 1}, <{step}>")
        parts += [
            f"  %shifted{g} = lshr i64 %bits, {g * lanes}",
            f"  %part{g} = trunc i64 %shifted{g} to i{lanes}",
            f"  %m{g} = bitcast i{lanes} %part{g} to {mask}",
            f"  %q{g} = call {vector} {compress}({vector} %p{g}, {mask} %m{g}, {vector} poison)",
            f"  %to{g} = getelementptr {kind}, ptr %out, i64 %k{g}",
            f"  store {vector} %q{g}, ptr %to{g}, align {int(kind[1:]) // 8}",
            f"  %many{g} = call i{lanes} @llvm.ctpop.i{lanes}(i{lanes} %part{g})",
            f"  %wide{g} = zext i{lanes} %many{g} to i64",
            f"  %k{g + 1} = add i64 %k{g}, %wide{g}",
        ]
    return "\n".join([*parts, "  br label %next"])
