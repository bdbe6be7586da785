"""The words that the expansions are written in.

Clamps are comparisons and selects, not minimum and maximum: a comparison with NaN fails, so NaN
passes through unchanged, and every vector unit does such a pair in one instruction.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...dtypes import DType, float32, float64, int32, int64, uint32, uint64
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
LONG = 13  # coefficients


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
    """``sum(c[k] * x**k)``: Horner's rule, which is the fewest instructions.

    The end of a long one is two such sums, of the even and of the odd powers: a processor cannot
    see far enough ahead to hide the latency of one long chain.
    """
    if len(coefficients) < LONG:
        return horner(x, coefficients)
    square = x * x
    first, second, *rest = coefficients
    tail = horner(square, rest[1::2]) * x + horner(square, rest[::2])
    return (tail * x + second) * x + first


def horner(x: Expr, coefficients: Sequence[float]) -> Expr:
    """The same by Horner's rule, however long it is.

    Code generators fuse a product into a sum; where a processor cannot, nothing depends on that
    here. What does depend on it is an ``fma``, which is dear there.
    """
    total: Expr = const(coefficients[-1], x.dtype)
    for c in reversed(coefficients[:-1]):
        total = total * x + c
    return total


def bits(x: Expr) -> Expr:
    """The bits of a float as a signed integer."""
    return apply("bitcast", x, dtype=format_of(x).integer)


def is_normal(x: Expr, but: int = 0) -> Expr:
    """Whether ``x`` is positive, finite and not subnormal, by one comparison; and not one with one
    of the ``but`` largest exponents."""
    form = format_of(x)
    least, end = 1 << form.mantissa, (2 * form.bias + 1 - but) << form.mantissa
    kind = uint32 if x.dtype is float32 else uint64
    return apply("bitcast", bits(x) - least, dtype=kind) < end - least


def unless_below(low: float, x: Expr) -> Expr:
    """``x``; where it is below ``low``, any number: for what is looked at elsewhere alone."""
    return apply("unless_below", const(low, x.dtype), x)


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


def rarely(y: Expr) -> Expr:
    """``y``, as the side of a select that vectors pass over where no lane asks for it."""
    return apply("rarely", y)


def lookup(i: Expr, table: Sequence[float], like: Expr) -> Expr:
    """Entry ``i`` mod 16 of ``table``."""
    return apply("lookup16", real(i, like), *(const(entry, like.dtype) for entry in table))


def nearest(x: Expr, scale: float, extra: int = 0) -> tuple[Expr, Expr]:
    """``(n, i)``: n = x * scale rounded to an integer, and an integer whose low bits are n + extra.

    ``abs(x * scale)`` must be below 2**(mantissa - 2).
    """
    magic = format_of(x).shifter + extra
    shifted = fma(x, scale, magic)
    return shifted - magic, bits(shifted)


def scaled(y: Expr, n: Expr, biased: Expr) -> Expr:
    """``y * 2**n`` for ``biased`` = n + 2 * bias in its low bits, right up to inf and down to 0,
    for all n between -2 * bias and 2 * bias."""
    return apply("scale", n, real(biased, y), y)
