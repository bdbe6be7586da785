"""erf, erfc.

Below 1: x + x * P(x * x). Above: 1 - 2**Z(abs(x)), where Z is log2(erfc) as a polynomial, up to
where erf rounds to 1.
"""

from __future__ import annotations

from ...dtypes import float32
from ...ir.expr import Expr, apply, select
from .exponential import EXP2_32, EXP2_64, EXP_32, EXP_64, reduced
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
# erfc(a) * exp(a * a) = P(a) / Q(a) from 1/2 on; all coefficients are positive.
_ERFCX_32 = (
    (
        1.00000942, 1.31350827, 0.81745255, 0.273111224, 0.0435850136,
    ),
    (
        1, 2.4419806, 2.57251525, 1.48730373, 0.484088957, 0.0772521421,
    ),
)  # fmt: skip
_ERFCX_64 = (
    (
        0.99999999997064948, 2.2698724655610665, 2.5426035705610106, 1.8108110927850529,
        0.89617673530625108, 0.31874976261445193, 0.081597996036298123,
        0.014580381069266162, 0.0016691894318984215, 9.5572515420721564e-05,
    ),
    (
        1, 3.3982516321917453, 5.3771199203351081, 5.2322423195491385,
        3.479354330125275, 1.6592669420038626, 0.57780607269618289, 0.14610796288078554,
        0.025927751511271913, 0.0029585612364467989, 0.00016939787299826328,
    ),
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
    """exp(-a * a) * P(a) / Q(a) for a = abs(x), with the square in two parts; 1 - erf(x) near 0."""
    single = x.dtype is float32
    t = x * x
    near = 1.0 - fma(x, poly(t, _ERF_32 if single else _ERF_64), x)
    a = at_most(apply("abs", x), by_type(x, 10.1, 27.3))
    square = fma(a, a, -0.0)
    r, i = reduced(-square, 2 * format_of(x).bias)
    power = poly(r - fma(a, a, -square), EXP_32 if single else EXP_64)
    above, below = _ERFCX_32 if single else _ERFCX_64
    far = scaled(power * poly(a, above) / poly(a, below), i)
    return select(a < 0.5, near, select(x < 0.0, 2.0 - far, far))
