"""Scans for cards: a block of threads for each tile of a line, or a thread for each short line."""

from __future__ import annotations

from collections.abc import Sequence

from ..dtypes import DType
from ..ir.expr import Expr, cast
from ..ir.grids import Grid, Knob
from ..ir.program import Buffer, Program
from .broadcast import size_of
from .combining import combined
from .grid_products import running_products
from .on_grid import EACH, point_knobs, points, prefix_knobs, prefixes
from .programs import Writer, unflattened

SHORT = 64  # elements of a line that one thread goes along
SHORT_OF_PRODUCTS = 512  # the same where more is to be done to cut a line
MANY = 1 << 12  # lines side by side, of which a thread for each is enough
ASSOCIATIVE = frozenset(
    {"add", "maximum", "minimum", "fmax", "fmin", "bitand", "bitor", "bitxor", "logaddexp",
     "logaddexp2"}
)  # fmt: skip


def scan_on_grid(
    shape: Sequence[int], given: DType, dtype: DType, work: DType, fn: str, axis: int
) -> Grid:
    """``out[i] = fn(out[i - 1], x[i])`` along ``axis`` of an array of ``given``, in ``work``."""

    def write(threads: int, each: int = EACH) -> Program:
        return _written(shape, given, dtype, work, fn, axis, threads, each)

    def leaves_open() -> tuple[Knob, ...]:
        if _is_cut(shape, work, fn, axis):
            return prefix_knobs(shape[axis])
        return point_knobs(size_of((*shape[:axis], *shape[axis + 1 :])))

    return Grid(write, leaves_open)


def _written(
    shape: Sequence[int], given: DType, dtype: DType, work: DType, fn: str, axis: int,
    threads: int, each: int,
) -> Program:  # fmt: skip
    w = Writer(f"scan_{fn}")
    x, out = w.input("x", shape, given), w.output("out", shape, dtype)
    n, rest = shape[axis], (*shape[:axis], *shape[axis + 1 :])
    lines = size_of(rest)

    def at(line: Expr, i: Expr | int) -> tuple[Expr | int, ...]:
        others = unflattened(line, rest)
        return (*others[:axis], i, *others[axis:])

    def read(line: Expr, i: Expr | int) -> Expr:
        return cast(x[at(line, i)], work)

    if _is_cut(shape, work, fn, axis):
        if fn == "mul" and work.is_float:
            kept: Buffer | None = out if dtype is work else None
            running_products(w, lines, n, work, read, at, out, kept, threads, each)
            return w.program()
        prefixes(
            w, lines, n, (work,), lambda line, i: (read(line, i),),
            lambda a, b: (combined(fn, a[0], b[0]),),
            lambda line, i, value: w.store(out, at(line, i), value[0]), threads, each,
        )  # fmt: skip
        return w.program()
    with points(w, lines, "line", threads=threads) as line:
        total = w.variable("total", read(line, 0))
        w.store(out, at(line, 0), total[()])
        with w.loop(n - 1, "i") as i:
            w.set(total, combined(fn, total[()], read(line, i + 1)))
            w.store(out, at(line, i + 1), total[()])
    return w.program()


def _is_cut(shape: Sequence[int], work: DType, fn: str, axis: int) -> bool:
    """Whether lines are cut into tiles."""
    n, lines = shape[axis], size_of((*shape[:axis], *shape[axis + 1 :]))
    is_product = fn == "mul" and work.is_float
    beside = size_of(shape[axis + 1 :]) > 1 and lines >= MANY
    if beside or not (fn in ASSOCIATIVE or fn == "mul"):
        return False
    return n > (SHORT_OF_PRODUCTS if is_product else SHORT)
