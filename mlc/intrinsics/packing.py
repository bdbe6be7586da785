"""Truth values as bits, 64 at a time.

::

    pack_row(1024, big, meaning)            B[128] = the bits A[1024], the first the highest (big)
                                            or the lowest of its byte

A vector of comparisons is a number of 64 bits in one instruction, or a few. Where the rows of A or
B are not contiguous, bit by bit is put.
"""

from __future__ import annotations

from collections.abc import Callable

from ..ir.intrinsic import Intrinsic, intrinsic_named, is_intrinsic, register
from ..ir.program import Program

BLOCK = 64


def pack_row(n: int, big: bool, meaning: Callable[[str], Program]) -> Intrinsic:
    """The bits of ``n`` truth values, whole blocks of them and at least two. ``meaning(name)``
    writes the program that says so."""
    name = f"pack_{'big' if big else 'little'}_{n}"
    if is_intrinsic(name):
        return intrinsic_named(name)
    return register(Intrinsic(name, meaning(name), {"llvm": _text(name, n, big)}))


def _text(name: str, n: int, big: bool) -> str:
    vector = f"<{BLOCK} x i8>"
    order = ", ".join(f"i32 {lane ^ 7 if big else lane}" for lane in range(BLOCK))
    shift = "sub i8 7, %k" if big else "add i8 0, %k"
    return f"""
define void @{name}(ptr %a, i64 %as, ptr %b, i64 %bs) {{
entry:
  %near_a = icmp eq i64 %as, 1
  %near_b = icmp eq i64 %bs, 1
  %near = and i1 %near_a, %near_b
  br i1 %near, label %block, label %byte
block:
  %i = phi i64 [ 0, %entry ], [ %i_next, %block ]
  %at = getelementptr i8, ptr %a, i64 %i
  %v = load {vector}, ptr %at, align 1
  %turned = shufflevector {vector} %v, {vector} poison, <{BLOCK} x i32> <{order}>
  %holds = icmp ne {vector} %turned, zeroinitializer
  %bits = bitcast <{BLOCK} x i1> %holds to i64
  %place = lshr i64 %i, 3
  %to = getelementptr i8, ptr %b, i64 %place
  store i64 %bits, ptr %to, align 1
  %i_next = add i64 %i, {BLOCK}
  %more = icmp ult i64 %i_next, {n}
  br i1 %more, label %block, label %done
byte:
  %j = phi i64 [ 0, %entry ], [ %j_next, %byte_end ]
  br label %bit
bit:
  %k = phi i8 [ 0, %byte ], [ %k_next, %bit ]
  %sum = phi i8 [ 0, %byte ], [ %sum_next, %bit ]
  %wide = zext i8 %k to i64
  %first = mul i64 %j, 8
  %number = add i64 %first, %wide
  %offset = mul i64 %number, %as
  %one_at = getelementptr i8, ptr %a, i64 %offset
  %one = load i8, ptr %one_at
  %one_holds = icmp ne i8 %one, 0
  %one_bit = zext i1 %one_holds to i8
  %up = {shift}
  %moved = shl i8 %one_bit, %up
  %sum_next = or i8 %sum, %moved
  %k_next = add i8 %k, 1
  %bits_left = icmp ult i8 %k_next, 8
  br i1 %bits_left, label %bit, label %byte_end
byte_end:
  %far = mul i64 %j, %bs
  %one_to = getelementptr i8, ptr %b, i64 %far
  store i8 %sum_next, ptr %one_to
  %j_next = add i64 %j, 1
  %bytes_left = icmp ult i64 %j_next, {n // 8}
  br i1 %bytes_left, label %byte, label %done
done:
  ret void
}}"""
