"""Convolution and pooling over the last two axes of (batch, channels, height, width)."""

from __future__ import annotations

import operator
from typing import Any

from .. import te
from ..errors import ArgumentError, ShapeError
from ..ir.expr import Expr, cast
from . import arithmetic
from .broadcast import as_tensor, shape_of
from .elementwise import astype
from .op import op
from .pad import pad_constant
from .promotion import accumulator, common_dtype, dtype_of
from .shape import reshape

Pair = tuple[int, int]


def _pair(name: str, what: str, value: Any, least: int) -> Pair:
    items = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    try:
        first, second = (operator.index(item) for item in items)
    except (TypeError, ValueError):
        raise ArgumentError(f"{name}: {what} must be an int or two ints, got {value!r}") from None
    if min(first, second) < least:
        raise ArgumentError(f"{name}: {what} must be at least {least}, got {value!r}")
    return first, second


def _padding(name: str, padding: Any, span: Pair, stride: Pair) -> tuple[Pair, Pair]:
    """(before, after) for height and width; ``span`` is the size of a window with its gaps."""
    if padding == "valid":
        return (0, 0), (0, 0)
    if padding == "same":
        if stride != (1, 1):
            raise ArgumentError(f"{name}: padding='same' wants stride 1, got {stride}")
        first, second = (((s - 1) // 2, s // 2) for s in span)
        return first, second
    if isinstance(padding, str):
        raise ArgumentError(f"{name}: padding must be 'same', 'valid' or ints, got {padding!r}")
    high, wide = _pair(name, "padding", padding, 0)
    return (high, high), (wide, wide)


def _windows(name: str, size: Pair, span: Pair, stride: Pair) -> Pair:
    """How many windows fit."""
    if size[0] < span[0] or size[1] < span[1]:
        raise ShapeError(
            f"{name}: a window of {span[0]} x {span[1]} does not fit into {size[0]} x {size[1]} "
            "(padding included); use a smaller window or more padding"
        )
    return (size[0] - span[0]) // stride[0] + 1, (size[1] - span[1]) // stride[1] + 1


@op(promotes=True)
def correlate(x: Any, weight: Any, *, stride: Pair, dilation: Pair, groups: int) -> Any:
    """``out[n, o, i, j] = sum over c, p, q of x[n, c, i * stride + p * dilation, ...] *
    weight[o, c, p, q]`` with the channels c of the group of o."""
    x, weight = as_tensor(x), as_tensor(weight)
    dtype = common_dtype(x, weight)
    work = accumulator(dtype)
    (batch, _, height, width), (outputs, inputs, high, wide) = x.shape, weight.shape
    span = ((high - 1) * dilation[0] + 1, (wide - 1) * dilation[1] + 1)
    rows, columns = _windows("conv2d", (height, width), span, stride)
    c, p, q = te.reduce_axis(inputs, "c"), te.reduce_axis(high, "p"), te.reduce_axis(wide, "q")
    each = outputs // groups

    def body(n: Expr, o: Expr, i: Expr, j: Expr) -> Expr:
        channel = c if groups == 1 else o // each * inputs + c
        row, column = _scaled(i, stride[0], p, dilation[0]), _scaled(j, stride[1], q, dilation[1])
        product = cast(x[n, channel, row, column], work) * cast(weight[o, c, p, q], work)
        return te.sum(product, (c, p, q))

    return astype(te.compute((batch, outputs, rows, columns), body, name="conv2d"), dtype=dtype)


def _scaled(i: Expr, stride: int, p: Expr, dilation: int) -> Expr:
    return (i if stride == 1 else i * stride) + (p if dilation == 1 else p * dilation)


def conv2d(
    x: Any, weight: Any, bias: Any = None, *,
    stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1,
) -> Any:  # fmt: skip
    """Cross-correlation of ``x`` (n, c, h, w) with ``weight`` (o, c / groups, p, q), plus
    ``bias`` (o,).

    ``padding`` is an int, a pair, "same" or "valid". Raises ShapeError.
    """
    sx, sw = shape_of(x), shape_of(weight)
    if len(sx) != 4 or len(sw) != 4:
        raise ShapeError(
            f"conv2d: expected x (n, c, h, w) and weight (o, c, p, q), got shapes {sx} and {sw}"
        )
    if groups < 1 or sw[0] % groups or sx[1] != sw[1] * groups:
        raise ShapeError(
            f"conv2d: x has {sx[1]} channels (axis 1) and weight wants {sw[1]} x {groups} groups = "
            f"{sw[1] * groups}; {sw[0]} output channels must divide by the groups"
        )
    strides, gaps = _pair("conv2d", "stride", stride, 1), _pair("conv2d", "dilation", dilation, 1)
    span = ((sw[2] - 1) * gaps[0] + 1, (sw[3] - 1) * gaps[1] + 1)
    frame = _padding("conv2d", padding, span, strides)
    if frame != ((0, 0), (0, 0)):
        x = pad_constant(x, 0, widths=((0, 0), (0, 0), *frame))
    out = correlate(x, weight, stride=strides, dilation=gaps, groups=int(groups))
    return out if bias is None else arithmetic.add(out, reshape(bias, (1, -1, 1, 1)))


@op
def pool(x: Any, *, window: Pair, stride: Pair, kind: str) -> Any:
    """The greatest value (``kind`` "max") or the sum ("sum") of each window of the last two
    axes."""
    x = as_tensor(x)
    rows, columns = _windows(f"{kind}_pool2d", x.shape[-2:], window, stride)
    work = x.dtype if kind == "max" else accumulator(x.dtype)
    p, q = te.reduce_axis(window[0], "p"), te.reduce_axis(window[1], "q")

    def body(*index: Expr) -> Expr:
        *outer, i, j = index
        at = (*outer, _scaled(i, stride[0], p, 1), _scaled(j, stride[1], q, 1))
        value = cast(x[at], work)
        return te.max(value, axis=(p, q)) if kind == "max" else te.sum(value, (p, q))

    return te.compute((*x.shape[:-2], rows, columns), body, name=f"{kind}_pool")


def _framed(name: str, x: Any, window: Any, stride: Any, padding: Any, fill: Any) -> Any:
    shape = shape_of(x)
    if len(shape) < 2:
        raise ShapeError(f"{name}: expected at least two dimensions, got shape {shape}")
    size = _pair(name, "window", window, 1)
    strides = size if stride is None else _pair(name, "stride", stride, 1)
    frame = _padding(name, padding, size, strides)
    if frame != ((0, 0), (0, 0)):
        x = pad_constant(x, fill, widths=((0, 0),) * (len(shape) - 2) + frame)
    return x, size, strides


def max_pool2d(x: Any, window: Any, stride: Any = None, padding: Any = 0) -> Any:
    """The greatest value of each window of the last two axes; the stride is the window by
    default."""
    x, size, strides = _framed("max_pool2d", x, window, stride, padding, dtype_of(x).lowest)
    return pool(x, window=size, stride=strides, kind="max")


def avg_pool2d(x: Any, window: Any, stride: Any = None, padding: Any = 0) -> Any:
    """The mean of each window of the last two axes, zeros of the padding included."""
    dtype = dtype_of(x)
    x, size, strides = _framed("avg_pool2d", x, window, stride, padding, 0)
    if not dtype.is_float:
        x = astype(x, dtype="float64")
    total = pool(x, window=size, stride=strides, kind="sum")
    mean = arithmetic.divide(total, float(size[0] * size[1]))
    return astype(mean, dtype=dtype) if dtype.is_float else mean
