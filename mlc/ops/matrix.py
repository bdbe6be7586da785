"""Diagonals and triangles."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import te
from ..dtypes import as_dtype
from ..errors import ShapeError
from ..ir.expr import Expr, apply, const, select
from .aliasing import DIAGONAL, DIAGONALS
from .broadcast import as_axis, as_tensor, shape_of
from .op import implements, op
from .reduce import sum as sum_of
from .shape import moved


@op(view=DIAGONAL)
def diagonal_of(x: Any, *, offset: int, axis1: int, axis2: int) -> Any:
    """The elements with ``index[axis2] == index[axis1] + offset``, along a new last axis."""
    x = as_tensor(x)
    row, column = max(-offset, 0), max(offset, 0)
    size = max(min(x.shape[axis1] - row, x.shape[axis2] - column), 0)
    rest = [d for d in range(x.ndim) if d not in (axis1, axis2)]

    def source(index: Any) -> list[Expr]:
        *outer, i = index
        at = {**dict(zip(rest, outer, strict=True)), axis1: i + row, axis2: i + column}
        return [at[d] for d in range(x.ndim)]

    return moved(x, (*(x.shape[d] for d in rest), size), source, "diagonal")


@op(view=DIAGONALS)
def on_diagonals(x: Any, *, places: tuple[int, ...]) -> Any:
    """``x[i]`` with the axis ``places[d]`` of the result at axis ``d`` of ``x``: a diagonal where
    two of them are the same."""
    x = as_tensor(x)
    shape = tuple(x.shape[places.index(n)] for n in range(max(places) + 1))
    return moved(x, shape, lambda index: [index[p] for p in places], "diagonals")


@op
def off_diagonals(x: Any, value: Any, *, places: tuple[int, ...]) -> Any:
    """``x`` with ``value`` where `on_diagonals` reads."""
    x, value = as_tensor(x), as_tensor(value)
    first = [places.index(n) for n in range(max(places) + 1)]

    def element(*index: Any) -> Expr:
        found = value[tuple(index[d] for d in first)]
        for d, p in enumerate(places):
            if first[p] != d:
                found = select(apply("eq", index[d], index[first[p]]), found, x[index])
        return found

    return te.compute(x.shape, element, name="off_diagonals")


@implements(np.diagonal)
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """np.diagonal."""
    ndim = len(shape_of(a))
    if ndim < 2:
        raise ShapeError(f"diagonal: needs at least two dimensions, got shape {shape_of(a)}")
    first, second = as_axis("diagonal", axis1, ndim), as_axis("diagonal", axis2, ndim)
    if first == second:
        raise ShapeError(f"diagonal: axis1 and axis2 are both {axis1}")
    return diagonal_of(a, offset=int(offset), axis1=first, axis2=second)


@implements(np.trace)
def trace(
    a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: None = None
) -> Any:
    """np.trace: the sum of a diagonal."""
    return sum_of(diagonal(a, offset, axis1, axis2), axis=-1, dtype=dtype)


@op
def diagonal_matrix(x: Any, *, offset: int) -> Any:
    """The square matrix with the 1-d ``x`` on diagonal ``offset`` and 0 elsewhere."""
    x = as_tensor(x)
    row, column = max(-offset, 0), max(offset, 0)
    size = x.shape[0] + row + column

    def body(i: Expr, j: Expr) -> Expr:
        inside = apply("eq", i - row, j - column)
        for test in [i >= row] * bool(row) + [j >= column] * bool(column):
            inside = inside & test
        zero = const(0, x.dtype)
        return select(inside, x[i - row if row else i], zero) if x.size else zero

    return te.compute((size, size), body, name="diag")


@implements(np.diag)
def diag(v: Any, k: int = 0) -> Any:
    """np.diag: the diagonal of a matrix, or the matrix with that diagonal."""
    if len(shape_of(v)) == 1:
        return diagonal_matrix(v, offset=int(k))
    if len(shape_of(v)) != 2:
        raise ShapeError(f"diag: needs one or two dimensions, got shape {shape_of(v)}")
    return diagonal(v, k)


@implements(np.diagflat)
def diagflat(v: Any, k: int = 0) -> Any:
    """np.diagflat."""
    from .shape import ravel

    return diag(ravel(v), k)


@op
def triangle(x: Any, *, offset: int, lower: bool) -> Any:
    """``x`` with 0 above (``lower``) or below diagonal ``offset`` of the last two axes."""
    x = as_tensor(x)

    def body(*index: Expr) -> Expr:
        i, j = index[-2:]
        keep = j <= i + offset if lower else j >= i + offset
        return select(keep, x[index], const(0, x.dtype))

    return te.compute(x.shape, body, name="tril" if lower else "triu")


def _triangle(name: str, m: Any, k: int) -> Any:
    shape = shape_of(m)
    if not shape:
        raise ShapeError(f"{name}: needs at least one dimension, got a scalar")
    if len(shape) == 1:
        from .shape import broadcast_to

        m = broadcast_to(m, (shape[0], shape[0]))
    return triangle(m, offset=int(k), lower=name == "tril")


@implements(np.tril)
def tril(m: Any, k: int = 0) -> Any:
    """np.tril."""
    return _triangle("tril", m, k)


@implements(np.triu)
def triu(m: Any, k: int = 0) -> Any:
    """np.triu."""
    return _triangle("triu", m, k)


@op
def band(*, rows: int, columns: int, offset: int, dtype: Any, only: bool) -> Any:
    """Ones on diagonal ``offset`` (``only``), or on and below it; zeros elsewhere."""
    target = as_dtype(dtype)
    one, zero = const(1, target), const(0, target)

    def body(i: Expr, j: Expr) -> Expr:
        place = i + offset
        return select(apply("eq", place, j) if only else j <= place, one, zero)

    return te.compute((rows, columns), body, name="eye" if only else "tri")
