"""Quantiles of weighted numbers: where the running sum of the weights reaches a share of it all."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import float64
from ..errors import ArgumentError, ShapeError
from . import arithmetic, logic
from .broadcast import as_axes, as_axis, shape_of
from .elementwise import astype, select_where
from .index import getitem, take_along_axis
from .insisting import insisted
from .promotion import dtype_of
from .reduce import all as all_of
from .reduce import any as any_of
from .reduce import sum as sum_of
from .scan import cumsum
from .shape import broadcast_to, moveaxis, reshape, transpose
from .sort import order_along

_BAD = "Weights included NaN, inf or were all zero."


def spread_weights(name: str, a: Any, axis: Any, weights: Any) -> Any:
    """The weight of each element of ``a``: ``weights`` has its shape, or that of its ``axis``."""
    shape, given = shape_of(a), shape_of(weights)
    if given != shape:
        if axis is None:
            raise ArgumentError("Axis must be specified when shapes of a and weights differ.")
        as_axes(f"np.{name}", axis, len(shape))
        named = axis if isinstance(axis, (tuple, list)) else (axis,)
        axes = tuple(as_axis(name, d, len(shape)) for d in named)  # in this order
        if given != tuple(shape[d] for d in axes):
            raise ShapeError(
                "Shape of weights must be consistent with shape of a along specified axis."
            )
        weights = transpose(weights, tuple(np.argsort(axes).tolist()))
        weights = reshape(weights, tuple(n if d in axes else 1 for d, n in enumerate(shape)))
    weights = insisted(
        weights,
        logic.less(weights, 0),
        error="DomainError",
        sentence="Weights must be non-negative.",
    )
    return broadcast_to(astype(weights, dtype=float64), shape)


def weighted_quantiles(rows: Any, weights: Any, q: Any, ignores: bool) -> Any:
    """The numbers of each row at which the running sum of its ``weights`` first reaches the shares
    ``q`` of it all, in the shape of ``q`` and of the rows; NaN where a row has one, unless it
    ``ignores`` NaN and has a number."""
    n, is_float = shape_of(rows)[-1], dtype_of(rows).is_float
    spoiled = None
    if is_float:
        missing = logic.isnan(rows)
        weights = select_where(missing, 0.0, weights) if ignores else weights
        spoiled = (all_of if ignores else any_of)(missing, axis=-1)
    order = order_along(rows, axis=len(shape_of(rows)) - 1)
    rows, weights = (take_along_axis(part, order, axis=-1) for part in (rows, weights))
    reached = _shares(weights, spoiled if ignores else None)
    if dtype_of(q).is_float:
        reached = astype(reached, dtype=dtype_of(q))
    shape = np.shape(q)
    asked = reshape(q, (-1, 1))
    below = logic.less(getitem(reached, (..., None, slice(None))), asked)
    places = arithmetic.minimum(sum_of(below, axis=-1), n - 1)
    found = take_along_axis(rows, places, axis=-1)
    if spoiled is not None:
        found = select_where(getitem(spoiled, (..., None)), np.nan, found)
    found = moveaxis(found, -1, 0)
    return reshape(found, (*shape, *shape_of(found)[1:]))


def _shares(weights: Any, left_out: Any) -> Any:
    """The running sums of ``weights`` as shares of the last one; -1 for 0, so that 0 is reached by
    the first number that counts. Rows that are ``left_out`` may have none that does."""
    sums = cumsum(weights, axis=-1, dtype=float64)
    shares = arithmetic.divide(sums, getitem(sums, (..., slice(-1, None))))
    bad = logic.isnan(getitem(shares, (..., -1)))
    if left_out is not None:
        bad = logic.logical_and(bad, logic.logical_not(left_out))
    shares = insisted(shares, bad, error="DomainError", sentence=_BAD)
    return select_where(logic.equal(shares, 0), -1.0, shares)
