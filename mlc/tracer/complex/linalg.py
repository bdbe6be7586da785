"""np.linalg of complex matrices: LAPACK's routines for them, through the loops that NumPy has.

As in `mlc.ops.linalg` the work is done in complex128, and the dtype that came in comes out.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import ArgumentError, ShapeError, UnsupportedError
from ...ops.attempts import refuse_where
from ...ops.linalg import run_library, svd_of_hermitian
from ...ops.matrix_functions import least_share, tensorinv, tensorsolve
from ...ops.op import CURRENT, NUMPY_FUNCTIONS
from ...ops.standard import check_square
from .calls import converted, lifted, parts_of, stands_for
from .value import REAL, Complex, combined

_COMPLEX = np.dtype("complex128")


def _matrix(name: str, a: Any, square: bool = True, real: bool = False) -> tuple[Any, Any]:
    """(``a`` in complex128, or if ``real`` in float64; the dtype of results)."""
    shape = np.shape(parts_of(a)[0])
    if len(shape) < 2:
        raise np.linalg.LinAlgError(
            f"np.linalg.{name}: {len(shape)}-dimensional array given; it must be at least "
            f"two-dimensional"
        )
    if square and shape[-1] != shape[-2]:
        raise np.linalg.LinAlgError(
            f"np.linalg.{name}: the last 2 dimensions of the array must be square, got {shape}"
        )
    if 0 in shape:
        raise UnsupportedError(
            f"np.linalg.{name} of an empty complex array, {shape}, cannot be traced"
        )
    dtype = _result(name, a.dtype)
    return (a.astype(np.float64) if real else converted(a, _COMPLEX)), dtype


def _result(name: str, *dtypes: Any) -> np.dtype[Any]:
    """The complex dtype of results: the narrow one only of float32 and complex64 alone."""
    if np.dtype(np.float16) in dtypes:
        raise ArgumentError(f"np.linalg.{name}: float16 is not supported; use .astype('float32')")
    wide = [dtype if dtype.kind in "fc" else np.dtype(np.float64) for dtype in dtypes]
    return np.result_type(np.complex64, *wide)


def _call(
    arrays: list[Any], *functions: str, types: str, cores: list[Any], refusal: str = "",
    in_place: bool = False,
) -> list[Any]:  # fmt: skip
    pairs = [a.joined() if isinstance(a, Complex) else a for a in arrays]
    found = run_library(
        pairs, functions, cores=cores, refusal=refusal, in_place=in_place, types=types
    )
    found = found if isinstance(found, tuple) else (found,)
    kinds = types.split("->")[1]
    kinds = types[0] + kinds if in_place else kinds
    return [
        combined(f[..., 0], f[..., 1]) if kind == "D" else f
        for f, kind in zip(found, kinds, strict=True)
    ]


def _refused(a: Any, bad: Any, sentence: str) -> Any:
    if isinstance(a, Complex):
        return combined(refuse_where(a.real, bad, sentence), a.imag)
    return refuse_where(a, bad, sentence)


def _as(dtype: Any, *values: Any) -> list[Any]:
    return [
        v.astype(dtype if isinstance(v, Complex) else REAL[dtype]) if v.dtype != dtype else v
        for v in values
    ]


@stands_for(np.linalg.inv)
def inv(a: Any) -> Any:
    """np.linalg.inv."""
    return inverse(a, "Singular matrix")


def inverse(a: Any, refusal: str) -> Any:
    """The inverse; matrices without one are refused with that sentence, or become NaN without."""
    a, dtype = _matrix("inv", a)
    return _as(dtype, *_call([a], "inv", types="D->D", cores=[a.shape[-2:]], refusal=refusal))[0]


@stands_for(np.linalg.solve)
def solve(a: Any, b: Any) -> Any:
    """np.linalg.solve; a 1-d ``b`` is one vector, any other a stack of matrices."""
    a, b = (lifted(np.asarray(v)) if isinstance(v, list) else v for v in (a, b))
    dtype = _result("solve", a.dtype, b.dtype)
    a, _ = _matrix("solve", a)
    b = converted(b, _COMPLEX)
    vector = b.ndim == 1
    b = b[:, None] if vector else b
    if b.shape[-2] != a.shape[-1]:
        raise ShapeError(f"np.linalg.solve: matrices of shape {a.shape} do not fit {b.shape}")
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a = np.broadcast_to(a, (*batch, *a.shape[-2:]))
    b = np.broadcast_to(b, (*batch, *b.shape[-2:]))
    (found,) = _call(
        [a, b], "solve", types="DD->D", cores=[b.shape[-2:]], refusal="Singular matrix"
    )
    (found,) = _as(dtype, found)
    return found[..., 0] if vector else found


@stands_for(np.linalg.det)
def det(a: Any) -> Any:
    """np.linalg.det."""
    a, dtype = _matrix("det", a)
    return _as(dtype, *_call([a], "det", types="D->D", cores=[()]))[0]


@stands_for(np.linalg.slogdet)
def slogdet(a: Any) -> Any:
    """np.linalg.slogdet: sign, complex, and logarithm, a named tuple."""
    a, dtype = _matrix("slogdet", a)
    kind: Any = type(np.linalg.slogdet(np.eye(1)))
    return kind(*_as(dtype, *_call([a], "slogdet", types="D->Dd", cores=[(), ()])))


@stands_for(np.linalg.cholesky)
def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    """np.linalg.cholesky."""
    a, dtype = _matrix("cholesky", a)
    name = "cholesky_up" if upper else "cholesky_lo"
    sentence = "Matrix is not positive definite"
    found = _call([a], name, types="D->D", cores=[a.shape[-2:]], refusal=sentence)
    return _as(dtype, *found)[0]


_EIGEN = "Eigenvalues did not converge"


def _side(UPLO: Any) -> str:
    return "lo" if str(UPLO).upper() == "L" else "up"


@stands_for(np.linalg.eigh)
def eigh(a: Any, UPLO: str = "L") -> Any:
    """np.linalg.eigh: real eigenvalues in rising order and eigenvectors, a named tuple."""
    a, dtype = _matrix("eigh", a)
    kind: Any = type(np.linalg.eigh(np.eye(1)))
    shape = a.shape
    found = _call([a], f"eigh_{_side(UPLO)}", types="D->dD", cores=[shape[-1:], shape[-2:]],
                  refusal=_EIGEN)  # fmt: skip
    return kind(*_as(dtype, *found))


@stands_for(np.linalg.eigvalsh)
def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    """np.linalg.eigvalsh."""
    a, dtype = _matrix("eigvalsh", a)
    found = _call([a], f"eigvalsh_{_side(UPLO)}", types="D->d", cores=[a.shape[-1:]],
                  refusal=_EIGEN)  # fmt: skip
    return _as(dtype, *found)[0]


_SVD = "SVD did not converge"


@stands_for(np.linalg.svd)
def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True,
        hermitian: bool = False) -> Any:  # fmt: skip
    """np.linalg.svd; with ``compute_uv`` a named tuple U, S, Vh."""
    if hermitian:
        return svd_of_hermitian(a, compute_uv)
    a, dtype = _matrix("svd", a, square=False)
    a = _refused(a, np.isnan(np.abs(a)), _SVD)  # LAPACK looks at moduli: that of (nan, inf) is inf
    m, n = a.shape[-2:]
    k = min(m, n)
    old = "m" if m < n else "n"  # NumPy 1 has a function for tall and one for wide matrices
    if not compute_uv:
        found = _call([a], "svd", f"svd_{old}", types="D->d", cores=[(k,)], refusal=_SVD)
        return _as(dtype, *found)[0]
    kind: Any = type(np.linalg.svd(np.eye(1)))
    letter = "f" if full_matrices else "s"
    left, right = ((m, m), (n, n)) if full_matrices else ((m, k), (k, n))
    found = _call([a], f"svd_{letter}", f"svd_{old}_{letter}", types="D->DdD",
                  cores=[left, (k,), right], refusal=_SVD)  # fmt: skip
    return kind(*_as(dtype, *found))


if hasattr(np.linalg, "svdvals"):

    @stands_for(np.linalg.svdvals)
    def svdvals(x: Any, /) -> Any:
        """np.linalg.svdvals."""
        return svd(x, compute_uv=False)


@stands_for(np.linalg.qr)
def qr(a: Any, mode: str = "reduced") -> Any:
    """np.linalg.qr: a named tuple Q, R; for mode "r" R alone."""
    a, dtype = _matrix("qr", a, square=False)
    m, n = a.shape[-2:]
    k = min(m, n)
    raw, tau = _call([a], "qr_r_raw", f"qr_r_raw_{'m' if m < n else 'n'}", types="D->D",
                     cores=[(k,)], in_place=True)  # fmt: skip
    rows = m if mode == "complete" and m > n else k
    (r,) = _as(dtype, np.triu(raw[..., :rows, :]))
    if mode == "r":
        return r
    name = "qr_complete" if mode == "complete" and m > n else "qr_reduced"
    columns = m if name == "qr_complete" else k
    source = raw if name == "qr_complete" else raw[..., :k]
    q = _call([source, tau], name, types="DD->D", cores=[(m, columns)])
    kind: Any = type(np.linalg.qr(np.eye(1)))
    return kind(*_as(dtype, *q), r)


@stands_for(np.linalg.matrix_power)
def matrix_power(a: Any, n: int) -> Any:
    """np.linalg.matrix_power, by repeated squaring."""
    check_square("np.linalg.matrix_power", a)
    if n < 0:
        return matrix_power(np.linalg.inv(a), -n)
    if n == 3:
        return (a @ a) @ a
    one: Any = np.zeros(a.shape, a.dtype)
    one[...] = np.eye(a.shape[-1])
    result, power = None, a
    while n:
        if n % 2:
            result = power if result is None else result @ power
        n //= 2
        power = power @ power if n else power
    return converted(one, a.dtype) if result is None else result


@stands_for(np.linalg.pinv)
def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *,
         rtol: Any = np._NoValue) -> Any:  # type: ignore[attr-defined]  # fmt: skip
    """np.linalg.pinv, by the singular values."""
    u, s, vh = svd(np.conjugate(a), full_matrices=False, hermitian=hermitian)
    rcond = least_share(a.shape, float(np.finfo(s.dtype).eps), rcond, rtol)
    kept = s > np.max(s, axis=-1, keepdims=True) * _of_each(rcond)
    inverse = np.where(kept, 1 / np.where(kept, s, 1), 0)
    return np.matmul(np.matrix_transpose(vh), inverse[..., None] * np.matrix_transpose(u))


def _of_each(value: Any) -> Any:
    """A number, or an array of one for each matrix, beside the singular values of these."""
    return np.expand_dims(value, -1) if np.ndim(value) else value


@stands_for(np.linalg.matrix_rank)
def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    """np.linalg.matrix_rank."""
    s = svd(A, compute_uv=False, hermitian=hermitian)
    if tol is None:
        rtol = max(A.shape[-2:]) * np.finfo(s.dtype).eps if rtol is None else _of_each(rtol)
        tol = np.max(s, axis=-1, keepdims=True) * rtol
    else:
        tol = _of_each(tol)
    return np.count_nonzero(s > tol, axis=-1)


@stands_for(np.linalg.cond)
def cond(x: Any, p: Any = None) -> Any:
    """np.linalg.cond: infinite where it is not known, unless that is since ``x`` has a NaN."""
    if p is None or p in (2, -2):
        s = svd(x, compute_uv=False)
        found = s[..., -1] / s[..., 0] if p == -2 else s[..., 0] / s[..., -1]
    else:
        norm = lambda a: np.linalg.norm(a, p, axis=(-2, -1))
        found = norm(x) * norm(inverse(x, refusal=""))
        found = found.astype(np.linalg.cond(np.eye(1, dtype=x.dtype), p).dtype)  # to NumPy 2.2 "D"
    unknown = np.isnan(found) & ~np.any(np.isnan(x), axis=(-2, -1))
    return np.where(unknown, found.dtype.type(np.inf), found)


def _eigen(name: str, a: Any, kinds: str, cores: list[Any]) -> list[Any]:
    """Eigenvalues, and vectors, as complex numbers."""
    a, dtype = _matrix(name, a, real=not isinstance(a, Complex))
    is_complex = isinstance(a, Complex)
    a = _refused(a, ~np.isfinite(a), "Array must not contain infs or NaNs")
    found = _call([a], name, types=f"{'D' if is_complex else 'd'}->{kinds}", cores=cores,
                  refusal=_EIGEN)  # fmt: skip
    return list(_as(dtype, *found))


def real_if_all(name: str, values: Any, *vectors: Any) -> list[Any]:
    """The eigenvalues of a real matrix, and vectors, that are real where all values are: the data
    decide it."""
    trace: Any = CURRENT.get()
    count = trace.room(lambda: np.any(values.imag != 0).astype(int))
    if count is None:
        raise UnsupportedError(
            f"{name} of a real matrix in a native loop or branch cannot be traced: its "
            f"results are real or complex as the data decide; for a symmetric matrix use "
            f"np.linalg.eigh, else pass x.astype(complex)"
        )
    found = [values, *vectors]
    return found if count else [part.real.copy() for part in found]


# Up to NumPy 2.4 those of real matrices are real where they can be.
_ARE_COMPLEX = np.linalg.eigvals(np.eye(1)).dtype.kind == "c"


def _as_numpy_gives(name: str, a: Any, found: list[Any]) -> list[Any]:
    return found if _ARE_COMPLEX or isinstance(a, Complex) else real_if_all(name, *found)


@stands_for(np.linalg.eig)
def eig(a: Any) -> Any:
    """np.linalg.eig."""
    kind: Any = type(np.linalg.eig(np.eye(1)))
    shape = np.shape(parts_of(a)[0])
    found = _eigen("eig", a, "DD", [shape[-1:], shape[-2:]])
    return kind(*_as_numpy_gives("np.linalg.eig", a, found))


@stands_for(np.linalg.eigvals)
def eigvals(a: Any) -> Any:
    """np.linalg.eigvals."""
    found = _eigen("eigvals", a, "D", [np.shape(parts_of(a)[0])[-1:]])
    return _as_numpy_gives("np.linalg.eigvals", a, found)[0]


@stands_for(np.roots)
def roots(p: Any) -> Any:
    """np.roots: eigenvalues of the companion matrix. Zeros at the ends of ``p`` are counted."""
    p = np.atleast_1d(p)
    if p.ndim != 1:
        raise ValueError("Input must be a rank-1 array.")
    trace: Any = CURRENT.get()
    count = len(p)
    ends = [
        trace.room(lambda q=q: np.where(np.any(q != 0), np.argmax(q != 0), count))
        for q in (p, p[::-1])
    ]
    if None in ends:
        raise UnsupportedError(
            "np.roots in a native loop or branch cannot be traced: zeros at the ends of its "
            "argument decide how many there are; call it outside of the loop"
        )
    if ends[0] == count:
        return np.zeros(0)
    p = p[ends[0] : count - ends[1]]
    if p.dtype.kind not in "fc":
        p = p.astype(float)
    size = len(p) - 1
    if not size:
        return np.zeros(ends[1])
    companion = np.concatenate([-p[None, 1:] / p[0], np.eye(size - 1, size, dtype=p.dtype)])
    found = np.linalg.eigvals(companion)
    if _ARE_COMPLEX and not isinstance(companion, Complex):
        found = real_if_all("np.roots", found)[0]
    return np.concatenate([found, np.zeros(ends[1], found.dtype)])


NUMPY_FUNCTIONS.update({np.linalg.eig: eig, np.linalg.eigvals: eigvals, np.roots: roots})
stands_for(np.linalg.tensorinv)(tensorinv)
stands_for(np.linalg.tensorsolve)(tensorsolve)
