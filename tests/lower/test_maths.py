"""The vector mathematics against NumPy, function by function: accuracy and special values."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mlc.dtypes import DType, bfloat16, boolean, float16, float32, float64
from mlc.ir.expr import Apply, Cast, Const, Expr, Select, Var, apply, const
from mlc.ir.rewrite import postorder
from mlc.ir.scalar import SCALAR_FNS
from mlc.lower.expand_math import expand_math
from mlc.lower.maths import EXPANSIONS, load

load()
Array = np.ndarray[Any, Any]
WIDE = np.finfo(np.longdouble).nmant > 60  # a long double with 64 bits tells float64's errors


def by_mpmath(name: str) -> Callable[[Array], Array]:
    """A function that NumPy lacks, exact enough for float64: slow."""
    mpmath = pytest.importorskip("mpmath")
    context = mpmath.mp.clone()
    context.prec = 80

    def call(value: np.floating[Any]) -> np.floating[Any]:
        if not 0 < abs(value) < 50:
            return np.longdouble(getattr(math, name)(float(value)))
        # Every argument is a float64 number in a wider type.
        return np.longdouble(context.nstr(getattr(context, name)(context.mpf(float(value))), 24))

    return np.vectorize(call, otypes=[np.longdouble])


SLOW = ("erf", "erfc")


def exact_fma(a: Array, b: Array, c: Array) -> Array:
    """``a * b + c`` for float64 with an error below 0.51 ulp: products split, sums compensated."""
    with np.errstate(all="ignore"):
        # Splitting multiplies by 2**27, and the product may only just fit.
        a, b = np.where(abs(a) > abs(b), a, b), np.where(abs(a) > abs(b), b, a)
        scale = np.where(np.maximum(abs(a), abs(a * b)) > 2.0**900, 2.0**-200, 1.0)
        a, c = a * scale, c * scale
        p = a * b
        ah = a * 134217729.0 - (a * 134217729.0 - a)
        bh = b * 134217729.0 - (b * 134217729.0 - b)
        al, bl = a - ah, b - bh
        rest = ((ah * bh - p) + ah * bl + al * bh) + al * bl
        s = p + c
        v = s - p
        total = s + (((p - (s - v)) + (c - v)) + rest)
        return np.where(np.isfinite(total) & (total != 0), total, p + c) / scale


def values(root: Expr, inputs: dict[Expr, Array]) -> Array:
    """``root`` for arrays in place of its variables."""
    done: dict[Expr, Any] = dict(inputs)
    with np.errstate(all="ignore"):
        for node in postorder(root):
            match node:
                case Const(value=value):
                    done[node] = node.dtype.numpy.type(value)
                case Cast(value=value):
                    done[node] = done[value].astype(node.dtype.numpy)
                case Select(condition=condition, then=a, otherwise=b):
                    done[node] = np.where(done[condition], done[a], done[b])
                case Apply(fn="bitcast", args=(x,)):
                    done[node] = np.asarray(done[x]).view(node.dtype.numpy)
                case Apply(fn="add", args=(Apply(fn="mul", args=(a, b)), c)) if node.dtype.is_float:
                    fused = exact_fma if node.dtype is float64 else SCALAR_FNS["fma"].numpy
                    done[node] = fused(*np.broadcast_arrays(done[a], done[b], done[c]))
                case Apply(fn="fma", args=args) if node.dtype is float64:
                    done[node] = exact_fma(*np.broadcast_arrays(*(done[x] for x in args)))
                case Apply(fn=fn, args=(x,)) if fn.startswith("libm_"):  # NumPy's own may differ
                    wide = np.float64 if node.dtype is float32 else np.longdouble
                    exact = SCALAR_FNS[fn].numpy(np.asarray(done[x]).astype(wide))
                    done[node] = exact.astype(node.dtype.numpy)
                case Apply(fn=fn, args=args):
                    done[node] = SCALAR_FNS[fn].numpy(*(done[x] for x in args))
            if not isinstance(node, Var):
                expected = np.bool_ if node.dtype is boolean else node.dtype.numpy
                assert np.asarray(done[node]).dtype == expected, node
    return np.asarray(done[root])


def expanded(name: str, dtype: DType, *arrays: Array) -> Array:
    """The expansion of ``name`` evaluated for ``arrays``."""
    variables = [Var(f"x{i}", dtype) for i in range(len(arrays))]
    tree = expand_math(apply(name, *variables))
    for node in postorder(tree):
        assert not isinstance(node, Apply) or (node.fn, float32) not in EXPANSIONS, node.fn
    return values(tree, dict(zip(variables, arrays)))


def samples(dtype: DType, low: float, high: float, count: int = 20000) -> Array:
    """Numbers of every exponent, and evenly spread ones from ``low`` to ``high``."""
    rng = np.random.default_rng(7)
    raw = rng.integers(0, 2**dtype.bits, count, dtype=np.uint64)
    every = raw.astype(f"uint{dtype.bits}").view(dtype.numpy)
    even = rng.uniform(low, high, count).astype(dtype.numpy)
    return np.concatenate([every[np.isfinite(every)], even, even / dtype.numpy.type(64)])


def specials(dtype: DType) -> Array:
    """Zeros, infinities, NaN, the ends of the range, subnormal numbers, and some round ones."""
    info = np.finfo(dtype.numpy)
    tiny, least = float(info.smallest_normal), float(info.smallest_subnormal)
    some = [0.0, 0.5, 1.0, 2.0, 3.0, 7.5, 1e3, 1e9, tiny, tiny / 2, least, 777 * least, info.max]
    some.append(np.inf)
    return np.array([*some, *(-v for v in some), np.nan], dtype.numpy)


def ulps(got: Array, exact: Array) -> Array:
    """The distance from ``exact``, which is wider than ``got``, in units of got's last place."""
    info = np.finfo(got.dtype)
    with np.errstate(all="ignore"):
        rounded = exact.astype(got.dtype)
        size = np.clip(np.abs(rounded), info.smallest_normal, info.max)
        error = np.abs(got.astype(exact.dtype) - exact) / np.spacing(size)
        # Half an ulp beyond the largest number rounds to inf, a hair less to the number.
        edge = np.isinf(got) & (np.abs(exact) >= float(info.max) * (1 - float(info.eps)))
        same = (got == rounded) | (np.isnan(got) & np.isnan(rounded))
    return np.where(same & ~np.isfinite(error) | edge, 0, np.where(np.isnan(error), np.inf, error))


# name: (reference, low and high of the dense samples in float32, in float64, ulp allowed). Measured
# maxima over millions of samples are 0.1 to 0.3 below what is allowed.
ANGLES = (-300.0, 300.0)
CASES: dict[str, tuple[Callable[..., Any], tuple[float, float], tuple[float, float], float]] = {
    "exp": (np.exp, (-106, 90), (-750, 712), 2.1),
    "exp2": (np.exp2, (-152, 129), (-1080, 1026), 2.1),
    "expm1": (np.expm1, (-19, 19), (-40, 40), 2.1),
    "log": (np.log, (0, 4), (0, 4), 1.5),
    "log1p": (np.log1p, (-1, 3), (-1, 3), 2.0),
    "log2": (np.log2, (0, 4), (0, 4), 2.1),
    "log10": (np.log10, (0, 4), (0, 4), 1.5),
    "sin": (np.sin, ANGLES, ANGLES, 1.9),
    "cos": (np.cos, ANGLES, ANGLES, 1.9),
    "tan": (np.tan, ANGLES, ANGLES, 2.0),
    "arcsin": (np.arcsin, (-1, 1), (-1, 1), 1.8),
    "arccos": (np.arccos, (-1, 1), (-1, 1), 1.4),
    "arctan": (np.arctan, (-4, 4), (-4, 4), 1.9),
    "arctan2": (np.arctan2, (-4, 4), (-4, 4), 1.9),
    "sinh": (np.sinh, (-90, 90), (-712, 712), 2.0),
    "cosh": (np.cosh, (-90, 90), (-712, 712), 2.1),
    "tanh": (np.tanh, (-11, 11), (-21, 21), 1.95),
    "arcsinh": (np.arcsinh, (-5, 5), (-5, 5), 2.0),
    "arccosh": (np.arccosh, (1, 5), (1, 5), 2.0),
    "arctanh": (np.arctanh, (-1, 1), (-1, 1), 2.0),
    "erf": (by_mpmath("erf"), (-4, 4), (-6, 6), 1.6),
    "erfc": (by_mpmath("erfc"), (-3, 10), (-3, 27), 4.5),
    "cbrt": (np.cbrt, (-5, 5), (-5, 5), 1.9),
    "hypot": (np.hypot, (-5, 5), (-5, 5), 1.5),
    "pow": (np.power, (0, 100), (0, 100), 2.4),
}


@pytest.mark.parametrize("dtype", [float32, float64], ids=str)
@pytest.mark.parametrize("name", CASES)
def test_is_accurate_over_the_whole_range(name: str, dtype: DType) -> None:
    reference, single, double, allowed = CASES[name]
    arity = SCALAR_FNS[name].arity
    x = samples(dtype, *(single if dtype is float32 else double))[:: 25 if name in SLOW else 1]
    arrays = [np.roll(x, 12345 * k) for k in range(arity)]
    wide = np.float64 if dtype is float32 else np.longdouble
    with np.errstate(all="ignore"):
        exact = reference(*(a.astype(wide) for a in arrays))
    slack = 0.0 if dtype is float32 or WIDE else 1.0
    error = ulps(expanded(name, dtype, *arrays), exact)
    worst = int(np.argmax(error))
    assert error[worst] <= allowed + slack, (error[worst], [a[worst] for a in arrays])


@pytest.mark.parametrize("dtype", [float32, float64], ids=str)
@pytest.mark.parametrize("name", CASES)
def test_special_values_are_those_of_numpy(name: str, dtype: DType) -> None:
    reference, _, _, allowed = CASES[name]
    grid = np.meshgrid(*[specials(dtype)] * SCALAR_FNS[name].arity)
    arrays = [np.ascontiguousarray(g.ravel()) for g in grid]
    got = expanded(name, dtype, *arrays)
    with np.errstate(all="ignore"):
        want = reference(*arrays).astype(dtype.numpy)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    np.testing.assert_array_equal(np.isinf(got), np.isinf(want))
    known = ~np.isnan(want)
    np.testing.assert_array_equal(np.signbit(got[known]), np.signbit(want[known]))
    finite = np.isfinite(want)
    unit = np.finfo(dtype.numpy).smallest_subnormal
    rtol = (allowed + 2) * float(np.finfo(dtype.numpy).eps)
    np.testing.assert_allclose(got[finite], want[finite], rtol=rtol, atol=float(3 * unit))


def test_exact_results_are_exact() -> None:
    for dtype in (float32, float64):
        powers = np.arange(-30, 31)
        twos = np.ldexp(np.ones(61, dtype.numpy), powers)
        np.testing.assert_array_equal(expanded("log2", dtype, twos), powers)
        np.testing.assert_array_equal(expanded("exp2", dtype, powers.astype(dtype.numpy)), twos)
        tens = np.array([float(10**k) for k in range(11)], dtype.numpy)
        np.testing.assert_array_equal(expanded("log10", dtype, tens), np.arange(11))


def test_powers_that_are_integers_are_exact() -> None:
    for dtype in (float32, float64):
        limit = 2 ** (np.finfo(dtype.numpy).nmant + 1)
        pairs = [(b, k) for b in range(2, 300) for k in range(2, 40) if b**k <= limit]
        bases, exponents = (np.array(v, dtype.numpy) for v in zip(*pairs))
        want = np.array([b**k for b, k in pairs], dtype.numpy)
        np.testing.assert_array_equal(expanded("pow", dtype, bases, exponents), want)
        np.testing.assert_array_equal(expanded("pow", dtype, want, np.full_like(want, 1.0)), want)


@pytest.mark.parametrize("dtype", [float32, float64], ids=str)
def test_squares_of_subnormal_numbers_are_not_lost(dtype: DType) -> None:
    unit = np.finfo(dtype.numpy).smallest_subnormal
    a, b = (unit * g.ravel() for g in np.meshgrid(np.arange(9, dtype=dtype.numpy), [0, 1, 4, 1e6]))
    b = b.astype(dtype.numpy)
    want = np.rint(np.hypot((a / unit).astype(np.float64), (b / unit).astype(np.float64)))
    np.testing.assert_array_equal(expanded("hypot", dtype, a, b) / unit, want)


@pytest.mark.parametrize("dtype", [float32, float64], ids=str)
def test_large_angles_are_reduced_exactly_or_left_to_the_c_library(dtype: DType) -> None:
    # Both sides of the limit, and the multiples of pi / 2 that lie closest to a float.
    near = np.array([33.0, 355, 710, 103993, 208341, 2**18 - 1, 2**18 + 1, 5e8, 2**30 + 1, 1e22])
    x = np.concatenate([near, np.arange(1, 4000) * (np.pi / 2)]).astype(dtype.numpy)
    for name in ("sin", "cos", "tan"):
        wide = np.float64 if dtype is float32 else np.longdouble
        exact = SCALAR_FNS[name].numpy(x.astype(wide))
        slack = 0.0 if dtype is float32 or WIDE else 1.0
        assert ulps(expanded(name, dtype, x), exact).max() <= 2.0 + slack


@pytest.mark.parametrize("dtype", [float16, bfloat16], ids=str)
def test_narrow_types_go_through_float32(dtype: DType) -> None:
    x = np.linspace(-3, 3, 101).astype(dtype.numpy)
    want = np.tanh(x.astype(np.float64)).astype(dtype.numpy)
    got = expanded("tanh", dtype, x)
    assert got.dtype == dtype.numpy
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("dtype", [float32, float64], ids=str)
def test_exp_of_what_is_less_than_another(dtype: DType) -> None:
    x = -abs(np.concatenate([samples(dtype, -120, 0), specials(dtype)]))
    m = np.zeros_like(x)
    x[:99], m[:99] = np.nextafter(dtype.numpy.type(1e30), 0), 1e30
    wide = np.float64 if dtype is float32 else np.longdouble
    a, b = Var("a", dtype), Var("b", dtype)
    for share in (1.0, 0.25):
        tree = expand_math(apply("exp_less", const(share, dtype), a, b))
        with np.errstate(all="ignore"):
            exact = share * np.exp((x - m).astype(wide))
        slack = 0.0 if dtype is float32 or WIDE else 1.0
        got = values(tree, {a: x, b: m})
        np.testing.assert_array_equal(np.isnan(got), np.isnan(exact))
        known = ~np.isnan(exact)
        assert ulps(got[known], exact[known]).max() <= CASES["exp"][3] + slack
    infinite, none = np.full(3, -np.inf, dtype.numpy), np.full(3, np.nan, dtype.numpy)
    assert np.isnan(values(tree, {a: infinite, b: infinite})).all()
    assert np.isnan(values(tree, {a: none, b: infinite})).all()


def test_every_function_with_an_expansion_is_tested() -> None:
    assert {name for name, _ in EXPANSIONS} == CASES.keys() | {"exp_less"}
