"""Searching in sorted arrays: searchsorted, digitize, interp."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import te
from ..dtypes import as_dtype, float64, int64
from ..errors import ArgumentError, ShapeError
from ..ir.expr import Expr, apply, cast, const, select
from . import arithmetic, logic
from .broadcast import as_tensor, element, shape_of
from .elementwise import astype, select_where
from .index import getitem, take
from .join import concatenate, flip
from .op import implements, op
from .programs import Writer, threads, unflattened
from .promotion import common_dtype, dtype_of
from .sort import argsort

LANES = 16


@op
def places_in(a: Any, v: Any, *, right: bool, dtype: Any) -> Any:
    """How many elements of the sorted ``a`` are less than each of ``v``, or (``right``) not more;
    compared in ``dtype``, NaN being the greatest."""
    a, v, work = as_tensor(a), as_tensor(v), as_dtype(dtype)
    n = a.shape[0]
    w = Writer("searchsorted")
    table, values = w.input("a", a.shape, a.dtype), w.input("v", v.shape, v.dtype)
    out = w.output("out", v.shape, int64)
    steps = n.bit_length()

    def search(at: Any, low: Any, lane: tuple[Expr, ...]) -> None:
        """The place by halving: each step keeps the part that has it."""
        value = cast(values[tuple(at)], work)
        rest = n
        w.store(low, lane, const(0))
        while rest > 1:
            half = rest // 2
            before = _goes_before(cast(table[low[lane] + (half - 1)], work), value, right)
            w.store(low, lane, low[lane] + cast(before, int64) * half)
            rest -= half
        if n:
            before = _goes_before(cast(table[low[lane]], work), value, right)
            w.store(low, lane, low[lane] + cast(before, int64))
        w.store(out, at, low[lane])

    groups, rest = divmod(v.size, LANES)
    if groups:
        how = threads(groups, v.size * steps)
        with w.loop(groups, "g", how) as g:
            low = w.registers("low", (LANES,), int64)
            with w.loop(LANES, "l", "lanes") as l:
                search(unflattened(g * LANES + l, v.shape), low, (l,))
    if rest:
        with w.loop(rest, "r") as r:
            low = w.registers("low", (), int64)
            search(unflattened(r + groups * LANES, v.shape), low, ())
    return w.call(a, v)


def _goes_before(x: Expr, value: Expr, right: bool) -> Expr:
    """Whether the place for ``value`` comes after ``x``."""
    if not x.dtype.is_float:
        return x <= value if right else x < value
    nan = apply("isnan", value)
    if right:  # not value < x
        return (x <= value) | nan
    return (x < value) | (nan & ~apply("isnan", x))


def _in_order(name: str, a: Any) -> None:
    if len(shape_of(a)) != 1:
        raise ShapeError(f"np.{name}: the sorted array must be 1-d, got shape {shape_of(a)}")


@implements(np.searchsorted)
def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    """np.searchsorted."""
    _in_order("searchsorted", a)
    if side not in ("left", "right"):
        raise ArgumentError(f"np.searchsorted: side must be left or right, got {side!r}")
    if sorter is not None:
        if shape_of(sorter) != shape_of(a):
            raise ShapeError(
                f"np.searchsorted: sorter of shape {shape_of(sorter)} must have the shape of the "
                f"array, {shape_of(a)}"
            )
        a = take(a, sorter)
    dtype = common_dtype(_sample(a), _sample(v))
    return places_in(a, _array(v), right=side == "right", dtype=dtype)


def _sample(value: Any) -> Any:
    """A number of the dtype of an array-like; Python numbers stay weak no longer, as in NumPy."""
    return dtype_of(value).numpy.type(0)


def _array(value: Any) -> Any:
    return value if hasattr(value, "shape") else np.asarray(value)


@implements(np.digitize)
def digitize(x: Any, bins: Any, right: bool = False) -> Any:
    """np.digitize; that ``bins`` go one way is checked where they are known while tracing."""
    _in_order("digitize", bins)
    n = shape_of(bins)[0]
    if not hasattr(type(bins), "__mlc_lift__"):
        steps = np.diff(np.asarray(bins))
        if not ((steps >= 0).all() or (steps <= 0).all()):
            raise ArgumentError("np.digitize: bins must be monotonically increasing or decreasing")
    side = "left" if right else "right"
    rising = searchsorted(bins, x, side)
    if n < 2:
        return rising
    falling = arithmetic.subtract(n, searchsorted(flip(bins), x, side))
    return select_where(logic.less_equal(getitem(bins, 0), getitem(bins, -1)), rising, falling)


@implements(np.interp)
def interp(
    x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None
) -> Any:
    """np.interp: in float64."""
    _in_order("interp", xp)
    if shape_of(fp) != shape_of(xp):
        raise ShapeError(
            f"np.interp: fp of shape {shape_of(fp)} must have the shape of xp, {shape_of(xp)}"
        )
    if not shape_of(xp)[0]:
        raise ShapeError("np.interp: array of sample points is empty")
    x, xp, fp = (astype(_array(t), dtype=float64) for t in (x, xp, fp))
    if period is not None:
        if period == 0:
            raise ArgumentError("np.interp: period must be a non-zero value")
        period, left, right = abs(period), None, None
        x, xp = arithmetic.remainder(x, period), arithmetic.remainder(xp, period)
        order = argsort(xp)
        xp, fp = take(xp, order), take(fp, order)
        first, last = slice(0, 1), slice(-1, None)
        before = arithmetic.subtract(getitem(xp, last), period)
        xp = concatenate([before, xp, arithmetic.add(getitem(xp, first), period)])
        fp = concatenate([getitem(fp, last), fp, getitem(fp, first)])
    below = getitem(fp, 0) if left is None else left
    above = getitem(fp, -1) if right is None else right
    found = places_in(xp, x, right=True, dtype=float64)
    return between(x, xp, fp, found, below, above)


@op
def between(x: Any, xp: Any, fp: Any, found: Any, below: Any, above: Any) -> Any:
    """On the lines through the points (xp, fp), at ``x``, of which ``found`` says how many xp are
    not greater."""
    x, xp, fp, found = (as_tensor(t) for t in (x, xp, fp, found))
    n = xp.shape[0]

    def body(*index: Expr) -> Expr:
        at, count = x[index], found[index]
        low = te.min(te.max(count - 1, 0), max(n - 2, 0))
        high = te.min(low + 1, n - 1)
        x0, x1, y0, y1 = xp[low], xp[high], fp[low], fp[high]
        slope = (y1 - y0) / (x1 - x0)
        line = slope * (at - x0) + y0
        other = slope * (at - x1) + y1
        flat = select(apply("isnan", other) & apply("eq", y0, y1), y0, other)
        line = select(apply("isnan", line), flat, line)
        line = select(apply("eq", at, x0), y0, line)
        line = select(apply("eq", at, xp[n - 1]), fp[n - 1], line)
        line = select(at > xp[n - 1], element(above, (), (), float64), line)
        line = select(count < 1, element(below, (), (), float64), line)
        return line if n == 1 else select(apply("isnan", at), at, line)

    return te.compute(x.shape, body, name="interp")
