"""Kernels that differ in numbers alone are compiled once, and compute what they would apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.kernel_families import families

rng = np.random.default_rng(7)


def shrinking(x: Any) -> Any:
    while len(x) > 1:
        x = x[:-1] * 0.5 + x[1:] * 0.25
    return x


def corners(a: Any) -> Any:
    found = []
    while a.shape[0] > 2:
        a = a[1:, 1:] * 0.5 - a[:-1, :-1] / (1 + a[0, 1] ** 2)
        found.append(a[0, 0])
    return np.stack(found)


def by_constants(x: Any) -> Any:
    for scale in (0.5, -0.0, 2.5, np.nan, 1e300, 0.1, -3.0, 7.0, 0.25, 1.5):
        x = np.roll(x * scale + x[::-1], 1)
    return x


def growing(x: Any) -> Any:
    for n in range(12):
        x = np.concatenate([x[n:] * 0.5, x[: n + 2] + 1, x[:1]])
    return x


def steps(x: Any) -> Any:
    out = [x[k :: k + 2].cumsum()[::-1] * (k + 1) for k in range(1, 11)]
    return np.concatenate([o[::2] + o[-1] for o in out])


def tables(x: Any) -> Any:
    for n in range(2, 14):
        x = x[:-1] * np.cos(np.arange(len(x) - 1) / n) + x[1:]
    return x


def columns(a: Any) -> Any:
    a = a.copy()
    for k in range(a.shape[1] - 1):
        a = np.where(a > 0.2, a * 0.75, a[:, :1] + k)[:, 1:]
    return a


CASES: list[tuple[Callable[..., Any], Any]] = [
    (shrinking, rng.standard_normal(40)),
    (shrinking, rng.standard_normal(40).astype(np.float32)),
    (shrinking, rng.standard_normal(80)[::2]),
    (shrinking, rng.standard_normal(40)[::-1]),
    (corners, rng.standard_normal((14, 15))),
    (corners, np.asfortranarray(rng.standard_normal((14, 15)))),
    (by_constants, rng.standard_normal(9)),
    (by_constants, rng.standard_normal(9).astype(np.float32)),
    (growing, rng.standard_normal(20)),
    (growing, np.arange(20)),
    (growing, rng.integers(0, 2, 20).astype(bool)),
    (steps, rng.standard_normal(67)),
    (tables, rng.standard_normal(50)),
    (columns, rng.standard_normal((7, 12))),
]


@pytest.mark.parametrize(("function", "x"), CASES)
def test_values(function: Callable[..., Any], x: Any) -> None:
    with np.errstate(all="ignore"):
        expected = function(x)
    got = mlc.jit(function)(x)
    assert got.dtype == expected.dtype
    np.testing.assert_allclose(got, expected, rtol=1e-6 if x.dtype == np.float32 else 1e-12)


@pytest.mark.parametrize(("function", "x"), [CASES[n] for n in (0, 4, 10, 12, 13)])
def test_bits_are_those_of_kernels_apart(
    function: Callable[..., Any], x: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mlc.config.override(cache=False):
        got = mlc.jit(function)(x)
        monkeypatch.setattr("mlc.kernel_families.LEAST", 1 << 30)
        assert mlc.jit(function)(x).tobytes() == got.tobytes()


def test_all_sizes_are_one_function() -> None:
    compiled = mlc.jit(shrinking).lower(np.ones(40)).compiled
    made = families(compiled.module.kernels)
    assert len(made) > 20
    assert len({id(code.flat) for code in made.values()}) == 1


def test_what_depends_on_captured_arrays_alone_is_still_done_ahead() -> None:
    tables = [rng.standard_normal(30 - n) for n in range(12)]

    def function(x: Any) -> Any:
        for table in tables:
            x = x[: len(table)] * np.exp(table)
        return x

    x = rng.standard_normal(30)
    jitted = mlc.jit(function)
    np.testing.assert_allclose(jitted(x), function(x), rtol=1e-12)
    assert not families(jitted.lower(x).compiled.module.kernels)
