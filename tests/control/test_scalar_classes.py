"""``np.float32(x)`` of traced values, and objects that can be called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.testing import check_against_numpy

X = np.arange(4, dtype=np.float32)


def of_a_sum(x: Any) -> Any:
    return np.float64(x.sum()) / 3


def of_an_array(x: Any) -> Any:
    return np.int32(x) + np.uint8(3), np.complex64(x) * 2, np.bool_(x)


def promotes(x: Any) -> Any:
    return np.float32(x.sum() / 3) * x, np.int8(x[1]) + x.astype(np.int16)


@pytest.mark.parametrize("function", [of_a_sum, of_an_array, promotes])
def test_scalar_classes_convert(function: Any) -> None:
    found, wanted = mlc.jit(function)(X), function(X)
    found, wanted = (v if isinstance(v, tuple) else (v,) for v in (found, wanted))
    for got, want in zip(found, wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-6)
        assert np.asarray(got).dtype == np.asarray(want).dtype


def test_numbers_become_scalars() -> None:
    def scaled(x: Any, n: Any) -> Any:
        return np.float64(n) * x

    assert mlc.jit(scaled)(X, 3).dtype == np.float64  # a Python number would leave float32


class Halving:
    def __init__(self) -> None:
        self.rate = 0.5

    def __call__(self, x: Any) -> Any:
        if x.sum() > 0:
            return x * self.rate
        return x


def test_branches_in_objects_that_are_called_are_native() -> None:
    halve = Halving()

    def function(x: Any) -> Any:
        return halve(x) + 1

    compiled = mlc.jit(function)
    np.testing.assert_array_equal(compiled(X), X / 2 + 1)
    np.testing.assert_array_equal(compiled(-X), -X + 1)


def test_text_of_a_number_is_that_of_its_value() -> None:
    same_digits = mlc.jit(have_same_digits)
    assert same_digits(123, 321)
    assert not same_digits(123, 32)
    assert mlc.jit(named)(X, 1)[2] == 4.0


def have_same_digits(a: Any, b: Any) -> Any:
    return sorted(str(a)) == sorted(str(b))


def named(x: Any, n: Any) -> Any:
    return {"0": x, "1": x * 2}[str(n)]


def test_traced_values_are_no_keys() -> None:
    table = {1.0: 2.0}

    def look_up(x: Any) -> Any:
        return table.get(x.sum(), 3.0) * x

    with pytest.raises(mlc.UnsupportedError, match="it cannot be looked up in a dict or a set"):
        mlc.jit(look_up)(X)


def test_methods_of_scalars_write_to_traced_arrays() -> None:
    def function(x: Any) -> Any:
        place = np.empty(2)
        np.mean(np.array(-2.5)).take([0, 0], out=place, mode="clip")
        return place + x

    np.testing.assert_array_equal(mlc.jit(function)(1.0), function(1.0))


ROWS = np.arange(6.0).reshape(2, 3)
METHODS: dict[str, tuple[Callable[..., Any], tuple[int, ...]]] = {
    "round": (lambda a, out: a.round(1, out=out), (2, 3)),
    "round by place": (lambda a, out: a.round(1, out), (2, 3)),
    "sum": (lambda a, out: a.sum(out=out), ()),
    "clip": (lambda a, out: a.clip(1, 2, out=out), (2, 3)),
    "take": (lambda a, out: a.take([0, 1], out=out), (2,)),
    "cumsum": (lambda a, out: a.cumsum(out=out), (6,)),
    "cumprod": (lambda a, out: a.cumprod(out=out), (6,)),
    "compress": (lambda a, out: a.compress([True, False, True], out=out), (2,)),
    "dot": (lambda a, out: a.dot(2.0, out=out), (2, 3)),
    "operand": (lambda a, out: a.dot(out), (3,)),
    "limits": (lambda a, out: a.clip(out[0], out[1]), (2, 3)),
    "items": (lambda a, out: a.take(out > 5), (2,)),
}


@pytest.mark.parametrize("method", METHODS)
def test_methods_of_arrays_from_outside_take_traced_ones(method: str) -> None:
    call, shape = METHODS[method]

    def function(x: Any) -> Any:
        out = np.zeros(shape) + x
        found = call(ROWS, out)
        return found, out

    check_against_numpy(function, 3.5)


def test_methods_of_scalars_in_plain_code_write_to_traced_arrays() -> None:
    def rounded(x: Any) -> Any:
        number = np.count_nonzero(np.zeros(3)) + x.shape[0] * np.sum(np.full(1, 1.25))
        place, other = np.copy(x[0]), np.copy(x[1])
        number.round(1, out=place)
        number.mean(out=other)
        return place, other, number.take(np.argmin(x))

    assert rounded(np.ones(3))[0] == 3.8
    check_against_numpy(rounded, np.ones(3))


def test_parts_of_arrays_from_outside_are_not_written_to() -> None:
    def fill(x: Any) -> Any:
        ROWS[0].fill(x)
        return x

    with pytest.raises(mlc.UnsupportedError, match="its owner would not see"):
        mlc.jit(fill)(1.0)


def test_places_in_what_has_no_axes_are_an_array() -> None:
    def function(x: Any) -> Any:
        places = np.unique(x, return_inverse=True)[1]

        def more(p: Any) -> Any:
            p += 1
            return p

        return more(places) * more(places)

    assert mlc.jit(function)(3) == function(3)


@pytest.mark.parametrize("start", [3, -2])
def test_what_both_branches_make_a_scalar_is_none_of_the_array_before(start: int) -> None:
    def f(a: Any) -> Any:
        t = a
        for i in range(3):
            if i == 1 and a > 0:
                t = t + 1
            elif a.sum() > 1:
                t = t + 2
            else:
                t = t - 2
        u = a
        if a.sum() > 1:
            u += 1
        return isinstance(t, np.ndarray), isinstance(u, np.ndarray), t, u

    assert mlc.jit(f)(np.array(start)) == f(np.array(start))
