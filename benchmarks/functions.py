"""The functions that are timed, written as anybody would write them in plain NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np


def add(a: Any, b: Any) -> Any:
    return a + b


def chain(x: Any, y: Any) -> Any:
    """Eight operations, each a pass over memory for NumPy."""
    z = x * y + x
    z = z * 0.5 - y
    z = np.minimum(np.maximum(z, 0.0), x)
    return z * z + 1.0


def chain_math(x: Any, y: Any) -> Any:
    """Eight operations, two of them transcendental."""
    return np.exp(-x * x) * np.tanh(y) + 0.5 * x - y


def gelu_tanh(x: Any) -> Any:
    return 0.5 * x * (1.0 + np.tanh(0.7978845608 * (x + 0.044715 * x * x * x)))


def softmax(x: Any) -> Any:
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def layer_norm(x: Any, gain: Any, bias: Any) -> Any:
    centred = x - np.mean(x, axis=-1, keepdims=True)
    variance = np.mean(centred * centred, axis=-1, keepdims=True)
    return centred / np.sqrt(variance + 1e-5) * gain + bias


def rms_norm(x: Any, residual: Any, gain: Any) -> Any:
    y = x + residual
    return y / np.sqrt(np.mean(y * y, axis=-1, keepdims=True) + 1e-6) * gain


def attention(q: Any, k: Any, v: Any) -> Any:
    scores = q @ np.swapaxes(k, -1, -2) * (1.0 / q.shape[-1] ** 0.5)
    return softmax(scores) @ v


def matmul(a: Any, b: Any) -> Any:
    return a @ b


def matmul_int8(a: Any, b: Any) -> Any:
    """Exact: products of int8 summed in int32."""
    return np.matmul(a, b, dtype=np.int32)


def matmul_int8_nt(a: Any, b: Any) -> Any:
    """The same times rows, as weights of a linear layer lie."""
    return np.matmul(a, b.T, dtype=np.int32)


def cumsum(x: Any) -> Any:
    return np.cumsum(x, axis=-1)


def sort(x: Any) -> Any:
    return np.sort(x, axis=-1)


def argsort(x: Any) -> Any:
    return np.argsort(x, axis=-1)


def dense_relu(x: Any, w: Any, b: Any) -> Any:
    return np.maximum(x @ w + b, 0.0)


def mlp(x: Any, w1: Any, b1: Any, w2: Any, b2: Any) -> Any:
    return softmax(np.maximum(x @ w1 + b1, 0.0) @ w2 + b2)


def conv2d(x: Any, w: Any) -> Any:
    """Channels first, stride 1, no padding: one contraction over channels for each kernel tap."""
    height, width = x.shape[1] - w.shape[2] + 1, x.shape[2] - w.shape[3] + 1
    taps = [(i, j) for i in range(w.shape[2]) for j in range(w.shape[3])]
    return sum(
        np.tensordot(w[:, :, i, j], x[:, i : i + height, j : j + width], axes=1) for i, j in taps
    )


def conv2d_stride2(x: Any, w: Any) -> Any:
    """The same at every other place, as first layers have it."""
    height, width = (x.shape[1] - w.shape[2]) // 2 + 1, (x.shape[2] - w.shape[3]) // 2 + 1
    taps = [(i, j) for i in range(w.shape[2]) for j in range(w.shape[3])]
    return sum(
        np.tensordot(
            w[:, :, i, j], x[:, i : i + 2 * height - 1 : 2, j : j + 2 * width - 1 : 2], axes=1
        )
        for i, j in taps
    )


def mlc_conv2d(stride: int) -> Any:
    """`mlc.nn`'s convolution of one image."""
    import mlc.nn

    def function(x: Any, w: Any) -> Any:
        return mlc.nn.conv2d(x[None], w, stride=stride)[0]

    return function


def _taps(x: Any, size: int, stride: int) -> list[Any]:
    """The elements of every window of the last two axes: an array for each place in it."""
    height, width = ((n - size) // stride * stride + 1 for n in x.shape[-2:])
    return [
        x[..., i : i + height : stride, j : j + width : stride]
        for i in range(size)
        for j in range(size)
    ]


def max_pool(x: Any) -> Any:
    first, *others = _taps(x, 3, 2)
    for other in others:
        first = np.maximum(first, other)
    return first


def mean_pool(x: Any) -> Any:
    return sum(_taps(x, 3, 2)) / 9


def depthwise(x: Any, w: Any) -> Any:
    """Each channel with a kernel of its own."""
    taps = _taps(x, 3, 1)
    return sum(tap * w[:, n // 3, n % 3, None, None] for n, tap in enumerate(taps))


def mlc_pool(kind: str) -> Any:
    """`mlc.nn`'s pooling."""
    import mlc.nn

    pool = mlc.nn.max_pool2d if kind == "max" else mlc.nn.avg_pool2d
    return lambda x: pool(x, 3, stride=2)


def mlc_depthwise() -> Any:
    """`mlc.nn`'s convolution of one image, in as many groups as channels."""
    import mlc.nn

    return lambda x, w: mlc.nn.conv2d(x[None], w[:, None], groups=x.shape[0])[0]


def batch_norm(x: Any, gain: Any, bias: Any) -> Any:
    """By the mean and the variance of each channel of the batch."""
    centred = x - np.mean(x, axis=(0, 2, 3), keepdims=True)
    variance = np.mean(centred * centred, axis=(0, 2, 3), keepdims=True)
    return centred / np.sqrt(variance + 1e-5) * gain[:, None, None] + bias[:, None, None]


def log_softmax(x: Any) -> Any:
    less = x - np.max(x, axis=-1, keepdims=True)
    return less - np.log(np.sum(np.exp(less), axis=-1, keepdims=True))


def row_norms(x: Any) -> Any:
    return np.linalg.norm(x, axis=1)


def running_maximum(x: Any) -> Any:
    return np.maximum.accumulate(x)


def pairs(x: Any, y: Any) -> Any:
    return np.stack([x, y], axis=-1)


def upper_triangle(x: Any) -> Any:
    return np.triu(x)


def outer(x: Any, y: Any) -> Any:
    return np.outer(x, y)


def choose(x: Any, y: Any) -> Any:
    return np.where(x > 0.0, np.clip(x * y, -1.0, 1.0), 0.5 * y)


def matmul_tn(a: Any, b: Any) -> Any:
    return a.T @ b


def matmul_nt(a: Any, b: Any) -> Any:
    return a @ b.T


def own_rows(a: Any) -> Any:
    return a @ a.T


def own_columns(a: Any) -> Any:
    return a.T @ a


def chain_of_four(a: Any, b: Any, c: Any, d: Any) -> Any:
    return np.einsum("ij,jk,kl,lm->im", a, b, c, d, optimize=True)


def stencil(x: Any) -> Any:
    """Jacobi's five points."""
    return 0.2 * (x[1:-1, 1:-1] + x[:-2, 1:-1] + x[2:, 1:-1] + x[1:-1, :-2] + x[1:-1, 2:])


def transpose(x: Any) -> Any:
    return x.T.copy()


def reduction(name: str, axis: int | None) -> Any:
    """``np.<name>(x, axis=axis)`` as a function of one argument."""
    reduce = getattr(np, name)

    def function(x: Any) -> Any:
        return reduce(x, axis=axis)

    function.__name__ = f"{name} axis={axis}"
    return function


def argmax(x: Any) -> Any:
    return np.argmax(x, axis=1)


def distances(x: Any, y: Any) -> Any:
    difference = x[:, None, :] - y[None, :, :]
    return np.sqrt(np.sum(difference * difference, axis=-1))


def operators(count: int) -> Any:
    """A function of ``count`` operators that no rewrite can shorten; elementwise and row maxima.
    It is one line after the other: a loop would be a native one, and one operator."""
    kinds = (
        "y = y * {scale}", "y = y + x", "y = np.maximum(y, -{step}.0)",
        "y = y - np.max(y, axis=-1, keepdims=True)", "y = np.tanh(y)",
    )  # fmt: skip
    lines = [
        kinds[step % len(kinds)].format(scale=1.0 + step / 64, step=step) for step in range(count)
    ]
    space: dict[str, Any] = {"np": np}
    exec("\n    ".join(["def function(x):", "y = x", *lines, "return y"]), space)
    return space["function"]
