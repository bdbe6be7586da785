"""Workloads for the tuner: functions and tensor expressions as their authors would write them.

Some are what every library has (products, convolutions, softmax), some what people write themselves
because no library has it: there the default schedule knows least.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mlc import te

Array = np.ndarray[Any, Any]
_RNG = np.random.default_rng(0)


def _array(*shape: int) -> Array:
    return _RNG.uniform(-1, 1, shape).astype(np.float32)


def _indices(most: int, *shape: int) -> Array:
    return _RNG.integers(0, most, shape).astype(np.int32)


def _conv2d(x: Any, w: Any) -> Any:
    n = x.shape[1] - 2
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))
    assert windows.shape[1] == n
    return np.einsum("chwij,ocij->ohw", windows, w)


def _depthwise(x: Any, w: Any) -> Any:
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))
    return np.einsum("chwij,cij->chw", windows, w)


def _softmax(x: Any) -> Any:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def _attention(q: Any, k: Any, v: Any) -> Any:
    return _softmax(q @ k.T * np.float32(0.125)) @ v


def _distances(x: Any, y: Any) -> Any:
    return ((x[:, None] - y[None]) ** 2).sum(-1)


def _stencil(x: Any) -> Any:
    out = x[1:-1, 1:-1] + x[:-2, 1:-1] + x[2:, 1:-1] + x[1:-1, :-2] + x[1:-1, 2:]
    return out * np.float32(0.2)


def _soft_threshold(x: Any, w: Any) -> Any:
    """A user's own: rows weighed by a gate of another reduction."""
    gate = np.tanh((x * w).mean(-1, keepdims=True))
    return np.sign(x) * np.maximum(np.abs(x) - gate, 0)


def _group_norm(x: Any) -> Any:
    mean = x.mean((-1, -2), keepdims=True)
    return (x - mean) / np.sqrt(((x - mean) ** 2).mean((-1, -2), keepdims=True) + np.float32(1e-5))


def _pool(x: Any) -> Any:
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))
    return windows[:, ::2, ::2].max((-1, -2))


def _blur(x: Any, w: Any) -> Any:
    """A separable filter of 7 taps along rows, then along columns."""
    rows = np.lib.stride_tricks.sliding_window_view(x, 7, axis=1) @ w
    return np.lib.stride_tricks.sliding_window_view(rows, 7, axis=0) @ w


def _jacobi(x: Any, b: Any) -> Any:
    around = x[:-2, 1:-1, 1:-1] + x[2:, 1:-1, 1:-1] + x[1:-1, :-2, 1:-1]
    around = around + x[1:-1, 2:, 1:-1] + x[1:-1, 1:-1, :-2] + x[1:-1, 1:-1, 2:]
    return (around - b) * np.float32(1 / 6)


def _polynomial(x: Any) -> Any:
    a, b, c = x[..., 0], x[..., 1], x[..., 2]
    return np.stack([b * b - 4 * a * c, a + b + c, a * b * c], -1)


def _log_sum_exp(x: Any) -> Any:
    top = x.max(0)
    return np.log(np.exp(x - top).sum(0)) + top


def _chebyshev() -> list[Any]:
    """The largest difference of rows."""
    a = te.placeholder((256, 512), "float32", name="a")
    b = te.placeholder((64, 512), "float32", name="b")
    k = te.reduce_axis((0, 512), name="k")
    made = te.compute(
        (256, 64), lambda i, j: te.max(te.abs(a[i, k] - b[j, k]), axis=k), name="chebyshev"
    )
    return [a, b, made]


def _banded() -> list[Any]:
    """A band matrix, kept by its 33 diagonals, times 32 vectors."""
    band = te.placeholder((1000, 33), "float32", name="band")
    x = te.placeholder((1032, 32), "float32", name="x")
    d = te.reduce_axis((0, 33), name="d")
    made = te.compute(
        (1000, 32), lambda i, j: te.sum(band[i, d] * x[i + d, j], axis=d), name="banded"
    )
    return [band, x, made]


def _sliding() -> list[Any]:
    """How far 16 templates are from each window of a signal."""
    signal = te.placeholder((4095,), "float32", name="signal")
    forms = te.placeholder((16, 64), "float32", name="forms")
    k = te.reduce_axis((0, 64), name="k")
    made = te.compute(
        (16, 4032),
        lambda t, i: te.sum(te.abs(signal[i + k] - forms[t, k]), axis=k),
        name="sliding",
    )
    return [signal, forms, made]


def _dilation() -> list[Any]:
    """Greyscale dilation by a form of 5 x 5, taps two apart."""
    x = te.placeholder((8, 136, 136), "float32", name="x")
    form = te.placeholder((5, 5), "float32", name="form")
    i, j = te.reduce_axis((0, 5), name="i"), te.reduce_axis((0, 5), name="j")
    made = te.compute(
        (8, 128, 128),
        lambda c, h, w: te.max(x[c, h + 2 * i, w + 2 * j] + form[i, j], axis=[i, j]),
        name="dilation",
    )
    return [x, form, made]


def _bilateral() -> list[Any]:
    """An edge-preserving filter of 5 x 5 taps: weights fall with the difference in brightness."""
    x = te.placeholder((132, 132), "float32", name="x")
    near = te.placeholder((5, 5), "float32", name="near")
    i, j = te.reduce_axis((0, 5), name="i"), te.reduce_axis((0, 5), name="j")
    p, q = te.reduce_axis((0, 5), name="p"), te.reduce_axis((0, 5), name="q")

    def weight(h: Any, w: Any, i: Any, j: Any) -> Any:
        apart = x[h + i, w + j] - x[h + 2, w + 2]
        return near[i, j] * te.exp(apart * apart * -8.0)

    top = te.compute(
        (128, 128),
        lambda h, w: te.sum(weight(h, w, i, j) * x[h + i, w + j], axis=[i, j]),
        name="top",
    )
    low = te.compute((128, 128), lambda h, w: te.sum(weight(h, w, p, q), axis=[p, q]), name="low")
    made = te.compute((128, 128), lambda h, w: top[h, w] / low[h, w], name="bilateral")
    return [x, near, made]


def _solves() -> list[Any]:
    """2048 systems of three equations, by Cramer's rule."""
    a = te.placeholder((2048, 3, 3), "float32", name="a")
    b = te.placeholder((2048, 3), "float32", name="b")

    def minor(n: Any, i: int, j: int) -> Any:
        p, q = (i + 1) % 3, (i + 2) % 3
        r, s = (j + 1) % 3, (j + 2) % 3
        return a[n, p, r] * a[n, q, s] - a[n, p, s] * a[n, q, r]

    det = te.compute(
        (2048,),
        lambda n: (
            a[n, 0, 0] * minor(n, 0, 0) + a[n, 0, 1] * minor(n, 0, 1) + a[n, 0, 2] * minor(n, 0, 2)
        ),
        name="det",
    )

    def solved(n: Any, row: Any) -> Any:
        parts = [
            (minor(n, 0, j) * b[n, 0] + minor(n, 1, j) * b[n, 1] + minor(n, 2, j) * b[n, 2])
            / det[n]
            for j in range(3)
        ]
        return te.select(row == 0, parts[0], te.select(row == 1, parts[1], parts[2]))

    return [a, b, te.compute((2048, 3), solved, name="solution")]


def _gradients() -> list[Any]:
    """Histograms of gradient directions: 9 bins for each cell of 8 x 8 pixels."""
    x = te.placeholder((130, 130), "float32", name="x")
    i, j = te.reduce_axis((0, 8), name="i"), te.reduce_axis((0, 8), name="j")
    dy = te.compute((128, 128), lambda h, w: x[h + 2, w + 1] - x[h, w + 1], name="dy")
    dx = te.compute((128, 128), lambda h, w: x[h + 1, w + 2] - x[h + 1, w], name="dx")
    size = te.compute(
        (128, 128), lambda h, w: te.sqrt(dx[h, w] * dx[h, w] + dy[h, w] * dy[h, w]), name="size"
    )
    place = te.compute(
        (128, 128),
        lambda h, w: te.floor(te.arctan2(dy[h, w], dx[h, w]) * (9 / 6.2832) + 4.5),
        name="place",
    )
    made = te.compute(
        (16, 16, 9),
        lambda r, c, b: te.sum(
            te.select(
                place[8 * r + i, 8 * c + j] == te.cast(b, "float32"),
                size[8 * r + i, 8 * c + j],
                0.0,
            ),
            axis=[i, j],
        ),
        name="gradients",
    )
    return [x, made]


def _bags(table: Any, words: Any) -> Any:
    """Embedding bags: means of the rows of a table that each bag names."""
    return table[words].mean(1)


def _stencil_3d() -> list[Any]:
    """A star of radius 4 in three dimensions, as wave equations are stepped."""
    x = te.placeholder((56, 56, 72), "float32", name="x")
    c = te.placeholder((5,), "float32", name="c")

    def star(i: Any, j: Any, k: Any) -> Any:
        i, j, k = i + 4, j + 4, k + 4
        total = c[0] * x[i, j, k]
        for r in range(1, 5):
            around = x[i - r, j, k] + x[i + r, j, k] + x[i, j - r, k] + x[i, j + r, k]
            total = total + c[r] * (around + x[i, j, k - r] + x[i, j, k + r])
        return total

    return [x, c, te.compute((48, 48, 64), star, name="star")]


def _box_3d() -> list[Any]:
    """All 27 neighbours in three dimensions, each with its weight."""
    x = te.placeholder((42, 42, 66), "float32", name="x")
    w = te.placeholder((3, 3, 3), "float32", name="w")
    a, b, c = (te.reduce_axis((0, 3), name=n) for n in "abc")
    made = te.compute(
        (40, 40, 64),
        lambda i, j, k: te.sum(x[i + a, j + b, k + c] * w[a, b, c], axis=[a, b, c]),
        name="box",
    )
    return [x, w, made]


def _sampled(x: Any, y: Any, flow: Any) -> Any:
    """An image taken at places that move, between its pixels."""
    rows, columns = y[:, None] + flow[0], y[None, :] + flow[1]
    r, c = np.floor(rows), np.floor(columns)
    a, b = rows - r, columns - c
    r = np.clip(r, 0, x.shape[0] - 2).astype(np.int32)
    c = np.clip(c, 0, x.shape[1] - 2).astype(np.int32)
    top = x[r, c] * (1 - b) + x[r, c + 1] * b
    return top * (1 - a) + (x[r + 1, c] * (1 - b) + x[r + 1, c + 1] * b) * a


def _local_scores() -> list[Any]:
    """What each position of 4 heads has in common with the 33 around it."""
    q = te.placeholder((4, 256, 64), "float32", name="q")
    k = te.placeholder((4, 288, 64), "float32", name="k")
    d = te.reduce_axis((0, 64), name="d")
    made = te.compute(
        (4, 256, 33), lambda h, i, w: te.sum(q[h, i, d] * k[h, i + w, d], axis=d), name="scores"
    )
    return [q, k, made]


def _grouped_attention(q: Any, k: Any, v: Any) -> Any:
    """8 heads of queries that share 2 of keys and values."""
    heads, n, d = q.shape
    q = q.reshape(2, heads // 2, n, d)
    scores = np.einsum("ghnd,gmd->ghnm", q, k) * np.float32(0.125)
    return np.einsum("ghnm,gmd->ghnd", _softmax(scores), v).reshape(heads, n, d)


def _triangular() -> list[Any]:
    """A lower triangular matrix times another matrix."""
    low = te.placeholder((192, 192), "float32", name="low")
    b = te.placeholder((192, 192), "float32", name="b")
    k = te.reduce_axis((0, 192), name="k")
    made = te.compute(
        (192, 192),
        lambda i, j: te.sum(te.select(k <= i, low[i, k] * b[k, j], 0.0), axis=k),
        name="triangular",
    )
    return [low, b, made]


def _horner(c: Any, x: Any) -> Any:
    """A polynomial of degree 11 at many places."""
    total = c[11] * np.ones_like(x)
    for n in range(10, -1, -1):
        total = total * x + c[n]
    return total


def _looked_up(x: Any, table: Any) -> Any:
    """A function from a table, straight lines in between."""
    at = (x + 1) * np.float32(127.5)
    low = np.clip(np.floor(at), 0, 254).astype(np.int32)
    part = at - low.astype(np.float32)
    return table[low] * (1 - part) + table[low + 1] * part


def _tropical() -> list[Any]:
    """Shortest ways of two steps: the least sum in place of the sum of products."""
    a = te.placeholder((160, 160), "float32", name="a")
    b = te.placeholder((160, 160), "float32", name="b")
    k = te.reduce_axis((0, 160), name="k")
    made = te.compute((160, 160), lambda i, j: te.min(a[i, k] + b[k, j], axis=k), name="tropical")
    return [a, b, made]


def _stereo() -> list[Any]:
    """For each pixel and each of 24 shifts, how far windows of 7 pixels of two images differ."""
    left = te.placeholder((64, 160), "float32", name="left")
    right = te.placeholder((64, 160), "float32", name="right")
    k = te.reduce_axis((0, 7), name="k")
    made = te.compute(
        (24, 64, 128),
        lambda s, h, w: te.sum(te.abs(left[h, w + k + 24] - right[h, w + k + 24 - s]), axis=k),
        name="stereo",
    )
    return [left, right, made]


def _hamming() -> list[Any]:
    """In how many places rows of codes differ."""
    a = te.placeholder((200, 96), "int32", name="a")
    b = te.placeholder((200, 96), "int32", name="b")
    k = te.reduce_axis((0, 96), name="k")
    made = te.compute(
        (200, 200),
        lambda i, j: te.sum(te.select(a[i, k] != b[j, k], 1, 0), axis=k),
        name="hamming",
    )
    return [a, b, made]


def _factors(x: Any, b: Any, c: Any) -> Any:
    """A tensor of three dimensions times two matrices, column by column, as in its factoring."""
    return np.einsum("ijk,jr,kr->ir", x, b, c)


def _kernel_matrix(x: Any, y: Any) -> Any:
    return np.exp(((x[:, None] - y[None]) ** 2).sum(-1) * np.float32(-0.5))


def _dilated_conv1d(x: Any, w: Any) -> Any:
    """A causal convolution whose taps are 4 apart."""
    n = x.shape[1] - 8
    taps = [w[:, :, t] @ x[:, 4 * t : 4 * t + n] for t in range(3)]
    return np.tanh(taps[0] + taps[1] + taps[2])


def _bilinear_forms(x: Any, w: Any, y: Any) -> Any:
    return np.einsum("bi,kij,bj->bk", x, w, y)


def _segments(x: Any, where: Any) -> Any:
    """Sums of rows by the group that each belongs to, of 16."""
    return (where[None, :] == np.arange(16, dtype=np.int32)[:, None]).astype(np.float32) @ x


CASES: dict[str, Callable[[], tuple[Any, tuple[Any, ...]]]] = {
    "matvec 300x500": lambda: (lambda a, x: a @ x, (_array(300, 500), _array(500))),
    "skinny 8x512x512": lambda: (lambda a, b: a @ b.T, (_array(8, 512), _array(512, 512))),
    "conv2d 16x32x32 3x3": lambda: (_conv2d, (_array(16, 34, 34), _array(16, 16, 3, 3))),
    "depthwise 32x56x56": lambda: (_depthwise, (_array(32, 58, 58), _array(32, 3, 3))),
    "softmax 256x512": lambda: (_softmax, (_array(256, 512),)),
    "attention 128x64": lambda: (_attention, (_array(128, 64), _array(128, 64), _array(128, 64))),
    "te chebyshev": lambda: (_chebyshev(), ()),
    "distances 256x256x32": lambda: (_distances, (_array(256, 32), _array(256, 32))),
    "stencil 512x512": lambda: (_stencil, (_array(512, 512),)),
    "batched 64x24x24": lambda: (lambda a, b: a @ b, (_array(64, 24, 24), _array(64, 24, 24))),
    "gate 256x512": lambda: (_soft_threshold, (_array(256, 512), _array(512))),
    "group norm 32x28x28": lambda: (_group_norm, (_array(32, 28, 28),)),
    "pool 32x57x57": lambda: (_pool, (_array(32, 57, 57),)),
    "blur 256x256": lambda: (_blur, (_array(262, 262), _array(7))),
    "jacobi 48x48x48": lambda: (_jacobi, (_array(50, 50, 50), _array(48, 48, 48))),
    "polynomial 40000": lambda: (_polynomial, (_array(40000, 3),)),
    "columns 300x700": lambda: (_log_sum_exp, (_array(300, 700),)),
    "gram 60x1000": lambda: (lambda a: a @ a.T, (_array(60, 1000),)),
    "mixing 16x8x40x40": lambda: (
        lambda x, w: np.einsum("ncij,dc->ndij", x, w),
        (_array(4, 8, 40, 40), _array(16, 8)),
    ),
    "te banded": lambda: (_banded(), ()),
    "te sliding": lambda: (_sliding(), ()),
    "te dilation": lambda: (_dilation(), ()),
    "te bilateral": lambda: (_bilateral(), ()),
    "te solves": lambda: (_solves(), ()),
    "te gradients": lambda: (_gradients(), ()),
    "te star": lambda: (_stencil_3d(), ()),
    "te box": lambda: (_box_3d(), ()),
    "te local scores": lambda: (_local_scores(), ()),
    "te triangular": lambda: (_triangular(), ()),
    "te tropical": lambda: (_tropical(), ()),
    "te stereo": lambda: (_stereo(), ()),
    "te hamming": lambda: (_hamming(), ()),
    "bags 256x20": lambda: (_bags, (_array(2000, 64), _indices(2000, 256, 20))),
    "sampling 200x200": lambda: (
        _sampled,
        (_array(200, 200), np.arange(200, dtype=np.float32), _array(2, 200, 200) * 3),
    ),
    "grouped attention": lambda: (
        _grouped_attention,
        (_array(8, 64, 32), _array(2, 64, 32), _array(2, 64, 32)),
    ),
    "horner 30000": lambda: (_horner, (_array(12), _array(30000))),
    "lookup 50000": lambda: (_looked_up, (_array(50000), _array(256))),
    "factors 40x50x60": lambda: (_factors, (_array(40, 50, 60), _array(50, 16), _array(60, 16))),
    "kernel matrix": lambda: (_kernel_matrix, (_array(200, 24), _array(300, 24))),
    "dilated 32x512": lambda: (_dilated_conv1d, (_array(32, 520), _array(32, 32, 3))),
    "bilinear 64": lambda: (_bilinear_forms, (_array(64, 32), _array(8, 32, 32), _array(64, 32))),
    "segments 3000x32": lambda: (_segments, (_array(3000, 32), _indices(16, 3000))),
}
