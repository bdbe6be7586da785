"""Errors that Python raises because of a value, where a handler takes them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import mlc


def quotient(a: Any, b: Any) -> Any:
    try:
        return a / b
    except ZeroDivisionError:
        return -1.0


def remainder(a: Any, b: Any) -> Any:
    try:
        q = a % b
    except (ZeroDivisionError, TypeError):
        q = 7
    return q


def reciprocals(numbers: Any) -> Any:
    total = 0.0
    for x in numbers:
        try:
            total += 1.0 / x
        except ZeroDivisionError:
            total += 100.0
    return total


def halved(x: Any, by: Any) -> Any:
    try:
        x /= by
    except ArithmeticError:
        x = x + 5.0
    else:
        x = -x
    return x


def root(a: Any) -> Any:
    try:
        return math.sqrt(a)
    except ValueError:
        return -1.0


def logarithm(a: Any) -> Any:
    try:
        found = math.log(a) + 1.0
    except ValueError:
        found = 0.0
    return found


def large(a: Any) -> Any:
    try:
        return math.exp(a)
    except OverflowError:
        return 0.5


def power(a: Any, b: Any) -> Any:
    try:
        return a**b
    except ZeroDivisionError:
        return -1.0
    except OverflowError:
        return -2.0


def whole(a: Any) -> Any:
    try:
        return int(a)
    except ValueError:
        return -1
    except OverflowError:
        return -2


def ratio(a: Any, b: Any) -> Any:
    if b < -5:
        a = a * 2
    return a / b


def by_helper(a: Any, b: Any) -> Any:
    try:
        found = ratio(a, b)
    except ZeroDivisionError:
        found = -3.0
    return found


def chosen(a: Any, b: Any) -> Any:
    try:
        found = a / b if b != 0 else a
    except ZeroDivisionError:
        found = 1e9
    return found


def at(x: Any, i: Any) -> Any:
    try:
        return x[i] * 2
    except IndexError:
        return x[0]


def window(x: Any, i: Any) -> Any:
    total, count = 0.0, 0
    for k in range(40):
        try:
            total += x[i + k]
        except IndexError:
            break
        count += 1
    return total, count


def neighbours(x: Any) -> Any:
    out = np.zeros(len(x))
    for k in range(len(x)):
        try:
            out[k] = x[k - 1] + x[k]
        except Exception:
            out[k] = -1.0
    return out


def outside(x: Any, i: Any) -> Any:
    try:
        found = x[i, 1:]
    except (KeyError, LookupError):
        found = x[0, 1:] * 0
    return found


X = np.arange(60.0)
CASES: list[tuple[Any, list[tuple[Any, ...]]]] = [
    (quotient, [(1.0, 2.0), (1.0, 0.0), (1, 0), (0.0, 0.0)]),
    (remainder, [(7, 3), (7, 0), (7, -3)]),
    (reciprocals, [([1.0, 0.0, 4.0],), ([0.0, 0.0, 0.0],)]),
    (halved, [(1.0, 2.0), (1.0, 0.0)]),
    (root, [(4.0,), (-4.0,), (math.nan,)]),
    (logarithm, [(2.0,), (0.0,), (-1.0,)]),
    (large, [(1.0,), (800.0,), (math.inf,)]),
    (power, [(2.0, 3.0), (0.0, -1.0), (10.0, 400.0)]),
    (whole, [(2.5,), (math.nan,), (-math.inf,)]),
    (by_helper, [(1.0, 2.0), (1.0, 0.0), (1.0, -6.0)]),
    (chosen, [(1.0, 2.0), (1.0, 0.0)]),
    (at, [(X, 3), (X, -60), (X, 60), (X, -61)]),
    (window, [(X, 3), (X, 30), (X, 100)]),
    (neighbours, [(X,)]),
    (outside, [(X.reshape(6, 10), 2), (X.reshape(6, 10), 6)]),
]


@pytest.mark.parametrize("function", [f for f, _ in CASES], ids=lambda f: f.__name__)
def test_handlers_run_where_python_raises(function: Any) -> None:
    jitted = mlc.jit(function)
    for args in next(calls for f, calls in CASES if f is function):
        for found, expected in zip(np.atleast_1d(jitted(*args)), np.atleast_1d(function(*args))):
            np.testing.assert_allclose(found, expected, rtol=1e-15, atol=0)


def test_long_loops_are_native() -> None:
    def inverted(numbers: Any) -> Any:
        total = 0.0
        for k in range(len(numbers)):
            x = float(numbers[k])
            try:
                y = 1.0 / x
            except ZeroDivisionError:
                y = 100.0
            total += y
        return total

    numbers = np.arange(20_000.0) % 7
    jitted = mlc.jit(inverted)
    assert jitted(numbers) == pytest.approx(inverted(numbers), rel=1e-12)
    assert jitted(numbers[::-1]) == pytest.approx(inverted(numbers), rel=1e-12)


def test_what_no_handler_takes_is_computed() -> None:
    def other(a: Any, b: Any) -> Any:
        try:
            return a / b
        except KeyError:
            return 0.0

    assert mlc.jit(other)(1.0, 0.0) == math.inf


def test_arrays_divide_by_zero_as_they_do() -> None:
    def spread(x: Any, y: Any) -> Any:
        try:
            return x / y
        except ZeroDivisionError:
            return x

    x = np.array([1.0, -1.0, 0.0])
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(mlc.jit(spread)(x, np.zeros(3)), spread(x, np.zeros(3)))


def test_in_a_loop_of_a_helper_it_is_refused() -> None:
    def total(numbers: Any, n: Any) -> Any:
        found, k = 0.0, 0
        while k < n:
            found += 1.0 / float(numbers[k])
            k += 1
        return found

    def caught(numbers: Any, n: Any) -> Any:
        try:
            return total(numbers, n)
        except ZeroDivisionError:
            return -1.0

    with pytest.raises(mlc.UnsupportedError) as found:
        mlc.jit(caught)(np.ones(100), 90)
    assert (
        "ZeroDivisionError may be raised here, depending on the data, and a try statement that is "
        "around may catch it, which compiled code cannot do at this place; ask before, if b != 0 "
        "or if 0 <= i < len(x), or leave the try statement out"
    ) in str(found.value)


def test_floating_point_errors_are_refused() -> None:
    def strict(x: Any) -> Any:
        with np.errstate(divide="raise"):
            try:
                return np.log(x)
            except FloatingPointError:
                return x * 0

    sentence = r"np\.errstate with 'raise' asks for a FloatingPointError"
    with pytest.raises(mlc.UnsupportedError, match=sentence):
        mlc.jit(strict)(X)

    def quiet(x: Any) -> Any:
        with np.errstate(divide="ignore"):
            return np.log(x)

    assert mlc.jit(quiet)(X)[0] == -math.inf
