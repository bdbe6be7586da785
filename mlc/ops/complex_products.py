"""Products of complex numbers in order, as NumPy's: in another one, parts of them overflow where
the whole does not."""

from __future__ import annotations

from functools import cache
from typing import Any

from ..dtypes import DType
from ..ir.combiner import Combiner, make_combiner
from ..ir.expr import Expr
from ..ir.grids import Grid
from ..te.construct import compute, reduce_with
from .broadcast import as_tensor, size_of
from .elementwise import rounded_product
from .on_grid import point_knobs, points
from .op import op
from .programs import Writer, threads, unflattened
from .reduce import over

Pair = tuple[Expr, Expr]


def _times(x: Pair, y: Pair) -> Pair:
    """``x * y``, each product rounded, as by NumPy along an axis of neighbours."""
    (a, b), (c, d) = x, y
    real = rounded_product(a, c) - rounded_product(b, d)
    return real, rounded_product(a, d) + rounded_product(b, c)


@cache
def _in_order(dtype: DType) -> Combiner:
    return make_combiner("complex_prod", _times, (1, 0), (dtype, dtype), commutative=False)


@op
def complex_prod(real: Any, imag: Any, *, axes: tuple[int, ...], keepdims: bool) -> Any:
    """(real, imaginary) parts of the product over ``axes`` (some) of parts of one dtype."""
    real, imag = as_tensor(real), as_tensor(imag)
    shape, folded, at = over(real, axes, keepdims)
    axis = tuple(folded.values())

    def body(*index: Expr) -> Any:
        first = at(index)
        second = imag[first.indices]  # type: ignore[attr-defined]
        return reduce_with(_in_order(real.dtype), (first, second), axis)

    return compute(shape, body, name="prod")


@op
def complex_cumprod(real: Any, imag: Any, *, axis: int) -> Any:
    """(real, imaginary) parts of the running products along ``axis``: a chain for each line."""
    real, imag = as_tensor(real), as_tensor(imag)
    shape, dtype = real.shape, real.dtype

    lines = size_of((*shape[:axis], *shape[axis + 1 :]))

    def written(teams: int) -> Writer:
        """By threads of blocks of ``teams``, if there are any."""
        w = Writer("complex_cumprod")
        sources = w.input("real", shape, dtype), w.input("imag", shape, dtype)
        outs = w.output("out_real", shape, dtype), w.output("out_imag", shape, dtype)
        rest = (*shape[:axis], *shape[axis + 1 :])

        def at(line: Expr, i: Expr | int) -> tuple[Expr | int, ...]:
            others = unflattened(line, rest)
            return (*others[:axis], i, *others[axis:])

        loop = w.loop(lines, "line", threads(lines, size_of(shape)))
        with points(w, lines, "line", threads=teams) if teams else loop as line:
            totals = [w.variable(f"total{n}", s[at(line, 0)]) for n, s in enumerate(sources)]
            for total, out in zip(totals, outs, strict=True):
                w.store(out, at(line, 0), total[()])
            with w.loop(shape[axis] - 1, "i") as i:
                here = at(line, i + 1)
                left, right = (totals[0][()], totals[1][()]), (sources[0][here], sources[1][here])
                found = [w.variable(f"new{n}", part) for n, part in enumerate(_times(left, right))]
                for total, new, out in zip(totals, found, outs, strict=True):
                    w.set(total, new[()])
                    w.store(out, here, total[()])
        return w

    def on_grid() -> Grid:
        return Grid(lambda threads: written(threads).program(), lambda: point_knobs(lines))

    return written(0).call(real, imag, on_grid=on_grid)
