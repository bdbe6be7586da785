"""Sums and products of complex arrays whose parts lie beside each other in memory, as in arguments.

A sum along an axis is one of the real numbers, twice as many; so is a product, of which one factor
stays as it is in memory::

    sum_k (a[i, k] + i b[i, k]) * (c[k, j] + i d[k, j])

    [[a], [b]] @ [c d]  =  [[ac ad], [bc bd]]      and from these ac - bd, ad + bc
"""

from __future__ import annotations

from collections.abc import Callable
from operator import index
from typing import Any

import numpy as np

from ..dispatch import call_function
from ..tracer import Tracer
from .value import Complex

_SIDE_BY_SIDE = 64  # bytes of one part that are added at once: two vectors of both


def pair_of(value: Any) -> Tracer | None:
    """The real numbers of ``value`` with a last axis of 2, where they are at hand so."""
    return value._pair if isinstance(value, Complex) else None


def from_joined(pair: Any) -> Complex:
    """The complex array that was computed as ``pair``."""
    pair._cell.is_joined = True
    return Complex(pair[..., 0], pair[..., 1], pair)


def summed(function: Any, by_parts: Callable[..., Any]) -> Callable[..., Any]:
    """``function``, a sum along axes."""

    def call(a: Any, axis: Any = None, *rest: Any, **options: Any) -> Any:
        pair = pair_of(a)
        if pair is not None and axis is None and not rest and not options:
            return Complex(*sums_of_all(pair))
        axes = joined_axes(a, axis)
        if axes is None or rest or not options.keys() <= {"keepdims"}:
            return by_parts(a, axis, *rest, **options)
        return from_joined(call_function(function, (pair_of(a), axes), options))

    return call


def sums_of_all(pair: Any) -> Any:
    """The sums of the real and of the imaginary parts, as they lie in memory."""
    pair = np.reshape(pair, (-1, 2))
    wide = _SIDE_BY_SIDE // pair.dtype.itemsize
    whole = pair.shape[0] // wide * wide
    rest = np.sum(pair[whole:], axis=0)
    if not whole:
        return rest
    lanes = np.sum(np.reshape(pair[:whole], (-1, 2 * wide)), axis=0)
    return np.sum(np.reshape(lanes, (wide, 2)), axis=0) + rest


def joined_axes(a: Any, axis: Any) -> tuple[int, ...] | None:
    """``axis`` of ``a`` as axes of its real numbers; None where these are not at hand, or the
    axes are none that there are, or the last is
    among them: sums along it begin anew within vectors."""
    if pair_of(a) is None or getattr(a, "_is_weak", False) or axis is None:
        return None
    ndim: int = a.ndim
    try:
        given = [index(a) for a in (axis if isinstance(axis, tuple) else (axis,))]
    except TypeError:
        return None
    inside = all(-ndim <= a < ndim for a in given)
    axes = tuple(a % ndim for a in given) if inside else (ndim - 1,)
    return None if ndim - 1 in axes else axes


def product(a: Any, b: Any) -> Any:
    """``a @ b`` of vectors and matrices; None where it is not known to be done best so."""
    if np.ndim(a) not in (1, 2) or np.ndim(b) not in (1, 2) or np.shape(a)[-1] != np.shape(b)[0]:
        return None
    if not isinstance(a, Complex) or not isinstance(b, Complex) or a.dtype != b.dtype:
        return None
    left, right = pair_of(a), pair_of(b)
    if left is not None and right is not None and a.ndim == b.ndim == 1:
        (ac, ad), (bc, bd) = _of_vectors(left, right)
        return Complex(ac - bd, ad + bc)
    if right is not None and b.ndim == 2:
        return _with_columns(a, b, right)
    if left is not None and a.ndim == 2 and b.ndim == 1:
        return _with_rows(a, b, left)
    return None


def conjugated_product(a: Any, b: Any) -> Complex | None:
    """``a.conj() @ b`` of the elements of two arrays; None where it is not known to be done best
    so."""
    left, right = pair_of(a), pair_of(b)
    if left is None or right is None or a.dtype != b.dtype or a.size != b.size:
        return None
    (ac, ad), (bc, bd) = _of_vectors(left, right)
    return Complex(ac + bd, ad - bc)


def _of_vectors(left: Any, right: Any) -> Any:
    """Each part of the one with each of the other, ``[[ac, ad], [bc, bd]]``, in one pass over both:
    with the parts as they lie in memory, and with those of ``right`` exchanged."""
    left, right = np.reshape(left, (-1, 2)), np.reshape(right, (-1, 2))
    wide = _SIDE_BY_SIDE // left.dtype.itemsize
    whole = left.shape[0] // wide * wide
    rest = left[whole:].T @ right[whole:]
    if not whole:
        return rest
    rows = [np.reshape(part[:whole], (-1, 2 * wide)) for part in (left, right, right[:, ::-1])]
    sums = np.sum(rows[0][:, None] * np.stack(rows[1:], axis=1), axis=0)
    (ac, bd), (ad, bc) = np.sum(np.reshape(sums, (2, wide, 2)), axis=1)
    return np.stack([np.stack([ac, ad]), np.stack([bc, bd])]) + rest


def _with_columns(a: Complex, b: Complex, right: Tracer) -> Complex:
    """Of real rows with columns of both parts."""
    k, n = b.shape
    rows = np.stack(a._parts)
    found = np.reshape(rows, (-1, k)) @ np.reshape(right, (k, 2 * n))
    real, imag = np.reshape(found, (2, *a.shape[:-1], n, 2))
    return Complex(real[..., 0] - imag[..., 1], real[..., 1] + imag[..., 0])


def _with_rows(a: Complex, b: Complex, left: Tracer) -> Complex:
    """Of rows of both parts with a vector."""
    m, k = a.shape
    real, imag = b._parts
    column = np.stack([np.stack([real, imag], axis=-1), np.stack([-imag, real], axis=-1)], axis=1)
    return from_joined(np.reshape(left, (m, 2 * k)) @ np.reshape(column, (2 * k, 2)))
