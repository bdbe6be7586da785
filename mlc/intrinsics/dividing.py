"""Keys divided by a pivot, with vectors that are compressed where the processor has that.

::

    divide(uint32, 1000, meaning)   smaller keys to the front of a part, larger ones aside, counted

The operands: the pivot; ``n`` keys; room for ``n + 16`` others; where the part begins and ends, and
how many are smaller and larger.
"""

from __future__ import annotations

from collections.abc import Callable

from ..dtypes import DType
from ..ir.intrinsic import Intrinsic, intrinsic_named, is_intrinsic, register
from ..ir.program import Program

LANES = 16


def divide(dtype: DType, n: int, meaning: Callable[[str], Program]) -> Intrinsic:
    """The intrinsic for rows of ``n`` keys. ``meaning(name)`` writes the program that says so."""
    name = f"divide_{dtype.name}_{n}"
    if is_intrinsic(name):
        return intrinsic_named(name)
    return register(Intrinsic(name, meaning(name), {"llvm": _text(name, dtype.itemsize * 8)}))


def _text(name: str, bits: int) -> str:
    lanes = 512 // bits  # LLVM stores the parts of longer vectors where it must not
    kind, vector, mask = f"i{bits}", f"<{lanes} x i{bits}>", f"<{lanes} x i1>"
    compress = f"@llvm.experimental.vector.compress.v{lanes}i{bits}"
    return f"""
declare {vector} {compress}({vector}, {mask}, {vector})
declare i{lanes} @llvm.ctpop.i{lanes}(i{lanes})
define void @{name}(ptr %pivot_at, ptr %keys, i64 %s1, ptr %aside, i64 %s2, ptr %state,
                    i64 %s3) {{
entry:
  %pivot = load {kind}, ptr %pivot_at
  %one = insertelement {vector} poison, {kind} %pivot, i64 0
  %pivots = shufflevector {vector} %one, {vector} poison, <{lanes} x i32> zeroinitializer
  %low = load i64, ptr %state
  %high_at = getelementptr i64, ptr %state, i64 1
  %high = load i64, ptr %high_at
  %last = sub i64 %high, {lanes}
  br label %head
head:
  %i = phi i64 [ %low, %entry ], [ %i_next, %body ]
  %less = phi i64 [ %low, %entry ], [ %less_next, %body ]
  %more = phi i64 [ 0, %entry ], [ %more_next, %body ]
  %whole = icmp sle i64 %i, %last
  br i1 %whole, label %body, label %tail
body:
  %at = getelementptr {kind}, ptr %keys, i64 %i
  %v = load {vector}, ptr %at, align {bits // 8}
  %is_less = icmp ult {vector} %v, %pivots
  %is_more = icmp ugt {vector} %v, %pivots
  %front = call {vector} {compress}({vector} %v, {mask} %is_less, {vector} poison)
  %back = call {vector} {compress}({vector} %v, {mask} %is_more, {vector} poison)
  %front_at = getelementptr {kind}, ptr %keys, i64 %less
  store {vector} %front, ptr %front_at, align {bits // 8}
  %back_at = getelementptr {kind}, ptr %aside, i64 %more
  store {vector} %back, ptr %back_at, align {bits // 8}
  %less_bits = bitcast {mask} %is_less to i{lanes}
  %more_bits = bitcast {mask} %is_more to i{lanes}
  %less_count = call i{lanes} @llvm.ctpop.i{lanes}(i{lanes} %less_bits)
  %more_count = call i{lanes} @llvm.ctpop.i{lanes}(i{lanes} %more_bits)
  %less_wide = zext i{lanes} %less_count to i64
  %more_wide = zext i{lanes} %more_count to i64
  %less_next = add i64 %less, %less_wide
  %more_next = add i64 %more, %more_wide
  %i_next = add i64 %i, {lanes}
  br label %head
tail:
  %j = phi i64 [ %i, %head ], [ %j_next, %each ]
  %tail_less = phi i64 [ %less, %head ], [ %tail_less_next, %each ]
  %tail_more = phi i64 [ %more, %head ], [ %tail_more_next, %each ]
  %left = icmp slt i64 %j, %high
  br i1 %left, label %each, label %done
each:
  %key_at = getelementptr {kind}, ptr %keys, i64 %j
  %key = load {kind}, ptr %key_at
  %to_front = getelementptr {kind}, ptr %keys, i64 %tail_less
  store {kind} %key, ptr %to_front
  %to_back = getelementptr {kind}, ptr %aside, i64 %tail_more
  store {kind} %key, ptr %to_back
  %key_less = icmp ult {kind} %key, %pivot
  %key_more = icmp ugt {kind} %key, %pivot
  %less_step = zext i1 %key_less to i64
  %more_step = zext i1 %key_more to i64
  %tail_less_next = add i64 %tail_less, %less_step
  %tail_more_next = add i64 %tail_more, %more_step
  %j_next = add i64 %j, 1
  br label %tail
done:
  %less_at = getelementptr i64, ptr %state, i64 2
  store i64 %tail_less, ptr %less_at
  %more_at = getelementptr i64, ptr %state, i64 3
  store i64 %tail_more, ptr %more_at
  ret void
}}"""
