"""Distinct parts of an array along an axis, as np.unique with axis= finds them: rows in the order
of their first elements, equal ones by the second, and so on."""

from __future__ import annotations

from typing import Any

from .. import te
from ..dtypes import int64
from ..errors import UnsupportedError
from ..ir.expr import Expr, apply, cast, const, select
from ..te.extent import is_open
from . import logic
from .arithmetic import maximum, subtract
from .broadcast import as_axis, as_tensor, shape_of, size_of
from .choosing import places_held
from .create import ones
from .elementwise import astype, select_where
from .index import getitem, take
from .join import concatenate
from .op import op
from .programs import Writer
from .promotion import dtype_of
from .reduce import any as any_of
from .scan import cumsum
from .shape import moveaxis, reshape
from .sort import order_along
from .sort_keys import sort_key


@op
def row_order(rows: Any) -> Any:
    """The places that the rows of a 2-d array come from when they are sorted; equal ones in order.

    Runs of 1, 2, 4, ... rows are merged. Two rows are compared up to the first elements that
    differ, by NumPy's order: NaN after all others.
    """
    rows = as_tensor(rows)
    n, m = rows.shape
    w = Writer("row_order")
    source, out = w.input("rows", (n, m), rows.dtype), w.output("out", (n,), int64)
    order = w.memory("order", (2, n), int64)
    with w.loop(n, "i") as i:
        w.store(order, (0, i), i)
    side, length = w.variable("side", const(0)), w.variable("length", const(1))
    here, there = side[()], 1 - side[()]
    with w.repeat(length[()] < n):
        begin = w.variable("begin", const(0))
        with w.repeat(begin[()] < n):
            middle = w.variable("middle", te.min(begin[()] + length[()], n))
            end = w.variable("end", te.min(middle[()] + length[()], n))
            left, right = w.variable("left", begin[()]), w.variable("right", middle[()])
            to = w.variable("to", begin[()])
            with w.repeat(to[()] < end[()]):
                first = w.variable("first", order[here, te.min(left[()], n - 1)])
                second = w.variable("second", order[here, te.min(right[()], n - 1)])
                is_left = (left[()] < middle[()]) & (
                    (right[()] >= end[()]) | ~_comes_before(w, source, second[()], first[()])
                )
                chosen = w.variable("chosen", cast(is_left, int64))
                w.store(order, (there, to[()]), select(chosen[()] > 0, first[()], second[()]))
                w.set(left, left[()] + chosen[()])
                w.set(right, right[()] + (1 - chosen[()]))
                w.set(to, to[()] + 1)
            w.set(begin, end[()])
        w.set(length, length[()] * 2)
        w.set(side, there)
    with w.loop(n, "i") as i:
        w.store(out, (i,), order[here, i])
    return w.call(rows)


def _comes_before(w: Writer, source: Any, a: Expr, b: Expr) -> Expr:
    """Whether row ``a`` comes before row ``b``, for certain."""
    m = source.shape[1]
    if not m:
        return const(False)
    at = w.variable("at", const(0))
    keys = [sort_key(source[row, te.min(at[()], m - 1)]) for row in (a, b)]
    with w.repeat((at[()] < m) & apply("eq", *keys)):
        w.set(at, at[()] + 1)
    return (at[()] < m) & (keys[0] < keys[1])


def unique_along(
    ar: Any, axis: Any, size: Any, fill_value: Any
) -> tuple[Any, Any, Any, Any]:  # fmt: skip
    """Of the parts of ``ar`` along ``axis``: (the distinct ones in order, where each stood first,
    which one each place has, how often each is there). In the room that ``size`` leaves come
    ``fill_value`` or the first of them, and counts 0. As in NumPy parts with NaN differ from all.
    """
    from .sets import run_lengths

    axis = as_axis("np.unique", axis, len(shape_of(ar)))
    if is_open(shape_of(ar)):
        raise UnsupportedError(
            "np.unique with axis= of an array that is as long as the data say cannot be traced "
            "inside a native loop; give the loop an array of known shape, or call it outside"
        )
    parts = moveaxis(ar, axis, 0)
    n, *rest = shape_of(parts)
    rows = reshape(parts, (n, size_of(tuple(rest))))
    order = row_order(rows)
    known = take(rows, order, 0)
    differ = logic.not_equal(getitem(known, slice(1, None)), getitem(known, slice(None, -1)))
    begins = concatenate([ones(min(n, 1), bool), any_of(differ, axis=1)])
    places = places_held("unique", begins, size, -1)
    first = take(order, maximum(places, 0)) if n else places
    found = take(parts, first, 0)
    if size is not None and n:
        missing = reshape(logic.less(places, 0), (shape_of(places)[0], *(1,) * len(rest)))
        filler = getitem(found, slice(0, 1)) if fill_value is None else fill_value
        found = astype(select_where(missing, filler, found), dtype=dtype_of(ar))
    inverse = take(subtract(cumsum(begins), 1), order_along(order, axis=0))
    return moveaxis(found, 0, axis), first, inverse, run_lengths(places, None, n=n)
