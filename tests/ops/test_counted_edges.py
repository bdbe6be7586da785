"""Histograms of numbers on the edges of bins and right beside them."""

from __future__ import annotations

import numpy as np
import pytest

import mlc


def beside(edges: np.ndarray) -> np.ndarray:
    """The edges, their neighbours on both sides, and what no bin holds."""
    near = [edges, np.nextafter(edges, -np.inf), np.nextafter(edges, np.inf)]
    return np.concatenate([*near, [np.nan, np.inf, -np.inf]]).astype(edges.dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bins", [1, 3, 7, 10, 49])
@pytest.mark.parametrize("ends", [(0.0, 1.0), (0.1, 0.7), (-1e-3, 3.3), (1e5, 1e5 + 1)])
def test_even_bins(dtype: str, bins: int, ends: tuple[float, float]) -> None:
    values = beside(np.histogram_bin_edges([], bins, ends).astype(dtype))
    wanted, wanted_edges = np.histogram(values, bins, ends)
    counts, edges = mlc.jit(lambda a: np.histogram(a, bins, ends))(values)
    np.testing.assert_array_equal(edges, wanted_edges)
    np.testing.assert_array_equal(counts, wanted)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "uint8"])
def test_equal_numbers_lie_in_the_middle_of_one_unit(dtype: str) -> None:
    values = np.full(5, 3, dtype)
    for found, wanted in zip(mlc.jit(np.histogram)(values), np.histogram(values), strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("ends", [(0.1, 0.7), (-1e-3, 3.3), (1e5, 1e5 + 1)])
def test_points_between_ends_that_are_traced(ends: tuple[float, float]) -> None:
    for count in (2, 7, 10, 50):
        found = mlc.jit(lambda a, b, n=count: np.linspace(a, b, n))(*ends)
        np.testing.assert_array_equal(found, np.linspace(*ends, count))


def test_edges_that_the_data_decide() -> None:
    values = np.random.default_rng(4).uniform(0.1, 0.7, 300)
    for bins in (3, 7, 49):
        found = mlc.jit(lambda a, n=bins: np.histogram(a, n))(values)
        for mine, wanted in zip(found, np.histogram(values, bins), strict=True):
            np.testing.assert_array_equal(mine, wanted)
