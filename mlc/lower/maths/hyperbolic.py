"""tanh, sinh, cosh and their inverses."""

from __future__ import annotations

from ...dtypes import float32
from ...ir.expr import Expr
from .exponential import LN2_32, LN2_64, LOG2E
from .registry import expansion
from .terms import at_least, at_most, by_type, fma, format_of, nearest, poly, real, signed_as

_TANH_32 = (-0.333333224, 0.133311421, -0.0527153052)
_TANH_64 = (
    -0.33333333333332477, 0.13333333332778732, -0.053968252772957033, 0.021869370023619744,
    -0.0088572853000266887, 0.0034445452922223698,
)  # fmt: skip


@expansion()
def tanh(x: Expr) -> Expr:
    """With x = n * ln(2) / 2 + r, s = 2**n and T = tanh(r), a short polynomial:
    tanh(x) = (s - 1 + (s + 1) * T) / (s + 1 + (s - 1) * T)."""
    limit = by_type(x, 9.02, 19.07)
    x = at_most(at_least(x, -limit), limit)
    form = format_of(x)
    n, i = nearest(x, 2 * LOG2E, form.bias)
    high, low = LN2_32 if x.dtype is float32 else LN2_64
    r = fma(n, -low / 2, fma(n, -high / 2, x))
    t = r * r
    small = fma(r * t, poly(t, _TANH_32 if x.dtype is float32 else _TANH_64), r)
    s = real(i << form.mantissa, x)
    less, more = s - 1.0, s + 1.0
    return signed_as(fma(more, small, less) / fma(less, small, more), x)
