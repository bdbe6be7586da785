"""Convolutions and correlations of vectors, and what statistics calls so."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import te
from ..dtypes import boolean
from ..errors import ArgumentError, DomainError, ShapeError
from ..ir.expr import Expr, cast, const, select
from ..te.extent import Extent
from .broadcast import as_tensor, shape_of
from .calculus import as_array
from .create import zeros
from .elementwise import astype
from .join import concatenate, flip
from .moving import length_of
from .op import implements, op
from .promotion import accumulator, common_dtype, dtype_of
from .shape import reshape


@op
def slid(a: Any, v: Any, *, widths: tuple[int, int] = (0, 0)) -> Any:
    """``out[i] = sum(a[i + k] * v[k])`` for each place where ``v`` lies within ``a``, or beyond it
    by so many elements at most: there only those within are summed."""
    a, v = as_tensor(a), as_tensor(v)
    before, after = widths
    size = a.shape[0]
    dtype = common_dtype(a, v)
    work = accumulator(dtype)
    count = v.shape[0]
    k = te.reduce_axis(count, "k")

    def body(i: Expr) -> Expr:
        at = i + k - before
        product = cast(a[at], work) * cast(v[k], work)
        if before or after:  # not by padding with 0: 0 * inf is NaN
            product = select((at >= 0) & (at < size), product, cast(const(0), work))
        return te.any(product, axis=k) if dtype is boolean else te.sum(product, axis=k)

    found = te.compute((size + before + after - count + 1,), body, name="correlate")
    return astype(found, dtype=dtype)


def _correlated(name: str, a: Any, v: Any, mode: Any) -> Any:
    """np.correlate of what is at least as long as ``v``."""
    m = shape_of(v)[0]
    modes = {"valid": (0, 0), "same": (m // 2, m - m // 2 - 1), "full": (m - 1, m - 1)}
    if mode not in modes:
        raise ArgumentError(f"np.{name}: mode must be valid, same or full, got {mode!r}")
    return slid(a, v, widths=modes[mode])


def _vectors(name: str, a: Any, v: Any) -> tuple[Any, Any]:
    vectors = tuple(reshape(t, (1,)) if not shape_of(t) else t for t in map(as_array, (a, v)))
    for vector in vectors:
        if len(shape_of(vector)) != 1 or not shape_of(vector)[0]:
            raise ShapeError(
                f"np.{name}: needs vectors that are not empty, got shapes {shape_of(a)} and "
                f"{shape_of(v)}"
            )
    return vectors[0], vectors[1]


@implements(np.correlate)
def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    """np.correlate."""
    if not shape_of(a) or not shape_of(v):
        raise ShapeError("np.correlate: object of too small depth for desired array")
    a, v = _vectors("correlate", a, v)
    if shape_of(v)[0] > shape_of(a)[0]:
        return flip(_correlated("correlate", v, a, mode))
    return _correlated("correlate", a, v, mode)


@implements(np.convolve)
def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    """np.convolve."""
    a, v = _vectors("convolve", a, v)
    if shape_of(v)[0] > shape_of(a)[0]:
        a, v = v, a
    return _correlated("convolve", a, flip(v), mode)


@implements(np.cov)
def cov(
    m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: Any = None,
    fweights: Any = None, aweights: Any = None, *, dtype: Any = None,
) -> Any:  # fmt: skip
    """np.cov; rows are variables unless ``rowvar`` is False."""
    if ddof is not None and ddof != int(ddof):
        raise ArgumentError(f"np.cov: ddof must be an integer, got {ddof}")
    x = as_array(m)
    if len(shape_of(x)) > 2:
        raise ShapeError(f"np.cov: at most two dimensions, got shape {shape_of(x)}")
    kinds = [dtype_of(t).numpy.type(0) for t in (x, *([] if y is None else [as_array(y)]))]
    work = common_dtype(*kinds, np.float64(0)) if dtype is None else dtype
    x = _rows(x, rowvar, work)
    if shape_of(x)[0] == 0:
        return zeros((0, 0))  # of no variables: float64, and without those of y, as NumPy's is
    if y is not None:
        x = concatenate([x, _rows(as_array(y), rowvar, work)], axis=0)
    ddof = (0 if bias else 1) if ddof is None else ddof
    weights = None
    for given in (fweights, aweights):
        if given is not None:
            given = as_array(given) + 0.0
            if not hasattr(type(given), "__mlc_lift__") and np.any(given < 0):
                raise DomainError("np.cov: weights must not be negative")
            if shape_of(given) != shape_of(x)[1:]:
                raise ShapeError(
                    f"np.cov: weights of shape {shape_of(given)} for {shape_of(x)[1]} observations"
                )
            weights = given if weights is None else weights * given
    mean = np.average(x, axis=1, weights=weights)
    centered = x - mean[:, None]
    if weights is None:
        count: Any = shape_of(x)[1]
        if isinstance(count, Extent):
            fact: Any = np.maximum(length_of(count) - np.float64(ddof), 0)
        else:
            fact = np.float64(max(count - ddof, 0))
        weighted = centered
    else:
        total = np.sum(weights)
        fact = total - ddof
        if aweights is not None and ddof:
            fact = total - ddof * np.sum(weights * (as_array(aweights) + 0.0)) / total
        weighted = centered * weights
    found = (centered @ weighted.T) / fact
    return np.squeeze(astype(found, dtype=work))


def _rows(x: Any, rowvar: bool, dtype: Any) -> Any:
    """A matrix of ``dtype`` whose rows are variables."""
    x = astype(x, dtype=dtype)
    if len(shape_of(x)) < 2:
        return reshape(x, (1, -1))
    return x if rowvar else x.T


@implements(np.corrcoef)
def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    """np.corrcoef."""
    c = cov(x, y, rowvar, dtype=dtype)
    if not shape_of(c):
        return c / c
    d = np.sqrt(np.diagonal(c))
    return np.clip(c / d[:, None] / d[None, :], -1, 1)
