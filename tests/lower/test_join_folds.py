"""Folds of native loops that read the same elements are one loop."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import mlc
from mlc.ir.program import Accumulate, For, LoopKind, walk


def _bins(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    means = np.zeros(150)
    for k in range(150):
        means[k] = y[(k / 150 <= x) & (x < (k + 1) / 150)].mean()
    return means


def _range(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    widths = np.zeros(150)
    for k in range(150):
        z = x * k + y
        widths[k] = z.max() - z.min()
    return widths


def _spread(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    spreads = np.zeros(150)
    for k in range(150):
        z = x * k + y
        spreads[k] = ((z - z.mean()) ** 2).mean()
    return spreads


def _rows_apart(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    sums = np.zeros(150)
    for k in range(150):
        sums[k] = (x * k).sum() * (y * k).sum()
    return sums


CASES: list[tuple[Callable[[np.ndarray, np.ndarray], np.ndarray], bool]] = [
    (_bins, True), (_range, True), (_spread, False), (_rows_apart, False),
]  # fmt: skip


def _folds(stmt: For) -> int:
    return len({s.buffers for s in walk(stmt.body) if isinstance(s, Accumulate)})


@pytest.mark.parametrize(("function", "is_joined"), CASES)
def test_folds_over_the_same_elements(
    function: Callable[[np.ndarray, np.ndarray], np.ndarray], is_joined: bool
) -> None:
    rng = np.random.default_rng(3)
    x, y = rng.random(4003), rng.random(4003)
    fast = mlc.jit(function)
    np.testing.assert_allclose(fast(x, y), function(x, y), rtol=1e-11)
    programs = [kernel.scheduled for kernel in fast.lower(x, y).compiled.kernels]
    inner = [
        s
        for p in programs
        if p.attrs.get("noalias")
        for s in walk(p.body)
        if isinstance(s, For) and s.kind is LoopKind.SERIAL and s.extent > 100
        and s.extent != 150 and _folds(s)
    ]  # fmt: skip
    assert max(map(_folds, inner)) == (2 if is_joined else 1)
