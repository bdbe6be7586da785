"""Loops over points by strips: which loops they are, and that nothing but their order changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.ir.program import For, LoopKind, walk
from mlc.lower import strips


def _squares(z: np.ndarray, c: np.ndarray) -> np.ndarray:
    for _ in range(120):
        z = z * z * 0.5 + c
    return z


def _escape(z: np.ndarray, c: np.ndarray) -> Any:
    count = np.zeros(z.shape, np.int64)
    for n in range(120):
        inside = np.abs(z) < 1.5
        count[inside] = n
        z[inside] = z[inside] ** 2 + c[inside]
    return z, count


def _complex_escape(z: np.ndarray, c: np.ndarray) -> Any:
    w, count = z + 0.5j * c, np.zeros(z.shape, np.int64)
    for n in range(120):
        inside = np.abs(w) < 1.5
        count[inside] = n
        w[inside] = w[inside] ** 2 + c[inside]
    return w, count


def _numbers_beside(z: np.ndarray, c: np.ndarray) -> Any:
    time, step = 0.0, 0.1
    for n in range(120):
        z = z + step * np.cos(time) * c
        time += step
        if n % 3 == 0:
            step *= 0.9
    return z, time, step


def _until(z: np.ndarray, c: np.ndarray) -> Any:
    time = float(c[0]) * 0
    while time < 2.0:
        z = z - 0.01 * z * c
        time += 0.125
    return z, time


def _nested(z: np.ndarray, c: np.ndarray) -> np.ndarray:
    for i in range(20):
        for j in range(20):
            z = np.sin(z + i) * 0.5 + j * c
    return z


def _helped(z: np.ndarray, c: np.ndarray) -> np.ndarray:
    speed = np.zeros_like(z)
    for _ in range(120):
        force = c - z
        speed += 0.1 * force
        z += 0.1 * speed
        speed *= np.where(np.abs(force) > 0.5, 0.9, 1.0)
    return z


def _columns(z: np.ndarray, c: np.ndarray) -> np.ndarray:
    rows = z[:, None] * np.arange(120.0) + c[:, None]
    for k in range(1, 120):
        rows[:, k] = rows[:, k] - 0.3 * rows[:, k - 1]
    return rows


def _rows_alone(z: np.ndarray, c: np.ndarray) -> np.ndarray:
    x = z[:, None] * np.arange(9.0) + c[:, None]
    for _ in range(120):
        x[:, 1:-1] = (x[:, :-2] + x[:, 1:-1] + x[:, 2:]) / 3
        x = x - x.mean(axis=1, keepdims=True)
    return x


def _mixed(z: np.ndarray, c: np.ndarray) -> Any:
    small = z.astype(np.float32)
    for _ in range(120):
        small = small * np.float32(0.5) + c.astype(np.float32)
        z = z + small
    return z, small


POINTWISE: list[Callable[..., Any]] = [
    _squares, _escape, _complex_escape, _numbers_beside, _until, _nested, _helped, _columns,
    _rows_alone, _mixed,
]  # fmt: skip


def _neighbours(z: np.ndarray, c: np.ndarray) -> np.ndarray:
    for _ in range(120):
        z[1:-1] = 0.3 * (z[:-2] + z[1:-1] + z[2:]) + c[1:-1]
    return z


def _together(z: np.ndarray, c: np.ndarray) -> np.ndarray:
    for _ in range(120):
        z = z / np.sqrt((z * z).sum()) + c
    return z


def _along(z: np.ndarray, c: np.ndarray) -> np.ndarray:
    for k in range(1, len(z)):
        z[k] = 0.5 * z[k - 1] + c[k]
    return z


def _one_looked_at(z: np.ndarray, c: np.ndarray) -> np.ndarray:
    for _ in range(120):
        z = z * 0.5 + c * z[3]
    return z


def _one_written(z: np.ndarray, c: np.ndarray) -> np.ndarray:
    for n in range(120):
        z = z * 0.5 + c
        z[n % 9] = 1.0
    return z


MEETING: list[Callable[..., Any]] = [_neighbours, _together, _along, _one_looked_at, _one_written]


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """Strips of one vector, whatever caches hold; notes whether a program got some."""
    found: list[bool] = []
    original, lengths = strips.in_strips, strips._strip

    def noted(program: Any, machine: Any) -> Any:
        made = original(program, machine)
        found.append(made is not program)
        return made

    monkeypatch.setattr(strips, "_strip", lambda s, unit, m: (unit, lengths(s, unit, m)[1]))
    monkeypatch.setattr(strips, "SHARED_POINTS", 64)
    monkeypatch.setattr(strips, "in_strips", noted)
    yield found


def _arrays(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n)
    return rng.random(n), rng.random(n) * 0.3


def _leaves(value: Any) -> list[np.ndarray]:
    return [np.asarray(v) for v in (value if isinstance(value, tuple) else (value,))]


@pytest.mark.parametrize("function", POINTWISE)
def test_points_go_through_all_iterations(function: Callable[..., Any], short: list[bool]) -> None:
    fast, before, found = mlc.jit(function), mlc.get_num_threads(), []
    theirs = _arrays(77)
    expected = function(*theirs)
    try:
        for threads in (1, 2):
            mlc.set_num_threads(threads)
            mine = _arrays(77)
            found.append((*_leaves(fast(*mine)), *mine))
    finally:
        mlc.set_num_threads(before)
    assert any(short)
    for one, two, e in zip(*found, (*_leaves(expected), *theirs), strict=True):
        np.testing.assert_array_equal(one, two)
        near = 1e-6 if e.dtype == np.float32 else 1e-12
        np.testing.assert_allclose(one, e, rtol=near, atol=near)


@pytest.mark.parametrize("function", MEETING)
def test_points_that_meet_stay_in_order(function: Callable[..., Any], short: list[bool]) -> None:
    got, expected = mlc.jit(function)(*_arrays(131)), function(*_arrays(131))
    assert short and not any(short)
    np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_strips_are_taken_where_arrays_are_larger_than_a_cache() -> None:
    def kinds(n: int) -> set[LoopKind]:
        x = np.ones(n)
        fast = mlc.jit(_squares)
        fast(x, x)
        program = fast.lower(x, x).compiled.kernels[-1].scheduled
        return {s.kind for s in walk(program.body) if isinstance(s, For) and s.var.name == "strip"}

    assert kinds(1 << 17) == {LoopKind.PARALLEL}
    assert kinds(500) == set()
