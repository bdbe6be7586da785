"""Python's own functions over traced values: what they return, and of which type."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from functools import partial
from typing import Any

import numpy as np
import pytest

import mlc

X = np.array([1.0, 3.0, 2.0, 3.0, -0.5])


def same(function: Callable[..., Any], *args: Any) -> None:
    """The results are NumPy's in value, dtype, and whether they are Python's numbers."""
    wanted, got = function(*args), mlc.jit(function)(*args)
    one, other = (mlc.tracer.tree.flatten(v)[0] for v in (wanted, got))
    assert type(wanted) is type(got) or isinstance(wanted, bool)
    for a, b in zip(one, other, strict=True):
        assert np.asarray(a).dtype == np.asarray(b).dtype, (a, b)
        assert isinstance(a, (np.generic, np.ndarray)) == isinstance(
            b, (np.generic, np.ndarray)
        ) or (isinstance(a, bool))
        np.testing.assert_allclose(a, b, rtol=1e-14)


@pytest.mark.parametrize("x", [2.5, -2.5, 3.5, np.float64(0.5), np.float32(1.5), 7, np.int32(7)])
def test_rounding_to_python_ints(x: Any) -> None:
    def rounded(x: Any) -> Any:
        return round(x), math.floor(x), math.ceil(x), np.arange(9)[round(abs(x))]

    same(rounded, x)
    same(lambda x: round(x), x)


def test_round_to_digits_stays_what_it_was() -> None:
    same(lambda x: round(x, 1), 2.54)
    same(lambda x: round(x, 1), np.float32(2.54))


def test_trunc_is_of_doubles_as_in_numpy() -> None:
    same(lambda x: math.trunc(x), -2.7)
    with pytest.raises(TypeError, match=r"numpy\.float32 doesn't define __trunc__"):
        mlc.jit(lambda x: math.trunc(x))(np.float32(1))
    with pytest.raises(TypeError, match=r"numpy\.ndarray doesn't define __round__"):
        mlc.jit(lambda x: round(x))(X)


def of_math(x: Any) -> Any:
    a, b = x[0] / 4, x[1]
    return [
        math.asin(a), math.acos(a), math.atan(b), math.sinh(a), math.cosh(a), math.asinh(b),
        math.acosh(b), math.atanh(a), math.log(b, 2), math.log(b), math.log1p(a), math.expm1(a),
        math.degrees(b), math.radians(b), math.copysign(2, -b), math.fmod(b, 2),
        math.hypot(a, b, 2), math.remainder(b, 2), math.erf(a), math.erfc(a),
        math.gamma(b), math.lgamma(a),
        math.pow(b, 3), math.sin(x[2]),
        math.dist(x[:2], x[2:4]), math.fsum(x),
    ]  # fmt: skip


def test_math_computes_in_doubles() -> None:
    same(of_math, X)
    same(of_math, X.astype(np.float32))
    same(lambda x: math.isfinite(x[0]) and not math.isclose(x[0], x[1]), X)
    with pytest.raises(TypeError, match="only 0-dimensional arrays"):
        mlc.jit(lambda x: math.sin(x))(X)


def extremes(x: Any) -> Any:
    return (
        min(x), max(x), max(v * v for v in x), min(x, key=lambda v: abs(v - 2)), max(x, default=0),
        max(range(len(x)), key=lambda i: x[i]), min([(v, -v) for v in x], key=lambda p: p[1]),
        min(x[0], x[-1]),
    )  # fmt: skip


def test_extremes() -> None:
    for x in (X, X.astype(np.int8), X[:1]):
        same(extremes, x)
    nan = np.array([1.0, np.nan, 0.5])
    for x in (nan, nan[::-1].copy(), np.roll(nan, 1)):
        same(lambda x: (min(x), max(x)), x)
    letter = lambda x: max("ab", key=lambda c: x[ord(c) % 2])
    assert [mlc.jit(letter)(x) for x in (X, -X)] == [letter(X), letter(-X)]
    in_loop = lambda x: mlc.map(lambda v: ord(max("ab", key=lambda c: v * ord(c))), x)
    with pytest.raises(mlc.UnsupportedError, match="not between 'b' and 'a'"):
        mlc.jit(in_loop)(X)


def test_data_choose_between_things_of_other_shapes() -> None:
    def heaviest(x: Any, width: int = 4) -> Any:
        parts = [x[s : s + width] for s in range(0, len(x), width)]
        first = min([("a", x[0]), ("b", x[1])], key=lambda pair: pair[1])
        return max(parts, key=lambda part: part.sum()), first

    compiled = mlc.jit(heaviest)
    for seed in range(6):
        x = np.random.default_rng(seed).random(10)
        got, want = compiled(x), heaviest(x)
        assert np.array_equal(got[0], want[0]) and got[1] == want[1]

    def in_a_loop(x: Any) -> Any:
        total = 0.0
        for i in mlc.range(100):
            total += max([x[:2], x[2:]], key=lambda part: part.sum() + i)[0]
        return total

    with pytest.raises(mlc.UnsupportedError, match=r"one shape, got \(8,\) and \(2,\); let the"):
        mlc.jit(in_a_loop)(x)


def test_sums() -> None:
    for x in (X, X > 1, np.ones((40, 2), np.float32), np.arange(300, dtype=np.uint16)):
        same(lambda x: sum(x), x)
    same(lambda x: sum((v for v in x), 0.5), X)


def test_any_and_all() -> None:
    def asked(x: Any) -> Any:
        return np.array([any(x > 1), all(x > 1), any(v > 5 for v in x), all(v for v in x),
                         any([]), all([True, x[0] > 0]), any([False, x[0] > 7, True])])  # fmt: skip

    same(asked, X)
    with pytest.raises(ValueError, match="ambiguous"):
        mlc.jit(lambda x: any(x))(X.reshape(5, 1).repeat(2, 1))


def in_order(x: Any) -> Any:
    pairs = sorted(zip(x, range(len(x))), key=lambda p: p[0])
    numbers = [*x]
    numbers.sort(reverse=True)
    return (
        sorted(x), sorted(x, reverse=True), pairs, numbers,
        sorted(range(len(x)), key=lambda i: (x[i] > 1, -x[i])),
        sorted(range(len(x)), key=lambda i: x[i], reverse=True),
    )  # fmt: skip


def test_sorted() -> None:
    same(in_order, X)
    with pytest.raises(mlc.UnsupportedError, match=r"use np\.sort or np.argsort"):
        mlc.jit(lambda x: sorted(x))(np.zeros(400))


def members(x: Any) -> Any:
    return np.array([
        3.0 in x, 4.0 in x, x[0] in (1, 2), x[0] not in [2, 3], x[1] in {1, 3},
        x[1] in range(1, 9, 2), (x[0], 3) in [(1.0, 3), (2.0, 3)], x[2] in range(3, 9), 5 in [*x],
    ])  # fmt: skip


def test_membership() -> None:
    same(members, X)


def test_kinds() -> None:
    def asked(x: Any, n: Any, v: Any) -> Any:
        one = x[0]
        return np.array([
            isinstance(one, float), isinstance(one, np.ndarray), isinstance(one, np.floating),
            isinstance(x, np.ndarray), isinstance(n, int), isinstance(n, (float, np.ndarray)),
            isinstance(x.sum(), (int, float)), type(x) is np.ndarray, type(one) is np.float64,
            isinstance(v, float), type(v) is float,
        ])  # fmt: skip

    same(asked, X, 3, 2.5)


@functools.lru_cache
def cached(v: Any) -> Any:
    return v * 2


def step(v: Any, by: Any) -> Any:
    return v + by if v > 1 else v - by


def halves_up(v: Any) -> int:
    return int(Decimal(v).quantize(Decimal("1"), rounding=ROUND_HALF_UP))


def test_functions_handed_to_functions() -> None:
    def run(x: Any) -> Any:
        shifted = functools.partial(step, by=10)
        return [cached(x[0]), [*map(shifted, x)], functools.reduce(step, x)]

    same(run, X)


def test_values_for_classes_of_the_library() -> None:
    f = mlc.jit(lambda x, v: x * halves_up(v))
    for v in (2.5, 3.4):
        np.testing.assert_array_equal(f(X, v), X * halves_up(v))


def test_lambdas_that_share_a_line() -> None:
    x = 2.0
    for f in (
        lambda v: v if v > x else -v,
        lambda v: v if v > 0 else v * x,
        lambda v: v if v else x,
    ):
        same(f, 1.5)
        same(f, -3.0)


def test_numbers_that_decide_what_cannot_be_native() -> None:
    def product(z: Any, y: Any) -> Any:
        factors = []
        if z:
            factors.append(np.array([[math.cos(z), 0.0], [0.0, 1.0]]))
        if y > 1:
            factors.append(np.array([[1.0, 0.0], [math.sin(y), 1.0]]))
        return functools.reduce(np.dot, factors) if factors else np.eye(2)

    f = mlc.jit(product)
    for z, y in ((0.5, 2.0), (0.0, 2.0), (0.5, 0.0), (0.0, 0.0)):
        np.testing.assert_allclose(f(z, y), product(z, y), rtol=1e-15)

    def grid(xs: Any) -> Any:
        n = round(max(xs)) - round(min(xs))
        found = [[0] * n for _ in range(n)]
        for x in xs:
            for i in range(n):
                if abs(x - i) < 1:
                    found[i][0] += 1
                    break
        return found

    same(grid, [0.3, 2.9, 1.2])


def test_loops_in_try_statements() -> None:
    def run(v: Any) -> Any:
        try:
            for _ in "ab":
                v = v + 1
        except NameError:
            return v
        return v * 2

    same(run, 2.0)


def test_numbers_of_complex_values() -> None:
    with pytest.raises(TypeError, match="is complex and"):
        mlc.jit(lambda z: float(z[0]))(X * 1j)
    same(lambda z: bool(z[0]) and not bool(z[1] - z[1]), X * 1j)


def test_results_of_a_kind_that_data_decide() -> None:
    def newton(square: Any, start: Any) -> Any:
        x = start
        for _ in range(60):
            after = x - (x * x - square) / (2 * x)
            if np.abs(after - x).max() < 1e-12:
                return after
            x = after
        return None

    f = mlc.jit(newton)
    start = np.array([1.0, 3.0])
    for square in (np.array([2.0, 9.0]), np.array([-2.0, 9.0]), np.array([2.0, 4.0])):
        wanted, got = newton(square, start), f(square, start)
        assert (wanted is None) == (got is None)
        if wanted is not None:
            np.testing.assert_allclose(got, wanted, rtol=1e-12)
    assert len(f.cache_info()) == 2  # one for each kind

    def parts(x: Any) -> Any:
        found = []
        if x[0] > 0:
            found.append(x * 2)
        if x[1] > 0:
            found.append(x[:1])
        return found

    for x in ([1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]):
        same(parts, np.array(x))


N = np.array([84, -36, 5, 3])


@pytest.mark.parametrize(
    "function",
    [
        lambda n: (math.gcd(n[0] * 2, n[1]), math.lcm(int(n[1]) + 1, n[2]), math.gcd(n[3] * 1)),
        lambda n: [math.isqrt(n[0] * n[0] + k) for k in (-1, 0, 1)],
        lambda n: (math.isqrt(n[3] * 0), math.isqrt(n[3] * 0 + (2**63 - 1))),
        lambda n: (math.comb(n[0] // 4, n[2]), math.comb(n[3] + 0, 7), math.perm(n[2] + 1, n[3])),
        lambda n: (math.factorial(n[2] * 4), math.perm(n[3] + 1)),
        lambda n: (pow(int(n[0]), int(n[2]), 10007), pow(3, int(n[0]) * 9, int(n[1]) + 1)),
        lambda n: [int(v * 3).bit_length() for v in n] + [int(v - 1).bit_count() for v in n],
        lambda n: (float(n[0] / 8).is_integer(), (n[0] / 4).is_integer(), n[2].is_integer()),
    ],
)
def test_functions_of_whole_numbers(function: Callable[[Any], Any]) -> None:
    same(function, N)


@pytest.mark.parametrize(
    ("function", "kind", "text"),
    [
        (lambda n: math.isqrt(n[1] * 2), ValueError, "nonnegative"),
        (lambda n: math.factorial(n[1] * 2), ValueError, "not defined for negative"),
        (lambda n: math.factorial(n[0] * 2), OverflowError, "above 20 is no int64"),
        (lambda n: math.comb(n[0] * 2, n[1] * 2), ValueError, "k must be a non-negative"),
        (lambda n: pow(3, int(n[2]) + 1, int(n[3]) - 3), ValueError, "3rd argument cannot be 0"),
        (lambda n: pow(3, int(n[2]) + 1, int(n[0]) * 2**40), OverflowError, "no int64"),
        (lambda n: math.gcd(n[0] / 2, 3), TypeError, "cannot be interpreted as an integer"),
    ],
)
def test_what_they_refuse(function: Callable[[Any], Any], kind: type, text: str) -> None:
    with pytest.raises(kind, match=text) as caught:
        mlc.jit(function)(N)
    assert str(caught.value).count(f"\n  at {__file__}:") == 1


def test_parts_of_floats() -> None:
    same(lambda x: [math.modf(v) for v in x] + [math.frexp(v) for v in x], X)
    same(lambda x: (math.ldexp(x[0], 5), math.ulp(x[1]), math.ulp(-x[4])), X)


def test_iterators_call_functions_of_python() -> None:
    same(lambda x: list(itertools.accumulate(x, max)) + list(itertools.accumulate(x)), X)
    same(lambda x: list(itertools.accumulate(x, lambda a, b: a - b, initial=2.0)), X)
    same(lambda x: list(itertools.starmap(min, [(x[0], x[1]), (x[2], x[3])])), X)


def test_series_with_known_coefficients() -> None:
    power = np.polynomial.Polynomial([1.0, 2.0, 3.0], domain=[-2, 2], window=[0, 1])
    other = np.polynomial.Chebyshev([0.5, -1.0, 0.25])
    same(lambda x: (power(x), other(x), power.deriv()(x[0])), X)


@pytest.mark.parametrize(
    "function",
    [
        lambda a, b: (a is True, a is False, a is not True, b is True),
        lambda a, b: (a is b, a is not b, a is a, a is None, a is X or a is b),
        lambda a, b: 1 if a is True else 2 if b is False else 3,
        lambda a, b: ((not a) is b, (a and b) is False, (np.array(a) > 0).any() is True),
    ],
)
@pytest.mark.parametrize("a", [True, False])
@pytest.mark.parametrize("b", [True, False])
def test_there_is_one_true_and_one_false(function: Callable[..., Any], a: bool, b: bool) -> None:
    assert mlc.jit(function)(a, b) == function(a, b)


@pytest.mark.parametrize(("a", "b"), [(3, 3), (3, 4), (-5, -5), (256, 256)])
def test_there_is_one_of_each_small_int(a: int, b: int) -> None:
    assert mlc.jit(lambda a, b: (a is b, a is not b))(a, b) == (a is b, a is not b)


def test_the_larger_of_a_number_and_itself() -> None:
    def both(x: Any) -> Any:
        y = x * 2.0
        return max(y, y), min(y, y, x)

    assert mlc.jit(both)(-1.5) == both(-1.5)


def test_distances_of_points_that_are_tuples():
    def nearest(points):
        held = sorted(map(tuple, points.tolist()))
        return min(math.dist(p, q) for n, p in enumerate(held) for q in held[n + 1 :])

    points = np.array([[3.0, 1.0], [0.0, 2.0], [1.0, 5.0], [2.5, 1.5]])
    assert mlc.jit(nearest)(points) == pytest.approx(nearest(points), rel=1e-14)


def doublings(x: float, k: float = 2.0) -> int:
    count = 0
    while x < 100:
        x, count = x * k, count + 1
    return count


class Doublings:
    """An object that can be called."""

    def __init__(self, k: float) -> None:
        self.k = k

    def __call__(self, x: float) -> int:
        return doublings(x, self.k) if x > 0 else -1


@pytest.mark.parametrize(
    "function",
    [partial(doublings, k=3.0), Doublings(3.0), partial(Doublings(1.5))],
    ids=["partial", "object", "both"],
)
def test_loops_of_partial_functions_and_of_objects_are_native(function: Any) -> None:
    compiled = mlc.jit(function)
    for x in (1.5, 40.0, 0.25):
        assert compiled(x) == function(x)
    assert len(compiled.cache_info()) == 1


def test_series_of_what_masks_choose() -> None:
    cubic = np.polynomial.Polynomial([-1.0, 0.0, 0.0, 1.0])

    def newton(z: Any) -> Any:
        z = z.copy()
        for _ in range(6):
            near = np.abs(z) < 2
            z[near] = z[near] - cubic(z[near]) / cubic.deriv()(z[near])
        return z

    same(newton, np.linspace(-1.7, 1.9, 20))
    same(newton, np.linspace(-1.7, 1.9, 20) + 0.5j)


def least_of_squares(x):
    found = [x[i : i + 1, None] @ x[None, i : i + 1] for i in range(3)]
    return min([*found, 2.0]), max(x[:1], x[1:2]), min([x[2:]])


@pytest.mark.parametrize("x", [[1.0, 3.0, 2.0], [5.0, 3.0, 1.1], [5.0, np.nan, 4.0]])
def test_arrays_of_one_element_are_compared_as_numbers_are(x):
    x = np.array(x)
    for found, wanted in zip(mlc.jit(least_of_squares)(x), least_of_squares(x), strict=True):
        assert np.shape(found) == np.shape(wanted)
        np.testing.assert_allclose(found, wanted, rtol=1e-15)
