"""Large products inside of native loops run on many threads, small ones on one."""

from __future__ import annotations

import numpy as np
import pytest

import mlc


def squares(a: np.ndarray) -> np.ndarray:
    for i in mlc.range(3):
        a = np.tanh(a @ a + i)
    return a


def plain(a: np.ndarray) -> np.ndarray:
    for i in range(3):
        a = np.tanh(a @ a + i)
    return a


@pytest.mark.parametrize(("size", "shared"), [(16, False), (130, True)])
def test_a_loop_around_a_product(size: int, shared: bool) -> None:
    a = np.random.default_rng(size).standard_normal((size, size)) / size
    function = mlc.jit(squares)
    assert ("call void @mlc_parallel_for" in function.lower(a).llvm) is shared
    results = []
    for threads in (1, 2, 5):
        with mlc.set_num_threads(threads):
            results.append(function(a))
    np.testing.assert_allclose(results[0], plain(a), rtol=1e-12)
    assert results[0].tobytes() == results[1].tobytes() == results[2].tobytes()


def test_an_error_after_a_product_on_threads() -> None:
    @mlc.jit
    def grow(a: np.ndarray) -> np.ndarray:
        for _ in mlc.range(9):
            a = a @ a
            if a[0, 0] > 1e9:
                raise ValueError("too large")
        return a

    with pytest.raises(ValueError, match="too large"):
        grow(np.ones((130, 130)))
    assert (grow(np.zeros((130, 130))) == 0).all()
