"""``ufunc.reduceat``: reductions of runs whose ends the data decide, and the other reductions."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import te
from ..dtypes import as_dtype, int64
from ..errors import ArgumentError, ShapeError, UnsupportedError
from ..ir.expr import Expr, cast, const, select
from ..ir.grids import Grid
from ..ir.program import Program
from .arithmetic import NEGATIVE_POWER
from .broadcast import as_axis, as_tensor, shape_of, size_of
from .calculus import as_array
from .combining import FOLDED, combined
from .on_grid import point_knobs, points
from .op import implements, op
from .programs import Writer, threads, unflattened
from .promotion import accumulator, dtype_of


@op
def runs(x: Any, starts: Any, *, fn: str, axis: int, dtype: Any) -> Any:
    """``fn`` folded over each run of ``x`` along ``axis``, from one of ``starts`` to the next; one
    element where the next start is not greater. A start outside of the axis is refused."""
    x, starts, target = as_tensor(x), as_tensor(starts), as_dtype(dtype)
    n, count, work = x.shape[axis], starts.shape[0], accumulator(target)

    def written(teams: int) -> Program:
        """By threads of blocks of ``teams``, if there are any."""
        w = Writer(f"{fn}_reduceat")
        source = w.input("x", x.shape, x.dtype)
        first = w.input("starts", starts.shape, starts.dtype)
        shape = (*x.shape[:axis], count, *x.shape[axis + 1 :])
        out = w.output("out", shape, target)
        sentence = f"ufunc.reduceat: index {{index}} is out of bounds for an axis of size {n}"
        guard = w.guard("BoundsError", sentence, n)
        is_power = fn == "pow" and work.kind == "i"
        natural = w.guard("DomainError", NEGATIVE_POWER) if is_power else None
        with points(w, count, "k") if teams else w.loop(count, "k") as k:
            w.store(guard, (first[k],), 0)
        others = (*x.shape[:axis], *x.shape[axis + 1 :])
        loop = w.loop(rows, "r", threads(rows, x.size))
        with points(w, rows, "r", threads=teams) if teams else loop as r:
            k, *rest = unflattened(r, (count, *others))
            read = lambda i: cast(source[_with(rest, axis, i)], work)
            low = cast(first[k], int64)
            after = cast(first[te.min(k + 1, count - 1)], int64)
            high = select(k + 1 < count, after, const(n))
            total = w.variable("total", read(low))

            def more(i: Expr) -> None:
                """``i`` elements after the first one comes another."""
                if natural is not None:
                    w.insist(natural, read(low + i + 1) >= const(0, work))
                w.set(total, combined(fn, total[()], read(low + i + 1)))

            if teams:
                i = w.variable("i", const(0))
                with w.repeat(i[()] < high - low - 1):
                    more(i[()])
                    w.set(i, i[()] + 1)
            else:
                with w.loop(n - 1, "i") as step, w.when(step < high - low - 1):
                    more(step)
            w.store(out, (*rest[:axis], k, *rest[axis:]), total[()])
        return w.program()

    rows = size_of((count, *x.shape[:axis], *x.shape[axis + 1 :]))

    def on_grid() -> Grid:
        return Grid(lambda threads: written(threads), lambda: point_knobs(rows))

    return te.call(written(0), x, starts, on_grid=on_grid)


def _with(indices: list[Expr], axis: int, i: Expr) -> tuple[Expr, ...]:
    return (*indices[:axis], i, *indices[axis:])


def _reduceat(ufunc: np.ufunc, fn: str) -> None:
    name = f"np.{ufunc.__name__}.reduceat"

    @implements(ufunc.reduceat)
    def reduceat(
        array: Any, indices: Any, axis: int = 0, dtype: Any = None, out: None = None
    ) -> Any:
        if out is not None:
            raise UnsupportedError(f"{name} with out= cannot be traced; assign the result instead")
        array, indices = as_array(array), as_array(indices)
        axis = as_axis(name, axis, len(shape_of(array)))
        if len(shape_of(indices)) != 1 or dtype_of(indices).kind not in "iu":
            raise ArgumentError(
                f"{name}: indices must be a vector of integers, got shape {shape_of(indices)} of "
                f"{dtype_of(indices)}"
            )
        shape = shape_of(array)
        if not shape[axis] and shape_of(indices)[0]:
            raise ShapeError(f"{name}: axis {axis} of shape {shape} is empty")
        given = dtype_of(array).numpy
        try:
            with np.errstate(all="ignore"):
                found = ufunc.reduceat(np.ones(1, given), [0], dtype=dtype).dtype
        except TypeError as error:
            raise ArgumentError(f"{name} of {given.name}: {error}") from None
        if not size_of(shape) or not shape_of(indices)[0]:
            empty = (*shape[:axis], shape_of(indices)[0], *shape[axis + 1 :])
            return np.zeros(empty, found)
        return runs(array, indices, fn=fn, axis=axis, dtype=as_dtype(found))


for _ufunc, _fn in FOLDED.items():
    _reduceat(_ufunc, _fn)
