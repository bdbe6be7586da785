"""``ufunc.reduce`` where NumPy has no function for it, and nanargmax with its kin."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from .. import te
from ..dtypes import DType, as_dtype
from ..errors import ArgumentError, ShapeError, UnsupportedError
from ..ir.combiner import Combiner, make_combiner
from ..ir.expr import apply
from ..te.construct import reduce_with
from . import logic
from .arithmetic import absolute, add, multiply, subtract
from .broadcast import as_tensor, is_only_axis, shape_of, size_of, strict_axes
from .calculus import as_array
from .combining import FOLDED
from .elementwise import astype, select_where
from .index import getitem
from .insisting import insisted
from .op import UFUNC_METHODS, implements, op
from .promotion import dtype_of
from .reduce import ABSENT, argmax, argmin, over
from .reduce import all as all_of
from .reduceat import runs
from .shape import reshape, transpose

_BITS = {"bitand": -1, "bitor": 0, "bitxor": 0}  # and what changes no bit
_LOGARITHMS: dict[np.ufunc, tuple[Any, Any, float]] = {  # and 1 in units of the logarithm
    np.logaddexp: (np.exp, np.log, 1.0), np.logaddexp2: (np.exp2, np.log2, np.log2(np.e))
}  # fmt: skip


def _reduce(ufunc: np.ufunc, fn: str) -> None:
    name = f"np.{ufunc.__name__}.reduce"

    @implements(ufunc.reduce)
    def reduce(
        array: Any, axis: Any = 0, dtype: Any = None, out: None = None, keepdims: bool = False,
        initial: Any = ABSENT, where: Any = True,
    ) -> Any:  # fmt: skip
        if out is not None:
            raise UnsupportedError(f"{name} with out= cannot be traced; assign the result instead")
        array, start = as_array(array), () if initial is ABSENT or initial is None else (initial,)
        if where is not True:
            raise UnsupportedError(f"{name} with where= cannot be traced; use np.where before")
        if is_only_axis(shape_of(array), axis):
            array, axis, keepdims = reshape(array, (1,)), 0, False
        shape, given = shape_of(array), dtype_of(array).numpy
        axes = strict_axes(name, axis, len(shape))
        if len(axes) > 1 and fn in ("sub", "div", "floordiv", "mod", "fmod", "pow", "arctan2"):
            raise ArgumentError(f"{name} over several axes: the order is open; take one at a time")
        dtype = None if dtype is None else as_dtype(dtype).numpy
        try:
            with np.errstate(all="ignore"):
                found = ufunc.reduce(np.ones(1, given), dtype=dtype).dtype
        except TypeError as error:
            raise ArgumentError(f"{name} of {given.name}: {error}") from None
        kept = [d for d in range(len(shape)) if d not in axes]
        rest = tuple(shape[d] for d in kept)
        wide = tuple(1 if d in axes else s for d, s in enumerate(shape)) if keepdims else rest
        count = size_of([shape[d] for d in axes])
        if not count and not start:
            if ufunc.identity is None or initial is None:
                raise ShapeError(f"{name} of zero elements: shape {shape} has none over {axes}")
            return np.full(wide, np.asarray(ufunc.identity).astype(found), found)  # -1: all bits
        if not size_of(rest):
            return np.zeros(wide, found)
        if fn in _BITS and found.kind in "iu" and not start and count:
            whole = astype(array, dtype=as_dtype(found))
            return reduce_bits(whole, fn=fn, axes=tuple(sorted(axes)), keepdims=bool(keepdims))
        rows = reshape(transpose(array, (*kept, *axes)), (*rest, count))
        if start:
            first = np.full((*rest, 1), start[0], found)
            rows = np.concatenate([first, astype(rows, dtype=as_dtype(found))], axis=-1)
        elif ufunc is np.hypot and count == 1:  # beside the 0 that it begins with
            rows = absolute(astype(rows, dtype=as_dtype(found)))
        if ufunc in _LOGARITHMS and found.itemsize > 2:  # of 16 bits NumPy rounds each step
            return reshape(_log_of_sum(astype(rows, dtype=as_dtype(found)), ufunc), wide)
        folded = runs(rows, np.zeros(1, np.int64), fn=fn, axis=len(rest), dtype=as_dtype(found))
        return reshape(getitem(folded, (..., 0)), wide)


@cache
def _of_bits(fn: str, dtype: DType) -> Combiner:
    identity = np.asarray(_BITS[fn]).astype(dtype.numpy).item()
    return make_combiner(fn, lambda a, b: apply(fn, a, b), (identity,), (dtype,), commutative=True)


@op
def reduce_bits(x: Any, *, fn: str, axes: tuple[int, ...], keepdims: bool) -> Any:
    """Integers over ``axes`` combined bit by bit, in any order."""
    x = as_tensor(x)
    if not axes:
        return x
    shape, folded, at = over(x, axes, keepdims)
    combiner, ks = _of_bits(fn, x.dtype), tuple(folded.values())
    body = lambda *index: reduce_with(combiner, (at(index),), ks, single=True)
    return te.compute(shape, body, name=fn)


def _log_of_sum(rows: Any, ufunc: np.ufunc) -> Any:
    """Of what ``rows`` are logarithms of: they are added up at once, in proportion to the greatest
    of a row (where that is finite), which no exponential overflows of. The others are added up on
    their own: beside 1 the small ones would lose their digits."""
    exponential, logarithm, unit = _LOGARITHMS[ufunc]
    at = argmax(rows, axis=-1, keepdims=True)
    top = np.max(rows, axis=-1, keepdims=True)
    is_finite = logic.isfinite(top)
    base = select_where(is_finite, top, 0)
    parts = exponential(subtract(rows, base))
    is_top = logic.equal(np.arange(shape_of(rows)[-1]), at)
    rest = np.sum(select_where(is_top, 0, parts), axis=-1)
    first = exponential(subtract(top, base))[..., 0]
    beside = multiply(np.log1p(rest), np.asarray(unit, dtype_of(rows).numpy))
    found = select_where(is_finite[..., 0], beside, logarithm(add(first, rest)))
    return add(found, getitem(base, (..., 0)))


for _ufunc, _fn in FOLDED.items():
    if (_ufunc, "reduce") not in UFUNC_METHODS:
        _reduce(_ufunc, _fn)


def _without_nan(plain: Any, fill: float, a: Any, axis: Any, keepdims: Any) -> Any:
    if not dtype_of(a).is_float:
        return plain(a, axis=axis, keepdims=keepdims)
    missing = logic.isnan(a)
    found = plain(select_where(missing, fill, a), axis=axis, keepdims=keepdims)
    nothing = all_of(missing, axis=axis, keepdims=keepdims)
    return insisted(found, nothing, error="ShapeError", sentence="All-NaN slice encountered")


@implements(np.nanargmax)
def nanargmax(a: Any, axis: Any = None, out: None = None, *, keepdims: Any = False) -> Any:
    """np.nanargmax; rows that are NaN all over end the call with a ValueError, as in NumPy."""
    return _without_nan(argmax, -np.inf, a, axis, keepdims)


@implements(np.nanargmin)
def nanargmin(a: Any, axis: Any = None, out: None = None, *, keepdims: Any = False) -> Any:
    """np.nanargmin; see `nanargmax`."""
    return _without_nan(argmin, np.inf, a, axis, keepdims)
