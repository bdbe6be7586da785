"""Where reshaped arrays are views: NumPy's answer, without NumPy's copy."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.testing import check_against_numpy
from mlc.tracer.memory_order import is_same_memory


def _factors(size: int, rng: random.Random) -> tuple[int, ...]:
    shape = []
    while size > 1:
        n = rng.choice([d for d in range(2, size + 1) if size % d == 0])
        shape.append(n)
        size //= n
    for _ in range(rng.randint(0, 2)):
        shape.insert(rng.randint(0, len(shape)), 1)
    return tuple(shape)


@pytest.mark.parametrize("seed", range(20))
def test_reshaped_arrays_are_views_where_numpy_has_views(seed: int) -> None:
    rng, found = random.Random(seed), set()
    for _ in range(60):
        shape = _factors(rng.choice((1, 4, 6, 12, 24, 36)), rng)
        x = np.zeros(tuple(n * rng.choice((1, 1, 2)) for n in shape))
        ends = [slice(0, n) if rng.random() < 0.7 else slice(None, None, -1) for n in shape]
        x = np.asarray(x[tuple(ends)])
        x = x.transpose(rng.sample(range(x.ndim), x.ndim) if rng.random() < 0.5 else range(x.ndim))
        if rng.random() < 0.2:
            x = np.broadcast_to(x, (rng.choice((2, 3)), *x.shape))
        wanted = _factors(x.size, rng)
        assert math.prod(wanted) == x.size
        is_view = np.shares_memory(x, x.reshape(wanted))
        assert is_same_memory(x.shape, x.strides, wanted) == is_view, (x.shape, x.strides, wanted)
        found.add(is_view)
    assert found == {True, False}
    assert is_same_memory((0, 3), (24, 8), (3, 0))


def test_what_stands_for_a_layout_is_not_read() -> None:
    @mlc.jit
    def f(x):
        rows = x.T.reshape(-1)
        rows[0] = 1
        return rows[:2], x[0, 0]

    # Its rows lie far further apart than any memory that is behind one element.
    x = np.zeros((1 << 10, 1 << 16), np.float32)[:, :4]
    rows, first = f(x)
    assert rows.tolist() == [1, 0]
    assert first == 0


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(3, 2), (4,), (1, 3), (3, 1, 2)])
def test_strides_of_complex_arrays_that_were_known(shape: tuple[int, ...], order: Any) -> None:
    def strides(x: Any) -> Any:
        made = np.zeros(shape, x.dtype, order)
        known = made.strides
        made[0] = x
        parts = made, made * 2, made.copy(order="K")
        return known, *(np.where(np.array(shape) > 1, a.strides, 0) for a in parts)

    check_against_numpy(strides, np.complex64(1 + 2j))
