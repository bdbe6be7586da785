"""Searching in sorted arrays: searchsorted, digitize, interp."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import te
from ..dtypes import as_dtype, float64, int32, int64
from ..errors import ArgumentError, DomainError, ShapeError
from ..ir.expr import Expr, apply, cast, const, select
from ..ir.grids import Grid
from . import arithmetic, logic
from .broadcast import as_tensor, element, shape_of
from .elementwise import astype, select_where
from .index import getitem, take
from .join import concatenate, flip
from .op import implements, op
from .programs import Writer, threads
from .promotion import common_dtype, dtype_of
from .shape import ravel, reshape
from .sort import argsort

WIDTH = 256  # bytes of keys that are searched for at once: loads of one wait for none of others
FEW = 256  # bytes of a sorted array that is compared as a whole


@op
def places_in(a: Any, v: Any, *, right: bool, dtype: Any) -> Any:
    """How many elements of the sorted ``a`` are less than each of ``v``, or (``right``) not more;
    compared in ``dtype``, NaN being the greatest."""
    a, v, work = as_tensor(a), as_tensor(v), as_dtype(dtype)
    if v.ndim != 1:
        return reshape(places_in(a, ravel(v), right=right, dtype=work), v.shape)
    n, size = a.shape[0], v.shape[0]
    w = Writer("searchsorted")
    table, values = w.input("a", a.shape, a.dtype), w.input("v", v.shape, v.dtype)
    out = w.output("out", v.shape, int64)
    if not size:
        return w.call(a, v)
    width = max(work.itemsize, 4)
    lanes = min(WIDTH // width, 1 << (size.bit_length() - 1))
    # What is counted has the width of the keys, so that both fill as many vector registers.
    place = int32 if width == 4 and n <= int32.highest else int64
    is_few = n * width <= FEW
    goes_before = (lambda x, key: x <= key) if right else (lambda x, key: x < key)
    at = lambda i: cast(table[cast(i, int64)], work)

    def halved(advance: Callable[[Expr, Expr], None]) -> None:
        """``advance(ahead, by)``: on by so many if what is so far ahead goes before."""
        rest, half = w.variable("rest", const(n)), w.variable("half", const(0))
        with w.repeat(rest[()] > 1):
            w.set(half, rest[()] // 2)
            advance(half[()] - 1, half[()])
            w.set(rest, rest[()] - half[()])
        if n:
            advance(const(0), const(1))

    end = w.variable("end", const(n))  # the place of NaN
    if work.is_float and not right:
        w.set(end, 0)
        halved(lambda ahead, by: w.set(
            end, end[()] + select(apply("isnan", at(end[()] + ahead)), const(0), by)
        ))  # fmt: skip
    groups = -(-size // lanes)
    how = threads(groups, size * (n // 4 if is_few else n.bit_length()))
    with w.loop(groups, "g", how) as g:
        start = te.min(g * lanes, size - lanes)  # the last groups may meet
        keys, low = w.registers("keys", (lanes,), work), w.registers("low", (lanes,), place)
        with w.loop(lanes, "l", "lanes") as l:
            w.store(keys, (l,), values[start + l])
            w.store(low, (l,), 0)

        def advance(ahead: Expr, by: Expr) -> None:
            with w.loop(lanes, "l", "lanes") as l:
                is_before = goes_before(at(cast(low[l], int64) + ahead), keys[l])
                w.store(low, (l,), low[l] + select(is_before, cast(by, place), const(0, place)))

        if is_few:
            for k in range(n):
                with w.loop(lanes, "l", "lanes") as l:
                    is_before = cast(goes_before(at(const(k)), keys[l]), place)
                    w.store(low, (l,), low[l] + is_before)
        else:
            halved(advance)
        with w.loop(lanes, "l", "lanes") as l:
            found = cast(low[l], int64)
            missing = apply("isnan", keys[l]) if work.is_float else const(False)
            w.store(out, (start + l,), select(missing, end[()], found))
    given, values_dtype = a.dtype, v.dtype

    def on_grid() -> Grid:
        from .grid_places import search_on_grid

        return search_on_grid(n, given, size, values_dtype, work, right)

    return w.call(a, v, on_grid=on_grid if n else None)


def _in_order(name: str, a: Any) -> None:
    if len(shape_of(a)) != 1:
        raise ShapeError(f"np.{name}: the sorted array must be 1-d, got shape {shape_of(a)}")


@implements(np.searchsorted)
def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    """np.searchsorted."""
    _in_order("searchsorted", a)
    if side not in ("left", "right"):
        raise DomainError(f"np.searchsorted: side must be left or right, got {side!r}")
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
    side = "left" if right else "right"
    rising = searchsorted(bins, x, side)
    is_rising = n < 2
    if not hasattr(type(bins), "__mlc_lift__"):
        steps = np.diff(np.asarray(bins))
        is_rising = bool((steps >= 0).all())
        if not is_rising and not (steps <= 0).all():
            raise ArgumentError("np.digitize: bins must be monotonically increasing or decreasing")
    if is_rising:
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
