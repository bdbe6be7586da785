"""Many short rows in order, beside each other: a vector holds the same element of each.

A network of comparators sorts whatever numbers there are in the same steps (Batcher's odd-even
merge sort, 1968), so that rows need not wait for what others decide::

    a, b = x[0], x[1]   ->   out[0], out[1] = minimum(a, b), maximum(a, b)

Threads of a card have a row each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from ..dtypes import DType, as_dtype, int64
from ..ir.expr import Expr, apply, cast, const, select
from ..ir.grids import Grid
from ..te.tensor import Compute
from .broadcast import as_tensor, size_of
from .op import MANY_SIZES
from .programs import Writer, threads, unflattened
from .shape import permute
from .sort_keys import from_key, key_dtype, sort_key

FEW, MOST = 16, 32  # elements of a row: what sorts more of them takes long to compile
MANY_ROWS = 1 << 12  # for which that pays
LINE = 64  # bytes of a vector, of one or two registers
LEAST_ROWS = 32
TINY = 3  # floats, of which NumPy leaves zeros of both signs as they are
PLACE_BITS = 8  # that say which element of its row a key is of


def suits(shape: tuple[int, ...], axis: int, dtype: DType, places: bool = False) -> bool:
    """Whether there are many short rows along ``axis``, whose keys have room for ``places``. One
    program for many sizes does not ask for these."""
    n = shape[axis]
    if MANY_SIZES.get():
        return False
    rows = size_of(shape) // n if n else 0
    most = MOST if rows >= MANY_ROWS else FEW
    return 1 < n <= most and rows >= LEAST_ROWS and not (places and dtype.itemsize > 4)


def comparators(n: int) -> Iterator[tuple[int, int]]:
    """Pairs of places, the smaller first: when the smaller number of each in turn went to the
    first of them, all ``n`` are in order."""
    width = 1
    while width < n:
        apart = width
        while apart:
            for start in range(apart % width, n - apart, 2 * apart):
                for low in range(start, min(start + apart, n - apart)):
                    if low // (2 * width) == (low + apart) // (2 * width):
                        yield low, low + apart
            apart //= 2
        width *= 2


def neighbours(n: int) -> Iterator[tuple[int, int]]:
    """The same by neighbours alone, among which equal ones stay as they are."""
    for last in range(n - 1, 0, -1):
        for low in range(last):
            yield low, low + 1


def sorted_by_network(x: Any, axis: int, descending: bool = False, places: bool = False) -> Any:
    """``x`` in order along ``axis``, or the ``places`` that its elements come from, those of equal
    ones in order. See :func:`suits`."""
    x = as_tensor(x)
    op = x.op
    if isinstance(op, Compute) and op.op == permute.name and op.params:
        axes = dict(op.params)["axes"]  # columns are sorted as they lie
        (source,) = op.inputs
        return permute(sorted_by_network(source, axes[axis], descending, places), axes=axes)

    def write(on_grid: bool) -> Writer:
        return _written(x.shape, x.dtype, axis, descending, places, on_grid)

    return write(False).call(x, on_grid=lambda: Grid(lambda: write(True).program()))


def _written(
    shape: tuple[int, ...], dtype: DType, axis: int, descending: bool, places: bool, on_grid: bool
) -> Writer:
    w = Writer("argsort" if places else "sort")
    source = w.input("x", shape, dtype)
    out = w.output("out", shape, int64 if places else dtype)
    outer, n, inner = shape[:axis], shape[axis], shape[axis + 1 :]
    kind = key_dtype(dtype)
    as_is = n <= TINY and dtype.kind == "f" and dtype.itemsize > 2 and not (places or descending)
    wide = as_dtype(f"uint{2 * kind.bits}") if places else dtype if as_is else kind

    def at(row: list[Expr], i: int) -> tuple[Expr, ...]:
        return (*row[:axis], const(i), *row[axis:])

    def key_of(row: list[Expr], i: int) -> Expr:
        if as_is:
            return source[at(row, i)]
        key = sort_key(source[at(row, i)], zeros_apart=not places)
        key = ~key if descending else key
        return (cast(key, wide) << const(PLACE_BITS, wide)) | const(i, wide) if places else key

    def meant_by(key: Expr) -> Expr:
        if places:
            return cast(key & const((1 << PLACE_BITS) - 1, wide), int64)
        if as_is:
            return key
        return from_key(~key if descending else key, dtype)

    def sort_rows(many: int, rows: Callable[[], Any]) -> None:
        """Sorts ``many`` rows at once: a loop over ``rows()`` has their indices, and which of them
        they are."""
        keys = [w.registers(f"k{i}", (many,), wide) for i in range(n)]
        less = w.registers("less", (many,), wide)
        with rows() as (row, lane):
            for i, register in enumerate(keys):
                w.store(register, (lane,), key_of(row, i))
            for low, high in neighbours(n) if as_is else comparators(n):
                a, b = keys[low][lane], keys[high][lane]
                if as_is:  # NaN goes last
                    swaps = (b < a) | (apply("isnan", a) & ~apply("isnan", b))
                    first, last = select(swaps, b, a), select(swaps, a, b)
                else:
                    first, last = apply("minimum", a, b), apply("maximum", a, b)
                w.store(less, (lane,), first)
                w.store(keys[high], (lane,), last)
                w.store(keys[low], (lane,), less[lane])
            for i, register in enumerate(keys):
                w.store(out, at(row, i), meant_by(register[lane]))

    if on_grid:
        from .on_grid import points

        with points(w, size_of((*outer, *inner)), "r") as r:
            sort_rows(1, lambda: nullcontext((unflattened(r, (*outer, *inner)), const(0))))
        return w
    lanes = max(LINE // wide.itemsize, 8)
    beside = inner if size_of(inner) > 1 else outer
    around, many = (outer if size_of(inner) > 1 else ()), size_of(beside)
    work = size_of(shape) * n // 4

    def rows_at(place: Expr, o: Expr) -> list[Expr]:
        others = unflattened(place, beside)
        if around:
            return [*unflattened(o, around), *others]
        return [*others, *(const(0) for _ in inner)] if beside is outer else others

    @contextmanager
    def beside_each_other(o: Expr, first: Expr, many: int) -> Iterator[tuple[list[Expr], Expr]]:
        with w.loop(many, "l", "lanes") as lane:
            yield rows_at(first + lane, o), lane

    blocks, rest = divmod(many, lanes)
    times = size_of(around)
    if blocks:
        with w.loop(times * blocks, "b", threads(times * blocks, work)) as b:
            start = b % blocks * lanes
            sort_rows(lanes, lambda: beside_each_other(b // blocks, start, lanes))
    if rest:
        with w.loop(times, "b") as b:
            sort_rows(rest, lambda: beside_each_other(b, const(blocks * lanes), rest))
    return w
