"""Functions of NumPy that mean something else for complex arrays than for each of their parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...errors import ArgumentError, DTypeError, UnsupportedError
from ...ops.broadcast import as_axis, size_of, strict_axes
from ...ops.complex_products import complex_cumprod, complex_prod
from ...ops.contract import check_vecdot
from ...ops.floats import check_dims
from ...ops.op import implements
from ...ops.reduce import first_along
from ...ops.statistics import degrees_of_freedom
from ..dispatch import call_function
from ..flags import may_share_memory, shares_memory
from . import elementwise, nan_functions, ordering, polynomials, sets, truths  # noqa: F401  (they register)
from .calls import (
    as_complex,
    call_complex_function,
    check_kept,
    converted,
    is_complex,
    key_of,
    made,
    parts_of,
    stands_for,
    whole_parts,
)
from .halves import half
from .joined import conjugated_product, from_joined, joined_axes, pair_of, sums_of_all
from .structure import bilinear, cast, check_start, part_dtype, same_dtypes
from .value import REAL, combined

__all__ = ["call_complex_function"]


@stands_for(np.pad)
def pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    """np.pad, but for the modes that ask which element is greater."""
    if mode in ("maximum", "minimum", "median"):
        raise UnsupportedError(f"np.pad with mode={mode!r} of complex numbers cannot be traced")
    found = []
    for n in (0, 1):
        options = dict(kwargs)
        for name in ("constant_values", "end_values"):
            if name in options:
                values = np.asarray(options[name])
                options[name] = (values.imag if n else values.real).tolist()
        found.append(call_function(np.pad, (whole_parts(array)[n], pad_width, mode), options))
    return combined(*found)


@stands_for(np.mean)
def mean(a: Any, axis: Any = None, dtype: Any = None, *, keepdims: Any = False,
         where: Any = True) -> Any:  # fmt: skip
    """np.mean."""
    a = a if dtype is None else converted(a, np.dtype(dtype))
    options = {"axis": axis, "keepdims": keepdims} | ({} if where is True else {"where": where})
    axes = joined_axes(a, axis) if where is True else None
    pair = pair_of(a)
    if pair is not None and axis is None and where is True and keepdims is False and a.size:
        return _divided(*(part / a.size for part in sums_of_all(pair)))
    if axes is not None:
        pair = call_function(np.mean, (pair_of(a), axes), {"keepdims": keepdims})
        real, imag = from_joined(pair)._parts
        return _divided(real, imag)
    return _divided(*(call_function(np.mean, (p,), options) for p in parts_of(a)))


def _divided(real: Any, imag: Any) -> Any:
    """The parts of a sum, divided by a count, as NumPy divides: by a complex number, so that what
    is infinite in one part makes NaN of the other."""
    return combined(real + imag * 0, imag - real * 0)


@stands_for(np.average)
def average(a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *,
            keepdims: Any = False) -> Any:  # fmt: skip
    """np.average, with real weights."""
    if is_complex(weights):
        raise UnsupportedError("np.average with complex weights cannot be traced; take their .real")
    options = {"axis": axis, "keepdims": keepdims, "returned": True}
    options |= {} if weights is None else {"weights": weights}
    parts = parts_of(a)
    if weights is not None:  # which are complex numbers for NumPy, too
        parts = parts[0] - parts[1] * 0, parts[1] + parts[0] * 0
    (real, scale), (imag, _) = (call_function(np.average, (p,), options) for p in parts)
    found = _divided(real, imag)
    return (found, converted(scale, found.dtype)) if returned else found


@stands_for(np.var)
def var(a: Any, axis: Any = None, dtype: Any = None, *, ddof: Any = 0, keepdims: Any = False,
        where: Any = True, mean: Any = None, correction: Any = None) -> Any:  # fmt: skip
    """np.var: of both parts together."""
    kept = check_kept("var", a, dtype)
    a = a if dtype is None else converted(a, np.dtype(dtype))
    options = {"axis": axis, "ddof": degrees_of_freedom(ddof, correction),
               "keepdims": keepdims}  # fmt: skip
    options |= {} if where is True else {"where": where}
    means = (None, None) if mean is None else parts_of(mean)
    parts = [
        call_function(np.var, (p,), options if m is None else {**options, "mean": m})
        for p, m in zip(whole_parts(a), means, strict=True)
    ]
    found = parts[0] + parts[1]
    return found if kept is None else converted(found, kept)


@stands_for(np.std)
def std(a: Any, axis: Any = None, dtype: Any = None, **kwargs: Any) -> Any:
    """np.std."""
    return np.sqrt(var(a, axis, dtype, **kwargs))


def _of_number(axis: Any, a: Any) -> Any:
    """``axis``; None where it names the only number of an array of no axes."""
    return None if not a.ndim and axis in (0, -1) else axis


@stands_for(np.prod)
def prod(a: Any, axis: Any = None, dtype: Any = None, *, keepdims: Any = False,
         initial: Any = 1, where: Any = True) -> Any:  # fmt: skip
    """np.prod, in order."""
    check_start("prod", a, dtype)
    a = as_complex(a) if dtype is None else converted(a, np.dtype(dtype))
    if where is not True:
        a = np.where(where, a, a.dtype.type(1))
    axes = strict_axes("np.prod", _of_number(axis, a), a.ndim)
    if not axes:
        return a if initial is None else a * initial
    if initial is not None and not (type(initial) is int and initial == 1):
        first = first_along(a.shape, axes)
        if first is None:
            return prod(a, axis, keepdims=keepdims) * initial
        a = np.where(first, a * initial, a)
    return combined(*complex_prod(*parts_of(a), axes=axes, keepdims=bool(keepdims)))


@stands_for(np.cumprod)
def cumprod(a: Any, axis: Any = None, dtype: Any = None) -> Any:
    """np.cumprod."""
    a = as_complex(a) if dtype is None else converted(a, np.dtype(dtype))
    if _of_number(axis, a) is None:
        a, axis = np.ravel(a), 0
    place = as_axis("np.cumprod", axis, a.ndim)
    if not size_of(a.shape):
        return a
    return combined(*complex_cumprod(*parts_of(a), axis=place))


@stands_for(np.real)
def real(val: Any) -> Any:
    """np.real."""
    return half(parts_of(val)[0])


@stands_for(np.imag)
def imag(val: Any) -> Any:
    """np.imag."""
    return half(parts_of(val)[1])


@implements(np.angle)
@stands_for(np.angle)
def angle(z: Any, deg: bool = False) -> Any:
    """np.angle."""
    x, y = parts_of(z) if is_complex(z) else (z, 0)
    found = np.arctan2(y, x)
    return np.degrees(found) if deg else found


stands_for(np.shares_memory)(shares_memory)
stands_for(np.may_share_memory)(may_share_memory)


@stands_for(np.iscomplexobj)
def iscomplexobj(x: Any) -> bool:
    """np.iscomplexobj."""
    return is_complex(x)


@stands_for(np.isrealobj)
def isrealobj(x: Any) -> bool:
    """np.isrealobj."""
    return not is_complex(x)


@implements(np.iscomplex)
@stands_for(np.iscomplex)
def iscomplex(x: Any) -> Any:
    """np.iscomplex."""
    return np.not_equal(whole_parts(x)[1], 0)


@implements(np.isreal)
@stands_for(np.isreal)
def isreal(x: Any) -> Any:
    """np.isreal."""
    return np.equal(whole_parts(x)[1], 0)


@stands_for(np.shape)
def shape(a: Any) -> Any:
    """np.shape."""
    return a.shape if hasattr(a, "shape") else np.shape(parts_of(a)[0])


@stands_for(np.ndim)
def ndim(a: Any) -> int:
    """np.ndim."""
    return len(shape(a))


@stands_for(np.size)
def size(a: Any, axis: Any = None) -> Any:
    """np.size."""
    return call_function(np.size, (parts_of(a)[0], axis), {})


@stands_for(np.result_type)
def result_type(*arrays_and_dtypes: Any) -> Any:
    """np.result_type."""
    kinds = [key_of(v) if hasattr(type(v), "__mlc_lift__") else v for v in arrays_and_dtypes]
    return np.result_type(*(k(0) if k is float or k is int or k is complex else k for k in kinds))


@stands_for(np.isclose)
def isclose(a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: Any = False) -> Any:
    """np.isclose: by the magnitude of the difference."""
    near = np.less_equal(np.abs(a - b), atol + rtol * np.abs(b)) & np.isfinite(b)
    found = near | np.equal(a, b)
    return found | np.isnan(a) & np.isnan(b) if equal_nan else found


@stands_for(np.allclose)
def allclose(a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: Any = False) -> Any:
    """np.allclose."""
    return np.all(isclose(a, b, rtol, atol, equal_nan))


@stands_for(np.full_like)
def full_like(a: Any, fill_value: Any, dtype: Any = None, order: Any = "K", subok: bool = True,
              shape: Any = None) -> Any:  # fmt: skip
    """np.full_like."""
    like = parts_of(a)[0]
    wanted = np.dtype(a.dtype if dtype is None else dtype)
    if wanted.kind != "c":
        value = parts_of(fill_value)[0]
        options = {"dtype": wanted, "order": order, "shape": shape}
        return call_function(np.full_like, (like, value), options)
    options = {"dtype": REAL[wanted], "order": order, "shape": shape}
    parts = parts_of(fill_value)
    return combined(*(call_function(np.full_like, (like, part), options) for part in parts))


def _like(value: int) -> Callable[..., Any]:
    def call(a: Any, dtype: Any = None, order: Any = "K", subok: bool = True, shape: Any = None,
             device: Any = None) -> Any:  # fmt: skip
        return full_like(a, value, dtype, order, shape=shape)

    return call


stands_for(np.zeros_like, np.empty_like)(_like(0))
stands_for(np.ones_like)(_like(1))


@stands_for(np.sinc)
def sinc(x: Any) -> Any:
    """np.sinc."""
    y = np.pi * np.where(x == 0, 1.0e-20, x)
    return np.sin(y) / y


@stands_for(np.vdot)
def vdot(a: Any, b: Any) -> Any:
    """np.vdot: the first factor conjugated."""
    found = conjugated_product(a, b)
    if found is not None:
        return found
    return np.dot(np.conjugate(np.ravel(a)), np.ravel(b))


def _vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """np.vecdot: the first factor conjugated."""
    check_vecdot(np.shape(x1), np.shape(x2), axis)
    one, two = np.moveaxis(x1, axis, -1), np.moveaxis(x2, axis, -1)
    return np.sum(np.conjugate(one) * two, axis=-1)


def _vecmat(x1: Any, x2: Any, /) -> Any:
    """np.vecmat: the vectors conjugated."""
    check_dims("vecmat", (1, 2), x1, x2)
    return np.matmul(np.conjugate(x1)[..., None, :], x2)[..., 0, :]


def _matvec(x1: Any, x2: Any, /) -> Any:
    """np.matvec."""
    check_dims("matvec", (2, 1), x1, x2)
    return np.matmul(x1, x2[..., None])[..., 0]


stands_for(np.vecdot, np.linalg.vecdot)(_vecdot)
if hasattr(np, "vecmat"):  # NumPy 2.2
    stands_for(np.vecmat)(_vecmat)
    stands_for(np.matvec)(_matvec)


def _places_in(function: Any) -> Any:
    def places(arr: Any, k: int = 0) -> Any:
        return call_function(function, (parts_of(arr)[0], k), {})

    return places


@stands_for(np.diag_indices_from)
def diag_indices_from(arr: Any) -> Any:
    """np.diag_indices_from."""
    return np.diag_indices_from(parts_of(arr)[0])


stands_for(np.tril_indices_from)(_places_in(np.tril_indices_from))
stands_for(np.triu_indices_from)(_places_in(np.triu_indices_from))


@stands_for(np.common_type)
def common_type(*arrays: Any) -> Any:
    """np.common_type."""
    return np.common_type(*(np.empty(0, a.dtype) for a in arrays))


@stands_for(np.correlate)
def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    """np.correlate: the second factor conjugated."""
    return bilinear(
        lambda x, y: call_function(np.correlate, (x, y), {"mode": mode}), a, np.conjugate(v)
    )


@stands_for(np.linalg.multi_dot)
def multi_dot(arrays: Sequence[Any]) -> Any:
    """np.linalg.multi_dot, from left to right."""
    found = arrays[0]
    for array in arrays[1:]:
        found = np.dot(found, array)
    return found


@stands_for(np.einsum)
def einsum(subscripts: Any, *operands: Any, dtype: Any = None, optimize: Any = False,
           **rest: Any) -> Any:  # fmt: skip
    """np.einsum with the subscripts as text: one real sum for each way to choose the parts."""
    if not isinstance(subscripts, str) or rest:
        raise UnsupportedError(
            "np.einsum of complex numbers takes the subscripts as text, and optimize= and dtype="
        )
    if dtype is not None and np.dtype(dtype) not in REAL:
        raise DTypeError(f"np.einsum: complex operands cannot be cast to {np.dtype(dtype)}")
    kind = part_dtype(*operands) if dtype is None else REAL[np.dtype(dtype)]
    terms: list[tuple[int, list[Any]]] = [(0, [])]  # (power of i, chosen parts)
    for operand in operands:
        real, imag = whole_parts(operand) if is_complex(operand) else (operand, None)
        more = [(k + 1, [*chosen, cast(imag, kind)]) for k, chosen in terms if imag is not None]
        terms = [(k, [*chosen, cast(real, kind)]) for k, chosen in terms] + more
    sums: list[Any] = [None, None]
    for k, chosen in terms:
        found = call_function(np.einsum, (subscripts, *chosen), {"optimize": optimize})
        found = -found if k % 4 > 1 else found
        sums[k % 2] = found if sums[k % 2] is None else sums[k % 2] + found
    return made(sums[0], sums[1] if sums[1] is not None else 0.0, kind)


@stands_for(np.linspace)
def linspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, retstep: bool = False,
             dtype: Any = None, axis: int = 0) -> Any:  # fmt: skip
    """np.linspace between complex ends."""
    if dtype is not None and np.dtype(dtype).kind != "c":
        raise ArgumentError("np.linspace between complex ends has a complex dtype")
    found = combined(*same_dtypes(*(
        call_function(np.linspace, (a, b, num, endpoint), {"axis": axis})
        for a, b in zip(whole_parts(start), whole_parts(stop), strict=True)
    )))  # fmt: skip
    found = found if dtype is None else converted(found, np.dtype(dtype))
    return (found, (stop - start) / (num - 1 if endpoint else num)) if retstep else found


@stands_for(*([np.astype] if hasattr(np, "astype") else []))
def astype(x: Any, dtype: Any, /, *, copy: bool = True) -> Any:
    """np.astype."""
    return converted(x, np.dtype(dtype))


@stands_for(np.apply_along_axis)
def apply_along_axis(func1d: Any, axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """np.apply_along_axis: every line on its own."""
    front = np.moveaxis(arr, axis, -1)
    lines = np.reshape(front, (-1, front.shape[-1]))
    found = [func1d(lines[n], *args, **kwargs) for n in range(lines.shape[0])]
    stacked = np.stack(found)
    outer, inner = front.shape[:-1], stacked.shape[1:]
    whole = np.reshape(stacked, (*outer, *inner))
    place = axis % arr.ndim
    last = tuple(range(len(outer), whole.ndim))
    return np.moveaxis(whole, last, tuple(place + n for n in range(len(last))))


@stands_for(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """np.trapezoid."""
    y = np.moveaxis(y, axis, -1)
    if x is not None:
        dx = np.diff(x) if np.ndim(x) == 1 else np.diff(np.moveaxis(x, axis, -1))
    return np.sum(dx * (y[..., 1:] + y[..., :-1]) / 2.0, axis=-1)


@stands_for(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """np.linalg.norm: of the magnitudes, but for the norms by singular values."""
    matrix = isinstance(axis, tuple) and len(axis) == 2 or axis is None and x.ndim == 2
    if matrix and ord in (2, -2, "nuc"):
        axes = (0, 1) if axis is None else axis
        values = np.linalg.svd(np.moveaxis(x, axes, (-2, -1)), compute_uv=False)
        reduction: Any = {2: np.max, -2: np.min, "nuc": np.sum}[ord]
        found = reduction(values, axis=-1)
        return np.expand_dims(found, tuple(d % x.ndim for d in axes)) if keepdims else found
    if ord is None or ord in (("fro", "f") if matrix else (2,)):
        squares = np.square(x.real) + np.square(x.imag)
        return np.sqrt(np.sum(squares, axis=axis, keepdims=keepdims))
    return call_function(np.linalg.norm, (np.abs(x), ord, axis, keepdims), {})


@stands_for(np.linalg.vector_norm)
def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """np.linalg.vector_norm: of the magnitudes."""
    options = {"axis": axis, "keepdims": keepdims, "ord": ord}
    return call_function(np.linalg.vector_norm, (np.abs(x),), options)


@stands_for(np.linalg.matrix_norm)
def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """np.linalg.matrix_norm."""
    return norm(x, ord, (-2, -1), keepdims)


@stands_for(np.cov)
def cov(m: Any, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: Any = None,
        fweights: Any = None, aweights: Any = None) -> Any:  # fmt: skip
    """np.cov without weights: the second factor is conjugated."""
    if fweights is not None or aweights is not None:
        raise UnsupportedError("np.cov of complex numbers with weights cannot be traced")
    rows = [np.atleast_2d(v) for v in (m, y) if v is not None]
    rows = rows if rowvar else [r.T if np.ndim(v) > 1 else r for r, v in zip(rows, (m, y))]
    x = np.concatenate(rows) if len(rows) > 1 else rows[0]
    if not x.shape[0]:
        return np.zeros((0, 0))  # of no variables: real, as NumPy's is
    x = converted(x, np.result_type(x.dtype, np.float64))
    x = x - np.mean(x, axis=1, keepdims=True)
    count = x.shape[1] - (ddof if ddof is not None else 0 if bias else 1)
    return np.squeeze(x @ np.conjugate(x.T) / count)


@stands_for(np.corrcoef)
def corrcoef(x: Any, y: Any = None, rowvar: bool = True) -> Any:
    """np.corrcoef."""
    c = cov(x, y, rowvar)
    if not c.size:
        return c
    if not c.shape:
        return c / c
    spread = np.sqrt(np.diag(c).real)
    c = c / spread[:, None] / spread[None, :]
    return made(np.clip(c.real, -1, 1), np.clip(c.imag, -1, 1))


@stands_for(np.real_if_close)
def real_if_close(a: Any, tol: float = 100) -> Any:
    """np.real_if_close: refused, since the data decide the dtype of its result."""
    raise UnsupportedError(
        "np.real_if_close of complex numbers is real or complex as the data decide, and dtypes "
        "must be known while tracing; take x.real, or call it outside the jitted function"
    )
