"""Arrays that loops shorten by what the data say: carried, used together, written to, left."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc
from mlc.testing import check_against_numpy

from .collected import Collected

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(4)
X, Y = RNG.random(40), RNG.random(40)

program = PROGRAMS = Collected()


@program(np.r_[RNG.standard_normal(200), 50.0, -40.0])
def clipped(x: Array) -> Any:
    while True:
        keep = np.abs(x - x.mean()) < 3 * x.std()
        if keep.all():
            break
        x = x[keep]
    return x.mean(), len(x)


@program(X, Y)
def of_one_length(x: Array, y: Array) -> Any:
    for _ in range(40):
        m = x + y < 1.8
        x, y = y[m] * 1.1, x[m] * 1.05
    return x, y


@program(RNG.random((30, 2)), RNG.random((30, 2)) - 0.5)
def rows(place: Array, pace: Array) -> Any:
    count = 0
    for _ in range(40):
        place = place + 0.1 * pace
        inside = np.all((place > 0) & (place < 1), axis=1)
        place, pace = place[inside], pace[inside]
        count += len(place)
    return count, place.sum(), pace


@program(RNG.random(40) * 3 - 2, RNG.random(40) * 2 - 1)
def escapes(x: Array, y: Array) -> Any:
    z = np.zeros(len(x), complex)
    c = x + 1j * y
    index, found = np.arange(len(x)), np.zeros(len(x), int)
    for n in range(40):
        if not len(z):
            break
        np.multiply(z, z, z)
        np.add(z, c, z)
        gone = abs(z) > 2
        found[index[gone]] = n + 1
        np.logical_not(gone, gone)
        z, c, index = z[gone], c[gone], index[gone]
    return found


@program(RNG.integers(0, 3, 40))
def groups(a: Array) -> Any:
    left, sizes = np.arange(len(a)), np.zeros(3, int)
    while left.size:
        same = a[left] == a[left[0]]
        sizes[a[left[0]]] = same.sum()
        left = left[~same]
    return sizes


@program(RNG.integers(0, 40, 30))
def in_branches(x: Array) -> Any:
    for _ in range(40):
        x = x[x > 9] if x.sum() > 400 else x + 5
    return x.sum(), len(x)


@program(np.arange(30))
def returned_early(x: Array) -> Any:
    for n in range(50):
        x = x[x % 7 != 3] + 1
        if len(x) < 5:
            return x, n
    return x, -1


@program(np.arange(10))
def with_other_names(x: Array) -> Any:
    z = x * 1
    y, every_other = z, z[::2]
    for _ in range(8):
        z += 1
        z = z[z < 12]
    return y, z, every_other


@program(np.arange(20))
def an_argument(x: Array) -> Any:
    for _ in range(8):
        x += 1
        x = x[x < 25]
    return x.sum()


@program(np.arange(10.0))
def first_made_inside(x: Array) -> Any:
    total = 0.0
    for n in range(40):
        if n > 20:
            total += chosen.sum()  # noqa: F821
        chosen = x[x > n / 10]
    return total, chosen


@program(X)
def nested(x: Array) -> Any:
    out = np.zeros(3)
    for j in range(3):
        y = x * (j + 1)
        for _ in range(40):
            y = y[y > 0.1] * 0.7
        out[j] = y.sum() + len(y)
    return out


@pytest.mark.parametrize("name", PROGRAMS)
def test_loops_shorten_arrays(name: str) -> None:
    function, args = PROGRAMS[name]
    check_against_numpy(mlc.jit(function), *args)


def test_one_compilation_serves_all_lengths() -> None:
    compiled = mlc.jit(escapes)
    for seed in range(4):
        x, y = np.random.default_rng(seed).random((2, 40)) * 3 - 1.5
        np.testing.assert_array_equal(compiled(x, y), escapes(x, y))
    assert len(compiled.cache_info()) == 1


def test_places_that_the_data_choose_are_written() -> None:
    def program(x: Array, out: Array) -> Any:
        for n in range(30):
            places = np.flatnonzero(x > n)
            out[places] += x[places] * 2
            out[places, None][:1] = 5
            np.add.at(out, places, 1.0)
            out[places] = n
        return out

    check_against_numpy(mlc.jit(program), RNG.random(400) * 20, np.zeros(400))
