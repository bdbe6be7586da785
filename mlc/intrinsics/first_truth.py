"""Where the first truth value of a row stands that is the greatest, or the least.

::

    first_truth("argmax", (1000,), int32, meaning)      P[0] = argmax(A[0:1000])

The search ends there: that of a maximum at the first that holds, that of a minimum at the first
that does not. 256 values are looked at in one step.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from ..dtypes import DType
from ..ir.intrinsic import Intrinsic, intrinsic_named, is_intrinsic, kept_dimensions, register
from ..ir.program import Program

LANES, STEP = 64, 256


def first_truth(
    fn: str, shape: tuple[int, ...], counter: DType, meaning: Callable[[str], Program]
) -> Intrinsic:
    """``fn`` is argmax or argmin; a contiguous array of ``shape`` has at least LANES truth values,
    and ``counter`` counts its places. ``meaning(name)`` writes the program that says so."""
    name = f"{fn}_bool_{'_'.join(map(str, shape))}_{counter.name}"
    if is_intrinsic(name):
        return intrinsic_named(name)
    return register(Intrinsic(name, meaning(name), {"llvm": _text(name, fn, shape, counter)}))


def _text(name: str, fn: str, shape: tuple[int, ...], counter: DType) -> str:
    n, number = prod(shape), f"i{counter.bits}"
    strides = "".join(f"i64 %step{d}, " for d in kept_dimensions(shape))
    wanted = "ne" if fn == "argmax" else "eq"
    vector, masks = f"<{LANES} x i8>", f"<{LANES} x i1>"
    loads = "\n".join(
        f"""  %o{u} = add i64 %i, {u * LANES}
  %p{u} = getelementptr i8, ptr %a, i64 %o{u}
  %v{u} = load {vector}, ptr %p{u}, align 1
  %c{u} = icmp {wanted} {vector} %v{u}, zeroinitializer"""
        for u in range(STEP // LANES)
    )
    wide = n // STEP * STEP
    return f"""
declare i64 @llvm.cttz.i64(i64, i1)
declare i1 @llvm.vector.reduce.or.v{LANES}i1({masks})
define void @{name}(ptr %a, {strides}ptr %p) {{
entry:
  br label %head
head:
  %i = phi i64 [ 0, %entry ], [ %i2, %none ]
  %more = icmp ult i64 %i, {wide}
  br i1 %more, label %step, label %near
step:
{loads}
  %or0 = or {masks} %c0, %c1
  %or1 = or {masks} %c2, %c3
  %or2 = or {masks} %or0, %or1
  %some = call i1 @llvm.vector.reduce.or.v{LANES}i1({masks} %or2)
  br i1 %some, label %near, label %none
none:
  %i2 = add nuw nsw i64 %i, {STEP}
  br label %head
near:
  br label %look
look:
  %j = phi i64 [ %i, %near ], [ %j2, %past ]
  %left = icmp ult i64 %j, {n}
  br i1 %left, label %one, label %absent
one:
  %beyond = icmp ugt i64 %j, {n - LANES}
  %at = select i1 %beyond, i64 {n - LANES}, i64 %j
  %q = getelementptr i8, ptr %a, i64 %at
  %v = load {vector}, ptr %q, align 1
  %c = icmp {wanted} {vector} %v, zeroinitializer
  %bits = bitcast {masks} %c to i64
  %hit = icmp ne i64 %bits, 0
  br i1 %hit, label %found, label %past
past:
  %j2 = add nuw nsw i64 %j, {LANES}
  br label %look
found:
  %bit = call i64 @llvm.cttz.i64(i64 %bits, i1 true)
  %place = add i64 %at, %bit
  br label %done
absent:
  br label %done
done:
  %first = phi i64 [ %place, %found ], [ 0, %absent ]
  %as = {"add i64 %first, 0" if counter.bits == 64 else f"trunc i64 %first to {number}"}
  store {number} %as, ptr %p, align {counter.itemsize}
  ret void
}}"""
