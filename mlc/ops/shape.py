"""Views: reshape, transpose and their kin are index maps, one te.compute each."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import te
from ..errors import ShapeError
from ..ir.expr import Expr, const
from ..ir.simplify import simplify
from ..te.extent import is_open
from .aliasing import PERMUTED, RESHAPED, SPREAD, SPREAD_TOGETHER
from .broadcast import (
    Shape,
    as_axes,
    as_axis,
    as_sizes,
    as_tensor,
    broadcast_shape,
    element,
    is_only_axis,
    shape_of,
    size_of,
)
from .op import implements, op


def moved(x: te.Tensor, shape: Shape, source: Any, name: str) -> te.Tensor:
    """The tensor of ``shape`` whose element at an index is ``x`` at ``source(index)``."""
    if 0 in shape:
        return te.compute(shape, lambda *index: const(0, x.dtype), name=name)  # type: ignore[no-any-return]
    return te.compute(shape, lambda *index: x[tuple(source(index))], name=name)  # type: ignore[no-any-return]


@op(view=RESHAPED)
def reshape_to(x: Any, *, shape: Shape) -> Any:
    """``x`` with the same elements in C order and another shape of the same size."""
    x = as_tensor(x)
    if shape == x.shape:
        return x
    return moved(x, shape, lambda index: regroup(index, shape, x.shape), "reshape")


def regroup(index: Sequence[Expr], shape: Shape, source: Shape) -> list[Expr]:
    """The index into ``source`` of the element that C order puts at ``index`` of ``shape``.

    Axes that agree are passed through, so that only those really merged or split cost arithmetic.
    """
    result: list[Expr] = []
    i = j = 0
    while i < len(shape) or j < len(source):
        to, of = i, j
        have, want = 1, 1
        while True:
            if have == want and (i > to or j > of) or i == len(shape) and j == len(source):
                break
            if (have <= want and i < len(shape)) or j == len(source):
                have *= shape[i]
                i += 1
            else:
                want *= source[j]
                j += 1
        result += _regroup_block(index[to:i], shape[to:i], source[of:j])
    return result


def _regroup_block(index: Sequence[Expr], shape: Shape, source: Shape) -> list[Expr]:
    if len(index) == len(source) == 1:
        return [index[0]]
    linear: Expr = const(0)
    for axis, extent in zip(index, shape, strict=True):
        linear = linear * extent + axis if extent != 1 else linear
    places = []
    stride = size_of(source)
    for extent in source:
        outer, stride = stride, stride // extent
        here = linear % outer if outer != size_of(source) else linear
        places.append(simplify(here // stride) if extent != 1 else const(0))
    return places


@implements(np.reshape)
def reshape(a: Any, shape: Any = None, order: str = "C", *, copy: Any = None) -> Any:
    """np.reshape in C order; one size may be -1."""
    if order not in ("C", "A", "K"):
        raise ShapeError(
            f"reshape: only order='C' is supported, got {order!r}; transpose before and after"
        )
    from .open_reshape import has_open_size, reshaped_open

    given = shape_of(a)
    if is_open(given) or has_open_size(shape):
        return reshaped_open(a, shape)
    sizes = as_sizes("reshape", shape)
    total = size_of(given)
    if sizes.count(-1) > 1:
        raise ShapeError(f"reshape: only one size can be -1, got {sizes}")
    if -1 in sizes:
        rest = size_of([s for s in sizes if s != -1])
        if rest == 0 or total % rest:
            raise ShapeError(
                f"reshape: an array of shape {given} has {total} elements, which {sizes} does not "
                "divide"
            )
        sizes = tuple(total // rest if s == -1 else s for s in sizes)
    if any(s < 0 for s in sizes):
        raise ShapeError(f"reshape: sizes must be >= 0 or one -1, got {sizes}")
    if size_of(sizes) != total:
        raise ShapeError(
            f"reshape: an array of shape {given} has {total} elements, and shape {sizes} wants "
            f"{size_of(sizes)}"
        )
    return reshape_to(a, shape=sizes)


@implements(np.ravel)
def ravel(a: Any, order: str = "C") -> Any:
    """np.ravel in C order."""
    if is_open(shape_of(a)):
        return reshape(a, (-1,))
    return reshape(a, (-1,) if size_of(shape_of(a)) else (0,), order=order)


@op(view=PERMUTED)
def permute(x: Any, *, axes: tuple[int, ...]) -> Any:
    """Axis ``d`` of the result is axis ``axes[d]`` of ``x``."""
    x = as_tensor(x)
    if axes == tuple(range(x.ndim)):
        return x
    back = [axes.index(d) for d in range(x.ndim)]
    shape = tuple(x.shape[d] for d in axes)
    return moved(x, shape, lambda index: [index[d] for d in back], "transpose")


@implements(np.transpose, np.permute_dims)
def transpose(a: Any, axes: Any = None) -> Any:
    """np.transpose: axes reversed, or in the order given."""
    ndim = len(shape_of(a))
    if axes is None:
        return permute(a, axes=tuple(reversed(range(ndim))))
    order = tuple(as_axis("transpose", d, ndim) for d in axes)
    if sorted(order) != list(range(ndim)):
        raise ShapeError(f"transpose: axes {tuple(axes)} must name each of the {ndim} axes once")
    return permute(a, axes=order)


@implements(np.matrix_transpose)
def matrix_transpose(x: Any, /) -> Any:
    """np.matrix_transpose: the last two axes swapped."""
    return swapaxes(x, -1, -2)


@implements(np.swapaxes)
def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    """np.swapaxes."""
    ndim = len(shape_of(a))
    i, j = as_axis("swapaxes", axis1, ndim), as_axis("swapaxes", axis2, ndim)
    order = list(range(ndim))
    order[i], order[j] = j, i
    return permute(a, axes=tuple(order))


@implements(np.moveaxis)
def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    """np.moveaxis."""
    ndim = len(shape_of(a))
    origin, target = (
        [as_axis("moveaxis", d, ndim) for d in (v if isinstance(v, (tuple, list)) else (v,))]
        for v in (source, destination)
    )
    if (
        len(origin) != len(target)
        or len(set(origin)) < len(origin)
        or len(set(target)) < len(target)
    ):
        raise ShapeError(
            f"moveaxis: source {source} and destination {destination} must name equally many "
            "axes, each once"
        )
    order = [d for d in range(ndim) if d not in origin]
    for at, d in sorted(zip(target, origin, strict=True)):
        order.insert(at, d)
    return permute(a, axes=tuple(order))


@implements(np.rollaxis)
def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    """np.rollaxis."""
    ndim = len(shape_of(a))
    axis = as_axis("rollaxis", axis, ndim)
    start = start + ndim if start < 0 else start
    return moveaxis(a, axis, start - 1 if axis < start else start)


@implements(np.expand_dims)
def expand_dims(a: Any, axis: Any) -> Any:
    """np.expand_dims: axes of size 1 at the places ``axis`` of the result."""
    shape = shape_of(a)
    places = axis if isinstance(axis, (tuple, list)) else (axis,)
    ndim = len(shape) + len(places)
    new = as_axes("expand_dims", tuple(places), ndim)
    if is_open(shape):
        from .index import getitem

        return getitem(a, tuple(None if d in new else slice(None) for d in range(ndim)))
    rest = iter(shape)
    return reshape_to(a, shape=tuple(1 if d in new else next(rest) for d in range(ndim)))


@implements(np.squeeze)
def squeeze(a: Any, axis: Any = None) -> Any:
    """np.squeeze: without the axes of size 1, or without those named."""
    shape = shape_of(a)
    if axis is None:
        return _same_elements(a, tuple(s for s in shape if s != 1))
    gone = () if is_only_axis(shape, axis) else as_axes("squeeze", axis, len(shape))
    for d in gone:
        if shape[d] != 1:
            raise ShapeError(
                f"squeeze: axis {d} of shape {shape} has size {shape[d]}; only size 1 can go"
            )
    return _same_elements(a, tuple(s for d, s in enumerate(shape) if d not in gone))


def _same_elements(a: Any, shape: Shape) -> Any:
    """``a`` of ``shape``, which differs in axes of size 1 alone; others may be open."""
    return reshape(a, shape) if is_open(shape) else reshape_to(a, shape=shape)


@op(view=SPREAD)
def spread(x: Any, *, shape: Shape) -> Any:
    """``x`` broadcast to ``shape``."""
    x = as_tensor(x)
    if x.shape == shape:
        return x
    return te.compute(shape, lambda *index: element(x, index, shape), name="broadcast_to")


@op(view=SPREAD_TOGETHER)
def spread_together(x: Any, *, shape: Shape) -> Any:
    """One of several arrays that are broadcast to ``shape``."""
    return spread.body(x, shape=shape)


@implements(np.broadcast_to)
def broadcast_to(array: Any, shape: Any, subok: bool = False) -> Any:
    """np.broadcast_to."""
    from .open_reshape import has_open_size, sizes_with_open

    given = shape_of(array)
    is_traced = has_open_size(shape)
    sizes = sizes_with_open(shape) if is_traced else as_sizes("broadcast_to", shape)
    if broadcast_shape("broadcast_to", given, sizes) != sizes:
        raise ShapeError(f"broadcast_to: shape {given} does not broadcast to {sizes}")
    return spread(array, shape=sizes)


@implements(np.broadcast_arrays)
def broadcast_arrays(*args: Any, subok: bool = False) -> tuple[Any, ...]:
    """np.broadcast_arrays: read-only but for arrays that have the shape already."""
    shape = broadcast_shape("broadcast_arrays", *(shape_of(a) for a in args))
    stays = lambda a: shape and shape_of(a) == shape and not isinstance(a, (list, tuple))
    return tuple(a if stays(a) else spread_together(a, shape=shape) for a in args)


def _at_least(ndim: int, place: Any) -> Any:
    def function(*arys: Any) -> Any:
        arys = tuple(np.asarray(a) if isinstance(a, list | tuple) else a for a in arys)
        out = tuple(
            a if len(shape_of(a)) >= ndim else _same_elements(a, place(shape_of(a))) for a in arys
        )
        return out[0] if len(out) == 1 else out

    function.__name__ = function.__qualname__ = f"atleast_{ndim}d"
    function.__doc__ = f"np.atleast_{ndim}d."
    return function


atleast_1d = implements(np.atleast_1d)(_at_least(1, lambda s: (1,)))
atleast_2d = implements(np.atleast_2d)(_at_least(2, lambda s: (1,) * (2 - len(s)) + s))
atleast_3d = implements(np.atleast_3d)(
    _at_least(3, lambda s: {0: (1, 1, 1), 1: (1, *s, 1), 2: (*s, 1)}[len(s)])
)


@implements(np.shape)
def shape(a: Any) -> Shape:
    """np.shape: sizes are known while tracing."""
    return shape_of(a)


@implements(np.ndim)
def ndim(a: Any) -> int:
    """np.ndim."""
    return len(shape_of(a))


@implements(np.size)
def size(a: Any, axis: Any = None) -> int:
    """np.size: the number of elements, or the size of one axis."""
    if axis is None:
        return size_of(shape_of(a))
    return size_of([shape_of(a)[operator.index(d)] for d in np.atleast_1d(axis).tolist()])
