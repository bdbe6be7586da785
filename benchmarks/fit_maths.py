"""``python -m benchmarks.fit_maths [words...]``: the coefficients that stand in mlc/lower/maths.

A Remez exchange in 50 digits. The lowest coefficients of a fit may be prescribed; the others are
rounded to the target type one by one, lowest power first, and the rest is fitted again after each
of the first few, so that a rounded coefficient is made up for by its successors.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import mpmath as mp
import numpy as np

mp.mp.dps = 50
Function = Callable[[mp.mpf], mp.mpf]


@dataclass(frozen=True)
class Fit:
    """``function(t) ~ sum(c[k] t**k) / (1 + sum(d[j] t**j))`` for t in ``span``.

    ``weight(t)`` times the error is what becomes small: for a relative error of the whole formula
    it is the size of what the series is multiplied by, over the size of the result. ``fixed`` are
    the first coefficients, taken as they are; ``top`` is the degree of the numerator.
    """

    function: Function
    span: tuple[float, float]
    top: int
    weight: Function
    fixed: tuple[float, ...] = ()
    bottom: int = 0


def minimax(
    f: Sequence[mp.mpf],
    w: Sequence[mp.mpf],
    x: Sequence[mp.mpf],
    head: Sequence[mp.mpf],
    top: int,
    bottom: int,
    skip: int,
) -> tuple[list[mp.mpf], list[mp.mpf]]:
    """The coefficients ``skip..top`` and ``1..bottom`` for which the weighted error is least.

    ``head`` is what the prescribed coefficients make of the numerator.
    """
    count = top + 1 - skip + bottom
    table = [[t**p for p in range(max(top, bottom) + 1)] for t in x]
    # The grid is Chebyshev's, so even steps over it are the nodes to begin with.
    at = [round(i * (len(x) - 1) / count) for i in range(count + 1)]
    below = [mp.mpf(1)] * len(x)
    best: tuple[mp.mpf, list[mp.mpf], list[mp.mpf]] | None = None
    for _ in range(60):
        rows, right = mp.matrix(count + 1, count + 1), mp.matrix(count + 1, 1)
        for row, i in enumerate(at):
            for p in range(skip, top + 1):
                rows[row, p - skip] = table[i][p]
            for p in range(1, bottom + 1):
                rows[row, top - skip + p] = -f[i] * table[i][p]
            # The error must alternate where the basis has no zero of its own, at t = 0.
            sign = -1 if x[i] < 0 and skip % 2 else 1
            rows[row, count] = sign * (-1) ** row * below[i] / w[i]
            right[row] = f[i] - head[i]
        solution = mp.lu_solve(rows, right)
        c = [solution[k] for k in range(top + 1 - skip)]
        d = [solution[top + 1 - skip + k] for k in range(bottom)]
        below = [1 + sum(v * t[k + 1] for k, v in enumerate(d)) for t in table]
        error = [
            (-wi if xi < 0 and skip % 2 else wi)
            * ((h + sum(v * t[skip + k] for k, v in enumerate(c))) / under - fi)
            for fi, h, wi, xi, t, under in zip(f, head, w, x, table, below)
        ]
        worst = max(map(abs, error))
        if best is None or worst < best[0]:
            best = worst, c, d
        if worst < abs(solution[count]) * mp.mpf("1.001"):
            break
        at = _extrema(error, count + 1) or at
    assert best is not None
    return best[1:]


def _extrema(error: Sequence[mp.mpf], count: int) -> list[int] | None:
    """The places of ``count`` alternating extrema, or None if there are not so many."""
    peaks = [0]
    for i in range(1, len(error)):
        if (error[i] > 0) != (error[peaks[-1]] > 0):
            peaks.append(i)
        elif abs(error[i]) > abs(error[peaks[-1]]):
            peaks[-1] = i
    while len(peaks) > count:
        if len(peaks) == count + 1:
            del peaks[0 if abs(error[peaks[0]]) < abs(error[peaks[-1]]) else -1]
        else:
            weak = min(range(len(peaks) - 1), key=lambda i: abs(error[peaks[i]]))
            del peaks[weak : weak + 2]
    return peaks if len(peaks) == count else None


def fit(what: Fit, dtype: str, refits: int = 3) -> tuple[list[float], list[float], float]:
    """Rounded coefficients and the error that they leave, before any rounding in evaluation."""
    lo, hi = map(mp.mpf, what.span)
    steps = 60 * (what.top + what.bottom + 4) + 1
    x = [(lo + hi) / 2 - (hi - lo) / 2 * mp.cos(mp.pi * i / steps) for i in range(steps + 1)]
    x = [t for t in x if t]
    whole = [what.function(t) for t in x]
    w = [what.weight(t) for t in x]
    kind = np.dtype(dtype).type

    def rounded(v: mp.mpf) -> float:
        # float() of an mpf rounds to 53 bits first, which is near enough for a coefficient.
        return float(kind(float(v)))

    c: list[float] = list(what.fixed)
    d: list[float] = []

    def head() -> list[mp.mpf]:
        return [sum((mp.mpf(v) * t**p for p, v in enumerate(c)), mp.mpf(0)) for t in x]

    if what.bottom:
        top, bottom = minimax(whole, w, x, head(), what.top, what.bottom, len(c))
        c += map(rounded, top)
        d = [1.0, *map(rounded, bottom)]
    while len(c) <= what.top:
        top, _ = minimax(whole, w, x, head(), what.top, 0, len(c))
        c += map(rounded, top[:1] if len(c) < refits else top)
    value = head()
    if d:
        value = [v / sum(mp.mpf(e) * t**p for p, e in enumerate(d)) for v, t in zip(value, x)]
    return c, d, float(max(abs((v - a) * wi) for v, a, wi in zip(value, whole, w)))


def _root(f: Function, at_zero: mp.mpf) -> Function:
    """An odd ``f`` as ``f(x) / x``, in terms of ``t = x * x``."""

    def over(t: mp.mpf) -> mp.mpf:
        x = mp.sqrt(t)
        return f(x) / x if t else mp.mpf(at_zero)

    return over


def _tail(f: Function, head: Sequence[mp.mpf], at_zero: mp.mpf) -> Function:
    """``(f(x) - head) / x**len(head)``: what is left of ``f`` after its first terms."""

    def over(x: mp.mpf) -> mp.mpf:
        if not x:
            return mp.mpf(at_zero)
        return (f(x) - sum(c * x**k for k, c in enumerate(head))) / x ** len(head)

    return over


HALF_LN2 = 0.3466
log1p_tail = _tail(mp.log1p, (0, 1), mp.mpf("-0.5"))
exp2 = lambda t: mp.mpf(2) ** t
expm1_over = _tail(mp.expm1, (0,), mp.mpf(1))
sin_over = _root(mp.sin, mp.mpf(1))
tan_over = _root(mp.tan, mp.mpf(1))
asin_over = _root(mp.asin, mp.mpf(1))
atan_over = _root(mp.atan, mp.mpf(1))
sinh_over = _root(mp.sinh, mp.mpf(1))
log2_erfc = lambda t: mp.log(mp.erfc(t), 2)
cosh_root = lambda t: mp.cosh(mp.sqrt(t))
log2_tail = _tail(lambda r: mp.log1p(r) / mp.ln2, (0, 1 / mp.ln2), -1 / mp.ln2 / 2)
log_rest = _tail(mp.log1p, (0, 1, mp.mpf("-0.5")), mp.mpf(1) / 3)
tanh_over = _root(mp.tanh, mp.mpf(1))
erf_excess = _root(lambda x: mp.erf(x) - x, 2 / mp.sqrt(mp.pi) - 1)


def _log_weight(f: mp.mpf) -> mp.mpf:
    return f * f / mp.log1p(f) if f else mp.mpf(0) + mp.mpf("1e-30")


def _atanh_rest(z: mp.mpf) -> mp.mpf:
    """``(log((1+s)/(1-s)) - 2s) / s**3`` for ``z = s * s``."""
    s = mp.sqrt(z)
    return (2 * mp.atanh(s) - 2 * s) / s**3 if z else mp.mpf(2) / 3


def _log2_rest(terms: int) -> Function:
    """``2 * arctanh(s) / ln(2) / s`` less its first terms, over ``z**terms``; ``z = s * s``."""

    def over(z: mp.mpf) -> mp.mpf:
        s = mp.sqrt(z)
        head = sum(z**k / (2 * k + 1) for k in range(terms))
        rest = (mp.atanh(s) / s - head) / z**terms if z else mp.mpf(1) / (2 * terms + 1)
        return 2 / mp.ln2 * rest

    return over


def _erfcx(k: int) -> Function:
    """``(1 + 2a) * erfc(a) * exp(a * a)`` over ``u = (a - k) / (a + k)``: nearly constant."""

    def over(u: mp.mpf) -> mp.mpf:
        a = k * (1 + u) / (1 - u)
        return (1 + 2 * a) * mp.erfc(a) * mp.exp(a * a)

    return over


def _shrunk(over: int, under: int) -> Function:
    """``((1 - h)**(over / under) - 1) / h``."""
    power = mp.mpf(over) / under
    return lambda h: ((1 - h) ** power - 1) / h if h else -power


def _erfc_weight(t: mp.mpf) -> mp.mpf:
    """How an error of log2(erfc(t)) shows in erf(t), relative to that."""
    return mp.erfc(t) + mp.mpf("1e-18")


def _relative_fit(
    f: Function,
    span: tuple[float, float],
    top: int,
    head: tuple[float, ...] = (1.0,),
    bottom: int = 0,
) -> Fit:
    return Fit(f, span, top, lambda t: 1 / f(t), head, bottom)


_R = (-HALF_LN2, HALF_LN2)
FITS: dict[str, Fit] = {
    "cbrt float32": Fit(_shrunk(-2, 3), (-0.1030, 0.1135), 4, lambda h: mp.mpf(1)),
    "cbrt-root float64": Fit(_shrunk(-1, 3), (-0.1095, 0.1095), 2, lambda h: mp.mpf(1)),
    "exp float32": _relative_fit(mp.exp, _R, 5),
    "exp float64": _relative_fit(mp.exp, _R, 11, (1.0, 1.0)),
    "exp2 float32": _relative_fit(exp2, (-0.5, 0.5), 5),
    "exp2-fine float32": _relative_fit(exp2, (-0.5, 0.5), 6),
    "exp2 float64": _relative_fit(exp2, (-0.5, 0.5), 11),
    "expm1 float32": _relative_fit(expm1_over, _R, 5),
    "expm1 float64": _relative_fit(expm1_over, _R, 10),
    "log float32": Fit(log1p_tail, (-0.2930, 0.4143), 7, _log_weight, (-0.5,)),
    "log float64": Fit(_atanh_rest, (0.0, 0.02945), 6, lambda z: mp.mpf(1)),
    "pow float32": Fit(_log2_rest(1), (0.0, 0.02945), 3, lambda z: mp.mpf(1)),
    "log2-tail float32": Fit(log2_tail, (-0.0545, 0.0545), 4, lambda r: mp.mpf(1)),
    "log-rest float64": Fit(log_rest, (-0.0545, 0.0545), 9, lambda r: mp.mpf(1)),
    "pow float64": Fit(_log2_rest(2), (0.0, 0.02945), 6, lambda z: mp.mpf(1)),
    "tanh float32": _relative_fit(tanh_over, (0.0, 0.3055), 4),
    "tanh float64": _relative_fit(tanh_over, (0.0, 0.3055), 11),
    "sinh float32": _relative_fit(sinh_over, (0.0, 0.1202), 2),
    "sinh float64": _relative_fit(sinh_over, (0.0, 0.1202), 5),
    "cosh float32": _relative_fit(cosh_root, (0.0, 0.1202), 3),
    "cosh float64": _relative_fit(cosh_root, (0.0, 0.1202), 6),
    "erf float32": Fit(erf_excess, (0.0, 0.87), 5, lambda t: 1 / (1 + erf_excess(t))),
    "erf float64": Fit(erf_excess, (0.0, 1.001), 11, lambda t: 1 / (1 + erf_excess(t))),
    "log2(erfc) float32": Fit(log2_erfc, (0.92, 3.94), 6, _erfc_weight),
    "log2(erfc) float64": Fit(log2_erfc, (0.999, 5.95), 16, _erfc_weight),
    "erfcx float32": _relative_fit(_erfcx(2), (-0.607, 0.673), 9, ()),
    "erfcx float64": _relative_fit(_erfcx(3), (-0.720, 0.803), 21, ()),
    "sin float32": _relative_fit(sin_over, (0.0, 2.4964), 4),
    "sin float64": _relative_fit(sin_over, (0.0, 2.4964), 8),
    "tan float32": _relative_fit(tan_over, (0.0, 0.6242), 6),
    "tan float64": _relative_fit(tan_over, (0.0, 0.6242), 14),
    "arcsin float32": _relative_fit(asin_over, (0.0, 0.25), 5),
    "arcsin float64": _relative_fit(asin_over, (0.0, 0.25), 12),
    "arctan float32": _relative_fit(atan_over, (0.0, 1.0), 9),
    "arctan float64": _relative_fit(atan_over, (0.0, 1.0), 20),
}


TABLE_START = 0x3FE6_8000_0000_0000  # the bits of 0.703125; 1 lies inside of an interval


def log2_tables(fraction: int) -> tuple[list[float], list[float], list[float]]:
    """For the 16 equal steps of bits from TABLE_START on: about 1 / z, and -log2 of that in two
    parts, the first a multiple of 2**-fraction. The former has so few bits that z * inverse - 1 is
    exact."""
    inverses, high, low = [], [], []
    for j in range(16):
        ends = [np.uint64(TABLE_START + ((j + k) << 48)).view(np.float64) for k in (0, 1)]
        below = ends[1] <= 1
        for steps in (32, 16):
            inverse = round(steps / (float(ends[0]) + float(ends[1])) * 2) / steps
            if ends[0] <= 1 < ends[1]:
                inverse = 1.0
            widest = max(abs(inverse * z - 1) for z in ends)
            if widest < (1 / 32 if below and steps == 32 else 1 / 16):
                break
        else:
            raise AssertionError(f"no inverse for interval {j}")
        value = -mp.log(mp.mpf(inverse), 2)
        part = float(mp.nint(value * 2**fraction) / 2**fraction)
        inverses.append(inverse)
        high.append(part)
        low.append(float(value - part))
    return inverses, high, low


def main() -> None:
    """Print the fits whose names contain all the words."""
    for name, what in FITS.items():
        if not all(word in name for word in sys.argv[1:]):
            continue
        dtype = name.split()[1]
        c, d, left = fit(what, dtype)
        print(f"# {name}: error {left * 2 ** (24 if dtype == 'float32' else 53):.3f} half ulp")
        digits = 9 if dtype == "float32" else 17
        for row in (c, d):
            if row:
                print("(" + ", ".join(f"{v:.{digits}g}" for v in row) + ")")
    if not sys.argv[1:] or "tables" in sys.argv[1:]:
        for fraction in (16, 40):
            for column in log2_tables(fraction):
                print("(" + ", ".join(f"{v:.17g}" for v in column) + ")")


if __name__ == "__main__":
    main()
