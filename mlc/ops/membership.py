"""np.isin: which elements are among others.

A few are compared one by one. Integers that lie close together are marked in a table of bytes, as
NumPy does; others are put into a table of slots, where each stands at or soon after a place that is
computed from it. Floating-point numbers are sorted and searched.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .. import te
from ..dtypes import as_dtype, boolean, int64, uint8, uint64
from ..errors import DomainError
from ..ir.expr import Expr, apply, cast, const
from ..ir.grids import Grid
from ..ir.program import Buffer
from ..te.extent import is_open
from . import logic
from .broadcast import as_tensor, shape_of, size_of
from .elementwise import astype
from .op import implements, op
from .programs import Writer, threads
from .promotion import common_dtype, dtype_of
from .reduce import any as any_of
from .search import places_in
from .shape import expand_dims, ravel, reshape
from .sort import sorted_along

FEW = 16  # elements to look for that are compared one by one
PIECES = 16  # of the elements that are looked up, which threads share
LANES = 64
MIXING = 0x9E3779B97F4A7C15  # 2**64 divided by the golden ratio: products spread over all slots


@op
def any_equal(x: Any, tests: Any) -> Any:
    """Whether each element of ``x`` equals one of the 1-d ``tests``."""
    x, tests = as_tensor(x), as_tensor(tests)
    work = common_dtype(x, tests)

    def body(*index: Expr) -> Expr:
        found: Expr = const(False)
        for n in range(tests.shape[0]):
            found = found | apply("eq", cast(x[index], work), cast(tests[(const(n),)], work))
        return found

    return te.compute(x.shape, body, name="isin")


@op
def stands_at(x: Any, values: Any, places: Any) -> Any:
    """Whether each element of ``x`` equals the one of the 1-d ``values`` at its place."""
    x, values, places = as_tensor(x), as_tensor(values), as_tensor(places)
    work, last = common_dtype(x, values), values.shape[0] - 1

    def body(*index: Expr) -> Expr:
        found = values[(te.min(places[index], last),)]
        return apply("eq", cast(x[index], work), cast(found, work))

    return te.compute(x.shape, body, name="isin")


@op
def is_marked(x: Any, tests: Any, *, dtype: Any) -> Any:
    """Whether each element of the 1-d ``x`` is among the 1-d ``tests``, which are integers or truth
    values, compared in ``dtype``; both have elements."""
    x, tests, work = as_tensor(x), as_tensor(tests), as_dtype(dtype)
    size, n = x.shape[0], tests.shape[0]
    w = Writer("isin")
    source, known = w.input("x", (size,), x.dtype), w.input("tests", (n,), tests.dtype)
    out = w.output("out", (size,), boolean)
    value, test = lambda i: cast(source[i], work), lambda i: cast(known[i], work)
    least, span = _range(w, known, work)
    # Memory for a range that is worth it by NumPy's measure; numbers of 1 or 2 bytes always fit.
    limit = max(6 * (size + n), 1 << 16 if work.itemsize <= 2 else 0)
    with w.when(span[()] < const(limit, uint64)):
        table = w.memory("table", (limit + LANES,), uint8)
        at, distance = w.variable("at", const(0)), lambda v: cast(v, uint64) - least[()]
        with w.repeat(cast(at[()], uint64) <= span[()]):
            with w.loop(LANES, "l", "lanes") as l:
                w.store(table, (at[()] + l,), 0)
            w.set(at, at[()] + LANES)
        with w.loop(n, "i") as i:
            w.store(table, (distance(test(i)),), 1)
        with _pieces(w, size) as i:
            place = distance(value(i))
            mark = cast(table[cast(te.min(place, span[()]), int64)], boolean)
            w.store(out, (i,), mark & (place <= span[()]))
    if work.itemsize > 2:
        with w.otherwise():
            _by_slots(w, n, size, test, value, out)
    given, others = x.dtype, tests.dtype

    def on_grid() -> Grid:
        from .grid_places import membership_on_grid

        return membership_on_grid(size, given, n, others, work)

    return w.call(x, tests, on_grid=on_grid)


def _range(w: Writer, known: Buffer, work: Any) -> tuple[Buffer, Buffer]:
    """Variables in uint64: the least of ``known``, and how far the greatest is from it."""
    n = int(known.shape[0])
    lanes = min(LANES, 1 << (n.bit_length() - 1))
    low, high = (w.registers(name, (lanes,), work) for name in ("low", "high"))
    with w.loop(lanes, "l", "lanes") as l:
        w.store(low, (l,), known[l])
        w.store(high, (l,), known[l])
    with w.loop(-(-n // lanes), "g") as g, w.loop(lanes, "l", "lanes") as l:
        here = cast(known[te.min(g * lanes, n - lanes) + l], work)
        w.store(low, (l,), te.min(low[l], here))
        w.store(high, (l,), te.max(high[l], here))
    ends = w.memory("ends", (2, lanes), work)
    with w.loop(lanes, "l", "lanes") as l:
        w.store(ends, (0, l), low[l])
        w.store(ends, (1, l), high[l])
    least, most = w.variable("least", ends[0, 0]), w.variable("most", ends[1, 0])
    with w.loop(lanes, "l") as l:
        w.set(least, te.min(least[()], ends[0, l]))
        w.set(most, te.max(most[()], ends[1, l]))
    start = w.variable("start", cast(least[()], uint64))
    return start, w.variable("span", cast(most[()], uint64) - start[()])


def _by_slots(w: Writer, n: int, size: int, test: Any, value: Any, out: Buffer) -> None:
    """Each test stands in the first slot from its place on that was free. Slots that are free hold
    the first test, which ends every search for others, too."""
    bits = n.bit_length() + 1
    dtype = test(const(0)).dtype
    slots = w.memory("slots", (1 << bits,), dtype)
    free = w.variable("free", test(const(0)))
    with w.loop(1 << bits, "s", "lanes") as s:
        w.store(slots, (s,), free[()])

    def place(key: Buffer) -> Buffer:
        """Where ``key`` stands, or the free slot where it would."""
        mixed = cast(key[()], uint64) * const(MIXING, uint64)
        at = w.variable("at", cast(mixed >> const(64 - bits, uint64), int64))
        here = lambda: slots[at[()]]
        with w.repeat(apply("ne", here(), key[()]) & apply("ne", here(), free[()])):
            w.set(at, (at[()] + 1) & ((1 << bits) - 1))
        return at

    with w.loop(n, "i") as i:
        key = w.variable("key", test(i))
        w.store(slots, (place(key)[()],), key[()])
    with _pieces(w, size) as i:
        key = w.variable("key", value(i))
        w.store(out, (i,), apply("eq", slots[place(key)[()]], key[()]))


@contextmanager
def _pieces(w: Writer, size: int) -> Iterator[Expr]:
    """Loops over all of ``size`` places, by threads; the last pieces may meet."""
    pieces = PIECES if size >= PIECES * LANES else 1
    each = -(-size // pieces)
    with w.loop(pieces, "t", threads(pieces, size * 4)) as t, w.loop(each, "i") as i:
        yield te.min(t * each, size - each) + i


@implements(np.isin)
def isin(
    element: Any, test_elements: Any, assume_unique: bool = False, invert: bool = False, *,
    kind: Any = None,
) -> Any:  # fmt: skip
    """np.isin; every ``kind`` gives the same."""
    if kind not in (None, "sort", "table"):
        raise DomainError(f"np.isin: kind must be sort or table, got {kind!r}")
    x = element if hasattr(element, "shape") else np.asarray(element)
    tests = ravel(test_elements)
    dtypes = dtype_of(x), dtype_of(tests)
    if kind == "table" and any(d.kind not in "biu" for d in dtypes):
        raise DomainError(
            f"np.isin: kind='table' takes integers and bools, got {dtypes[0]} and {dtypes[1]}; "
            f"use kind='sort' or none"
        )
    if is_open(shape_of(tests)):
        found = any_of(logic.equal(expand_dims(x, -1), tests), axis=-1)
        return logic.logical_not(found) if invert else found
    dtype = common_dtype(*(d.numpy.type(0) for d in dtypes))
    if dtype.is_float and all(d.kind in "biu" for d in dtypes):
        # uint64 beside signed integers: what is in both of their ranges is in that of int64.
        signed = astype(x, dtype=int64)
        among = isin(signed, astype(tests, dtype=int64))
        found = logic.logical_and(among, logic.greater_equal(signed, 0))
    elif shape_of(tests)[0] <= FEW or not size_of(shape_of(x)):
        found = any_equal(x, tests)
    elif dtype.kind in "biu":
        dtype = uint8 if dtype is boolean else dtype
        found = reshape(is_marked(ravel(x), tests, dtype=dtype), shape_of(x))
    else:
        known = sorted_along(tests, axis=0, stable=False)
        found = stands_at(x, known, places_in(known, x, right=False, dtype=dtype))
    return logic.logical_not(found) if invert else found


if hasattr(np, "in1d"):  # gone in NumPy 2.4

    @implements(np.in1d)
    def in1d(ar1: Any, ar2: Any, assume_unique: bool = False, invert: bool = False) -> Any:
        """np.in1d."""
        return isin(ravel(ar1), ar2, invert=invert)
