"""Sums of products of bytes: the instructions that multiply four of them and add at once."""

from __future__ import annotations

from collections.abc import Sequence

from ...dtypes import int32
from ...ir.expr import Expr
from .emitter import Emitter
from .types import Value


def accumulate_bytes(e: Emitter, total: Value, args: Sequence[Expr]) -> Value | None:
    """``total + dot4(a, b)`` as one instruction for int32 vectors; None where there is none.

    x86: ``vpdpbusd`` of AVX-VNNI and AVX512-VNNI; Arm: ``usdot`` of i8mm.
    """
    lanes = total.lanes
    if total.dtype is not int32 or not e.target.has_dot4 or lanes not in (4, 8, 16):
        return None
    if e.target.arch == "x86_64":
        name = f"@llvm.x86.avx512.vpdpbusd.{32 * lanes}"
    elif lanes == 4:
        name = "@llvm.aarch64.neon.usdot.v4i32.v16i8"
    else:
        return None
    a, b = (e.splat(e.value(arg), lanes) for arg in args)
    whole, parts = f"<{lanes} x i32>", f"<{4 * lanes} x i8>"
    e.declare(f"declare {whole} {name}({whole}, {parts}, {parts})")
    left, right = (e.raw(f"bitcast {value} to {parts}") for value in (a, b))
    return e.op(f"call {whole} {name}({total}, {parts} {left}, {parts} {right})", int32, lanes)
