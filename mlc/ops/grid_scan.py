"""Scans for cards: a block of threads for each tile of a line, or a thread for each short line."""

from __future__ import annotations

from collections.abc import Sequence

from ..dtypes import DType
from ..ir.expr import Expr, cast
from ..ir.program import Program
from .broadcast import size_of
from .combining import combined
from .on_grid import points, prefixes
from .programs import Writer, unflattened

SHORT = 64  # elements of a line that one thread goes along
MANY = 1 << 12  # lines side by side, of which a thread for each is enough
ASSOCIATIVE = frozenset(
    {"add", "maximum", "minimum", "fmax", "fmin", "bitand", "bitor", "bitxor", "logaddexp",
     "logaddexp2"}
)  # fmt: skip


def scan_on_grid(
    shape: Sequence[int], given: DType, dtype: DType, work: DType, fn: str, axis: int
) -> Program:
    """``out[i] = fn(out[i - 1], x[i])`` along ``axis`` of an array of ``given``, in ``work``."""
    w = Writer(f"scan_{fn}")
    x, out = w.input("x", shape, given), w.output("out", shape, dtype)
    n, rest = shape[axis], (*shape[:axis], *shape[axis + 1 :])
    lines = size_of(rest)

    def at(line: Expr, i: Expr | int) -> tuple[Expr | int, ...]:
        others = unflattened(line, rest)
        return (*others[:axis], i, *others[axis:])

    def read(line: Expr, i: Expr | int) -> Expr:
        return cast(x[at(line, i)], work)

    beside = size_of(shape[axis + 1 :]) > 1 and lines >= MANY
    if may_be_cut(fn, work) and n > SHORT and not beside:
        prefixes(
            w, lines, n, work, read, lambda a, b: combined(fn, a, b),
            lambda line, i, value: w.store(out, at(line, i), value),
        )  # fmt: skip
        return w.program()
    with points(w, lines, "line") as line:
        total = w.variable("total", read(line, 0))
        w.store(out, at(line, 0), total[()])
        with w.loop(n - 1, "i") as i:
            w.set(total, combined(fn, total[()], read(line, i + 1)))
            w.store(out, at(line, i + 1), total[()])
    return w.program()


def may_be_cut(fn: str, dtype: DType) -> bool:
    """Whether pieces of a line may be combined on their own: not products of floats, of which one
    piece may overflow where the whole would not."""
    return fn in ASSOCIATIVE or fn == "mul" and not dtype.is_float
