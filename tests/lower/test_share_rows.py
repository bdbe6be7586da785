"""Loops that threads share: iterations that change rows of their own, and no others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.ir.program import For, LoopKind, walk
from mlc.lower import share_rows


def _rows(x: np.ndarray) -> np.ndarray:
    out = np.zeros(len(x))
    for i in range(len(x)):
        total = 0.0
        for j in range(x.shape[1]):
            total += np.sqrt(x[i, j]) * j
        out[i] = total
    return out


def _pairs(x: np.ndarray) -> np.ndarray:
    forces = np.zeros_like(x)
    for i in range(len(x)):
        apart = x - x[i]
        forces[i] = (apart / ((apart * apart).sum(axis=1) + 0.1)[:, None]).sum(axis=0)
    return forces


def _columns(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    for j in range(x.shape[1]):
        for i in range(1, len(x)):
            x[i, j] += 0.5 * x[i - 1, j]
    return x


def _bins(x: np.ndarray) -> np.ndarray:
    means = np.zeros(40)
    for k in range(40):
        means[k] = x[(k / 40 <= x) & (x < (k + 1) / 40)].mean()
    return means


APART: list[Callable[[np.ndarray], Any]] = [_rows, _pairs, _columns, _bins]


def _total(x: np.ndarray) -> Any:
    total = 0.0
    for i in range(len(x)):
        total += (x[i] * i).sum()
    return total


def _one_after_another(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    for i in range(1, len(x)):
        x[i] += 0.5 * x[i - 1]
    return x


def _both_ways(x: np.ndarray) -> np.ndarray:
    both = np.zeros((len(x), len(x)))
    for i in range(len(x)):
        both[i, : i + 1] = both[: i + 1, i] = x[: i + 1].sum(axis=1) * i
    return both


def _at_places(x: np.ndarray) -> np.ndarray:
    count = np.zeros(8)
    for i in range(len(x)):
        count[int(x[i, 0] * 8)] += x[i, 1]
    return count


MEETING: list[Callable[[np.ndarray], Any]] = [
    _total, _one_after_another, _both_ways, _at_places,
]  # fmt: skip


def _is_shared(fast: Any, x: np.ndarray) -> bool:
    programs = [kernel.scheduled for kernel in fast.lower(x).compiled.kernels]
    inside = [s for p in programs if p.attrs.get("noalias") for s in walk(p.body)]
    loops = [s for s in inside if isinstance(s, For) and s.var.name.startswith("n")]
    assert loops  # of the function; others copy
    return any(loop.kind is LoopKind.PARALLEL for loop in loops)


@pytest.mark.parametrize("function", APART + MEETING)
def test_what_is_shared_by_threads(
    function: Callable[[np.ndarray], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(share_rows, "LEAST_POINTS", 64)
    monkeypatch.setattr(share_rows, "A_TASK", 16)
    x = np.random.default_rng(5).random((150, 90))
    fast, before, found = mlc.jit(function), mlc.get_num_threads(), []
    try:
        for threads in (1, 2):
            mlc.set_num_threads(threads)
            found.append(fast(x))
    finally:
        mlc.set_num_threads(before)
    assert _is_shared(fast, x) == (function in APART)
    np.testing.assert_array_equal(*found)
    np.testing.assert_allclose(found[0], function(x), rtol=1e-11)


def test_short_loops_are_not_shared() -> None:
    x = np.random.default_rng(6).random((40, 90))
    fast = mlc.jit(_rows)
    np.testing.assert_allclose(fast(x), _rows(x), rtol=1e-11)
    assert not _is_shared(fast, x)
