"""Python numbers, NumPy scalars and arrays of no axes: three things that NumPy tells apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.testing import check_against_numpy

NUMBERS = (np.array(2.5), np.float64(2.5), 2.5, np.array(3), np.int64(3), 3)
COMPLEX = (np.array(1.5 - 2j), np.complex128(1.5 - 2j), 1.5 - 2j)


def in_place(made: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def run(x: Any) -> Any:
        first = made(x)
        second = first
        second += 1
        return first, second

    return run


@pytest.mark.parametrize(
    "made",
    [
        lambda x: x,
        np.copy,
        np.asarray,
        np.array,
        np.squeeze,
        np.transpose,
        np.flip,
        np.median,
        np.real,
        lambda x: np.reshape(x, ()),
        lambda x: np.where(x == x, x, x),
        lambda x: np.tensordot(x, x, 0),
        lambda x: np.full((), x),
        lambda x: np.einsum("->", x),
        lambda x: +x,
    ],
)
def test_what_is_an_array_is_changed_in_place(made: Callable[[Any], Any]) -> None:
    for x in (*NUMBERS, *COMPLEX):
        check_against_numpy(in_place(made), x)


@pytest.mark.parametrize(
    "made",
    [
        lambda x: x.astype(np.float64),
        lambda x: x.astype(x.dtype, copy=False),
        lambda x: x.copy(),
        lambda x: x[...],
        lambda x: x[()],
        lambda x: x.T,
        lambda x: x.real,
        lambda x: x.view(),
    ],
)
def test_methods_give_arrays_of_arrays(made: Callable[[Any], Any]) -> None:
    for x in (*NUMBERS[:2], *NUMBERS[3:5], *COMPLEX[:2]):
        check_against_numpy(in_place(made), x)


def class_of(x: Any) -> Any:
    return (
        isinstance(x, np.ndarray),
        isinstance(x, np.generic),
        isinstance(x, (bool, int, float, complex)),
        isinstance(x, bool),
        type(x) is np.ndarray,
        np.isscalar(x),
    )


def test_classes() -> None:
    for x in (*NUMBERS, *COMPLEX, True, np.bool_(True), np.array(True)):
        check_against_numpy(class_of, x)


def test_each_kind_is_compiled_once() -> None:
    f = mlc.jit(in_place(lambda x: x))
    for _ in range(12):
        for x in (np.array(2.5), np.float64(2.5), 2.5):
            before = np.array(x)
            first, second = f(x)
            assert (first, second) == ((3.5, 3.5) if isinstance(x, np.ndarray) else (2.5, 3.5))
            assert np.array_equal(x, before + isinstance(x, np.ndarray))
            assert type(first) is type(x)  # an array stays one
    assert len(f.cache_info()) == 3


def test_places_in_a_complex_number() -> None:
    for f in (np.argmax, np.argmin, np.argsort):
        check_against_numpy(lambda z, f=f: f(z, axis=-1), 1 - 2j)
        check_against_numpy(lambda z, f=f: f(z, axis=-1), np.array(1 - 2j))
    check_against_numpy(lambda z: np.argmax(z, axis=0, keepdims=True), 1 - 2j)
    check_against_numpy(lambda z: np.argpartition(z, 0, axis=-1), 1 - 2j)


def test_numbers_that_are_joined() -> None:
    x = np.array([7, 0], np.uint32)
    check_against_numpy(lambda x, n: np.concatenate([x, n], axis=None), x, 3)
    check_against_numpy(lambda x, n: np.append(x, n), x, 3)
    check_against_numpy(lambda x: np.full_like(x, 1e3, dtype=np.uint8, shape=(2,)), x)

    def kept(x: Any) -> Any:
        same = np.diff(x, 0, axis=0, prepend=0)
        x[0] = 5
        return same

    check_against_numpy(kept, x)


def test_which_elements_are_real() -> None:
    for f in (np.isreal, np.iscomplex):
        check_against_numpy(f, np.ones((2, 3)))
        check_against_numpy(f, np.array([1, 2j]))


def test_written_views_of_complex_numbers() -> None:
    def parts(z: Any) -> Any:
        real, imag = z.real, z.imag
        real += 1
        imag *= 2
        return z

    for z in COMPLEX:
        check_against_numpy(parts, z)


@pytest.mark.parametrize(
    "f",
    [
        lambda a, b: (a > 2) + (b > 2),
        lambda a, b: (a > 2) - (b > 7),
        lambda a, b: ~(a > 2),
        lambda a, b: -(a > 2),
        lambda a, b: abs(a > 2),
        lambda a, b: (a > 2) * 2.5,
        lambda a, b: (a > 2) ** 2,
        lambda a, b: (a > 2) / (b > 2),
        lambda a, b: (a > 2) & (b > 2),
        lambda a, b: (a > 2) << 3,
        lambda a, b: sum([a > 2, b > 2, True]),
        lambda a, b: (not a > 2) + (a > 2 or b > 2) + (b in (3, 4)),
        lambda a, b: (a > 2) + (b > 2) + np.ones(2, bool),
        lambda a, b: (a > 2) + np.ones(2, np.int8),
    ],
)
def test_truth_values_of_python_are_its_ints(f: Callable[[Any, Any], Any]) -> None:
    for a, b in ((3, 5), (3.5, 4.5), (True, 3), (np.float64(3), np.int64(4))):
        try:
            want = f(a, b)
        except TypeError:  # NumPy's truth values are not subtracted, nor negated
            continue
        got = mlc.jit(f)(a, b)
        assert type(got) is type(want) and np.array_equal(got, want)
        assert np.asarray(got).dtype == np.asarray(want).dtype
