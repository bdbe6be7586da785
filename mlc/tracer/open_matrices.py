"""Linear algebra of matrices with as many rows as the data choose in a native loop: of as many as
there may be, those besides zeros, which change neither products of columns nor what follows.

::

    np.linalg.lstsq(x[:n], y[:n])       ->      np.linalg.lstsq(whole_x, whole_y)   zeros from n on
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import UnsupportedError
from ..ops.closing import closed
from ..te.extent import Extent
from .noting import note_error
from .open_forms import form, has_open_size, none_of, sizes
from .open_lengths import number_of


def _tall(a: Any) -> tuple[Any, Any, int] | None:
    """(``a`` with rows of zeros below it, how many rows it has, its columns), if its rows alone
    are of open number: what is computed of columns and their products is the same then."""
    if not has_open_size(a) or a.ndim != 2:
        return None
    rows, columns = a._seen[1].shape
    if type(columns) is not int or type(rows) is not Extent or int(rows) < columns:
        return None
    return closed(a, fill=0), number_of(rows, a._trace), columns


@form(np.linalg.svd)
def _decomposed(a: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    tall = _tall(a)
    if tall is None or compute_uv and full_matrices:
        return NotImplemented
    whole, n, m = tall
    if not compute_uv:
        return np.linalg.svd(whole, compute_uv=False)[: np.minimum(n, m)]
    # LAPACK takes another way then, and the signs of vectors are others.
    note_error(np.less(n, 2 * m), UnsupportedError(
        f"np.linalg.svd with vectors, of as many rows as the data say: fewer than {2 * m} rows "
        f"cannot be traced; use np.linalg.eigh(a.T @ a), or give the loop arrays of known shape"
    ))  # fmt: skip
    found = np.linalg.svd(whole, full_matrices=False)
    return type(found)(found[0][:n], found[1], found[2])


@form(np.linalg.qr)
def _triangular(a: Any, mode: Any = "reduced") -> Any:
    tall = _tall(a)
    if tall is None or mode not in ("reduced", "r"):
        return NotImplemented
    whole, n, m = tall
    count, found = np.minimum(n, m), np.linalg.qr(whole, mode)
    if mode == "r":
        return found[:count]
    return type(found)(found[0][:n, :count], found[1][:count])


@form(np.linalg.pinv)
def _inverted(a: Any, rcond: Any = None, *, rtol: Any = None) -> Any:
    tall = _tall(a)
    if tall is None or rtol is not None:
        return NotImplemented
    return np.linalg.pinv(tall[0], 1e-15 if rcond is None else rcond)[:, : tall[1]]


@form(np.linalg.matrix_rank)
def _rank(A: Any, tol: Any = None, *, rtol: Any = None) -> Any:
    tall = _tall(A)
    if tall is None:
        return NotImplemented
    whole, n, m = tall
    if tol is None:
        greatest = np.linalg.svd(whole, compute_uv=False).max()
        eps = np.finfo(whole.dtype if whole.dtype.kind == "f" else np.float64).eps
        tol = greatest * (np.maximum(n, m) * eps if rtol is None else rtol)
    return np.linalg.matrix_rank(whole, tol)


@form(np.linalg.lstsq)
def _solved(a: Any, b: Any, rcond: Any = None) -> Any:
    tall = _tall(a)
    if tall is None or not has_open_size(b):
        return NotImplemented
    whole, n, m = tall
    if rcond is None or isinstance(rcond, (int, float)) and rcond == -1:
        rcond = np.maximum(n, m) * np.finfo(np.float64).eps
    return np.linalg.lstsq(whole, closed(b, fill=0), rcond)


@form(np.polyfit)
def _fitted(x: Any, y: Any, deg: int, rcond: Any = None, full: bool = False, w: Any = None) -> Any:
    if full:
        return NotImplemented
    none_of(x, "expected non-empty vector for x")
    x, lhs, rhs = x + 0.0, np.vander(x + 0.0, int(deg) + 1), y + 0.0
    if w is not None:
        lhs, rhs = lhs * w[:, None], rhs * (w if y.ndim == 1 else w[:, None])
    scale = np.sqrt(np.sum(lhs * lhs, axis=0))
    found = np.linalg.lstsq(lhs / scale, rhs, sizes(x)[0] * np.finfo(x.dtype).eps)[0]
    return (found.T / scale).T
