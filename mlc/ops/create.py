"""Arrays made from nothing: ranges, constants, and the like of another array.

Shapes, bounds and dtypes follow NumPy; where NumPy would choose a dtype from the arguments, it
is asked.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from .. import te
from ..dtypes import DType, as_dtype, float64
from ..errors import ArgumentError, DomainError, ShapeError
from ..ir.expr import Expr, apply, cast, select
from .broadcast import as_sizes, as_tensor, broadcast_shape, element, shape_of, size_of
from .elementwise import astype, rounded_product
from .matrix import band
from .op import implements, op
from .promotion import dtype_of
from .shape import broadcast_to, reshape


@op
def filled(value: Any, *, shape: tuple[int, ...], dtype: Any) -> Any:
    """``value`` (a number or 0-d array) everywhere."""
    target = as_dtype(dtype)
    return te.compute(shape, lambda *index: element(value, (), (), target), name="full")


@op
def counting(*, start: Any, step: Any, size: int, dtype: Any) -> Any:
    """``start + i * step`` for i below ``size``, computed in ``dtype`` (float16 in float32)."""
    target = as_dtype(dtype)
    work = as_dtype("float32") if target.is_float and target.bits == 16 else target

    def body(i: Expr) -> Expr:
        value = i if not work.is_float else cast(i, work)
        scaled = value if step == 1 else value * step
        return cast(scaled + start if start != 0 else scaled, target)

    return te.compute((size,), body, name="arange")


def _static(name: str, *values: Any) -> None:
    for value in values:
        if not (value is None or isinstance(value, (bool, int, float, np.generic))):
            raise ArgumentError(
                f"{name}: its arguments decide the shape of the result, so they must be Python "
                f"numbers known while tracing, got {type(value).__name__}"
            )


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> Any:
    """np.arange: numbers from ``start`` up to, not including, ``stop``; int64 unless a float is
    given."""
    _static("arange", start, stop, step)
    own = (
        np.arange(start * 0).dtype
        if stop is None
        else np.arange(start * 0, stop * 0, step or 1).dtype
    )
    if stop is None:
        start, stop = 0, start
    if step == 0:
        raise ArgumentError("arange: step cannot be zero")
    size = max(math.ceil((stop - start) / step), 0)
    target = as_dtype(own if dtype is None else dtype)
    # NumPy's steps are the difference of the first two numbers in the dtype, so that they add up.
    first = target.numpy.type(start).item() if target.bits > 16 else start
    second = target.numpy.type(start + step).item() if target.bits > 16 else start + step
    return counting(start=first, step=second - first, size=size, dtype=target)


@op
def evenly(start: Any, stop: Any, *, num: int, endpoint: bool, dtype: Any, work: Any = None) -> Any:
    """``num`` numbers from ``start`` to ``stop`` along a new first axis, both ends exact; computed
    in ``work``, where that is given."""
    target = as_dtype(dtype)
    work = target if work is None else as_dtype(work)
    work = work if work.is_float and work.bits > 16 else float64
    shape = broadcast_shape("linspace", shape_of(start), shape_of(stop))
    parts = (num - 1) if endpoint else num

    def body(*index: Expr) -> Expr:
        i, *rest = index
        low, high = (element(v, rest, shape, work) for v in (start, stop))
        value = low
        if parts > 0:
            value = rounded_product(cast(i, work), (high - low) / float(parts)) + low
            if endpoint:
                value = select(i >= parts, high, value)
        if target.is_integer:
            value = apply("floor", value)
        return cast(value, target)

    return te.compute((num, *shape), body, name="linspace")


@implements(np.linspace)
def linspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, retstep: bool = False,
    dtype: Any = None, axis: int = 0,
) -> Any:  # fmt: skip
    """np.linspace."""
    num = operator.index(num)
    start, stop = (np.asarray(v) if isinstance(v, list | tuple) else v for v in (start, stop))
    if num < 0:
        raise ArgumentError(f"linspace: number of samples must be >= 0, got {num}")
    work = as_dtype(np.result_type(*(_sample(v) for v in (start, stop)), float(num)))
    made = work if dtype is None else as_dtype(dtype)
    found = evenly(
        start, stop, num=int(num), endpoint=bool(endpoint), dtype=made,
        work=None if made is work else work,
    )  # fmt: skip
    if axis != 0:
        from .shape import moveaxis

        found = moveaxis(found, 0, axis)
    if not retstep:
        return found
    parts = num - 1 if endpoint else num
    from . import arithmetic

    return found, arithmetic.divide(
        arithmetic.subtract(stop, start), float(parts) if parts else math.nan
    )


def _sample(value: Any) -> Any:
    if isinstance(value, (bool, int, float)) and not isinstance(value, np.generic):
        return value
    sample = dtype_of(value).numpy.type(0)
    return sample.item() if getattr(value, "_is_weak", False) else sample


@implements(np.logspace)
def logspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10.0,
    dtype: Any = None, axis: int = 0,
) -> Any:  # fmt: skip
    """np.logspace: powers of ``base`` with evenly spaced exponents."""
    from . import arithmetic

    exponents = linspace(start, stop, num=num, endpoint=endpoint, axis=axis)
    found = arithmetic.power(base, exponents)
    return found if dtype is None else astype(found, dtype=dtype)


def _without_zero(wide: Any, end: Any) -> Any:
    """``wide``, which is ``end`` in double precision, unless there is a 0 in it."""
    sentence = "np.geomspace: a geometric sequence has no 0 in it"
    if hasattr(type(end), "__mlc_lift__"):
        from .insisting import insisted

        return insisted(wide, np.equal(wide, 0), error="DomainError", sentence=sentence)
    if np.any(np.asarray(end) == 0):
        raise DomainError(sentence)
    return wide


@implements(np.geomspace)
def geomspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None, axis: int = 0
) -> Any:
    """np.geomspace: numbers in equal ratios, in double precision, between ends that are exact."""
    start, stop = (_without_zero(astype(v, dtype=float64), v) for v in (start, stop))
    sign = np.sign(start)
    first, last = start / sign, stop / sign
    found = np.power(10.0, np.linspace(np.log10(first), np.log10(last), num, endpoint))
    place = np.reshape(np.arange(num), (num, *[1] * (np.ndim(found) - 1)))
    found = np.where(place == 0, first, found)
    if endpoint and num > 1:
        found = np.where(place == num - 1, last, found)
    found = found * sign
    if axis != 0:
        from .shape import moveaxis

        found = moveaxis(found, 0, axis)
    return found if dtype is None else astype(found, dtype=dtype)


def full(shape: Any, fill_value: Any, dtype: Any = None) -> Any:
    """np.full."""
    sizes = as_sizes("full", shape)
    fill_value = np.asarray(fill_value) if isinstance(fill_value, (list, tuple)) else fill_value
    target = dtype_of(fill_value) if dtype is None else as_dtype(dtype)
    if shape_of(fill_value):
        return broadcast_to(astype(fill_value, dtype=target), sizes)
    return filled(fill_value, shape=_natural("full", sizes), dtype=target)


def _natural(name: str, sizes: tuple[int, ...]) -> tuple[int, ...]:
    if any(s < 0 for s in sizes):
        raise ShapeError(f"{name}: sizes must be >= 0, got {sizes}")
    return sizes


def zeros(shape: Any, dtype: Any = float) -> Any:
    """np.zeros."""
    return full(shape, 0, float64 if dtype is None else dtype)


def ones(shape: Any, dtype: Any = float) -> Any:
    """np.ones."""
    return full(shape, 1, float64 if dtype is None else dtype)


def empty(shape: Any, dtype: Any = float) -> Any:
    """np.empty, filled with zeros: traced values are never undefined."""
    return zeros(shape, dtype)


def _like(a: Any, value: Any, dtype: Any, shape: Any) -> Any:
    target: DType = dtype_of(a) if dtype is None else as_dtype(dtype)
    sizes = shape_of(a) if shape is None else as_sizes("full_like", shape)
    if type(value) is float and target.kind in "iu":  # cast, whatever is lost
        with np.errstate(all="ignore"):
            value = np.full((), value, target.numpy)[()]
    return full(sizes, value, target)


@implements(np.zeros_like)
def zeros_like(
    a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None
) -> Any:
    """np.zeros_like."""
    return _like(a, 0, dtype, shape)


@implements(np.empty_like)
def empty_like(
    prototype: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None
) -> Any:
    """np.empty_like, filled with zeros."""
    return _like(prototype, 0, dtype, shape)


@implements(np.ones_like)
def ones_like(
    a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None
) -> Any:
    """np.ones_like."""
    return _like(a, 1, dtype, shape)


@implements(np.full_like)
def full_like(
    a: Any,
    fill_value: Any,
    dtype: Any = None,
    order: str = "K",
    subok: bool = True,
    shape: Any = None,
) -> Any:
    """np.full_like."""
    return _like(a, fill_value, dtype, shape)


def eye(N: int, M: int | None = None, k: int = 0, dtype: Any = float) -> Any:
    """np.eye."""
    _static("eye", N, M, k)
    rows, columns = as_sizes("eye", (N, N if M is None else M))
    return band(rows=rows, columns=columns, offset=int(k), dtype=as_dtype(dtype), only=True)


def identity(n: int, dtype: Any = float) -> Any:
    """np.identity."""
    return eye(n, dtype=dtype)


def tri(N: int, M: int | None = None, k: int = 0, dtype: Any = float) -> Any:
    """np.tri."""
    _static("tri", N, M, k)
    rows, columns = as_sizes("tri", (N, N if M is None else M))
    return band(rows=rows, columns=columns, offset=int(k), dtype=as_dtype(dtype), only=False)


@op
def along(x: Any, *, shape: tuple[int, ...], axis: int) -> Any:
    """The 1-d ``x`` along ``axis`` of ``shape``, the same on all others."""
    x = as_tensor(x)
    return te.compute(shape, lambda *index: x[index[axis]], name="meshgrid")


@implements(np.meshgrid)
def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    """np.meshgrid."""
    if indexing not in ("xy", "ij"):
        raise DomainError(f"meshgrid: indexing must be 'xy' or 'ij', got {indexing!r}")
    flat = [reshape(x, (size_of(shape_of(x)),)) for x in xi]
    order = list(range(len(flat)))
    if indexing == "xy" and len(flat) > 1:
        order[:2] = [1, 0]
    sizes = tuple(shape_of(flat[n])[0] for n in order)
    out = []
    for n, x in enumerate(flat):
        axis = order.index(n)
        if sparse:
            out.append(reshape(x, tuple(-1 if d == axis else 1 for d in range(len(flat)))))
        else:
            out.append(along(x, shape=sizes, axis=axis))
    return tuple(out)
