"""Counting at places that data say: bincount and histograms."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import te
from ..dtypes import as_dtype, boolean, float64, int32, int64
from ..errors import ArgumentError, DomainError, DTypeError, ShapeError, UnsupportedError
from ..ir.expr import Cast, Expr, Load, Select, apply, cast, const, select
from ..ir.grids import Grid
from ..te.extent import is_open
from ..te.tensor import Compute, Tensor
from . import arithmetic, logic
from .broadcast import as_tensor, element, shape_of, size_of
from .closing import closed
from .elementwise import astype, rounded_product, select_where
from .index import getitem
from .insisting import insisted
from .moving import is_inside_loop
from .op import CURRENT, implements, op
from .programs import Writer, threads
from .promotion import common_dtype, dtype_of
from .reduce import max as max_of
from .reduce import min as min_of
from .reduce import sum as sum_of
from .search import places_in
from .shape import ravel, reshape

PARTS = 16  # of a long array, counted at once, each in memory of its own
LONG = 1 << 15
MOST_BINS = 1 << 14  # that each part has for itself


@op
def counts_at(places: Any, weights: Any, *, size: int, dtype: Any, refusal: str) -> Any:
    """How often each of ``range(size)`` is among ``places``, or the sum of its ``weights``.

    Places outside are refused with the sentence ``refusal``; without one they are left out.
    """
    places, target = as_tensor(places), as_dtype(dtype)
    n = places.shape[0]
    inputs = [places] if weights is None else [places, as_tensor(weights)]
    given, of = places.dtype, None if weights is None else inputs[1].dtype

    def on_grid() -> Grid:
        from .grid_places import counts_on_grid

        return counts_on_grid(n, given, of, size, target, refusal)

    for_cards = on_grid if n and size else None
    w = Writer("counts")
    at = w.input("places", (n,), places.dtype)
    weight = None if weights is None else w.input("weights", (n,), inputs[1].dtype)
    out = w.output("out", (size,), target)
    guard = w.guard("DomainError", refusal, size) if refusal else None

    def count(counts: Any, part: Sequence[Expr], i: Expr) -> None:
        place = cast(at[i], int64)
        more = const(1, target) if weight is None else cast(weight[i], target)
        here = (*part, place)
        if guard is not None:
            w.store(guard, (place,), 0)
            w.store(counts, here, counts[here] + more)
            return
        with w.when((place >= 0) & (place < size)):
            w.store(counts, here, counts[here] + more)

    if n < LONG or size > MOST_BINS:
        with w.loop(size, "d", "lanes") as d:
            w.store(out, (d,), const(0, target))
        with w.loop(n, "i") as i:
            count(out, (), i)
        return w.call(*inputs, on_grid=for_cards)
    each = n // PARTS
    parts = w.memory("parts", (PARTS, size), target)
    with w.loop(PARTS, "t", threads(PARTS, n)) as t:
        with w.loop(size, "d", "lanes") as d:
            w.store(parts, (t, d), const(0, target))
        with w.loop(each, "i") as i:
            count(parts, (t,), t * each + i)
    with w.loop(n - PARTS * each, "i") as i:
        count(parts, (const(0),), i + PARTS * each)
    with w.loop(size, "d", "lanes") as d:
        w.store(out, (d,), const(0, target))
    with w.loop(PARTS, "t") as t, w.loop(size, "d", "lanes") as d:
        w.store(out, (d,), out[d] + parts[t, d])
    return w.call(*inputs, on_grid=for_cards)


def _greatest(x: Any) -> int:
    """The greatest of the traced ``x``, or -1, where a trace finds that out."""
    ask = getattr(CURRENT.get(), "room", None)
    wide = astype(x, dtype="int64")
    found = None if ask is None else ask(lambda: max_of(wide, initial=-1))
    if found is None:
        raise UnsupportedError(
            "np.bincount of traced values has as many elements as the greatest of them decides, "
            "and shapes must be known while tracing; give minlength=, greater than every value"
        )
    return int(found)


def _counted_in_loop(x: Any, weights: Any, minlength: int) -> Any:
    """np.bincount in a native loop: room for all that may be, of which the greatest of ``x``
    decides how much the result is."""
    most = bound_of(x)
    if most is None and minlength < 1:
        return _greatest(x)
    size = minlength if most is None else max(most + 1, minlength)
    sentence = "np.bincount: x must not be negative, got {index}"
    if most is None:
        sentence = (
            f"np.bincount: {{index}} is not in range({size}), which minlength={minlength} says; "
            f"give a minlength that is greater than every value"
        )
    dtype = int64 if weights is None else float64
    places = closed(astype(x, dtype="int64"), fill=size)
    weights = None if weights is None else closed(weights, fill=0)
    beyond = 1 if is_open(shape_of(x)) else 0
    found = counts_at(places, weights, size=size + beyond, dtype=dtype, refusal=sentence)
    if most is None or most < minlength:
        return getitem(found, slice(0, size))
    length = arithmetic.add(max_of(astype(x, dtype="int64"), initial=minlength - 1), 1)
    return getitem(found, slice(None, length))


@implements(np.bincount)
def bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    """np.bincount: of a traced ``x`` the result has ``minlength`` elements, and a value that does
    not fit is refused when it is met."""
    is_chosen = hasattr(type(minlength), "__mlc_lift__")  # by the data, as the least there is
    minlength = operator.index(minlength)
    if minlength < 0:
        raise DomainError(f"np.bincount: minlength must not be negative, got {minlength}")
    if len(shape_of(x)) != 1:
        raise ShapeError(f"np.bincount: needs a 1-d array, got shape {shape_of(x)}")
    if dtype_of(x).kind not in "biu":
        raise ArgumentError(f"np.bincount: counts integers, got {dtype_of(x)}; use .astype(int)")
    if weights is not None and shape_of(weights) != shape_of(x):
        raise ShapeError(
            f"np.bincount: weights of shape {shape_of(weights)} must have the shape of x, "
            f"{shape_of(x)}"
        )
    sentence = ""
    if not hasattr(type(x), "__mlc_lift__") and not isinstance(x, te.Tensor):
        known = np.asarray(x)
        if known.size and known.min() < 0:
            raise DomainError(f"np.bincount: x must not be negative, got {known.min()}")
        size = max(int(known.max(initial=-1)) + 1, minlength)
    elif is_inside_loop():
        return _counted_in_loop(x, weights, int(minlength))
    elif minlength < 1 or is_chosen:
        size = max(_greatest(x) + 1, minlength)
        sentence = "np.bincount: x must not be negative, got {index}"
        x = arithmetic.minimum(astype(x, dtype="int64"), size - 1)  # greater ones end the call
    else:
        size = int(minlength)
    dtype = int64 if weights is None or not size_of(shape_of(x)) else float64
    sentence = sentence or (
        f"np.bincount: {{index}} is not in range({size}), which minlength={minlength} says; give "
        f"a minlength that is greater than every value"
    )
    return counts_at(x, weights, size=size, dtype=dtype, refusal=sentence)


@op
def even_edges(first: Any, last: Any, *, bins: int, dtype: Any, work: Any) -> Any:
    """``bins + 1`` numbers from ``first`` to ``last``, half a unit around where these are equal;
    computed in ``work``."""
    work = as_dtype(work)

    def body(i: Expr) -> Expr:
        low, high = element(first, (), (), work), element(last, (), (), work)
        same, half = apply("eq", low, high), const(0.5, work)
        start, stop = select(same, low - half, low), select(same, high + half, high)
        step = (stop - start) / const(bins, work)
        value = select(
            apply("eq", i, const(bins)), stop, rounded_product(cast(i, work), step) + start
        )
        return cast(value, as_dtype(dtype))

    return te.compute((bins + 1,), body, name="edges")


@op
def even_bins(a: Any, edges: Any) -> Any:
    """The bin of each element of the 1-d ``a`` among evenly spaced ``edges``; -1 outside."""
    a, edges = as_tensor(a), as_tensor(edges)
    bins, work = edges.shape[0] - 1, common_dtype(a, edges)

    def body(i: Expr) -> Expr:
        value = cast(a[i], work)
        first, last = cast(edges[0], work), cast(edges[bins], work)
        scaled = (value - first) / (last - first) * const(bins, work)
        inside = (value >= first) & (value <= last)
        guess = te.min(te.max(cast(select(inside, scaled, const(0, work)), int64), 0), bins - 1)
        guess = select(value < cast(edges[guess], work), guess - 1, guess)
        beyond = (guess < bins - 1) & (value >= cast(edges[te.min(guess + 1, bins)], work))
        return cast(select(inside, select(beyond, guess + 1, guess), -1), int32)

    return te.compute(a.shape, body, name="bins")


def _outer_edges(a: Any, bounds: Any) -> tuple[Any, Any]:
    """The first and the last edge of even bins."""
    if bounds is None:
        return (min_of(a), max_of(a)) if size_of(shape_of(a)) else (0.0, 1.0)
    low, high = bounds
    known = not any(hasattr(type(edge), "__mlc_lift__") for edge in (low, high))
    if known and not (np.isfinite(low) and np.isfinite(high) and low <= high):
        raise ArgumentError(f"np.histogram: range must be finite and rising, got ({low}, {high})")
    return low, high


@implements(np.histogram_bin_edges)
def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Any:
    """np.histogram_bin_edges for a number of bins, or the edges themselves."""
    return _edges(ravel(a), bins, range)[0]


def _edges(a: Any, bins: Any, bounds: Any) -> tuple[Any, bool]:
    """The edges, and whether they are evenly spaced."""
    if isinstance(bins, str):
        raise UnsupportedError(
            f"np.histogram with bins={bins!r} has as many bins as the data decide, and shapes "
            f"must be known while tracing; give a number of bins, or their edges"
        )
    if not shape_of(bins):
        if isinstance(bins, bool) or not isinstance(bins, (int, np.integer)) or bins < 1:
            raise DomainError(f"np.histogram: bins must be a positive integer, got {bins!r}")
        first, last = _outer_edges(a, bounds)
        if bounds is None and dtype_of(a).is_float and size_of(shape_of(a)):
            finite = logic.logical_and(logic.isfinite(first), logic.isfinite(last))
            sentence = "autodetected range of the elements is not finite"
            bad = logic.logical_not(finite)
            first = insisted(first, bad, error="DomainError", sentence=sentence)
        dtype = common_dtype(first, last, a)
        dtype = dtype if dtype.is_float else float64
        work = common_dtype(*(dtype_of(t).numpy.type(0) for t in (first, last)), 1.0)
        work = work if work.is_float else float64
        return even_edges(first, last, bins=int(bins), dtype=dtype, work=work), True
    if len(shape_of(bins)) != 1 or shape_of(bins)[0] < 2:
        raise ShapeError(
            f"np.histogram: edges must be 1-d and at least two, got shape {shape_of(bins)}"
        )
    if isinstance(bins, (list, tuple, np.ndarray)):
        bins = np.asarray(bins)
        if not (np.diff(bins) >= 0).all():
            raise ArgumentError("np.histogram: bins must increase monotonically")
    return bins, False


@op
def bins_between(found: Any, a: Any, edges: Any) -> Any:
    """The bin of each element of the 1-d ``a``, of which ``found`` edges are not greater; the last
    bin holds its upper edge too, -1 is outside."""
    found, a, edges = as_tensor(found), as_tensor(a), as_tensor(edges)
    bins, work = edges.shape[0] - 1, common_dtype(a, edges)

    def body(i: Expr) -> Expr:
        at_end = apply("eq", cast(a[i], work), cast(edges[bins], work))
        place = select(at_end, const(bins - 1), found[i] - 1)
        return cast(select(place < bins, place, -1), int32)

    return te.compute(a.shape, body, name="bins")


@implements(np.histogram)
def histogram(
    a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> Any:
    """np.histogram: the counts, or with ``density`` what integrates to 1, and the edges."""
    if weights is not None and shape_of(weights) != shape_of(a):
        raise ShapeError(
            f"np.histogram: weights of shape {shape_of(weights)} must have the shape of a, "
            f"{shape_of(a)}"
        )
    if weights is not None and dtype_of(weights) is boolean and shape_of(bins):
        raise DTypeError("np.histogram: bools as weights of given bins; use weights.astype(int)")
    a = ravel(a)
    if dtype_of(a) is boolean:
        a = astype(a, dtype="uint8")
    places, edges, count = _placed(a, bins, range)
    dtype = int64 if weights is None else dtype_of(weights)
    weights = None if weights is None else ravel(weights)
    places = closed(places, fill=-1)
    weights = None if weights is None else closed(weights, fill=0)
    found = counts_at(places, weights, size=count, dtype=dtype, refusal="")
    if density:
        widths = arithmetic.subtract(getitem(edges, slice(1, None)), getitem(edges, slice(0, -1)))
        per_width = arithmetic.divide(astype(found, dtype=float64), widths)
        return arithmetic.divide(per_width, sum_of(found)), edges
    return found, edges


def _doubles(a: Any, bounds: Any) -> Any:
    """``bounds`` in float64, in which np.histogram2d computes edges between given ends."""
    if bounds is None and size_of(shape_of(a)):
        return None
    low, high = (0.0, 1.0) if bounds is None else bounds
    known = not any(hasattr(type(edge), "__mlc_lift__") for edge in (low, high))
    return (np.float64(low), np.float64(high)) if known else (low, high)


@implements(np.histogram2d)
def histogram2d(
    x: Any, y: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> Any:
    """np.histogram2d: (counts in float64, edges of x, edges of y)."""
    if len(shape_of(x)) != 1 or shape_of(x) != shape_of(y):
        raise ShapeError(
            f"np.histogram2d: x and y must be 1-d and equally long, got shapes {shape_of(x)} and "
            f"{shape_of(y)}"
        )
    pair = isinstance(bins, (list, tuple)) and len(bins) == 2
    each = bins if pair else (bins, bins)
    bounds = (None, None) if range is None else range
    both = common_dtype(x, y)
    both = both if both.is_float else float64
    (places, edges, count), (others, more, columns) = (
        _placed(astype(a, dtype=both), b, _doubles(a, r))
        for a, b, r in zip((x, y), each, bounds, strict=True)
    )
    whole = arithmetic.add(arithmetic.multiply(places, columns), others)
    outside = logic.logical_or(logic.less(places, 0), logic.less(others, 0))
    found = counts_at(
        select_where(outside, -1, whole), weights, size=count * columns, dtype=float64, refusal=""
    )
    found = reshape(found, (count, columns))
    if density:
        widths = [
            arithmetic.subtract(getitem(e, slice(1, None)), getitem(e, slice(0, -1)))
            for e in (edges, more)
        ]
        area = arithmetic.multiply(reshape(widths[0], (count, 1)), widths[1])
        found = arithmetic.divide(arithmetic.divide(found, area), sum_of(found))
    return found, edges, more


def _placed(a: Any, bins: Any, bounds: Any) -> tuple[Any, Any, int]:
    """The bin of each element, the edges, and how many bins there are."""
    edges, even = _edges(a, bins, bounds)
    if even:
        return even_bins(a, edges), edges, shape_of(edges)[0] - 1
    dtype = common_dtype(*(dtype_of(t).numpy.type(0) for t in (a, edges)))
    found = bins_between(places_in(edges, a, right=True, dtype=dtype), a, edges)
    return found, edges, shape_of(edges)[0] - 1


def bound_of(x: Any) -> int | None:
    """What no element of ``x``, integers in a native loop, is greater than: the greatest of the
    arrays from outside of the loop that they come from, which the data choose. None where that
    cannot be told."""
    trace: Any = CURRENT.get()
    rooms: Any = getattr(trace, "rooms", None)
    dtype = dtype_of(x)
    if dtype.kind == "b" or dtype.bits <= 8:
        return 1 if dtype.kind == "b" else int(np.iinfo(dtype.numpy).max)
    sources = _sources(trace.lift(x))
    if rooms is None or sources is None:
        return None
    bounds = [rooms.greatest(trace, source) for source in sources]
    return None if None in bounds else max(bounds, default=-1)


def _sources(tensor: Tensor) -> list[Tensor] | None:
    """The tensors whose elements those of ``tensor`` are, as far outside as can be; None where it
    has others."""
    found: dict[Tensor, None] = {}
    pending = [tensor]
    while pending:
        tensor = pending.pop()
        made = tensor.op
        if not isinstance(made, Compute) or made.reduction is not None:
            found[tensor] = None
            continue
        values = [made.body[tensor.index]]
        while values:
            value = values.pop()
            if isinstance(value, Load) and isinstance(value.source, Tensor):
                pending.append(value.source)
            elif isinstance(value, Cast) and value.dtype.kind in "iu" and value.dtype.bits >= 32:
                values.append(value.value)
            elif isinstance(value, Select):
                values += [value.then, value.otherwise]
            else:
                found[tensor] = None
                break
    return list(found)
