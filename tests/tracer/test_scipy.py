"""SciPy's functions in traced functions: those with a formula here, and what is said of others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc

sp = pytest.importorskip("scipy.special")
sl = pytest.importorskip("scipy.linalg")
ss = pytest.importorskip("scipy.signal")

RNG = np.random.default_rng(2)
LINE = np.array([*RNG.normal(size=60) * 3, 0, -0.0, np.inf, -np.inf, np.nan, 700, -700, 1e-300])
UNIT = np.array([*RNG.uniform(size=60), 0, 1, 0.5, 0.3, 0.65, np.nan, 1e-300])
MATRIX, SIDE, WIDE = RNG.normal(size=(4, 4)), RNG.normal(size=4), RNG.normal(size=(3, 5))
POSITIVE = MATRIX @ MATRIX.T + 4 * np.eye(4)


def close(found: Any, wanted: Any, ulp: int = 0) -> None:
    assert type(found) is type(wanted)
    assert found.dtype == wanted.dtype and found.shape == wanted.shape
    tolerance = (ulp or 1e5) * np.finfo(wanted.dtype).eps
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=0 if ulp else tolerance)


@pytest.mark.parametrize("name", ["erf", "expit", "log1p", "expm1", "exp2", "exp10", "cbrt",
                                  "log_expit", "logit", "entr"])  # fmt: skip
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_ufuncs(name: str) -> None:
    function = getattr(sp, name)
    compiled = mlc.jit(lambda x: function(x))
    for dtype in (np.float64, np.float32, np.int8):
        x = UNIT if name in ("logit", "entr") else LINE
        x = np.nan_to_num(x).clip(-9, 9).astype(dtype) if dtype is np.int8 else x.astype(dtype)
        close(compiled(x), function(x), 4)
    close(compiled(0.25), function(0.25), 4)
    close(compiled(np.array(0.25)), function(np.array(0.25)), 4)


@pytest.mark.parametrize("name", ["gamma", "rgamma", "gammaln", "psi"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_gamma_functions(name: str) -> None:
    function = getattr(sp, name)
    compiled = mlc.jit(lambda x: function(x))
    x = np.array([*np.linspace(-30, 30, 4001), *np.linspace(30, 180, 500), *np.arange(60.0),
                  0, -0.0, np.inf, -np.inf, np.nan, 1e300, -1e300, 1e-300])  # fmt: skip
    found, wanted = compiled(x), function(x)
    # Of gamma 22 factors, each of a sum, are rounded; others are sums of parts of this size, and
    # SciPy's psi loses 32 of the last places beside its poles, where mpmath agrees with ours.
    eps = np.finfo(np.float64).eps
    parts = 0 if name.endswith("gamma") else 8 * (1 + np.abs(function(np.abs(x))))
    factors = 48 if name == "psi" else 24
    bound = eps * (factors * np.abs(wanted) + np.where(np.isfinite(wanted), parts, 0))
    near = np.abs(found - wanted) <= bound
    assert np.all(near | np.equal(found, wanted) | np.isnan(found) & np.isnan(wanted))
    for y in (x[:100].astype(np.float32), np.arange(1, 9, dtype=np.int8), np.float64(2.5)):
        close(compiled(y), function(y), 24)


def test_logarithm_of_gamma_beside_its_zeros() -> None:
    e = np.array([1e-9, -1e-9, 2.0**-40, -(2.0**-50)])
    for zero, first in ((1, -np.euler_gamma), (2, 1 - np.euler_gamma)):
        x = zero + e
        second = np.pi**2 / 12 - (zero - 1) / 2
        wanted = (x - zero) * (first + second * (x - zero))  # the next term is below eps
        close(mlc.jit(lambda x: sp.gammaln(x))(x), wanted, 4)


def test_factorials() -> None:
    counts = np.arange(-2, 23)
    factorials = mlc.jit(lambda n: sp.factorial(n))
    assert np.array_equal(factorials(counts), sp.factorial(counts))
    close(factorials(np.array([2.5, 0.5])), sp.factorial(np.array([2.5, 0.5])), 24)
    with pytest.raises(mlc.UnsupportedError, match="with exact= or extend= cannot be traced"):
        mlc.jit(lambda n: sp.factorial(n, exact=True))(counts)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_ufuncs_of_two() -> None:
    x = np.array([*UNIT, 0, 0, 0])
    y = np.array([*UNIT[::-1], 0, np.nan, np.inf])
    for function in (sp.xlogy, sp.xlog1py):
        close(mlc.jit(lambda x, y, f=function: f(x, y))(x, y), function(x, y), 8)


def sums(x: Any) -> Any:
    return (
        sp.logsumexp(x), sp.logsumexp(x, axis=1, keepdims=True), sp.logsumexp(x, axis=0, b=2.0),
        sp.softmax(x, axis=1), sp.log_softmax(x, axis=-1),
    )  # fmt: skip


def products(a: Any, b: Any) -> Any:
    return (
        sl.solve(a, b, assume_a="pos"), sl.inv(a), sl.det(a), sl.norm(a), sl.cholesky(a),
        sl.cholesky(a, lower=True), sl.eigvalsh(a), sl.eigh(a)[0], sl.svd(a)[1], sl.svdvals(a),
        np.abs(sl.qr(a[:, :2])[0]), np.abs(sl.qr(a[:2], mode="economic")[1]), sl.pinv(a),
        sl.solve_triangular(a, b), sl.solve_triangular(a, b, 1, lower=True, unit_diagonal=True),
        sl.toeplitz(b), sl.toeplitz(b, b[:3]), sl.cholesky(np.triu(a)),
    )  # fmt: skip


def convolved(x: Any, y: Any) -> Any:
    return [ss.convolve(x, y, mode) for mode in ("full", "same", "valid")], ss.convolve(y, x)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_functions(dtype: str) -> None:
    none = np.where(WIDE > 0, -np.inf, WIDE)
    none[:, 0] = -np.inf
    for x in (WIDE, WIDE * 1000):
        for found, wanted in zip(mlc.jit(sums)(x.astype(dtype)), sums(x.astype(dtype))):
            close(found, wanted)
    least = lambda x: sp.logsumexp(x, axis=0)
    np.testing.assert_allclose(mlc.jit(least)(none), least(none))
    given = POSITIVE.astype(dtype), SIDE.astype(dtype)
    for found, wanted in zip(mlc.jit(products)(*given), products(*given), strict=True):
        if dtype == "float64":
            close(found, wanted)
        else:
            np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3)


def test_convolutions() -> None:
    found, wanted = mlc.jit(convolved)(WIDE[0], SIDE), convolved(WIDE[0], SIDE)
    for a, b in zip([*found[0], found[1]], [*wanted[0], wanted[1]], strict=True):
        close(a, b)


def test_numbers_are_scipys() -> None:
    close(mlc.jit(lambda x: x + sp.gamma(2.5) + sl.hilbert(3)[:, :1])(WIDE),
          WIDE + sp.gamma(2.5) + sl.hilbert(3)[:, :1])  # fmt: skip


def test_refused() -> None:
    def check(function: Any, text: str, x: Any = MATRIX) -> None:
        with pytest.raises(mlc.UnsupportedError, match=text):
            mlc.jit(function)(x)

    check(lambda x: sp.ellipk(x), r"scipy.special.ellipk cannot be traced; of SciPy these can:")
    check(lambda x: sl.expm(x), r"scipy.linalg.expm cannot be traced; .*scipy.linalg.solve,")
    check(lambda x: ss.czt(x), r"Write it in NumPy's functions")
    check(lambda x: sl.eigh(x, subset_by_index=[0, 1]), r"with these arguments \(got an unexpected")


BANDS = RNG.normal(size=(5, 9))


def diffused(x: Any) -> Any:
    band = np.full((3, len(x)), -0.3)
    band[1] = 1.6
    for _ in range(20):
        x = sl.solve_banded((1, 1), band, x)
    return x


@pytest.mark.parametrize(("lower", "upper"), [(1, 1), (3, 1), (0, 2), (2, 0), (0, 0)])
def test_few_diagonals(lower: int, upper: int) -> None:
    def solved(band: Any, right: Any) -> Any:
        return sl.solve_banded((lower, upper), band, right)

    band = BANDS[: lower + upper + 1]
    for right in (BANDS[4], BANDS[2:].T, BANDS[3].astype(np.float32)):
        close(mlc.jit(solved)(band, right), solved(band, right))
    band, right = band.astype(np.float32), BANDS[4].astype(np.float32)
    close(mlc.jit(solved)(band, right), solved(band, right))
    close(mlc.jit(solved)(band[:, :1], np.arange(1)), solved(band[:, :1], np.arange(1)))


def test_few_diagonals_in_a_loop() -> None:
    close(mlc.jit(diffused)(UNIT[:40]), diffused(UNIT[:40]))


def test_few_diagonals_that_are_singular() -> None:
    def attempted(band: Any, right: Any) -> Any:
        try:
            return sl.solve_banded((1, 1), band, right)
        except np.linalg.LinAlgError:
            return right * 0

    with pytest.raises(np.linalg.LinAlgError, match="singular matrix"):
        mlc.jit(lambda band, right: sl.solve_banded((1, 1), band, right))(
            np.zeros((3, 4)), np.ones(4)
        )
    assert not mlc.jit(attempted)(np.zeros((3, 4)), np.ones(4)).any()
    assert mlc.jit(attempted)(np.ones((3, 4)), np.ones(4)).any()
    with pytest.raises(ValueError, match="does not equal ab"):
        mlc.jit(attempted)(np.ones((4, 4)), np.ones(4))
    with pytest.raises(ValueError, match="not compatible"):
        mlc.jit(attempted)(np.ones((3, 4)), np.ones(5))


def test_what_scipy_does_not_understand_is_refused() -> None:
    def fitted(x: Any) -> Any:
        from scipy.optimize import minimize

        return minimize(lambda t, a: np.sum((t - a) ** 2), x0=1.0, args=(x,)).x

    with pytest.raises(mlc.UnsupportedError, match=r"scipy.optimize.minimize cannot be traced"):
        mlc.jit(fitted)(np.arange(3.0))
