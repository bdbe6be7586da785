"""Functions of neural networks that NumPy lacks: activations, softmax, norms and attention.

16-bit floats are computed in float32 and rounded once, at the end.
"""

from __future__ import annotations

import math
from typing import Any

from .. import te
from ..dtypes import as_dtype, boolean, float64
from ..errors import ArgumentError, ShapeError
from ..ir.expr import Expr, apply, const, select
from . import arithmetic, reduce, transcendental
from .broadcast import Shape, as_axis, as_tensor, element, shape_of
from .contract import matmul
from .elementwise import astype, select_where, unary_float
from .index import take
from .logic import isfinite, less
from .op import op
from .promotion import accumulator, dtype_of
from .shape import squeeze, swapaxes
from .statistics import mean

erf = transcendental.erf
erfc = transcendental.erfc


def _c(value: float, like: Expr) -> Expr:
    return const(value, like.dtype)


def _sigmoid(v: Expr) -> Expr:
    return _c(1, v) / (_c(1, v) + apply("exp", -v))


def _gelu(v: Expr) -> Expr:
    return v * _c(0.5, v) * (_c(1, v) + apply("erf", v * _c(math.sqrt(0.5), v)))


def _gelu_tanh(v: Expr) -> Expr:
    inner = _c(math.sqrt(2 / math.pi), v) * (v + _c(0.044715, v) * (v * v * v))
    return v * _c(0.5, v) * (_c(1, v) + apply("tanh", inner))


def _softplus(v: Expr) -> Expr:
    return apply("maximum", v, _c(0, v)) + apply("log1p", apply("exp", -abs(v)))


sigmoid = unary_float("sigmoid", _sigmoid, "``1 / (1 + exp(-x))``.", wide=True)
silu = unary_float("silu", lambda v: v * _sigmoid(v), "``x * sigmoid(x)``.", wide=True)
softplus = unary_float("softplus", _softplus, "``log(1 + exp(x))`` without overflow.", wide=True)
_gelu_exact = unary_float("gelu", _gelu, "``x * Phi(x)``, the normal distribution's.", wide=True)
_gelu_by_tanh = unary_float("gelu_tanh", _gelu_tanh, "gelu by a formula with tanh.", wide=True)


def relu(x: Any) -> Any:
    """``maximum(x, 0)``; NaN stays."""
    return arithmetic.maximum(x, 0)


def leaky_relu(x: Any, slope: float = 0.01) -> Any:
    """``x`` where positive, ``slope * x`` elsewhere."""
    return select_where(less(x, 0), arithmetic.multiply(x, slope), x)


def gelu(x: Any, approximate: str = "none") -> Any:
    """``x * Phi(x)`` by erf, or by the formula with tanh for ``approximate="tanh"``."""
    if approximate not in ("none", "tanh"):
        raise ArgumentError(f"gelu: approximate must be 'none' or 'tanh', got {approximate!r}")
    return _gelu_exact(x) if approximate == "none" else _gelu_by_tanh(x)


def _widened(x: Any) -> tuple[Any, Any]:
    """(``x`` in the dtype to compute in, the dtype of the result): integers become float64."""
    dtype = dtype_of(x) if dtype_of(x).is_float else float64
    return astype(x, dtype=accumulator(dtype)), dtype


def softmax(x: Any, axis: Any = -1) -> Any:
    """``exp(x)`` scaled to sum to 1 over ``axis``, without overflow."""
    x, dtype = _widened(x)
    shifted = arithmetic.subtract(x, reduce.max(x, axis=axis, keepdims=True))
    weights = transcendental.exp(shifted)
    total = reduce.sum(weights, axis=axis, keepdims=True)
    return astype(arithmetic.divide(weights, total), dtype=dtype)


def log_softmax(x: Any, axis: Any = -1) -> Any:
    """``log(softmax(x))`` without overflow or cancellation."""
    x, dtype = _widened(x)
    shifted = arithmetic.subtract(x, reduce.max(x, axis=axis, keepdims=True))
    total = reduce.sum(transcendental.exp(shifted), axis=axis, keepdims=True)
    return astype(arithmetic.subtract(shifted, transcendental.log(total)), dtype=dtype)


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """``log(sum(exp(x)))`` over ``axis`` without overflow."""
    x, dtype = _widened(x)
    peak = reduce.max(x, axis=axis, keepdims=True)
    shift = select_where(isfinite(peak), peak, 0)
    total = reduce.sum(transcendental.exp(arithmetic.subtract(x, shift)), axis=axis, keepdims=True)
    out = arithmetic.add(transcendental.log(total), shift)
    if not keepdims:
        out = squeeze(out, axis if axis is not None else tuple(range(len(shape_of(x)))))
    return astype(out, dtype=dtype)


def _scaled(x: Any, weight: Any, bias: Any, dtype: Any) -> Any:
    work = dtype_of(x)
    if weight is not None:
        x = arithmetic.multiply(x, astype(weight, dtype=work))
    if bias is not None:
        x = arithmetic.add(x, astype(bias, dtype=work))
    return astype(x, dtype=dtype)


def layer_norm(
    x: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5, axis: Any = -1
) -> Any:
    """``(x - mean) / sqrt(var + eps) * weight + bias``, mean and variance over ``axis``."""
    x, dtype = _widened(x)
    centered = arithmetic.subtract(x, mean(x, axis=axis, keepdims=True))
    spread = mean(arithmetic.square(centered), axis=axis, keepdims=True)
    scale = arithmetic.sqrt(arithmetic.add(spread, float(eps)))
    return _scaled(arithmetic.divide(centered, scale), weight, bias, dtype)


def rms_norm(x: Any, weight: Any = None, eps: float = 1e-6, axis: Any = -1) -> Any:
    """``x / sqrt(mean(x**2) + eps) * weight``, the mean over ``axis``."""
    x, dtype = _widened(x)
    spread = mean(arithmetic.square(x), axis=axis, keepdims=True)
    scale = arithmetic.sqrt(arithmetic.add(spread, float(eps)))
    return _scaled(arithmetic.divide(x, scale), weight, None, dtype)


@op
def one_hot_of(indices: Any, *, classes: int, dtype: Any, axis: int) -> Any:
    """1 where the new ``axis`` equals the index, 0 elsewhere; indices out of range give zeros."""
    indices, target = as_tensor(indices), as_dtype(dtype)
    shape = (*indices.shape[:axis], classes, *indices.shape[axis:])

    def body(*index: Expr) -> Expr:
        given = element(indices, (*index[:axis], *index[axis + 1 :]), indices.shape)
        hit = apply("eq", given.astype("int64"), index[axis])
        return select(hit, const(1, target), const(0, target))

    return te.compute(shape, body, name="one_hot")


def one_hot(indices: Any, num_classes: int, dtype: Any = "float32", axis: int = -1) -> Any:
    """Rows of the unit matrix: ``result[..., c] = indices[...] == c``."""
    if not dtype_of(indices).is_integer:
        raise ArgumentError(f"one_hot: indices must be integers, got {dtype_of(indices)}")
    place = as_axis("one_hot", axis, len(shape_of(indices)) + 1)
    return one_hot_of(indices, classes=int(num_classes), dtype=as_dtype(dtype), axis=place)


@op
def causal_mask(*, rows: int, columns: int) -> Any:
    """True where a row may look: at its own column and those before, aligned at the last."""
    return te.compute((rows, columns), lambda i, j: j <= i + (columns - rows), name="causal")


def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    mask: Any = None,
    *,
    is_causal: bool = False,
    scale: Any = None,
) -> Any:
    """``softmax(query @ key.T * scale + mask) @ value`` over the last two axes.

    ``mask`` is bool (True: look) or is added to the scores; ``scale`` is 1 / sqrt(size of the
    last axis).
    """
    shapes: tuple[Shape, ...] = tuple(shape_of(x) for x in (query, key, value))
    if (
        min(map(len, shapes)) < 2
        or shapes[0][-1] != shapes[1][-1]
        or shapes[1][-2] != shapes[2][-2]
    ):
        raise ShapeError(
            f"attention: query (..., l, d), key (..., s, d) and value (..., s, v) expected, got "
            f"shapes {', '.join(map(str, shapes))}"
        )
    size = shapes[0][-1]
    factor = 1 / math.sqrt(size) if scale is None and size else 1.0 if scale is None else scale
    scores = arithmetic.multiply(matmul(query, swapaxes(key, -1, -2)), factor)
    if is_causal:
        allowed = causal_mask(rows=shapes[0][-2], columns=shapes[1][-2])
        scores = select_where(allowed, scores, -math.inf)
    if mask is not None and dtype_of(mask) is boolean:
        scores = select_where(mask, scores, -math.inf)
    elif mask is not None:
        scores = arithmetic.add(scores, mask)
    return matmul(softmax(scores, axis=-1), value)


def embedding(indices: Any, weight: Any) -> Any:
    """Rows of ``weight`` at ``indices``."""
    return take(weight, indices, axis=0)
