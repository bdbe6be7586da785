"""``try`` around LAPACK: handlers run where the data make NumPy refuse, and only there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc

GOOD = np.array([[2.0, 1.0], [1.0, 3.0]])
FLAT = np.array([[1.0, 2.0], [2.0, 4.0]])
SIDE = np.array([1.0, 2.0])


def least(a: Any, b: Any) -> Any:
    try:
        x = np.linalg.solve(a, b)
    except np.linalg.LinAlgError:
        x = np.linalg.lstsq(a, b, rcond=None)[0]
    return x


def jittered(a: Any, b: Any) -> Any:
    low = b
    for k in range(4):
        try:
            low = np.linalg.cholesky(a + k * np.eye(2)) @ b
            break
        except np.linalg.LinAlgError:
            b = b * 2
    return low, b


def both(a: Any, b: Any) -> Any:
    done = np.zeros(3)
    try:
        done[0] = 1
        x = np.linalg.inv(a) @ b + np.linalg.solve(b[:, None] * b + a[::-1], b)
        done[1] = 1
    except (ZeroDivisionError, ValueError):
        x = -b
    else:
        done[2] = 1
    return x, done


def newton(a: Any, b: Any) -> Any:
    w, steps = b.copy(), 0
    for _ in range(50):
        try:
            w -= np.linalg.solve(a * w[0], b)
        except Exception:
            steps = -steps
            break
        steps += 1
        if w[0] < -3:
            break
    return w, steps


def told(a: Any, b: Any) -> Any:
    try:
        return np.linalg.solve(a, b)
    except np.linalg.LinAlgError as error:
        raise RuntimeError(f"no solution: {error}") from error


def inverse_or_not(a: Any, b: Any) -> Any:
    try:
        inverse = np.linalg.inv(a)
    except np.linalg.LinAlgError:
        return b
    return inverse @ b


@pytest.mark.parametrize("function", [least, jittered, both, newton, inverse_or_not])
@pytest.mark.parametrize("a", [GOOD, FLAT, -GOOD], ids=["good", "flat", "negative"])
def test_handlers(function: Any, a: Any) -> None:
    compiled = mlc.jit(function)
    for given in (a, a + 0, FLAT, GOOD):
        wanted = function(given.copy(), SIDE.copy())
        found = compiled(given.copy(), SIDE.copy())
        for x, y in zip(wanted, found, strict=True):
            np.testing.assert_allclose(y, x, rtol=1e-9)


def test_complex() -> None:
    compiled = mlc.jit(inverse_or_not)
    for a in (GOOD * 1j + np.eye(2), FLAT * 1j):
        np.testing.assert_allclose(compiled(a, SIDE + 0j), inverse_or_not(a, SIDE + 0j))


def test_handler_that_raises() -> None:
    compiled = mlc.jit(told)
    np.testing.assert_allclose(compiled(GOOD, SIDE), told(GOOD, SIDE))
    with pytest.raises(RuntimeError, match="no solution: Singular matrix"):
        compiled(FLAT, SIDE)


def test_nan_is_no_failure() -> None:
    a = GOOD * np.nan
    np.testing.assert_array_equal(mlc.jit(inverse_or_not)(a, SIDE), inverse_or_not(a, SIDE))


def test_other_handlers_do_not_catch() -> None:
    def other(a: Any, b: Any) -> Any:
        try:
            return np.linalg.solve(a, b)
        except ZeroDivisionError:
            return b

    with pytest.raises(np.linalg.LinAlgError, match="Singular matrix"):
        mlc.jit(other)(FLAT, SIDE)


def refused_in_a_try(x: Any) -> Any:
    try:
        return np.frompyfunc(lambda v: v + 1, 1, 1)(x)
    except Exception:
        return x


def asserted(x: Any) -> Any:
    try:
        assert x[0] > 0
        return x
    except AssertionError:
        return -x


def raised_in_turn(x: Any) -> Any:
    found = []
    for i in range(3):
        try:
            if x[i] > 0:
                raise ValueError("positive")
            found.append(i)
        except ValueError:
            found.append(-i)
    return found


def any_error(x: Any) -> Any:
    try:
        found = np.unique(x * 0)
    except:  # noqa: E722
        found = x
    return found


def of_numpy(x: Any) -> Any:
    try:
        return x.reshape(3, 3)
    except ValueError:
        return x[::-1]


@pytest.mark.parametrize("function", [asserted, raised_in_turn, any_error, of_numpy])
def test_handlers_of_other_errors(function: Any) -> None:
    compiled = mlc.jit(function)
    for x in (np.array([1.0, -2, 3]), np.array([-1.0, 2, 0])):
        assert repr(compiled(x)) == repr(function(x))


def test_no_handler_takes_a_refusal_for_an_error() -> None:
    def asked_for(x: Any) -> Any:
        try:
            return refused_in_a_try.__wrapped__(x)
        except mlc.MlcError:
            return x

    def inner(x: Any) -> Any:
        return np.frompyfunc(lambda v: v + 1, 1, 1)(x)

    refused_in_a_try.__wrapped__ = inner  # type: ignore[attr-defined]
    with pytest.raises(mlc.UnsupportedError):
        mlc.jit(refused_in_a_try)(np.ones(2))
    assert mlc.jit(asked_for)(np.ones(2)).tolist() == [1, 1]


def given_inverse(a: Any, inverse: Any = None) -> Any:
    found = inverse
    if found is None:
        try:
            found = np.linalg.inv(a)
        except np.linalg.LinAlgError:
            raise ValueError("there is no inverse") from None
    return a.T @ found @ a


def test_what_an_argument_made_none_is_known_after_an_error_on_the_other_side() -> None:
    fast = mlc.jit(given_inverse)
    np.testing.assert_allclose(fast(GOOD), given_inverse(GOOD))
    np.testing.assert_allclose(fast(GOOD, None), given_inverse(GOOD))
    np.testing.assert_allclose(fast(GOOD, SIDE * GOOD), given_inverse(GOOD, SIDE * GOOD))
    assert len(fast.cache_info()) == 2
    with pytest.raises(ValueError, match="there is no inverse"):
        fast(FLAT)
