"""What follows from decompositions: least squares, inverses of any matrix, ranks, norms."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from ..dtypes import float64
from ..errors import ArgumentError, ShapeError
from . import arithmetic, logic
from .attempts import refuse_where
from .broadcast import Shape, shape_of, size_of
from .contract import matmul
from .create import zeros
from .elementwise import astype, select_where
from .index import getitem
from .linalg import inverse, svd
from .op import implements
from .promotion import dtype_of
from .reduce import any as any_of
from .reduce import max as max_of
from .reduce import min as min_of
from .reduce import sum as sum_of
from .shape import matrix_transpose, moveaxis, reshape
from .statistics import greatest, norm

_NOT_GIVEN: Any = np._NoValue  # type: ignore[attr-defined]


def _epsilon(a: Any) -> float:
    dtype = dtype_of(a)
    return float(ml_dtypes.finfo(dtype.numpy if dtype.is_float else np.float64).eps)


@implements(np.linalg.pinv)
def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = _NOT_GIVEN) -> Any:
    """np.linalg.pinv: by singular values; those below ``rcond`` of the greatest count as 0."""
    shape, rcond = shape_of(a), least_share(shape_of(a), _epsilon(a), rcond, rtol)
    if not size_of(shape):
        return zeros((*shape[:-2], shape[-1], shape[-2]), dtype=dtype_of(a).name)
    u, s, vh = svd(a, full_matrices=False, hermitian=hermitian)
    limit = arithmetic.multiply(_beside(rcond), max_of(s, axis=-1, keepdims=True))
    inverse = select_where(logic.greater(s, limit), arithmetic.divide(1.0, s), 0.0)
    scaled = arithmetic.multiply(_beside(inverse), matrix_transpose(u))
    return matmul(matrix_transpose(vh), scaled)


def least_share(shape: Shape, epsilon: float, rcond: Any, rtol: Any) -> Any:
    """The share of the greatest singular value below which np.linalg.pinv takes one for 0."""
    if rcond is not None and rtol is not _NOT_GIVEN:
        raise ArgumentError("np.linalg.pinv: rcond and rtol are the same; give one of them")
    if rcond is not None or rtol is _NOT_GIVEN:
        return 1e-15 if rcond is None else rcond
    return max(shape[-2:]) * epsilon if rtol is None else rtol


def _beside(value: Any) -> Any:
    """``value`` with a new last axis, if it has any."""
    return reshape(value, (*shape_of(value), 1)) if shape_of(value) else value


def _result(a: Any) -> str:
    dtype = dtype_of(a)
    return dtype.name if dtype.is_float else "float64"


@implements(np.linalg.lstsq)
def lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    """np.linalg.lstsq: (solution, residuals, rank, singular values).

    How many residuals there are depends on the rank in NumPy, none where the rank is less than the
    number of columns; here there is one for each column of ``b`` if ``a`` is taller than wide, NaN
    where NumPy has none.
    """
    if len(shape_of(a)) != 2 or len(shape_of(b)) not in (1, 2):
        raise ShapeError(
            f"np.linalg.lstsq: needs a matrix and one or two dimensions, got {shape_of(a)} and "
            f"{shape_of(b)}"
        )
    m, n = shape_of(a)
    if shape_of(b)[0] != m:
        raise ShapeError(f"np.linalg.lstsq: shapes {shape_of(a)} and {shape_of(b)} do not fit")
    for given in (dtype_of(a), dtype_of(b)):
        if given.is_float and given.bits == 16:
            raise ArgumentError(
                f"np.linalg.lstsq: {given} is not supported; use .astype('float32')"
            )
    rcond = max(m, n) * max(_epsilon(a), _epsilon(b)) if rcond is None else rcond
    dtype = _result(a) if _result(a) == _result(b) else "float64"
    columns = b if len(shape_of(b)) == 2 else reshape(b, (m, 1))
    if not m or not n:
        x, s = zeros((n, *shape_of(b)[1:]), dtype=dtype), zeros((0,), dtype=dtype)
        left = sum_of(arithmetic.square(columns), axis=0) if m else s
        return x, astype(left, dtype=dtype), zeros((), dtype="int32"), s
    bad = logic.logical_not(logic.isfinite(a))
    a = refuse_where(a, bad, "SVD did not converge in Linear Least Squares")
    u, s, vh = svd(astype(a, dtype=float64), full_matrices=False)
    keep = logic.greater(s, arithmetic.multiply(rcond, max_of(s)))
    inverse = select_where(keep, arithmetic.divide(1.0, s), 0.0)
    columns = astype(columns, dtype=float64)
    along = arithmetic.multiply(_beside(inverse), matmul(matrix_transpose(u), columns))
    x = matmul(matrix_transpose(vh), along)
    rank = sum_of(astype(keep, dtype="int32"), dtype="int32")
    if m > n:
        error = arithmetic.subtract(columns, matmul(astype(a, dtype=float64), x))
        missing = sum_of(arithmetic.square(error), axis=0)
        residuals = select_where(logic.equal(rank, n), missing, np.nan)
    else:
        residuals = zeros((0,), dtype="float64")
    if len(shape_of(b)) == 1:
        x = reshape(x, (n,))
    return astype(x, dtype=dtype), astype(residuals, dtype=dtype), rank, astype(s, dtype=dtype)


@implements(np.linalg.matrix_rank)
def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    """np.linalg.matrix_rank."""
    shape = shape_of(A)
    if len(shape) < 2:
        return astype(astype(max_of(arithmetic.absolute(A)), dtype="bool"), dtype="int64")
    s = svd(A, compute_uv=False, hermitian=hermitian)
    if tol is None:
        share = max(shape[-2:]) * _epsilon(s) if rtol is None else rtol
        tol = arithmetic.multiply(max_of(s, axis=-1, keepdims=True), _beside(share))
    else:
        tol = _beside(tol)
    return sum_of(logic.greater(s, tol), axis=-1)


@implements(np.linalg.cond)
def cond(x: Any, p: Any = None) -> Any:
    """np.linalg.cond: infinite where it is not known, unless that is since ``x`` has a NaN."""
    if p in (None, 2, -2):
        s = svd(x, compute_uv=False)
        greatest, least = getitem(s, (..., 0)), getitem(s, (..., -1))
        found = arithmetic.divide(*((least, greatest) if p == -2 else (greatest, least)))
    else:
        inverted = inverse(x, refusal="")
        found = arithmetic.multiply(norm(x, p, axis=(-2, -1)), norm(inverted, p, axis=(-2, -1)))
    given = any_of(logic.isnan(x), axis=(-2, -1)) if dtype_of(x).is_float else False
    unknown = logic.logical_and(logic.isnan(found), logic.logical_not(given))
    return select_where(unknown, dtype_of(found).numpy.type(np.inf), found)


@implements(np.linalg.multi_dot)
def multi_dot(arrays: Any) -> Any:
    """np.linalg.multi_dot: products in the order with the fewest multiplications."""
    parts = list(arrays)
    if len(parts) < 2:
        raise ShapeError(f"np.linalg.multi_dot: needs at least two arrays, got {len(parts)}")
    first, last = len(shape_of(parts[0])) == 1, len(shape_of(parts[-1])) == 1
    if first:
        parts[0] = reshape(parts[0], (1, -1))
    if last:
        parts[-1] = reshape(parts[-1], (-1, 1))
    if any(len(shape_of(part)) != 2 for part in parts):
        shapes = ", ".join(str(shape_of(part)) for part in parts)
        raise ShapeError(f"np.linalg.multi_dot: needs matrices, got shapes {shapes}")
    product = _chain(parts)
    rows, columns = shape_of(product)
    kept = () if first and last else (columns,) if first else (rows,) if last else (rows, columns)
    return reshape(product, kept)


def _chain(parts: list[Any]) -> Any:
    """The product of matrices, cut where it costs least (Cormen et al., chapter 15)."""
    sizes = [shape_of(part)[0] for part in parts] + [shape_of(parts[-1])[1]]
    count = len(parts)
    cost = [[0] * count for _ in range(count)]
    cut = [[0] * count for _ in range(count)]
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            options = [
                (cost[i][k] + cost[k + 1][j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                for k in range(i, j)
            ]
            cost[i][j], cut[i][j] = min(options)

    def product(i: int, j: int) -> Any:
        if i == j:
            return parts[i]
        return matmul(product(i, cut[i][j]), product(cut[i][j] + 1, j))

    return product(0, count - 1)


def spectral_norm(x: Any, ord: Any, axis: Any, keepdims: bool) -> Any:
    """The matrix norms of singular values: ``ord`` is 2, -2 or "nuc"."""
    shape = shape_of(x)
    rows, columns = (d % len(shape) for d in axis)
    s = svd(moveaxis(x, (rows, columns), (-2, -1)), compute_uv=False)
    fold = {2: greatest, -2: min_of, "nuc": sum_of}[ord]
    found = fold(s, axis=-1)
    if not keepdims:
        return found
    return reshape(found, tuple(1 if d in (rows, columns) else n for d, n in enumerate(shape)))


@implements(np.linalg.tensorinv)
def tensorinv(a: Any, ind: int = 2) -> Any:
    """np.linalg.tensorinv: the inverse of the matrix that the first ``ind`` axes are the rows of;
    complex arrays, too."""
    shape = shape_of(a)
    if ind <= 0:
        raise ArgumentError(f"np.linalg.tensorinv: ind must be positive, got {ind}")
    rows = size_of(shape[ind:])
    if size_of(shape[:ind]) != rows:
        raise ShapeError(
            f"np.linalg.tensorinv: the first {ind} axes of shape {shape} must have as many "
            f"elements as the others"
        )
    found = np.linalg.inv(np.reshape(a, (rows, rows)))
    return np.reshape(found, (*shape[ind:], *shape[:ind]))


@implements(np.linalg.tensorsolve)
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    """np.linalg.tensorsolve: ``x`` with ``tensordot(a, x, x.ndim) == b``; complex arrays, too."""
    if axes is not None:
        last = [d % len(shape_of(a)) for d in axes]
        order = [d for d in range(len(shape_of(a))) if d not in last] + last
        a = np.transpose(a, order)
    shape, given = shape_of(a), shape_of(b)
    count, wanted = size_of(given), shape[len(given) :]
    if size_of(shape) != count**2 or size_of(wanted) != count:
        raise ShapeError(
            f"np.linalg.tensorsolve: shapes {shape} and {given} do not fit; the axes of a after "
            f"those of b must have {count} elements"
        )
    found = np.linalg.solve(np.reshape(a, (count, count)), np.ravel(b))
    return np.reshape(found, wanted)
