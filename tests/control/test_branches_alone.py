"""What a branch computes is computed where that branch is taken, and nowhere else."""

from typing import Any

import numpy as np
import pytest

import mlc


def _or_zero(x: np.ndarray, i: int) -> Any:
    return x[i] if i < len(x) else 0.0


def _is_positive(x: np.ndarray, i: int) -> Any:
    if i < len(x) and x[i] > 0:
        return 1.0
    return 0.0


def _is_outside_or_positive(x: np.ndarray, i: int) -> Any:
    return float(i >= len(x) or bool(x[i] > 0))


def _count(x: np.ndarray, n: int) -> Any:
    count = 0.0
    for i in range(n):
        if i < len(x) and (i > 40 or x[i] > 0.5):
            count += 1
    return count


@pytest.mark.parametrize("function", [_or_zero, _is_positive, _is_outside_or_positive, _count])
def test_debug_mode_reads_no_element_that_python_would_not(function: Any) -> None:
    x = np.linspace(0, 1, 3)
    with mlc.config.override(debug=True):
        fast = mlc.jit(function)
        for i in (0, 1, 2, 3, 50):
            assert fast(x, np.int64(i)) == function(x, i)


def test_debug_mode_reports_what_the_branch_that_is_taken_reads_outside() -> None:
    with mlc.config.override(debug=True), pytest.raises(mlc.BoundsError, match="index 7 is out"):
        mlc.jit(lambda x, i: x[i] if i > len(x) else 0.0)(np.ones(3), np.int64(7))


def test_a_product_in_a_branch_does_not_stand_before_it() -> None:
    def squared(x: np.ndarray, n: int) -> Any:
        if n > 0:
            x = x @ x
        else:
            x = x + 1
        return x

    fast, x = mlc.jit(squared), np.ones((8, 8))
    assert "matmul" not in str(fast.lower(x, np.int64(1)).graph)
    for n in (0, 1):
        assert np.array_equal(fast(x, np.int64(n)), squared(x, n))


def test_whole_numbers_computed_in_many_rounds_of_a_branch_are_compiled_in_time() -> None:
    def rounds(x: np.ndarray, n: int) -> Any:
        a, b = x[0], x[1]
        if n > 3:
            for _ in range(30):  # without end, if the work doubled in each round
                a, b = b + a[::-1], a - b
            return a
        return b

    fast, x = mlc.jit(rounds), np.arange(16).reshape(2, 8) ** 2
    for n in (3, 4):
        assert np.array_equal(fast(x, np.int64(n)), rounds(x, n))


def test_an_array_that_is_made_before_a_loop_may_be_made_again_in_a_branch() -> None:
    def since_negative(x: np.ndarray) -> Any:
        total = np.zeros(2)
        for i in range(len(x)):
            if x[i, 0] < 0:
                total = np.zeros(2)
        return total, x.sum()

    x = np.arange(80.0).reshape(40, 2) - 20
    found, wanted = mlc.jit(since_negative)(x), since_negative(x)
    assert np.array_equal(found[0], wanted[0]) and found[1] == wanted[1]
