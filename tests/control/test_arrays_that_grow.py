"""Arrays that loops make longer, by what is known or by what the data say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc
from mlc.testing import check_against_numpy
from mlc.tracer import grown

from .collected import Collected

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(4)
X = RNG.random(120)

program = PROGRAMS = Collected()


@program(X)
def where_a_condition_holds(x: Array) -> Any:
    out, places = np.array([]), np.array([], dtype=int)
    for i in range(len(x)):
        if x[i] > 0.5:
            out = np.append(out, x[i])
            places = np.append(places, i)
    return out, places, len(out)


@program(X)
def by_one_each(x: Array) -> Any:
    t, h = np.zeros(1), np.ones(1)
    for i in range(len(x)):
        h = np.append(h, h[-1] + 0.1 * (x[i] - h[-1]))
        t = np.concatenate([t, [t[-1] + 0.1]])
    return t, h


@program(RNG.random((90, 2)) * 1.5)
def rows_of_some(points: Array) -> Any:
    chosen = np.empty((0, 2))
    for p in points:
        if p[0] ** 2 + p[1] ** 2 < 1:
            chosen = np.vstack([chosen, p])
    return chosen, chosen.shape[0]


@program(3.0)
def until_it_is_small(x0: float) -> Any:
    xs = np.array([x0])
    while abs(xs[-1]) > 1e-3:
        xs = np.append(xs, xs[-1] * 0.9)
    return xs


@program(RNG.random(40))
def born_and_gone(x: Array) -> Any:
    for _ in range(25):
        x = np.concatenate([x, x[x > 0.8] * 0.37]) * 1.1
        x = x[x < 1.2]
    return x


@program(np.array([10.0]))
def a_queue(x: Array) -> Any:
    q, seen = np.array([x[0]]), 0
    while len(q) > 0 and seen < 100:
        v, q, seen = q[0], q[1:], seen + 1
        if v > 1:
            q = np.append(q, v / 2)
            q = np.append(q, v / 3)
    return seen, q


@program(X)
def from_both_ends(x: Array) -> Any:
    total = 0.0
    while len(x) > 1:
        total += x[0] * x[-1]
        x = x[1:-1]
    return total, x


@program(X.copy())
def written_to_and_shortened(x: Array) -> Any:
    x = x.copy()
    while len(x) > 3:
        x[0] += x[-1]
        x = x[:-1]
    return x


@program(X)
def in_a_loop_of_loops(x: Array) -> Any:
    out, whole = np.zeros(4), np.zeros(0)
    for k in range(4):
        part = np.zeros(0)
        for v in x:
            if v > k / 4:
                part = np.append(part, v)
        out[k] = part.sum() + len(part)
        whole = np.concatenate([whole, part])
    return out, whole


@program(RNG.random((30, 3)), np.ones(3))
def the_first_value_is_an_argument(steps: Array, x: Array) -> Any:
    path = x.reshape(1, 3)
    for step in steps:
        x = np.where(step > 0.5, x + step, x)
        if x[0] < 9:
            path = np.concatenate([path, x[None]], axis=0)
    return path, path.mean(axis=0)


@program(X)
def complex_numbers(x: Array) -> Any:
    out = np.zeros(1, complex)
    for v in x:
        if v < 0.7:
            out = np.append(out, out[-1] * 0.5 + 1j * v)
    return out


@pytest.mark.parametrize("name", PROGRAMS)
def test_loops_lengthen_arrays(name: str) -> None:
    function, args = PROGRAMS[name]
    check_against_numpy(mlc.jit(function), *args)


def test_what_has_too_little_room_begins_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grown, "_ROOMS", (8, 64, 512))
    for count in (3, 40, 300):

        def program(x: Array, count: int = count) -> Any:
            while len(x) < count:
                x = np.concatenate([x, x[x > 0.1] * 0.99])
            return x  # fmt: skip

        check_against_numpy(mlc.jit(program), RNG.random(3) + 0.5)


def test_one_compilation_serves_all_lengths() -> None:
    def program(x: Array) -> Any:
        out = np.array([])
        for v in x:
            if v > 0.5:
                out = np.append(out, v)
        return out.sum(), out.size

    compiled = mlc.jit(program)
    for seed in range(4):
        x = np.random.default_rng(seed).random(50)
        np.testing.assert_allclose(compiled(x), program(x))
    assert len(compiled.cache_info()) == 1


def test_lengths_that_are_known_stay_known() -> None:
    def program(x: Array) -> Any:
        out = np.array([])
        for i in range(100):
            out = np.append(out, [x[i % 7] * i, 1.0])
        return out.reshape(4, 50) @ np.ones(50)

    check_against_numpy(mlc.jit(program), X)


def test_an_element_that_is_not_there_is_an_error() -> None:
    def program(x: Array) -> Any:
        total = 0.0
        for i in range(40):
            part = np.zeros(0)
            if x[i] > 0.99:
                part = np.append(part, x[i])
            total += part[0]
        return total

    with pytest.raises(IndexError, match="index 0 is out of bounds for axis 0"):
        mlc.jit(program)(X[:40])


def test_appending_writes_only_what_is_new() -> None:
    def program(x: Array) -> Any:
        out = np.zeros(0)
        for v in x:
            if v > 0.5:
                out = np.append(out, v)
        return out.sum()

    text = str(mlc.jit(program).lower(RNG.random(500)).program)
    assert "T.select" not in text[text.index("def loop") : text.index("@T.program", 900)]
