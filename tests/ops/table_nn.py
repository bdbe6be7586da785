"""Rows for functions that NumPy lacks, with a reference written in NumPy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

from mlc.ops import convolve, create, nn, update

from .cases import Case, Tolerance, ulp
from .inputs import FLOATS, INTEGERS, SIGNED, one_array, seeds, shaped, values

IEEE = tuple(d for d in FLOATS if d.kind == "f")
WIDE = IEEE[1:]
erf = np.vectorize(math.erf, otypes=[np.float64])
erfc = np.vectorize(math.erfc, otypes=[np.float64])


def _float(x: Any) -> Any:
    return x if x.dtype.kind == "f" else x.astype(np.float64)


def row(name: str, function: Any, like: Any, inputs: Any, tolerance: Tolerance) -> Case:
    return Case(name, function, inputs, tolerance, like=like, dtype=False)


def rows(dtypes: Any = IEEE, kind: str = "unit") -> Any:
    return one_array(dtypes, kind, min_dims=2, max_dims=3, min_side=1)


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-_float(x)))


def softmax(x: Any, axis: int = -1) -> Any:
    e = np.exp(_float(x) - _float(x).max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def logsumexp(x: Any, axis: Any = None) -> Any:
    return np.log(np.exp(_float(x)).sum(axis))


def layer_norm(x: Any) -> Any:
    x = _float(x)
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 0.5)


def rms_norm(x: Any, w: Any) -> Any:
    return x / np.sqrt(np.mean(x * x, -1, keepdims=True) + 1e-6) * w


def attention(q: Any, k: Any, v: Any) -> Any:
    return softmax(q @ np.swapaxes(k, -1, -2) / math.sqrt(max(q.shape[-1], 1))) @ v


def causal_attention(q: Any, k: Any, v: Any) -> Any:
    scores = q @ np.swapaxes(k, -1, -2) * 0.5
    seen = np.tril(np.ones(scores.shape[-2:], bool), k.shape[-2] - q.shape[-2])
    return softmax(np.where(seen, scores, -np.inf)) @ v


def conv2d(
    x: Any, w: Any, stride: int = 1, padding: int = 0, dilation: int = 1, groups: int = 1
) -> Any:
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    outputs, inputs, high, wide = w.shape
    rows = (x.shape[2] - (high - 1) * dilation - 1) // stride + 1
    columns = (x.shape[3] - (wide - 1) * dilation - 1) // stride + 1
    out = np.zeros((x.shape[0], outputs, rows, columns), np.result_type(x, w))
    for o in range(outputs):
        first = o // (outputs // groups) * inputs
        for p in range(high):
            for q in range(wide):
                down, right = p * dilation, q * dilation
                seen = x[:, first : first + inputs, down : down + rows * stride : stride,
                         right : right + columns * stride : stride]  # fmt: skip
                out[:, o] += np.einsum("nchw,c->nhw", seen, w[o, :, p, q])
    return out


def pooled(x: Any, kind: str, window: int, stride: int) -> Any:
    rows = range(0, x.shape[-2] - window + 1, stride)
    columns = range(0, x.shape[-1] - window + 1, stride)
    reduce = np.max if kind == "max" else np.mean
    parts = [
        [reduce(x[..., i : i + window, j : j + window], axis=(-2, -1)) for j in columns]
        for i in rows
    ]
    return np.stack([np.stack(row, -1) for row in parts], -2)


@st.composite
def conv_inputs(draw: Any, groups: int = 1) -> tuple[Any, ...]:
    n, c, o = draw(st.integers(1, 2)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    h, w, p, q = (draw(st.integers(a, b)) for a, b in ((6, 8), (6, 9), (1, 3), (1, 3)))
    dtype, seed = draw(st.sampled_from(WIDE)), draw(seeds)
    return (
        values(seed, (n, c * groups, h, w), dtype, "unit"),
        values(seed + 1, (o * groups, c, p, q), dtype, "unit"),
    )


def _conv_row(name: str, groups: int = 1, **options: int) -> Case:
    return row(
        f"conv2d {name}",
        lambda x, w: convolve.conv2d(x, w, groups=groups, **options),
        lambda x, w: conv2d(x, w, groups=groups, **options),
        conv_inputs(groups),
        Tolerance(2, lambda x, w: conv2d(x, w, groups=groups, **options)),
    )


def _assigned(key: Any, dtypes: Any = SIGNED + WIDE, shape: Any = (4, 5)) -> Any:
    """(function over traced values, the same in NumPy) for ``x[key] = y``."""

    def numpy(x: Any, y: Any) -> Any:
        out = x.copy()
        out[key] = y
        return out

    return lambda x, y: update.setitem(x, key, y), numpy


_ASSIGN: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "row": (np.s_[1], (5,)), "column": (np.s_[:, -2], (4,)), "element": (np.s_[2, 3], ()),
    "slice": (np.s_[1:3], (2, 5)), "step": (np.s_[::2, 1::3], (2, 2)),
    "reverse": (np.s_[::-1], (4, 5)),
    "reverse step": (np.s_[3:0:-2, 4::-3], (2, 2)), "broadcast": (np.s_[1:, 1:], (1, 4)),
    "all": (np.s_[...], ()), "new axis": (np.s_[None, 1], (1, 5)),
    "leading ones": (np.s_[2], (1, 1, 5)),
    "empty": (np.s_[3:3], (1,)), "places": (np.s_[np.array([2, 0, 2])], (3, 5)),
    "places second": (np.s_[:, np.array([0, -1])], (4, 2)), "one value": (np.s_[:, 2:4], (1,)),
}  # fmt: skip


def _assign_traced(x: Any, y: Any, n: Any) -> Any:
    """Traced scalars as an index."""
    if isinstance(x, np.ndarray):
        out = x.copy()
        out[n.astype(int) % 4, 1:3] = y
        return out
    return update.setitem(x, (n.astype(int) % 4, slice(1, 3)), y)


CASES = [
    row("erf", nn.erf, erf, one_array(WIDE, "any"), ulp(3)),
    row("erfc", nn.erfc, erfc, one_array(WIDE, "unit"), ulp(6)),
    row("sigmoid", nn.sigmoid, sigmoid, one_array(IEEE, "finite"), ulp(4)),
    row("sigmoid of integers", nn.sigmoid, sigmoid, one_array(INTEGERS, "small"), ulp(4)),
    row("silu", nn.silu, lambda x: x * sigmoid(x), one_array(IEEE, "finite"), ulp(5)),
    row("relu", nn.relu, lambda x: np.maximum(x, 0), one_array(INTEGERS + IEEE), ulp(0)),
    row(
        "leaky_relu",
        nn.leaky_relu,
        lambda x: np.where(x < 0, x * 0.01, x),
        one_array(WIDE, "finite"),
        ulp(2),
    ),
    row("softplus", nn.softplus, lambda x: np.logaddexp(x, 0), one_array(IEEE, "finite"), ulp(4)),
    row(
        "gelu",
        nn.gelu,
        lambda x: x * 0.5 * (1 + erf(x / math.sqrt(2))),
        one_array(WIDE, "finite"),
        Tolerance(4, lambda x: x),
    ),
    row(
        "gelu tanh",
        lambda x: nn.gelu(x, "tanh"),
        lambda x: x * 0.5 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
        one_array(WIDE, "finite"),
        Tolerance(8, lambda x: 2 * x),
    ),
    row("softmax", nn.softmax, softmax, rows(), Tolerance(6, lambda x: 2 * softmax(x))),
    row("softmax of integers", nn.softmax, softmax, rows(INTEGERS, "small"), ulp(16)),
    row("softmax first", lambda x: nn.softmax(x, 0), lambda x: softmax(x, 0), rows(), ulp(24)),
    row(
        "log_softmax",
        nn.log_softmax,
        lambda x: np.log(softmax(x)),
        rows(),
        Tolerance(6, lambda x: 4 + x),
    ),
    row("logsumexp", nn.logsumexp, logsumexp, rows(), Tolerance(4, lambda x: 4.0)),
    row(
        "logsumexp axis",
        lambda x: nn.logsumexp(x, axis=0),
        lambda x: logsumexp(x, 0),
        rows(),
        Tolerance(4, lambda x: 4.0),
    ),
    row(
        "layer_norm",
        lambda x: nn.layer_norm(x, eps=0.5),
        layer_norm,
        rows(),
        Tolerance(8, lambda x: 8.0),
    ),
    row(
        "layer_norm scaled",
        lambda x, w, b: nn.layer_norm(x, w, b, eps=0.5),
        lambda x, w, b: layer_norm(x) * w + b,
        shaped("ij", "j", "j", dtypes=IEEE, kind="unit", sides=(1, 6)),
        Tolerance(8, lambda x, w, b: 8.0),
    ),
    row(
        "rms_norm",
        nn.rms_norm,
        rms_norm,
        shaped("ij", "j", dtypes=IEEE, kind="nonzero", sides=(1, 6)),
        Tolerance(6, rms_norm),
    ),
    row(
        "one_hot",
        lambda x: nn.one_hot(x, 4, "int32", axis=0),
        lambda x: (np.arange(4).reshape(4, *[1] * x.ndim) == x).astype("int32"),
        one_array(INTEGERS, "small"),
        ulp(0),
    ),
    row(
        "attention",
        nn.scaled_dot_product_attention,
        attention,
        shaped("bid", "bjd", "bjv", dtypes=WIDE, kind="unit", sides=(1, 5)),
        Tolerance(8, lambda q, k, v: 16 * np.ones((*q.shape[:-1], v.shape[-1]))),
    ),
    row(
        "attention causal",
        lambda q, k, v: nn.scaled_dot_product_attention(q, k, v, is_causal=True, scale=0.5),
        causal_attention,
        shaped("id", "id", "iv", dtypes=WIDE, kind="unit", sides=(1, 5)),
        Tolerance(8, lambda q, k, v: 16 * np.ones((*q.shape[:-1], v.shape[-1]))),
    ),
    _conv_row("plain"),
    _conv_row("stride", stride=2),
    _conv_row("padding", padding=1),
    _conv_row("dilation", dilation=2),
    _conv_row("groups", groups=2),
    _conv_row("all", stride=2, padding=2, dilation=2, groups=2),
    row(
        "max_pool2d",
        lambda x: convolve.max_pool2d(x, 2),
        lambda x: pooled(x, "max", 2, 2),
        one_array(SIGNED + IEEE, "any", 2, 4, 2, 5),
        ulp(0),
    ),
    row(
        "avg_pool2d",
        lambda x: convolve.avg_pool2d(x, 3, 1),
        lambda x: pooled(x, "mean", 3, 1),
        one_array(WIDE, "finite", 2, 4, 3, 5),
        Tolerance(2, lambda x: pooled(x, "mean", 3, 1)),
    ),
    *(
        Case(
            f"setitem {name}",
            _assigned(key)[0],
            shaped((4, 5), part, dtypes=SIGNED + WIDE),
            like=_assigned(key)[1],
        )
        for name, (key, part) in _ASSIGN.items()
    ),
    Case("setitem traced", _assign_traced, shaped((4, 5), (2,), (), dtypes=INTEGERS[:4])),
    Case(
        "full of traced",
        lambda x: create.full((2, 3), x),
        shaped((), dtypes=WIDE),
        like=lambda x: np.full((2, 3), x),
    ),
]
