"""The extreme of a selection that selects nothing: NumPy raises, and so does compiled code."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc


def largest(x: Any, limit: Any) -> Any:
    return x[x > limit].max()


def smallest_of_each_row(x: Any, limit: Any) -> Any:
    grid = np.stack([x, x * 2], axis=1)
    return np.min(grid[x > limit], axis=0)


def in_a_loop(x: Any, limit: Any) -> Any:
    s = 0.0
    for i in range(300):
        s += x[x > limit + i * 1e-3].max()
    return s


def in_a_branch(x: Any, limit: Any) -> Any:
    if limit < 10:
        return x[x > limit].max()
    return -1.0


def of_integers(x: Any, limit: Any) -> Any:
    return np.amax(x.astype(int)[x > limit])


def with_a_growing_list(x: Any, limit: Any) -> Any:
    found = []
    for _ in range(3):
        found.append(x[x > limit].max())
        x = np.concatenate([x, x])
    return np.stack(found)


PROGRAMS = (
    largest, smallest_of_each_row, in_a_loop, in_a_branch, of_integers, with_a_growing_list,
)  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS)
def test_nothing_is_selected(program: Callable[..., Any]) -> None:
    jitted, x = mlc.jit(program), np.array([1.0, 5.0, 3.0])
    np.testing.assert_array_equal(jitted(x, 2.0), program(x, 2.0))
    with pytest.raises(ValueError, match="which has no identity"):
        program(x, 7.0)
    with pytest.raises(ValueError, match=r"which has no identity; give initial="):
        jitted(x, 7.0)
    np.testing.assert_array_equal(jitted(x, 2.5), program(x, 2.5))


def test_the_branch_not_taken_selects_nothing() -> None:
    assert mlc.jit(in_a_branch)(np.array([1.0, 5.0]), 12.0) == -1.0


def test_initial_and_sums_of_nothing() -> None:
    x = np.array([1.0, 5.0])

    def f(x: Any) -> Any:
        chosen = x[x > 7]
        return np.max(chosen, initial=0.0), chosen.sum(), chosen.all(), chosen.any()

    assert mlc.jit(f)(x) == f(x)


def test_rows_without_columns() -> None:
    """A result without elements is the extreme of nothing, and right."""

    def f(x: Any) -> Any:
        return x[x.sum(axis=1) < 1].max(axis=0)

    x = np.zeros((3, 0))
    np.testing.assert_array_equal(mlc.jit(f)(x), f(x))
