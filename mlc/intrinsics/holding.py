"""Where a condition holds: 64 truth values at a time, as the bits of one number.

::

    places_where(1000, 40, meaning)     B[:count] = the places of what holds in A[1000]

The operands: the truth values; room for places, of which no more are written than there is room
for; how many hold. Vectors of places are compressed where the processor does that in registers, and
blocks in which nothing holds are passed over.
"""

from __future__ import annotations

from collections.abc import Callable

from ..dtypes import int64
from ..ir.intrinsic import Intrinsic, intrinsic_named, is_intrinsic, register
from ..ir.program import Program
from .dividing import has_compress

BLOCK = 64
LANES = 8


def places_where(n: int, size: int, meaning: Callable[[str], Program]) -> Intrinsic:
    """The places among ``n`` truth values, at least BLOCK, for ``size`` of which, at least 2, there
    is room. ``meaning(name)`` writes the program that says so."""
    name = f"places_where_{n}_{size}"
    if is_intrinsic(name):
        return intrinsic_named(name)
    return register(Intrinsic(name, meaning(name), {"llvm": _text(name, n, size)}))


def _text(name: str, n: int, size: int) -> str:
    quick, start, from_quick = "", "br label %each", ""
    if has_compress(int64):
        quick, from_quick = _compressed(), f", [ %k{BLOCK // LANES}, %quick ]"
        start = f"""%last = add i64 %count, {BLOCK}
  %fits = icmp ule i64 %last, {size}
  br i1 %fits, label %quick, label %each"""
    return f"""
declare <8 x i64> @llvm.experimental.vector.compress.v8i64(<8 x i64>, <8 x i1>, <8 x i64>)
declare i8 @llvm.ctpop.i8(i8)
declare i64 @llvm.cttz.i64(i64, i1)
define void @{name}(ptr %mask, i64 %apart, ptr %out, i64 %step, ptr %state) {{
entry:
  %near_mask = icmp eq i64 %apart, 1
  %near_out = icmp eq i64 %step, 1
  %near = and i1 %near_mask, %near_out
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
each_store:
  %to = getelementptr i64, ptr %out, i64 %c
  store i64 %bit_place, ptr %to
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
tail_store:
  %place = mul i64 %d, %step
  %tail_to = getelementptr i64, ptr %out, i64 %place
  store i64 %j, ptr %tail_to
  br label %tail_next
tail_next:
  %d_next = add i64 %d, %d_more
  %j_next = add i64 %j, 1
  br label %tail
done:
  store i64 %d, ptr %state
  ret void
}}"""


def _compressed() -> str:
    """The places of a block by vectors: what is stored behind the last of them is room still."""
    lanes = ", ".join(f"i64 {lane}" for lane in range(LANES))
    parts = [
        "quick:",
        "  %one_i = insertelement <8 x i64> poison, i64 %i, i64 0",
        "  %all_i = shufflevector <8 x i64> %one_i, <8 x i64> poison, <8 x i32> zeroinitializer",
        f"  %p0 = add <8 x i64> %all_i, <{lanes}>",
        "  %k0 = add i64 %count, 0",
    ]
    eights = ", ".join([f"i64 {LANES}"] * LANES)
    for g in range(BLOCK // LANES):
        parts += [
            f"  %shifted{g} = lshr i64 %bits, {g * LANES}",
            f"  %byte{g} = trunc i64 %shifted{g} to i8",
            f"  %m{g} = bitcast i8 %byte{g} to <8 x i1>",
            f"  %q{g} = call <8 x i64> @llvm.experimental.vector.compress.v8i64"
            f"(<8 x i64> %p{g}, <8 x i1> %m{g}, <8 x i64> poison)",
            f"  %to{g} = getelementptr i64, ptr %out, i64 %k{g}",
            f"  store <8 x i64> %q{g}, ptr %to{g}, align 8",
            f"  %many{g} = call i8 @llvm.ctpop.i8(i8 %byte{g})",
            f"  %wide{g} = zext i8 %many{g} to i64",
            f"  %k{g + 1} = add i64 %k{g}, %wide{g}",
            f"  %p{g + 1} = add <8 x i64> %p{g}, <{eights}>",
        ]
    return "\n".join([*parts, "  br label %next"])
