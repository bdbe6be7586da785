"""erf, erfc.

Below 1: x + x * P(x * x). Above: 1 - 2**Z(abs(x)), where Z is log2(erfc) as a polynomial, up to
where erf rounds to 1.
"""

from __future__ import annotations

from ...dtypes import float32
from ...ir.expr import Expr, apply, select
from .exponential import EXP2_32, EXP2_64, EXP_64, EXPM1_32, reduced
from .registry import expansion
from .terms import at_most, by_type, fma, format_of, nearest, poly, real, scaled, signed_as

_ERF_32 = (
    0.128379151, -0.376124859, 0.112816937, -0.0267615207, 0.00498515926, -0.000594819954,
)  # fmt: skip
_ERF_64 = (
    0.12837916709551256, -0.37612638903183343, 0.11283791670936942, -0.026866170641956077,
    0.0052239775966939081, -0.00085483254820496854, 0.00012055280376081987,
    -1.4924462612650984e-05, 1.6444103171559213e-06, -1.6183540782793324e-07,
    1.3614325865986002e-08, -7.6024989362567662e-10,
)  # fmt: skip
_LOG2_ERFC_32 = (
    -0.000298672036, -1.62682235, -0.919380367, -0.149832815, 0.0320129097, -0.00437663589,
    0.000281240995,
)  # fmt: skip
_LOG2_ERFC_64 = (
    -1.552116511819289e-06, -1.6278917857565061, -0.91851782477636024, -0.14807312316369492,
    0.02721400037017321, 0.00084645789623512323, -0.0030315826244820712,
    0.0013299279267048705, -0.00033432274328375352, 4.109361161040221e-05,
    4.96673354868978e-06, -3.7918840524646774e-06, 9.7937226831644059e-07,
    -1.5426867994612801e-07, 1.5545324855983669e-08, -9.29119825378929e-10,
    2.5225840371186226e-11,
)  # fmt: skip
# (1 + 2a) * erfc(a) * exp(a * a) over (a - k) / (a + k), from a = 1/2 on; k is 2 and 3.
_ERFCX_32 = (
    1.27697837, -0.0927638188, -0.166030392, 0.164049864, -0.05421523, -0.00801251829,
    0.00867227744, 0.00116216613, -0.00127982511, -0.00023721972,
)  # fmt: skip
_ERFCX_64 = (
    1.2530080582697296, -0.1356211061245812, -0.047562294353433968, 0.12964515870276111,
    -0.11927366341635645, 0.068308027344103475, -0.023770514893173632,
    0.0025293918106629684, 0.0018886900424327925, -0.00077983218237813034,
    -0.00010515751352146161, 0.00012509857337082296, 4.9392895009212406e-06,
    -2.0096633473972336e-05, -7.0272749736517747e-07, 3.4604074969422822e-06,
    3.0572622410526352e-07, -5.9471157719940136e-07, -8.6857264638863959e-08,
    7.9436287349172014e-08, 9.7133889735384283e-09, -2.767087251679164e-09,
)  # fmt: skip


@expansion()
def erf(x: Expr) -> Expr:
    """Both sides are computed for all lanes."""
    form = format_of(x)
    single = x.dtype is float32
    t = x * x
    near = fma(x, poly(t, _ERF_32 if single else _ERF_64), x)
    a = at_most(apply("abs", x), by_type(x, 3.93, 5.93))
    z = poly(a, _LOG2_ERFC_32 if single else _LOG2_ERFC_64)
    n, i = nearest(z, 1.0, form.bias)
    power = poly(z - n, EXP2_32 if single else EXP2_64)
    far = fma(-power, real(i << form.mantissa, x), 1.0)
    return select(a < by_type(x, 0.925, 1.0), near, signed_as(far, x))


@expansion()
def erfc(x: Expr) -> Expr:
    """exp(-a * a) * R(u) / (1 + 2a) for a = abs(x), u = (a - k) / (a + k); 1 - erf(x) near 0.

    The square is taken in two parts: its rounding would show in the exponential.
    """
    single = x.dtype is float32
    t = x * x
    near = 1.0 - fma(x, poly(t, _ERF_32 if single else _ERF_64), x)
    a = at_most(apply("abs", x), by_type(x, 10.1, 27.3))
    square = fma(a, a, -0.0)
    r, n, i = reduced(-square, 2 * format_of(x).bias, -fma(a, a, -square))
    power = poly(r, (1, 1, *EXPM1_32) if single else EXP_64)
    k = by_type(x, 2.0, 3.0)
    ratio = poly((a - k) / (a + k), _ERFCX_32 if single else _ERFCX_64)
    far = scaled(power * ratio / (a + a + 1.0), n, i)
    return select(a < 0.5, near, select(x < 0.0, 2.0 - far, far))
