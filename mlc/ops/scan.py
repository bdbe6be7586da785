"""Scans: running sums, products and extremes, and ``ufunc.accumulate``.

Along the last axis a scan is a chain in which each step waits for the one before. Sums go on by
vectors; else eight chains run side by side: eight rows, or eight pieces of one long row, whose
totals are known by then (not of products of floats: a piece on its own may overflow). Along other
axes whole rows are combined at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..dtypes import DType, as_dtype, boolean
from ..errors import ArgumentError, ShapeError, UnsupportedError
from ..intrinsics.prefix import FUNCTIONS, LANE_BITS, running
from ..ir.expr import Expr, cast, const
from ..ir.grids import Grid
from ..ir.program import Buffer, Program, Region
from .arithmetic import NEGATIVE_POWER
from .broadcast import as_axis, as_tensor, is_only_axis, shape_of, size_of
from .combining import FOLDED, combined
from .create import full
from .elementwise import astype, select_where
from .index import getitem
from .insisting import insisted
from .join import concatenate
from .logic import isnan, less
from .op import MANY_SIZES, implements, op
from .programs import Writer, threads, unflattened
from .promotion import accumulator, dtype_of, sum_dtype
from .shape import ravel

CHAINS = 8
LONG = 1 << 13  # elements of a row that is cut into pieces
PIECE = 1 << 14
NEAR = 1 << 19  # bytes of a row that are still in the cache when they are read again
FAR = 1 << 23  # bytes of a result
STRIP = 1 << 11  # columns combined at once
LANES = 32
REORDERED = ("add", "maximum", "minimum")  # float operations that vectors combine

Place = Callable[[Expr | int], list[Expr]]


@op
def scan(x: Any, *, fn: str, axis: int, dtype: Any) -> Any:
    """``out[i] = fn(out[i - 1], x[i])`` along ``axis``, in ``dtype``; 16-bit floats in float32."""
    x, dtype = as_tensor(x), as_dtype(dtype)
    if not x.size or x.shape[axis] == 1:
        return astype(x, dtype=dtype)
    work = accumulator(dtype)
    w = Writer(f"scan_{fn}")
    source = w.input("x", x.shape, x.dtype)
    out = w.output("out", x.shape, dtype)
    made = _Scan(w, source, out, fn, axis, work)
    if size_of(x.shape[axis + 1 :]) > 1:
        made.columns()
    else:
        made.rows()
    shape, given = x.shape, x.dtype

    def on_grid() -> Grid:
        from .grid_scan import scan_on_grid

        return scan_on_grid(shape, given, dtype, work, fn, axis)

    return w.call(x, on_grid=on_grid)


def _identity(fn: str, dtype: DType) -> Expr | None:
    """What changes nothing on the left of ``fn``; None where pieces cannot be put together."""
    match fn:
        case "add":
            return const(-0.0 if dtype.is_float else 0, dtype)
        case "mul" if not dtype.is_float:  # floats could overflow in one order and not in the other
            return const(1, dtype)
        case "maximum" | "minimum" if dtype.is_float:
            return const(-np.inf if fn == "maximum" else np.inf, dtype)
        case "maximum" | "minimum" if dtype is not boolean:
            return const(dtype.lowest if fn == "maximum" else dtype.highest, dtype)
        case _:
            return None


class _Scan:
    """One scan while its program is written."""

    def __init__(self, w: Writer, x: Buffer, out: Buffer, fn: str, axis: int, work: DType) -> None:
        self.w, self.x, self.out, self.axis, self.work, self.fn = w, x, out, axis, work, fn
        self.outer, self.n, self.inner = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]

    def read(self, indices: Sequence[Expr | int]) -> Expr:
        return cast(self.x[tuple(indices)], self.work)

    def combine(self, left: Expr, right: Expr) -> Expr:
        return combined(self.fn, left, right)

    def columns(self) -> None:
        """Row after row of the inner axes; strips of them are independent."""
        *lead, last = self.inner
        pieces = size_of((*self.outer, *lead))
        width = last if pieces >= 64 or last < 2 * STRIP else STRIP
        self._strips(lead, 0, last // width, width)
        if last % width:
            self._strips(lead, last // width * width, 1, last % width)

    def _strips(self, lead: Sequence[int], start: int, count: int, width: int) -> None:
        w, shape = self.w, (*self.outer, *lead, count)
        with w.loop(size_of(shape), "p", threads(size_of(shape), self.x.size)) as p:
            *before, strip = unflattened(p, shape)
            outer, middle = before[: len(self.outer)], before[len(self.outer) :]

            def at(i: Expr | int, j: Expr) -> list[Expr | int]:
                return [*outer, i, *middle, strip * width + (j + start)]

            kept = w.memory("kept", (width,), self.work) if self.keeps else None
            with w.loop(width, "j", "lanes") as j:
                if kept is not None:
                    w.store(kept, (j,), self.read(at(0, j)))
                w.store(self.out, at(0, j), self.read(at(0, j)))
            with w.loop(self.n - 1, "i") as i, w.loop(width, "j", "lanes") as j:
                old = kept[j] if kept is not None else self.out[tuple(at(i, j))]
                new = self.combine(old, self.read(at(i + 1, j)))
                if kept is not None:
                    w.store(kept, (j,), new)
                    new = kept[j]
                w.store(self.out, at(i + 1, j), new)

    @property
    def keeps(self) -> bool:
        """Whether partial results are kept apart: of another type than the result's, or of one that
        no cache holds, which can be written past them if nobody reads it."""
        is_far = self.out.size * self.out.dtype.itemsize > FAR
        return is_far or self.work is not self.out.dtype

    def rows(self) -> None:
        """Along the last axis (those after it have size 1): rows side by side, or pieces."""
        count, ones = size_of(self.outer), [const(0)] * len(self.inner)
        start = _identity(self.fn, self.work)
        at = lambda row: lambda i: [*unflattened(row, self.outer), i, *ones]
        if start is not None and self.n >= LONG and count < CHAINS:
            with self.w.loop(count, "r") as row:
                self._pieces(at(row), start)
            return
        # extremes of floats look for NaN at every step, which takes longer than rows side by side
        is_quick = self.fn == "add" or not self.work.is_float
        # vectors have code for each length of a row: not where one program is for all lengths
        is_open = count == 1 and MANY_SIZES.get()
        by_vectors = start is not None and self.has_vectors and is_quick and not is_open
        if by_vectors and self.n >= LANES:
            with self.w.loop(count, "r", threads(count, self.x.size)) as row:
                before = self.w.memory("before", (1,), self.work)
                self.w.store(before, (0,), start)
                self._by_vectors(at(row)(const(0)), self.n, before, const(0))
            return
        groups, rest = divmod(count, CHAINS)
        if groups:
            with self.w.loop(groups, "g", threads(groups, self.x.size)) as g:
                places = lambda c: at(g * CHAINS + c)
                self._chains(places, self.n, None)
        if rest:
            with self.w.loop(rest, "r", threads(rest, self.x.size)) as r:
                self._chain(at(r + groups * CHAINS))

    def _chain(self, at: Place) -> None:
        """One row, one step after the other."""
        w = self.w
        total = w.variable("total", self.read(at(0)))
        w.store(self.out, at(0), total[()])
        with w.loop(self.n - 1, "i") as i:
            w.set(total, self.combine(total[()], self.read(at(i + 1))))
            w.store(self.out, at(i + 1), total[()])

    def _chains(self, places: Callable[[Expr], Place], n: int, starts: Any) -> None:
        """``CHAINS`` rows of ``n`` side by side. ``starts(c)`` comes before row c, if there is."""
        w = self.w
        totals = w.registers("totals", (CHAINS,), self.work)
        first = 0 if starts is not None else 1
        with w.loop(CHAINS, "c", "unrolled") as c:
            if starts is not None:
                w.store(totals, (c,), starts(c))
            else:
                w.store(totals, (c,), self.read(places(c)(0)))
                w.store(self.out, places(c)(0), totals[c])
        with w.loop(n - first, "i") as i, w.loop(CHAINS, "c", "unrolled") as c:
            here = places(c)(i + first if first else i)
            w.store(totals, (c,), self.combine(totals[c], self.read(here)))
            w.store(self.out, here, totals[c])

    def _pieces(self, at: Place, identity: Expr) -> None:
        """One long row: the total of each piece, what stands before each, then the pieces."""
        w = self.w
        parts = max(self.n // PIECE, 1)
        size = self.n // (parts * CHAINS)
        if size * self.x.dtype.itemsize % 512 == 0:
            size -= (
                24  # pieces that begin at the same place of a cache line's set drive each other out
            )
        before = w.variable("before", identity)
        here = w.variable("here", identity)
        many = max(min(NEAR // (PIECE * self.x.dtype.itemsize), parts), 1)

        def block(first: Expr, count: int) -> None:
            """``count`` parts, which are read again before the cache forgets them."""
            offsets = w.memory("offsets", (count * CHAINS,), self.work)
            how = threads(count, self.n)
            with w.loop(count, "t", how) as t, w.loop(CHAINS, "c") as c:
                start = ((first + t) * CHAINS + c) * size
                w.store(
                    offsets, (t * CHAINS + c,), self._total(lambda i: at(start + i), size, identity)
                )
            with w.loop(count * CHAINS, "p") as p:
                w.set(here, offsets[p])
                w.store(offsets, (p,), before[()])
                w.set(before, self.combine(before[()], here[()]))
            with w.loop(count, "t", how) as t:
                begin = (first + t) * (CHAINS * size)
                if self.has_vectors:
                    with w.loop(CHAINS, "c") as c:
                        self._by_vectors(at(begin + c * size), size, offsets, t * CHAINS + c)
                else:
                    places = lambda c: lambda i: at(begin + c * size + i)
                    self._chains(places, size, lambda c: offsets[t * CHAINS + c])

        with w.loop(parts // many, "b") as b:
            block(b * many, many)
        if parts % many:
            with w.loop(1, "b"):
                block(const(parts // many * many), parts % many)
        done = parts * CHAINS * size
        if done < self.n:
            with w.loop(self.n - done, "i") as i:
                w.set(before, self.combine(before[()], self.read(at(i + done))))
                w.store(self.out, at(i + done), before[()])

    @property
    def has_vectors(self) -> bool:
        """Whether a row may be combined by vectors, in another order: not products of floats, which
        could overflow in one order and not in the other."""
        x, work = self.x.dtype, self.work
        fits = work.bits in LANE_BITS and work is self.out.dtype
        alike = x is work or (not work.is_float and x.kind in "iu" and x.bits <= work.bits)
        return fits and alike and self.fn in (FUNCTIONS if not work.is_float else REORDERED)

    def _by_vectors(self, start: Sequence[Expr], n: int, before: Buffer, place: Expr) -> None:
        """``n`` elements of a row from ``start`` on; ``before[place]`` is what comes before."""
        extents = tuple(n if d == self.axis else 1 for d in range(self.x.ndim))
        x, dtype, fn = self.x.dtype, self.out.dtype, self.fn

        def meaning(name: str) -> Program:
            w = Writer(name)
            a, c = w.input("A", (n,), x), w.input("C", (1,), dtype)
            b = w.output("B", (n,), dtype)
            total = w.variable("total", c[0])
            with w.loop(n, "i") as i:
                w.set(total, self.combine(total[()], cast(a[i], dtype)))
                w.store(b, (i,), total[()])
            return w.program()

        self.w.run_on(
            running(fn, x, dtype, n, meaning).name,
            Region(self.x, tuple(start), extents),
            Region(before, (place,), (1,)),
            Region(self.out, tuple(start), extents),
        )

    def _total(self, at: Place, size: int, identity: Expr) -> Expr:
        """``size`` elements combined, in any order."""
        w = self.w
        parts = w.registers("parts", (LANES,), self.work)
        with w.loop(LANES, "l", "lanes") as l:
            w.store(parts, (l,), identity)
        with w.loop(size // LANES, "i") as i, w.loop(LANES, "l", "lanes") as l:
            w.store(parts, (l,), self.combine(parts[l], self.read(at(i * LANES + l))))
        kept = w.memory("kept", (LANES,), self.work)
        with w.loop(LANES, "l", "lanes") as l:
            w.store(kept, (l,), parts[l])
        total = w.variable("total", identity)
        with w.loop(LANES, "l") as l:
            w.set(total, self.combine(total[()], kept[l]))
        with w.loop(size % LANES, "i") as i:
            place = at(i + size // LANES * LANES)
            w.set(total, self.combine(total[()], self.read(place)))
        return total[()]


def _along(name: str, a: Any, axis: Any, out: Any) -> tuple[Any, int]:
    """The array and the axis that a running function goes along; None flattens."""
    if out is not None:
        raise UnsupportedError(f"np.{name} with out= cannot be traced; assign the result instead")
    if axis is None or is_only_axis(shape_of(a), axis):
        return ravel(a), 0
    return a, as_axis(f"np.{name}", axis, len(shape_of(a)))


def _running(name: str, fn: str, a: Any, axis: Any, dtype: Any, out: Any) -> Any:
    a, axis = _along(name, a, axis, out)
    chosen = sum_dtype(dtype_of(a)) if dtype is None else as_dtype(dtype)
    return scan(a, fn=fn, axis=axis, dtype=chosen)


@implements(np.cumsum)
def cumsum(a: Any, axis: Any = None, dtype: Any = None, out: None = None) -> Any:
    """np.cumsum: integers narrower than 64 bits, and bool, are summed in 64 bits."""
    return _running("cumsum", "add", a, axis, dtype, out)


@implements(np.cumprod)
def cumprod(a: Any, axis: Any = None, dtype: Any = None, out: None = None) -> Any:
    """np.cumprod."""
    return _running("cumprod", "mul", a, axis, dtype, out)


@implements(np.nancumsum)
def nancumsum(a: Any, axis: Any = None, dtype: Any = None, out: None = None) -> Any:
    """np.nancumsum: NaN counts as 0."""
    return cumsum(_without_nan(a, 0.0), axis, dtype, out)


@implements(np.nancumprod)
def nancumprod(a: Any, axis: Any = None, dtype: Any = None, out: None = None) -> Any:
    """np.nancumprod: NaN counts as 1."""
    return cumprod(_without_nan(a, 1.0), axis, dtype, out)


def _without_nan(a: Any, fill: float) -> Any:
    return select_where(isnan(a), fill, a) if dtype_of(a).is_float else a


def _cumulative(
    name: str, fn: str, x: Any, axis: Any, dtype: Any, out: Any, include_initial: bool
) -> Any:
    if not shape_of(x):
        x = ravel(x)
    shape = shape_of(x)
    if axis is None:
        if len(shape) != 1:
            raise ShapeError(f"np.{name}: axis= is needed for an array of shape {shape}, not 1-d")
        axis = 0
    found = _running(name, fn, x, axis, dtype, out)
    if not include_initial:
        return found
    axis = as_axis(f"np.{name}", axis, len(shape))
    edge = tuple(1 if d == axis else s for d, s in enumerate(shape))
    first = full(edge, 0 if fn == "add" else 1, dtype=dtype_of(found).name)
    return concatenate([first, found], axis=axis)


def cumulative_sum(
    x: Any, /, *, axis: Any = None, dtype: Any = None, out: None = None,
    include_initial: bool = False,
) -> Any:  # fmt: skip
    """np.cumulative_sum; with ``include_initial`` a 0 comes first."""
    return _cumulative("cumulative_sum", "add", x, axis, dtype, out, include_initial)


def cumulative_prod(
    x: Any, /, *, axis: Any = None, dtype: Any = None, out: None = None,
    include_initial: bool = False,
) -> Any:  # fmt: skip
    """np.cumulative_prod; with ``include_initial`` a 1 comes first."""
    return _cumulative("cumulative_prod", "mul", x, axis, dtype, out, include_initial)


if hasattr(np, "cumulative_sum"):  # NumPy 2.1
    implements(np.cumulative_sum)(cumulative_sum)
    implements(np.cumulative_prod)(cumulative_prod)


def _accumulate(ufunc: np.ufunc, fn: str) -> None:
    name = f"{ufunc.__name__}.accumulate"

    @implements(ufunc.accumulate)
    def accumulate(array: Any, axis: int = 0, dtype: Any = None, out: None = None) -> Any:
        if not shape_of(array):
            raise ArgumentError(f"np.{name}: cannot accumulate on a scalar")
        array, axis = _along(name, array, axis, out)
        given = dtype_of(array).numpy
        try:
            with np.errstate(all="ignore"):
                found = ufunc.accumulate(np.ones(1, given), dtype=dtype).dtype
        except TypeError as error:
            raise ArgumentError(f"np.{name} of {given.name}: {error}") from None
        target = as_dtype(found)
        if fn == "pow" and target.kind == "i" and shape_of(array)[axis] > 1:
            array = _natural(astype(array, dtype=target), axis)
        return scan(array, fn=fn, axis=axis, dtype=target)


def _natural(array: Any, axis: int) -> Any:
    """``array``, unless an element along ``axis`` after the first one is negative."""
    later = getitem(array, (*(slice(None),) * axis, slice(1, None)))
    bad = less(later, 0)
    return insisted(array, bad, error="DomainError", sentence=NEGATIVE_POWER)


for _ufunc, _fn in FOLDED.items():
    _accumulate(_ufunc, _fn)
