"""SciPy's functions of traced arrays, found by name when one is met; SciPy is never imported here.

Each is a formula in NumPy's functions, which traced values take. Dtypes are those that SciPy gives
for numbers of these dtypes.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import MlcError, OutsideArrayError, UnsupportedError
from ..ops.op import leaves_of
from .scientific_arrays import FUNCTIONS
from .scientific_distributions import of_distribution
from .scientific_fft import FOURIER
from .scientific_signals import SIGNALS
from .shapeless import strong

Function = Callable[..., Any]


def _erf(x: Any) -> Any:
    from ..ops.transcendental import erf

    return erf(x)


def _erfc(x: Any) -> Any:
    from ..ops.transcendental import erfc

    return erfc(x)


def _expit(x: Any) -> Any:
    from ..ops.nn import sigmoid

    return sigmoid(x)


def _logit(p: Any) -> Any:
    near = np.where((p < 0.3) | (p > 0.65), 0.0, 2 * (p - 0.5))  # where the quotient is near 1
    centre = np.log1p(near) - np.log1p(-near)
    return np.where((p < 0.3) | (p > 0.65), np.log(p / (1 - p)), centre).astype(p.dtype)


def _xlogy(x: Any, y: Any) -> Any:
    return np.where((x == 0) & ~np.isnan(y), 0.0, x * np.log(y))


def _xlog1py(x: Any, y: Any) -> Any:
    return np.where((x == 0) & ~np.isnan(y), 0.0, x * np.log1p(y))


def _entr(x: Any) -> Any:
    return np.where(x == 0, 0.0, np.where(x < 0, -np.inf, -x * np.log(x)))


def _log_expit(x: Any) -> Any:
    return np.where(x < 0, x, 0.0) - np.log1p(np.exp(-np.abs(x)))


def _ndtr(x: Any) -> Any:
    return _erfc(x.astype(np.float64) * -(0.5**0.5)) * 0.5


def _of_gamma(name: str) -> Function:
    def compute(x: Any) -> Any:
        from ..ops import gamma

        return getattr(gamma, name)(x)

    return compute


_gamma, _log_gamma, _digamma = map(_of_gamma, ("gamma", "log_gamma", "digamma"))


def _gammaln(x: Any) -> Any:
    return np.where(np.isneginf(x), x, _log_gamma(x))  # SciPy's, unlike math.lgamma(-inf)


def _rgamma(x: Any) -> Any:
    return np.where((x <= 0) & np.equal(np.floor(x), x), 0.0, 1 / _gamma(x.astype(np.float64)))


def _factorial(n: Any, exact: bool = False, extend: str = "zero") -> Any:
    if exact or extend != "zero":
        raise UnsupportedError(
            "scipy.special.factorial with exact= or extend= cannot be traced; without them it "
            "gives floats"
        )
    n = _array(n)
    result = n.dtype if n.dtype.kind == "f" else np.dtype(np.float64)
    return np.where(n < 0, 0.0, _gamma(n.astype(np.float64) + 1)).astype(result)[()]


_UFUNCS: dict[str, Function] = {
    "erf": _erf, "erfc": _erfc, "expit": _expit, "logit": _logit, "xlogy": _xlogy,
    "xlog1py": _xlog1py, "log1p": np.log1p, "expm1": np.expm1, "exp2": np.exp2, "cbrt": np.cbrt,
    "exp10": lambda x: np.power(10.0, x), "entr": _entr,
    "log_expit": _log_expit, "i0": np.i0, "ndtr": _ndtr, "gamma": _gamma, "gammaln": _gammaln,
    "psi": _digamma, "rgamma": _rgamma,
}  # fmt: skip


def special_ufunc(ufunc: np.ufunc) -> Function | None:
    """What stands for a ufunc of scipy.special; None for others."""
    special = sys.modules.get("scipy.special")
    if special is None or getattr(special, ufunc.__name__, None) is not ufunc:
        return None
    formula = _UFUNCS.get(ufunc.__name__)
    if formula is None:
        raise _refusal(f"special.{ufunc.__name__}")

    def call(*inputs: Any) -> Any:
        given = [_array(value) for value in inputs]
        result = ufunc(*(np.ones((), value.dtype) for value in given)).dtype
        made = formula(*(value.astype(result) for value in given))
        return made.astype(result)[()]

    return call


def _array(value: Any) -> Any:
    return strong(value) if hasattr(type(value), "__mlc_lift__") else np.asarray(value)


def _logsumexp(
    a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False
) -> Any:
    if return_sign:
        raise UnsupportedError(
            "scipy.special.logsumexp with return_sign= cannot be traced; write np.sign and np.log "
            "of the sum"
        )
    a = _array(a)
    a = a if a.dtype.kind == "f" else a.astype(np.float64)
    top = np.max(a, axis=axis, keepdims=True)
    shift = np.where(np.isfinite(top), top, 0.0).astype(a.dtype)
    out = shift if keepdims else np.squeeze(shift, axis=axis)
    if b is not None:
        total = np.sum(b * np.exp(a - shift), axis=axis, keepdims=keepdims)
        return np.log(total) + out
    first = a == top
    count = np.sum(first, axis=axis, keepdims=keepdims).astype(a.dtype)
    rest = np.sum(np.where(first, 0.0, np.exp(a - shift)), axis=axis, keepdims=keepdims)
    plain = np.log1p(rest / count) + np.log(count) + out
    limit = top if keepdims else np.squeeze(top, axis=axis)
    return np.where(np.isfinite(limit), plain, limit).astype(a.dtype)[()]


def _softmax(x: Any, axis: Any = None) -> Any:
    x = _array(x)
    raised = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return raised / np.sum(raised, axis=axis, keepdims=True)


def _log_softmax(x: Any, axis: Any = None) -> Any:
    x = _array(x)
    top = np.max(x, axis=axis, keepdims=True)
    apart = x - np.where(np.isfinite(top), top, 0.0).astype(x.dtype)
    return apart - np.log(np.sum(np.exp(apart), axis=axis, keepdims=True))


def _solve(a: Any, b: Any, **_: Any) -> Any:
    return np.linalg.solve(a, b)


def _cholesky(a: Any, lower: bool = False, **_: Any) -> Any:
    # Only the triangle that is asked for is read, as in NumPy.
    return np.linalg.cholesky(a) if lower else np.linalg.cholesky(a.T).T


def _eigh(a: Any, b: Any = None, *, lower: bool = True, eigvals_only: bool = False) -> Any:
    side: Any = "L" if lower else "U"
    if b is not None:  # inv(L) a inv(L).H, where b = L L.H
        factor = np.linalg.cholesky(b, upper=not lower)
        factor = factor if lower else np.conj(factor.T)
        part = np.tril(a, -1) if lower else np.triu(a, 1)
        whole = part + np.conj(part.T) + np.diag(np.diag(a))
        half = np.linalg.solve(factor, whole)
        found = np.linalg.eigh(np.linalg.solve(factor, np.conj(half.T)), side)
        return found[0] if eigvals_only else (
            found[0], np.linalg.solve(np.conj(factor.T), found[1])
        )  # fmt: skip
    found = np.linalg.eigh(a, side)
    return found[0] if eigvals_only else (found[0], found[1])


def _as_complex(values: Any) -> Any:
    """Eigenvalues, which SciPy gives as complex numbers whatever they are."""
    return values.astype(np.result_type(values.dtype, np.complex64))


def _eig(a: Any, *, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    from .complex.linalg import real_if_all

    values, vectors = np.linalg.eig(a)
    if vectors.dtype.kind == "c" and a.dtype.kind != "c":
        vectors = real_if_all("scipy.linalg.eig", values, vectors)[1]
    return _as_complex(values), vectors


def _block_diag(*arrs: Any) -> Any:
    parts = [np.atleast_2d(_array(part)) for part in arrs]
    if any(part.ndim > 2 for part in parts):
        raise UnsupportedError("scipy.linalg.block_diag of arrays of three axes cannot be traced")
    kind = np.result_type(*(part.dtype for part in parts))
    width, left, rows = sum(part.shape[1] for part in parts), 0, []
    for part in parts:
        sides = (left, width - left - part.shape[1])
        rows.append(np.pad(part.astype(kind), ((0, 0), sides)))
        left += part.shape[1]
    return np.concatenate(rows)


def _svd(a: Any, full_matrices: Any = True, compute_uv: Any = True, **_: Any) -> Any:
    found = np.linalg.svd(a, full_matrices, compute_uv)
    return tuple(found) if compute_uv else found


def _qr(a: Any, overwrite_a: bool = False, lwork: Any = None, mode: str = "full") -> Any:
    if mode not in ("full", "economic", "r"):
        raise UnsupportedError(f"scipy.linalg.qr with mode={mode!r} cannot be traced")
    if mode == "r":
        return (np.linalg.qr(a, "complete")[1],)
    return tuple(np.linalg.qr(a, "complete" if mode == "full" else "reduced"))


def _pinv(a: Any, **_: Any) -> Any:
    kind = a.dtype if a.dtype.kind == "f" else np.dtype(np.float64)
    return np.linalg.pinv(a, max(a.shape) * np.finfo(kind).eps)


def _solve_triangular(
    a: Any, b: Any, trans: Any = 0, lower: bool = False, unit_diagonal: bool = False, **_: Any
) -> Any:
    part = np.tril(a) if lower else np.triu(a)
    if unit_diagonal:
        part = np.where(np.eye(part.shape[0], dtype=bool), 1, part).astype(part.dtype)
    if trans in (1, "T", 2, "C"):
        part = part.T
    return np.linalg.solve(part, b)


def _solve_banded(
    l_and_u: Any, ab: Any, b: Any, overwrite_ab: bool = False, overwrite_b: bool = False,
    check_finite: bool = True,
) -> Any:  # fmt: skip
    from ..ops.banded import solve_banded

    lower, upper = (int(number) for number in l_and_u)
    ab, b = _array(ab), _array(b)
    if ab.shape[-1] != b.shape[0]:
        raise ValueError("shapes of ab and b are not compatible.")
    if lower + upper + 1 != ab.shape[0]:
        raise ValueError(
            f"invalid values for the number of lower and upper diagonals: l+u+1 "
            f"({lower + upper + 1}) does not equal ab.shape[0] ({ab.shape[0]})"
        )
    dtype = np.result_type(ab.dtype, b.dtype, np.float32)
    dtype = dtype if dtype == np.float32 else np.dtype(np.float64)
    columns = np.reshape(b, (b.shape[0], -1)).astype(dtype)
    if not columns.size:
        return np.zeros(b.shape, dtype)
    return np.reshape(solve_banded(ab.astype(dtype), columns, lower, upper), b.shape)


def _toeplitz(c: Any, r: Any = None) -> Any:
    c = np.ravel(c)
    r = c if r is None else np.ravel(r)
    values = np.concatenate([c[::-1], r[1:]])
    place = np.arange(c.shape[0] - 1, -1, -1)[:, None] + np.arange(r.shape[0])
    return values[place]


_FUNCTIONS: dict[str, Function] = {
    "special.logsumexp": _logsumexp, "special.softmax": _softmax,
    "special.log_softmax": _log_softmax, "special.factorial": _factorial,
    "linalg.solve": _solve, "linalg.inv": lambda a, **_: np.linalg.inv(a),
    "linalg.det": lambda a, **_: np.linalg.det(a), "linalg.cholesky": _cholesky,
    "linalg.norm": lambda a, ord=None, axis=None, keepdims=False, **_: np.linalg.norm(
        a, ord, axis, keepdims
    ),
    "linalg.eig": _eig, "linalg.block_diag": _block_diag,
    "linalg.eigvals": lambda a, *, overwrite_a=False, check_finite=True: _as_complex(
        np.linalg.eigvals(a)
    ),
    "linalg.eigh": _eigh, "linalg.svd": _svd, "linalg.qr": _qr, "linalg.toeplitz": _toeplitz,
    "linalg.pinv": lambda a, *, check_finite=True: _pinv(a),
    "linalg.eigvalsh": lambda a, **options: _eigh(a, eigvals_only=True, **options),
    "linalg.svdvals": lambda a, **_: np.linalg.svd(a, compute_uv=False),
    "linalg.solve_triangular": _solve_triangular, "linalg.solve_banded": _solve_banded,
    **FOURIER, **SIGNALS,
}  # fmt: skip


def of_scipy(function: Any) -> Any:
    """What to call in the place of a function of SciPy."""
    parts = function.__module__.split(".")
    name = f"{parts[1]}.{function.__name__}"
    modules = [sys.modules.get(f"scipy.{part}") for part in (parts[1], f"{parts[1]}.distance")]
    is_public = any(getattr(public, function.__name__, None) is function for public in modules)
    found = {**_FUNCTIONS, **FUNCTIONS}.get(name) if is_public else of_distribution(function)
    stand_in: Any = found

    def call(*args: Any, **kwargs: Any) -> Any:
        leaves = leaves_of([*args, *kwargs.values()])
        if not any(hasattr(type(leaf), "__mlc_lift__") for leaf in leaves):
            return function(*args, **kwargs)
        if stand_in is not None:
            try:
                inspect.signature(stand_in).bind(*args, **kwargs)
            except TypeError as error:
                raise UnsupportedError(
                    f"scipy.{name} cannot be traced with these arguments ({error}); call it "
                    f"outside the jitted function"
                ) from None
            return stand_in(*args, **kwargs)
        try:
            return function(*args, **kwargs)
        except OutsideArrayError:
            raise _refusal(name) from None
        except MlcError:
            raise
        except Exception as error:  # of numbers it would know what to do
            raise _refusal(name) from error

    return call


def _refusal(name: str) -> UnsupportedError:
    return UnsupportedError(
        f"scipy.{name} cannot be traced; of SciPy these can: {_known(name.partition('.')[0])}. "
        f"Write it in NumPy's functions, or call it outside the jitted function"
    )


def _known(module: str) -> str:
    names = [f"scipy.special.{name}" for name in _UFUNCS if module == "special"]
    known = [
        *_FUNCTIONS,
        *FUNCTIONS,
        *(f"stats.norm.{kind}" for kind in ("pdf", "logpdf", "cdf", "sf")),
        *(f"stats.multivariate_normal.{kind}" for kind in ("pdf", "logpdf")),
    ]
    names += [f"scipy.{name}" for name in known if name.startswith(f"{module}.")]
    return ", ".join(sorted(names)).replace("scipy.spatial.", "scipy.spatial.distance.") or (
        "parts of scipy.special, scipy.linalg, scipy.fft, scipy.fftpack, scipy.signal, "
        "scipy.ndimage, scipy.integrate, scipy.stats and scipy.spatial.distance"
    )
