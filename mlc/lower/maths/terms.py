"""The words that the expansions are written in.

Clamps are comparisons and selects, not minimum and maximum: a comparison with NaN fails, so NaN
passes through unchanged, and every vector unit does such a pair in one instruction.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...dtypes import DType, float32, float64, int32, int64
from ...ir.expr import Expr, ExprLike, apply, as_expr, const, select
from ...records import dataclass


@dataclass(frozen=True)
class Format:
    """The layout of a float type: ``mantissa`` stored bits, ``bias`` of the exponent."""

    integer: DType
    mantissa: int
    bias: int

    @property
    def shifter(self) -> float:
        """1.5 * 2**mantissa: adding it rounds to an integer and leaves that in the low bits."""
        return 1.5 * 2.0**self.mantissa

    @property
    def one(self) -> int:
        """The bits of 1.0."""
        return self.bias << self.mantissa

    @property
    def sign(self) -> int:
        """The sign bit, as a signed integer."""
        return self.integer.lowest  # type: ignore[return-value]


_FORMATS = {float32: Format(int32, 23, 127), float64: Format(int64, 52, 1023)}
INF = float("inf")
NAN = float("nan")


def format_of(x: Expr) -> Format:
    """The layout of ``x``'s type, which is float32 or float64."""
    return _FORMATS[x.dtype]


def by_type(x: Expr, single: float, double: float) -> float:
    """A number that depends on the precision."""
    return single if x.dtype is float32 else double


def fma(a: ExprLike, b: ExprLike, c: ExprLike) -> Expr:
    """``a * b + c``, rounded once; at least one argument is an expression."""
    dtype = next(v.dtype for v in (a, b, c) if isinstance(v, Expr))
    return apply("fma", as_expr(a, dtype), as_expr(b, dtype), as_expr(c, dtype))


def poly(x: Expr, coefficients: Sequence[float]) -> Expr:
    """``sum(c[k] * x**k)`` by Horner's rule: the fewest instructions."""
    total: Expr = const(coefficients[-1], x.dtype)
    for c in reversed(coefficients[:-1]):
        total = fma(total, x, c)
    return total


def bits(x: Expr) -> Expr:
    """The bits of a float as a signed integer."""
    return apply("bitcast", x, dtype=format_of(x).integer)


def real(i: Expr, like: Expr) -> Expr:
    """The float with these bits."""
    return apply("bitcast", i, dtype=like.dtype)


def at_least(x: Expr, low: float) -> Expr:
    """max(x, low), NaN kept."""
    return select(x < low, low, x)


def at_most(x: Expr, high: float) -> Expr:
    """min(x, high), NaN kept."""
    return select(x > high, high, x)


def negated_if_odd(y: Expr, shifted: Expr) -> Expr:
    """``-y`` where the lowest bit of ``shifted`` is set."""
    form = format_of(y)
    return real(bits(y) ^ (shifted << (form.integer.bits - 1)), y)


def signed_as(y: Expr, x: Expr) -> Expr:
    """``abs(y)`` with the sign of ``x``."""
    return apply("copysign", y, x)


def sqrt(x: Expr) -> Expr:
    """The square root, exactly rounded."""
    return apply("sqrt", x)


def nearest(x: Expr, scale: float, extra: int = 0) -> tuple[Expr, Expr]:
    """``(n, i)``: n = x * scale rounded to an integer, and an integer whose low bits are n + extra.

    ``abs(x * scale)`` must be below 2**(mantissa - 2).
    """
    magic = format_of(x).shifter + extra
    shifted = fma(x, scale, magic)
    return shifted - magic, bits(shifted)


def scaled(y: Expr, biased: Expr) -> Expr:
    """``y * 2**n`` for ``biased`` = n + 2 * bias in its low bits, right up to inf and down to 0.

    Two factors of half the exponent each stay in range for all n between -2 * bias and 2 * bias.
    """
    form = format_of(y)
    half = (biased << (form.mantissa - 1)) & -(1 << form.mantissa)
    rest = (biased << form.mantissa) - half
    return y * real(half, y) * real(rest, y)
