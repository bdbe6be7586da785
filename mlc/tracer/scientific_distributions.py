"""Distributions of scipy.stats of traced arrays, by formulas in NumPy's functions; found by
`mlc.tracer.scientific`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from ..ops.attempts import refuse_where
from ..ops.op import leaves_of
from .noting import note_error
from .scientific_arrays import as_array

_SQRT = math.sqrt(2 * math.pi)
_SINGULAR = "When `allow_singular is False`, the input matrix must be"
_SEVERAL = "scipy.stats._multivariate"


# The normal distribution


def _density(x: Any) -> Any:
    return np.exp(-(x**2) / 2.0) / _SQRT


def _below(x: Any) -> Any:
    from ..ops.transcendental import erfc

    return 0.5 * erfc(-x * math.sqrt(0.5))


_NORMAL: dict[str, Callable[..., Any]] = {
    "pdf": lambda x, scale: _density(x) / scale,
    "logpdf": lambda x, scale: -(x**2) / 2.0 - math.log(_SQRT) - np.log(scale),
    "cdf": lambda x, scale: _below(x),
    "sf": lambda x, scale: _below(-x),
}


def of_normal(function: Any) -> Callable[..., Any] | None:
    """What stands for a method of scipy.stats.norm, frozen or not; None for others."""
    owner: Any = getattr(function, "__self__", None)
    frozen: tuple[Any, ...] = ()
    named: dict[str, Any] = {}
    if type(owner).__name__ == "rv_continuous_frozen":
        frozen, named, owner = owner.args, owner.kwds, owner.dist
    formula = _NORMAL.get(getattr(function, "__name__", ""))
    if formula is None or type(owner).__name__ != "norm_gen":
        return None

    def placed(x: Any, loc: Any = 0, scale: Any = 1) -> Any:
        x, loc, scale = (as_array(v).astype(np.float64) for v in (x, loc, scale))
        found = formula((x - loc) / scale, scale)
        return np.where(scale > 0, found, np.nan)[()]

    def call(x: Any, *args: Any, **kwargs: Any) -> Any:
        return placed(x, *(args or frozen), **{**named, **kwargs})

    return call


# That of several variables, as SciPy computes it: by the eigenvalues of the covariances, of which
# those near 0 count as 0


def _parameters(mean: Any, cov: Any) -> tuple[Any, Any]:
    mean = None if mean is None else as_array(mean).astype(np.float64)
    cov = as_array(1.0 if cov is None else cov).astype(np.float64)
    dim = mean.size if mean is not None else 1 if cov.ndim < 2 else cov.shape[0]
    mean = np.zeros(dim) if mean is None else mean
    if dim == 1:
        mean, cov = mean.reshape(1), cov.reshape(1, 1)
    if mean.shape != (dim,):
        raise ValueError(f"Array 'mean' must be a vector of length {dim}.")
    if cov.ndim < 2:
        return mean, cov * np.eye(dim)
    if cov.shape != (dim, dim):
        raise ValueError(
            f"Array 'cov' must be of shape {dim, dim}, as 'mean' is a vector of length {dim}, but "
            f"cov.shape = {cov.shape}."
        )
    return mean, cov


def _log_density(x: Any, mean: Any, cov: Any, allow_singular: bool) -> Any:
    mean, cov = _parameters(mean, cov)
    dim, x = len(mean), as_array(x).astype(np.float64)
    if x.ndim < 2:
        x = x.reshape(-1, 1) if dim == 1 else x.reshape(1, -1)
    is_known = np.all(np.isfinite(cov))
    error: Exception = ValueError("array must not contain infs or NaNs")
    note_error(np.logical_not(is_known), error)
    values, vectors = np.linalg.eigh(cov)
    least = 1e6 * float(np.finfo(np.float64).eps) * np.max(np.abs(values))
    is_wrong = is_known & (np.min(values) < -least)
    error = ValueError("The input matrix must be symmetric positive semidefinite.")
    note_error(is_wrong, error)
    counts = values > least
    if not allow_singular:
        bad = ~counts & is_known & ~is_wrong
        values = refuse_where(values, bad, f"{_SINGULAR} symmetric positive definite.")
    held = np.where(counts, values, 1.0)
    whitened = (x - mean) @ (vectors * np.where(counts, np.sqrt(1.0 / held), 0.0))
    rank, size = np.sum(counts), np.sum(np.log(held))
    found = -0.5 * (rank * math.log(2 * math.pi) + size + np.sum(whitened**2, axis=-1))
    if allow_singular:
        beside = np.linalg.norm((x - mean) @ np.where(counts, 0.0, vectors), axis=-1)
        found = np.where((rank < dim) & (beside >= 1e3 * least), -np.inf, found)
    return np.squeeze(found)[()]


def _log_of_several(x: Any, mean: Any = None, cov: Any = 1, allow_singular: Any = False) -> Any:
    return _log_density(x, mean, cov, bool(allow_singular))


def _of_several(x: Any, mean: Any = None, cov: Any = 1, allow_singular: Any = False) -> Any:
    return np.exp(_log_of_several(x, mean, cov, allow_singular))


_SEVERAL_NORMAL: dict[str, Callable[..., Any]] = {"pdf": _of_several, "logpdf": _log_of_several}


class _Frozen:
    """``scipy.stats.multivariate_normal(mean, cov)`` of traced arrays."""

    def __init__(
        self, mean: Any = None, cov: Any = 1, allow_singular: Any = False, seed: Any = None
    ) -> None:
        self.mean, self.cov = _parameters(mean, cov)
        self.allow_singular = allow_singular

    def pdf(self, x: Any) -> Any:
        return _of_several(x, self.mean, self.cov, self.allow_singular)

    def logpdf(self, x: Any) -> Any:
        return _log_of_several(x, self.mean, self.cov, self.allow_singular)

    def __getattr__(self, name: str) -> Any:
        raise UnsupportedError(
            f"scipy.stats.multivariate_normal(...).{name} of traced arrays is not there; pdf and "
            f"logpdf are"
        )


def frozen_of(function: Any) -> Callable[..., Any] | None:
    """What stands for ``scipy.stats.multivariate_normal`` as it is called with what its
    distribution is to have; None for others."""
    if (
        type(function).__module__ != _SEVERAL
        or type(function).__name__ != "multivariate_normal_gen"
    ):
        return None

    def call(*args: Any, **kwargs: Any) -> Any:
        is_traced = any(hasattr(type(leaf), "__mlc_lift__") for leaf in leaves_of([args, kwargs]))
        return (_Frozen if is_traced else function)(*args, **kwargs)

    return call


def of_distribution(function: Any) -> Callable[..., Any] | None:
    """What stands for a method of a distribution of scipy.stats, frozen or not; None for others."""
    owner: Any = getattr(function, "__self__", None)
    formula = _SEVERAL_NORMAL.get(getattr(function, "__name__", ""))
    if formula is None or type(owner).__module__ != _SEVERAL:
        return of_normal(function)
    if type(owner).__name__ == "multivariate_normal_gen":
        return formula
    if type(owner).__name__ != "multivariate_normal_frozen":
        return None
    held = owner.mean, owner.cov, owner.allow_singular
    return lambda x: formula(x, *held)
