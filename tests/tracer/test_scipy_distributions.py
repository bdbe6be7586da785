"""The normal distribution of several variables, beside SciPy's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.testing.against_numpy import check_against_numpy

stats = pytest.importorskip("scipy.stats")

POINTS = np.random.default_rng(0).normal(size=(6, 3))
MEAN = np.array([0.1, -0.2, 0.3])
COV = POINTS.T @ POINTS + np.eye(3)
FLAT = np.outer(MEAN, MEAN)  # of one dimension only
FIXED = stats.multivariate_normal(MEAN, COV)


def _mixture(x: Any, mean: Any, cov: Any) -> Any:
    parts = [stats.multivariate_normal(mean * k, cov * (k + 1)) for k in range(3)]
    return np.array([part.pdf(x) for part in parts]), parts[1].logpdf(x[0])


DENSITIES: list[Callable[[Any, Any, Any], Any]] = [
    lambda x, mean, cov: stats.multivariate_normal.pdf(x, mean, cov),
    lambda x, mean, cov: stats.multivariate_normal.logpdf(x[0], mean=mean, cov=cov),
    lambda x, mean, cov: stats.multivariate_normal.pdf(x[:, 0], mean[0], cov[0, 0]),
    lambda x, mean, cov: stats.multivariate_normal.logpdf(x, mean=mean),
    lambda x, mean, cov: FIXED.logpdf(x),
    _mixture,
]


@pytest.mark.parametrize("density", DENSITIES)
def test_densities(density: Callable[..., Any]) -> None:
    check_against_numpy(density, POINTS, MEAN, COV)


def test_covariances_of_fewer_dimensions() -> None:
    def density(x: Any, mean: Any, cov: Any) -> Any:
        return stats.multivariate_normal.logpdf(x, mean, cov, allow_singular=True)

    check_against_numpy(density, np.array([MEAN * 2, MEAN * 3, POINTS[0]]), MEAN, FLAT)


@pytest.mark.parametrize("cov", [FLAT, -COV, COV * np.nan])
def test_covariances_that_scipy_refuses(cov: Any) -> None:
    error = np.linalg.LinAlgError if cov is FLAT else ValueError  # one is a kind of the other
    with pytest.raises(error) as wanted:
        stats.multivariate_normal.pdf(POINTS, MEAN, cov)
    with pytest.raises(error, match=str(wanted.value).split(" must")[0]):
        mlc.jit(lambda cov: stats.multivariate_normal.pdf(POINTS, MEAN, cov))(cov)
