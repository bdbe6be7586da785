"""Convolution over one axis and over three, and transposed convolution over one to three."""

from __future__ import annotations

import operator
from itertools import product
from math import prod
from typing import Any

import numpy as np

from .. import te
from ..errors import ArgumentError, ShapeError
from ..ir.expr import Expr, apply, cast, const, select
from ..records import dataclass
from . import arithmetic
from .broadcast import as_tensor, shape_of
from .elementwise import astype
from .index import getitem
from .join import flip, stack
from .op import op
from .pad import pad_constant
from .promotion import accumulator, common_dtype
from .shape import broadcast_to, reshape, swapaxes, transpose

Sizes = tuple[int, ...]
MOST_PHASES = 16  # of a transposed convolution that are computed apart


def _sizes(name: str, what: str, value: Any, count: int, least: int) -> Sizes:
    items = tuple(value) if isinstance(value, (tuple, list)) else (value,) * count
    try:
        sizes = tuple(operator.index(item) for item in items)
    except TypeError:
        sizes = ()
    if len(sizes) != count:
        wanted = "an int" if count == 1 else f"an int or {count} ints"
        raise ArgumentError(f"{name}: {what} must be {wanted}, got {value!r}")
    if min(sizes) < least:
        raise ArgumentError(f"{name}: {what} must be at least {least}, got {value!r}")
    return sizes


def _spans(window: Sizes, dilation: Sizes) -> Sizes:
    """The sizes of a window with its gaps."""
    return tuple((k - 1) * d + 1 for k, d in zip(window, dilation, strict=True))


@op(promotes=True)
def correlate_nd(x: Any, weight: Any, *, stride: Sizes, dilation: Sizes, groups: int) -> Any:
    """``out[n, o, i...] = sum over c, p... of x[n, c, i * stride + p * dilation...] *
    weight[o, c, p...]`` with the channels c of the group of o."""
    x, weight = as_tensor(x), as_tensor(weight)
    dtype = common_dtype(x, weight)
    work = accumulator(dtype)
    (batch, _, *sizes), (outputs, inputs, *window) = x.shape, weight.shape
    spans = _spans(tuple(window), dilation)
    counts = [(n - k) // s + 1 for n, k, s in zip(sizes, spans, stride, strict=True)]
    c = te.reduce_axis(inputs, "c")
    taps = [te.reduce_axis(k, name) for k, name in zip(window, "pqr", strict=False)]
    each = outputs // groups

    def body(*index: Expr) -> Expr:
        n, o, *places = index
        channel = c if groups == 1 else o // each * inputs + c
        at = [
            (i if s == 1 else i * s) + (p if d == 1 else p * d)
            for i, s, p, d in zip(places, stride, taps, dilation, strict=True)
        ]
        place, tap = (n, channel, *at), (o, c, *taps)
        seen, factor = x[place], weight[tap]
        product = cast(seen, work) * cast(factor, work)
        return te.sum(product, (c, *taps))

    made = te.compute((batch, outputs, *counts), body, name=f"conv{len(window)}d")
    return astype(made, dtype=dtype)


def _convolved(
    name: str, ndim: int, x: Any, weight: Any, bias: Any,
    stride: Any, padding: Any, dilation: Any, groups: int,
) -> Any:  # fmt: skip
    sx, sw = _shapes(name, ndim, x, weight, "(o, c / groups, ...)")
    if groups < 1 or sw[0] % groups or sx[1] != sw[1] * groups:
        raise ShapeError(
            f"{name}: x has {sx[1]} channels (axis 1) and weight wants {sw[1]} x {groups} groups = "
            f"{sw[1] * groups}; {sw[0]} output channels must divide by the groups"
        )
    steps = _sizes(name, "stride", stride, ndim, 1)
    gaps = _sizes(name, "dilation", dilation, ndim, 1)
    around = _sizes(name, "padding", padding, ndim, 0)
    spans = _spans(sw[2:], gaps)
    size = tuple(n + 2 * p for n, p in zip(sx[2:], around, strict=True))
    if any(n < k for n, k in zip(size, spans, strict=True)):
        raise ShapeError(
            f"{name}: a window of {_times(spans)} does not fit into {_times(size)} (padding "
            "included); use a smaller window or more padding"
        )
    if any(around):
        x = pad_constant(x, 0, widths=((0, 0), (0, 0), *((p, p) for p in around)))
    out = correlate_nd(x, weight, stride=steps, dilation=gaps, groups=int(groups))
    return _biased(out, bias, ndim)


def _shapes(name: str, ndim: int, x: Any, weight: Any, wanted: str) -> tuple[Sizes, Sizes]:
    sx, sw = shape_of(x), shape_of(weight)
    if len(sx) != ndim + 2 or len(sw) != ndim + 2:
        raise ShapeError(
            f"{name}: expected x (n, c, ...) and weight {wanted} of {ndim + 2} dimensions, got "
            f"shapes {sx} and {sw}"
        )
    return sx, sw


def _times(sizes: Sizes) -> str:
    return " x ".join(map(str, sizes))


def _biased(out: Any, bias: Any, ndim: int) -> Any:
    return out if bias is None else arithmetic.add(out, reshape(bias, (1, -1, *(1,) * ndim)))


def conv1d(
    x: Any, weight: Any, bias: Any = None, *,
    stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1,
) -> Any:  # fmt: skip
    """Cross-correlation of ``x`` (n, c, l) with ``weight`` (o, c / groups, p), plus ``bias`` (o,).

    Raises ShapeError.
    """
    return _convolved("conv1d", 1, x, weight, bias, stride, padding, dilation, groups)


def conv3d(
    x: Any, weight: Any, bias: Any = None, *,
    stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1,
) -> Any:  # fmt: skip
    """Cross-correlation of ``x`` (n, c, d, h, w) with ``weight`` (o, c / groups, p, q, r), plus
    ``bias`` (o,). Raises ShapeError."""
    return _convolved("conv3d", 3, x, weight, bias, stride, padding, dilation, groups)


@op
def spread(x: Any, *, steps: Sizes, before: Sizes, after: Sizes) -> Any:
    """The last axes of ``x`` with ``step - 1`` zeros between elements, and zeros around; negative
    numbers of those take elements away."""
    x = as_tensor(x)
    lead = x.ndim - len(steps)
    sizes = [
        (n - 1) * s + 1 + b + a
        for n, s, b, a in zip(x.shape[lead:], steps, before, after, strict=True)
    ]

    def body(*index: Expr) -> Expr:
        inside: Expr | None = None
        at: list[Expr] = list(index[:lead])
        for i, n, s, b in zip(index[lead:], x.shape[lead:], steps, before, strict=True):
            from_start = i - b
            place = from_start if s == 1 else from_start // s
            tests = [apply("ge", from_start, const(0)), apply("lt", place, const(n))]
            if s > 1:
                tests.append(apply("eq", from_start % s, const(0)))
            for test in tests:
                inside = test if inside is None else inside & test
            at.append(place)
        assert inside is not None
        return select(inside, x[tuple(at)], const(0, x.dtype))

    return te.compute((*x.shape[:lead], *sizes), body, name="spread")


def _transposed(
    name: str, ndim: int, x: Any, weight: Any, bias: Any,
    stride: Any, padding: Any, output_padding: Any, dilation: Any, groups: int,
) -> Any:  # fmt: skip
    sx, sw = _shapes(name, ndim, x, weight, "(c, o / groups, ...)")
    if groups < 1 or sw[0] % groups or sx[1] != sw[0]:
        raise ShapeError(
            f"{name}: x has {sx[1]} channels (axis 1) and weight wants {sw[0]} (axis 0), which "
            f"must divide by {groups} groups"
        )
    steps = _sizes(name, "stride", stride, ndim, 1)
    gaps = _sizes(name, "dilation", dilation, ndim, 1)
    around = _sizes(name, "padding", padding, ndim, 0)
    more = _sizes(name, "output_padding", output_padding, ndim, 0)
    before = tuple(k - 1 - p for k, p in zip(_spans(sw[2:], gaps), around, strict=True))
    after = tuple(b + m for b, m in zip(before, more, strict=True))
    made = tuple(
        (n - 1) * s + 1 + b + a - (k - 1)
        for n, s, b, a, k in zip(sx[2:], steps, before, after, _spans(sw[2:], gaps), strict=True)
    )
    if min(made) < 1:
        raise ShapeError(f"{name}: a padding of {_times(around)} leaves nothing of the result")
    inputs, outputs = sw[0] // groups, sw[1]
    turned = flip(weight, tuple(range(2, ndim + 2)))
    turned = swapaxes(reshape(turned, (groups, inputs, outputs, *sw[2:])), 1, 2)
    turned = reshape(turned, (groups * outputs, inputs, *sw[2:]))
    ones = (1,) * ndim
    if 1 < prod(steps) <= MOST_PHASES and max(gaps) == 1:
        out = _by_phases(x, turned, steps, around, made, int(groups))
    else:
        wide = spread(x, steps=steps, before=before, after=after)
        out = correlate_nd(wide, turned, stride=ones, dilation=gaps, groups=int(groups))
    return _biased(out, bias, ndim)


def _by_phases(x: Any, turned: Any, steps: Sizes, around: Sizes, made: Sizes, groups: int) -> Any:
    """A transposed convolution by ``steps`` to a result of size ``made``, without dilation:
    ``out[s * t + f]``, for each ``f`` below ``s``, takes every ``s``-th of the weights alone, and
    so multiplies none of the zeros that would be between elements of ``x``."""
    ndim, sizes, window = len(steps), shape_of(x)[2:], shape_of(turned)[2:]
    counts = tuple(-(-n // s) for n, s in zip(made, steps, strict=True))
    phases = [
        [_Phase.of(f, s, p, k) for f in range(s)]
        for s, p, k in zip(steps, around, window, strict=True)
    ]
    before = tuple(max(-phase.start for phase in axis) for axis in phases)
    after = tuple(
        max(phase.start + phase.taps for phase in axis) + t - 1 - n
        for axis, t, n in zip(phases, counts, sizes, strict=True)
    )
    ones = (1,) * ndim
    wide = spread(x, steps=ones, before=before, after=after)
    dtype, lead = common_dtype(x, turned), (shape_of(x)[0], shape_of(turned)[0])
    parts = []
    for chosen in product(*phases):
        if min(phase.taps for phase in chosen) == 0:
            parts.append(broadcast_to(np.zeros((), dtype.numpy), (*lead, *counts)))
            continue
        seen = [
            slice(phase.start + b, phase.start + b + t + phase.taps - 1)
            for phase, b, t in zip(chosen, before, counts, strict=True)
        ]
        taps = getitem(turned, (..., *(phase.weights for phase in chosen)))
        part = getitem(wide, (..., *seen))
        parts.append(correlate_nd(part, taps, stride=ones, dilation=ones, groups=groups))
    apart = reshape(stack(parts, -1), (*lead, *counts, *steps))
    order = [axis for d in range(ndim) for axis in (2 + d, 2 + ndim + d)]
    size = (t * s for t, s in zip(counts, steps, strict=True))
    joined = reshape(transpose(apart, (0, 1, *order)), (*lead, *size))
    return getitem(joined, (..., *(slice(0, n) for n in made)))


@dataclass(frozen=True)
class _Phase:
    """Of the places ``s * t + f`` of a result: their ``taps`` are the ``weights``, and those of the
    first of them begin at element ``start``."""

    start: int
    taps: int
    weights: slice

    @staticmethod
    def of(first: int, step: int, padding: int, window: int) -> _Phase:
        """For places from ``first`` on; the weights are turned around already."""
        whole, offset = divmod(first + padding, step)
        taps = max(-(-(window - offset) // step), 0)
        last = window - 1 - offset  # of the turned weights
        return _Phase(whole - taps + 1, taps, slice(last - step * (taps - 1), last + 1, step))


def conv_transpose1d(
    x: Any, weight: Any, bias: Any = None, *,
    stride: Any = 1, padding: Any = 0, output_padding: Any = 0, dilation: Any = 1, groups: int = 1,
) -> Any:  # fmt: skip
    """What maps back the shapes of :func:`conv1d`: ``out[i * stride + p * dilation - padding]``
    takes ``x[i] * weight[p]``. ``weight`` is (c, o / groups, p); ``output_padding`` adds places at
    the end. Raises ShapeError."""
    return _transposed(
        "conv_transpose1d", 1, x, weight, bias, stride, padding, output_padding, dilation, groups
    )


def conv_transpose2d(
    x: Any, weight: Any, bias: Any = None, *,
    stride: Any = 1, padding: Any = 0, output_padding: Any = 0, dilation: Any = 1, groups: int = 1,
) -> Any:  # fmt: skip
    """:func:`conv_transpose1d` over two axes."""
    return _transposed(
        "conv_transpose2d", 2, x, weight, bias, stride, padding, output_padding, dilation, groups
    )


def conv_transpose3d(
    x: Any, weight: Any, bias: Any = None, *,
    stride: Any = 1, padding: Any = 0, output_padding: Any = 0, dilation: Any = 1, groups: int = 1,
) -> Any:  # fmt: skip
    """:func:`conv_transpose1d` over three axes."""
    return _transposed(
        "conv_transpose3d", 3, x, weight, bias, stride, padding, output_padding, dilation, groups
    )
