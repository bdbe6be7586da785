"""Quotients of vectors by one number, in float32: a product and its correction, which together take
a third of the time of the instruction that divides.

With ``r`` the rounded reciprocal of ``s``, ``n = a * r`` is off by at most 1.5 units in the last
place, and ``n + (a - n * s) * r``, both fused, is the rounded quotient: so says Markstein's theorem
(IBM Journal of Research and Development 34, 1990) for all but those ``n`` that are off by more than
one unit, and trying every divisor with the dividends that come nearest to a tie says it for the
rest. All are scaled by 2**64, for the rest ``a - n * s`` to have no bit that is too small. Where
``n`` is not normal (or -0, whose sign would be lost) the vector is divided by the instruction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...dtypes import float32
from .emitter import Emitter
from .types import Value, constant, type_of

LANES = 16  # of the vectors that are slow to divide
SCALE = 2.0**64
MOST = 2.0**62  # divisors up to this one and their reciprocals are normal when they are scaled
NOT_NORMAL = 0xBD  # what vfpclassps calls NaN, -0, infinities, subnormal numbers
_NEEDED = {"+avx512f", "+avx512dq", "+fma"}


def is_by_one_number(e: Emitter, a: Value, s: Value) -> bool:
    """Whether `divide` does ``a / s`` faster than the instruction: the reciprocal is for a loop."""
    wide = a.lanes > 0 and a.lanes % LANES == 0 and not s.lanes and s.const is None
    if not wide or e.home.get(s.text, 99) >= len(e.regions) - 1:
        return False
    return a.dtype is float32 and _NEEDED.issubset(e.target.features.split(","))


def divide(e: Emitter, a: Value, s: Value) -> Value:
    """``a / s``, rounded once, in every lane of ``a``."""
    from .lookups import by_registers  # few kernels divide so

    scaled = _once(e, s, "scaled", lambda: e.binary("fmul", s, constant(SCALE, float32)))
    inverse = _once(e, s, "inverse", lambda: _inverse(e, s, scaled))
    return by_registers(e, [a], LANES, lambda piece: _quotient(e, piece, s, scaled, inverse))


def _once(e: Emitter, s: Value, what: str, make: Callable[[], Value]) -> Value:
    """What ``make`` writes, where the divisor itself is made."""
    return e.at(e.home[s.text], (what, s.text), make)


def _inverse(e: Emitter, s: Value, scaled: Value) -> Value:
    """The reciprocal of the scaled divisor; NaN, which sends all to the instruction, where that
    is too large."""
    inverse = e.binary("fdiv", constant(1.0, float32), scaled)
    fits = e.compare("ole", e.intrinsic("fabs", (s,)), constant(MOST, float32))
    return e.select(fits, inverse, constant(float("nan"), float32))


def _quotient(e: Emitter, piece: Sequence[Value], s: Value, scaled: Value, inverse: Value) -> Value:
    (a,) = piece
    kind = type_of(float32, LANES)
    large = e.binary("fmul", a, constant(SCALE, float32, LANES))
    near = e.binary("fmul", large, inverse)
    rest = e.intrinsic("fma", (e.op(f"fneg {near}", float32, LANES), scaled, large))
    quotient = e.intrinsic("fma", (rest, inverse, near))
    name = "@llvm.x86.avx512.fpclass.ps.512"
    e.declare(f"declare <{LANES} x i1> {name}({kind}, i32 immarg)")
    odd = e.raw(f"call <{LANES} x i1> {name}({near}, i32 {NOT_NORMAL})")
    bits = e.raw(f"bitcast <{LANES} x i1> {odd} to i{LANES}")
    any_odd = e.raw(f"icmp ne i{LANES} {bits}, 0")
    at = e.name("d")
    e.line(f"br label %{at}")
    e.label(at)
    e.line(f"br i1 {any_odd}, label %{at}t, label %{at}x")
    e.label(f"{at}t")
    exact = e.binary("fdiv", a, e.splat(s, LANES))
    e.line(f"br label %{at}e")
    e.label(f"{at}e")
    e.line(f"br label %{at}x")
    e.label(f"{at}x")
    return e.op(f"phi {kind} [ {exact.text}, %{at}e ], [ {quotient.text}, %{at} ]", float32, LANES)
