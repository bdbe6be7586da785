"""Programs with loops and branches run under jit as they run in NumPy, and change what NumPy
changes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc

from . import programs as p

R = np.random.default_rng(5)
N = 24
MATRIX = R.random((N, N)) + N * np.eye(N)
SYMMETRIC = MATRIX @ MATRIX.T
X = R.random(N * 4)


def sparse(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    held = R.random((rows, columns)) < 0.2
    held[3] = False
    counts = np.concatenate([[0], np.cumsum(held.sum(axis=1))])
    return R.random(int(held.sum())), np.nonzero(held)[1].astype(np.int32), counts.astype(np.int32)


CASES: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
    (p.total, (R.random(10_000),)),
    (p.positives, (X,)),
    (p.search, (X, X[71])),
    (p.search, (X, 2.0)),
    (p.newton, (2.0,)),
    (p.heat, (R.random((20, 20)), 50)),
    (p.heat_buffered, (R.random(50),)),
    (p.floyd_warshall, (R.random((30, 30)),)),
    (p.floyd_by_rows, (R.random((30, 30)),)),
    (p.edit_distance, (R.integers(0, 4, 30), R.integers(0, 4, 25))),
    (p.bubble_sort, (X,)),
    (p.prefix_sums, (X,)),
    (p.binary_search, (np.sort(X), 0.3)),
    (p.binary_search, (np.sort(X), 7.0)),
    (p.csr_by_elements, (*sparse(40, 30), R.random(30))),
    (p.csr_by_slices, (*sparse(40, 30), R.random(30))),
    (p.power_iteration, (SYMMETRIC,)),
    (p.mandelbrot, (np.linspace(-2, 1, 20), np.linspace(-1, 1, 15), 60)),
    (p.mandelbrot_masked, (*np.meshgrid(np.linspace(-2, 1, 20), np.linspace(-1, 1, 15)), 60)),
    (p.matmul, (R.random((20, 15)), R.random((15, 22)))),
    (p.lu, (MATRIX,)),
    (p.lu_by_rows, (MATRIX,)),
    (p.lu_pivoted, (R.random((N, N)),)),
    (p.cholesky, (SYMMETRIC,)),
    (p.cholesky_by_columns, (SYMMETRIC,)),
    (p.back_substitution, (MATRIX, X[:N].copy())),
    (p.sieve, (np.ones(1000, bool),)),
    (p.gauss_seidel, (MATRIX, X[:N].copy(), np.zeros(N))),
    (p.jacobi, (MATRIX, X[:N].copy())),
    (p.insertion_sort, (X,)),
    (p.moving_average, (X, 3)),
    (p.early, (X, 2)),
    (p.early, (X, 5)),
    (p.early, (X * 10, 2)),
    (p.last_above, (X,)),
    (p.skipping, (X,)),
    (p.skipping, (X * 100,)),
    (p.with_helper, (X - 0.5,)),
    (p.buffers_swapped, (X, 31)),
    (p.buffers_swapped, (X, 32)),
    (p.fibonacci, (30,)),
    (p.nested_break, (R.random((20, 20)), 0.95)),
    (p.collatz, (27,)),
    (p.in_a_list, (R.random(200),)),
    (p.growing, (X,)),
    (p.while_true, (np.linspace(0, 1, 300),)),
    (p.chosen, (X,)),
    (p.clamp, (X, 0.2, 0.7)),
    (p.gcd, (1071, 462)),
    (p.over_rows, (R.random((60, 7)),)),
    (p.enumerated, (R.random((9, 3)),)),
    (p.triangle, (20, X)),
    (p.squares, (X.astype(np.float32),)),
    (p.nbody, (R.random((5, 3)), np.zeros((5, 3)), 10)),
    (p.common_subsequence, (R.integers(0, 4, 30), R.integers(0, 4, 35))),
    (p.runge_kutta, (np.array([1.0, 0.0]), 10)),
    (p.convolved, (R.random((12, 12)), R.random((3, 3)))),
    (p.k_means, (R.random((40, 3)), R.random((4, 3)), 5)),
    (p.thomas, (X, 2 + X, X, X * 2)),
    (p.gram_schmidt, (MATRIX,)),
    (p.conjugate_gradients, (SYMMETRIC, X[:N].copy())),
    (p.smoothed, (X, 0.1)),
    (p.products, (R.random((40, 40)), R.random((40, 40)), 3)),
    (p.reused_parts, (X, R.random(len(X)))),
    (p.open_slices, (X, R.random(len(X)))),
    (p.bound_by_the_first, (X,)),
    (p.deep, (R.random((2, 3)), R.random((3, 4)))),
    (p.quick_partition, (X,)),
    (p.life, ((R.random((20, 20)) < 0.3).astype(np.int64), 10)),
]


def copies(args: tuple[Any, ...]) -> list[Any]:
    return [a.copy() if isinstance(a, np.ndarray) else a for a in args]


@pytest.mark.parametrize(
    "case", CASES, ids=[f"{n}-{function.__name__}" for n, (function, _) in enumerate(CASES)]
)
def test_as_numpy(case: tuple[Callable[..., Any], tuple[Any, ...]]) -> None:
    function, args = case
    theirs, mine = copies(args), copies(args)
    expected, got = function(*theirs), mlc.jit(function)(*mine)
    pairs = zip(expected, got) if isinstance(expected, tuple) else [(expected, got)]
    for a, b in pairs:
        np.testing.assert_allclose(b, a, rtol=1e-6 if np.asarray(a).dtype == np.float32 else 1e-9)
        assert np.asarray(a).dtype == np.asarray(b).dtype
    for a, b in zip(theirs, mine):
        np.testing.assert_allclose(b, a, rtol=1e-9)


@pytest.mark.parametrize("function", [p.histogram, p.knapsack])
def test_sizes_are_static_arguments(function: Callable[..., Any]) -> None:
    args: tuple[Any, ...] = (X, 10)
    if function is p.knapsack:
        args = (R.integers(1, 9, 12), R.random(12), 40)
    name = list(inspect.signature(function).parameters)[-1]
    got = mlc.jit(function, static_argnames=name)(*copies(args))
    np.testing.assert_allclose(got, function(*args))


@pytest.mark.parametrize("target", ["interpret", "numpy"])
@pytest.mark.parametrize(
    "case",
    [
        (p.bubble_sort, (X[:9].copy(),)),
        (p.cholesky, (SYMMETRIC[:4, :4].copy(),)),
        (p.lu, (MATRIX[:5, :5].copy(),)),
        (p.edit_distance, (R.integers(0, 3, 13), R.integers(0, 3, 12))),
        (p.collatz, (7,)),
        (p.search, (X, X[40])),
    ],
    ids=lambda case: case[0].__name__,
)
def test_on_the_reference_backends(case: Any, target: str) -> None:
    function, args = case
    np.testing.assert_allclose(mlc.jit(function, target=target)(*args), function(*args))


def test_a_loop_is_one_operation_whatever_its_length() -> None:
    jitted = mlc.jit(p.total)
    short, long = (str(jitted.lower(np.ones(n)).graph).count("\n") for n in (1_000, 100_000))
    assert short == long
