"""Long rows are folded in the loop that makes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc


def _softmax(x: Any) -> Any:
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def _is_joined(x: np.ndarray) -> bool:
    """Whether the loop that sums over lanes stands inside the one that makes exponentials."""
    text = str(mlc.jit(_softmax).lower(x).program)
    made, fold = text.index('T.block("exp")'), text.index('T.block("sum_lanes")')
    between = text[made:fold].splitlines()[1:]
    outermost = min(len(line) - len(line.lstrip()) for line in between if "for " in line)
    return outermost > 8  # the loop over rows stands at 4, what is in it at 8


@pytest.mark.parametrize("columns", [1_000, 1_024, 20_001, 16_384])
def test_softmax_of_long_rows(columns: int) -> None:
    x = np.random.default_rng(2).standard_normal((5, columns)).astype(np.float32)
    assert _is_joined(x) == (columns > 1_000)
    want = _softmax(x.astype(np.float64))
    np.testing.assert_allclose(mlc.jit(_softmax)(x), want, rtol=2e-6)


def test_a_fold_of_what_lies_elsewhere_in_the_row_stands_alone() -> None:
    def turned(x: Any) -> Any:
        e = np.exp(x)
        return e / (e[..., ::-1] * x).sum(axis=-1, keepdims=True)

    x = np.random.default_rng(2).uniform(0, 1, (4, 20_000)).astype(np.float32)
    np.testing.assert_allclose(mlc.jit(turned)(x), turned(x.astype(np.float64)), rtol=3e-5)
