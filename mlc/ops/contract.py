"""Contractions: products of two arrays summed over shared labels; matmul and its relatives.

An operand's axes carry labels. ``contract`` multiplies two operands and sums over the labels
that the output lacks; everything here and einsum comes down to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import te
from ..dtypes import as_dtype, boolean
from ..errors import DTypeError, ShapeError
from ..ir.expr import Axis, Expr, cast, const
from . import arithmetic
from .broadcast import Shape, as_axis, as_tensor, broadcast_shape, shape_of, size_of
from .elementwise import astype
from .op import implements, op
from .promotion import accumulator, common_dtype, dtype_of
from .shape import moveaxis, reshape

Labels = tuple[Any, ...]


@op(promotes=True)
def contract(
    x: Any, y: Any, *, x_labels: Labels, y_labels: Labels, out: Labels, name: str = "contract"
) -> Any:
    """``result[out] = sum over the other labels of x[x_labels] * y[y_labels]``.

    A label may repeat within an operand (a diagonal) and has the same size everywhere; size 1 is
    broadcast. bool: whether any product holds. 16-bit floats are summed in float32.
    """
    dtype = common_dtype(x, y)
    x, y = as_tensor(x), as_tensor(y)
    sizes = label_sizes(name, (x.shape, y.shape), (x_labels, y_labels))
    summed = tuple(label for label in sizes if label not in out)
    work = accumulator(dtype)
    ks = {label: te.reduce_axis(sizes[label], _axis_name(label)) for label in summed}

    def body(*index: Expr) -> Expr:
        at: dict[Any, Expr] = {**dict(zip(out, index, strict=True)), **ks}
        a = cast(x[place(x.shape, x_labels, at)], work)
        b = cast(y[place(y.shape, y_labels, at)], work)
        product = a & b if work is boolean else a * b
        if not ks:
            return product
        return (te.any if work is boolean else te.sum)(product, tuple(ks.values()))

    shape = tuple(sizes[label] for label in out)
    return astype(te.compute(shape, body, name=name), dtype=dtype)


@op
def fold_labels(x: Any, *, labels: Labels, out: Labels) -> Any:
    """``result[out] = sum over the other labels of x[labels]``: diagonals, sums and transposes."""
    x = as_tensor(x)
    sizes = label_sizes("einsum", (x.shape,), (labels,))
    work = accumulator(x.dtype)
    ks = {
        label: te.reduce_axis(sizes[label], _axis_name(label))
        for label in sizes
        if label not in out
    }

    def body(*index: Expr) -> Expr:
        at: dict[Any, Expr] = {**dict(zip(out, index, strict=True)), **ks}
        value = x[place(x.shape, labels, at)]
        if not ks:
            return value
        reducer = te.any if x.dtype is boolean else te.sum
        return reducer(cast(value, work), tuple(ks.values()))

    shape = tuple(sizes[label] for label in out)
    return astype(te.compute(shape, body, name="fold"), dtype=x.dtype)


def place(shape: Shape, labels: Labels, at: dict[Any, Expr]) -> tuple[Expr, ...]:
    """The index of an operand: its labels' indices, 0 on axes of size 1 that are broadcast."""

    def one(label: Any, extent: int) -> Expr:
        index = at[label]
        broadcast = extent == 1 and not (isinstance(index, Axis) and index.extent == 1)
        return const(0) if broadcast else index

    return tuple(one(label, extent) for label, extent in zip(labels, shape, strict=True))


def label_sizes(name: str, shapes: Sequence[Shape], labels: Sequence[Labels]) -> dict[Any, int]:
    """The size of each label. Raises ShapeError where two axes with one label differ."""
    sizes: dict[Any, int] = {}
    for shape, named in zip(shapes, labels, strict=True):
        for axis, (label, extent) in enumerate(zip(named, shape, strict=True)):
            known = sizes.get(label, 1)
            if extent != 1 and known not in (1, extent):
                raise ShapeError(
                    f"{name}: shapes {' and '.join(map(str, shapes))} do not fit: axis {axis} of "
                    f"{shape} has size {extent}, where the axis it is matched with has size {known}"
                )
            sizes[label] = extent if known == 1 else known
    return sizes


def check_collapsed(name: str, shape: Shape, labels: Labels) -> None:
    """ShapeError where axes of one operand that have one label differ: 1 is no exception there."""
    sizes: dict[Any, int] = {}
    for label, extent in zip(labels, shape, strict=True):
        if sizes.setdefault(label, extent) != extent:
            raise ShapeError(
                f"{name}: one label stands for axes of sizes {sizes[label]} and {extent} of an "
                f"operand of shape {shape}; a diagonal needs equal ones"
            )


def _axis_name(label: Any) -> str:
    return label if isinstance(label, str) and label.isidentifier() else "k"


@implements(np.matmul)
def matmul(x1: Any, x2: Any, /, *, dtype: Any = None) -> Any:
    """np.matmul: 1-d operands are row and column vectors; leading axes broadcast.

    Floats of 16 bits are summed in float32 and keep their dtype. Raises ShapeError.
    """
    a, b = shape_of(x1), shape_of(x2)
    if not a or not b:
        raise ShapeError(
            f"matmul: operands need at least one axis, got shapes {a} and {b}; use * instead"
        )
    left, right = a[-1], b[-2 if len(b) > 1 else 0]
    if left != right:
        raise ShapeError(
            f"matmul: shapes {a} and {b} do not fit: axis {len(a) - 1} of the first has size "
            f"{left} "
            f"and axis {max(len(b) - 2, 0)} of the second has size {right}; they must be equal"
        )
    if dtype is not None:
        for x in (x1, x2):
            if not np.can_cast(dtype_of(x).numpy, as_dtype(dtype).numpy, "same_kind"):
                raise DTypeError(f"matmul: {dtype_of(x)} cannot be cast to {as_dtype(dtype)}")
        x1, x2 = astype(x1, dtype=dtype), astype(x2, dtype=dtype)
    lead_a, lead_b = a[:-2], b[:-2]
    broadcast_shape("matmul", lead_a, lead_b)
    ndim = max(len(lead_a), len(lead_b))
    batch = tuple(f"b{d}" for d in range(ndim))
    x_labels = batch[ndim - len(lead_a) :] + (("i", "k") if len(a) > 1 else ("k",))
    y_labels = batch[ndim - len(lead_b) :] + (("k", "j") if len(b) > 1 else ("k",))
    out = batch + ("i",) * (len(a) > 1) + ("j",) * (len(b) > 1)
    return contract(x1, x2, x_labels=x_labels, y_labels=y_labels, out=out, name="matmul")


@implements(np.dot)
def dot(a: Any, b: Any, out: None = None) -> Any:
    """np.dot: over the last axis of ``a`` and the last but one of ``b``."""
    sa, sb = shape_of(a), shape_of(b)
    if not sa or not sb:
        return _scaled(a, b)
    return tensordot(a, b, ((len(sa) - 1,), (max(len(sb) - 2, 0),)), name="dot")


@implements(np.inner)
def inner(a: Any, b: Any, /) -> Any:
    """np.inner: over the last axes of both."""
    sa, sb = shape_of(a), shape_of(b)
    if not sa or not sb:
        return _scaled(a, b)
    return tensordot(a, b, ((len(sa) - 1,), (len(sb) - 1,)), name="inner")


def _scaled(a: Any, b: Any) -> Any:
    """The product with a number, which is not weak here."""
    dtype = common_dtype(*(np.empty((), dtype_of(side).numpy) for side in (a, b)))
    return arithmetic.multiply(astype(a, dtype=dtype), astype(b, dtype=dtype))


@implements(np.vdot)
def vdot(a: Any, b: Any, /) -> Any:
    """np.vdot: the sum of the products of all elements."""
    sizes = size_of(shape_of(a)), size_of(shape_of(b))
    if sizes[0] != sizes[1]:
        raise ShapeError(
            f"vdot: shapes {shape_of(a)} and {shape_of(b)} have {sizes[0]} and {sizes[1]} elements"
        )
    return dot(reshape(a, (-1,)), reshape(b, (-1,)))


@implements(np.vecdot)
def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """np.vecdot: products summed over ``axis`` of each, the other axes broadcast."""
    from .reduce import sum as sum_of

    one, two = shape_of(x1), shape_of(x2)
    check_vecdot(one, two, axis)
    dtype = common_dtype(x1, x2)
    if axis >= 0 and len(one) != len(two):  # counted from the left they are not the same axis
        x1, x2, axis = moveaxis(x1, axis, -1), moveaxis(x2, axis, -1), -1
    return sum_of(arithmetic.multiply(x1, x2), axis=axis, dtype=dtype)


def check_vecdot(one: Shape, two: Shape, axis: int) -> None:
    """ShapeError if ``axis`` of shape ``one`` and that of ``two`` are not equally long."""
    sizes = [shape[as_axis("vecdot", axis, len(shape))] for shape in (one, two)]
    if sizes[0] != sizes[1]:
        raise ShapeError(
            f"vecdot: shapes {one} and {two} have {sizes[0]} and {sizes[1]} elements along axis "
            f"{axis}, which is not broadcast"
        )


@implements(np.outer)
def outer(a: Any, b: Any, out: None = None) -> Any:
    """np.outer: every product of an element of ``a`` with one of ``b``."""
    from .index import getitem

    left = getitem(a, (slice(None), None)) if len(shape_of(a)) == 1 else reshape(a, (-1, 1))
    right = getitem(b, (None, slice(None))) if len(shape_of(b)) == 1 else reshape(b, (1, -1))
    return arithmetic.multiply(left, right)


@implements(np.tensordot)
def tensordot(a: Any, b: Any, axes: Any = 2, *, name: str = "tensordot") -> Any:
    """np.tensordot: ``axes`` is a number of last and first axes, or a pair of lists of axes."""
    sa, sb = shape_of(a), shape_of(b)
    if isinstance(axes, (tuple, list)):
        first, second = (
            tuple(item) if isinstance(item, (tuple, list)) else (item,) for item in axes
        )
    else:
        if axes > min(len(sa), len(sb)):
            raise ShapeError(f"{name}: axes={axes} is more than shapes {sa} and {sb} have")
        if not sa or not sb:
            return _scaled(a, b)
        first, second = tuple(range(len(sa) - axes, len(sa))), tuple(range(axes))
    left = [as_axis(name, d, len(sa)) for d in first]
    right = [as_axis(name, d, len(sb)) for d in second]
    if len(left) != len(right):
        raise ShapeError(f"{name}: axes {first} and {second} are not equally many")
    for axes_of, shape in ((left, sa), (right, sb)):
        if len(set(axes_of)) != len(axes_of):
            raise ShapeError(f"{name}: an axis of shape {shape} is named twice in {axes}")
    for d, e in zip(left, right, strict=True):
        if sa[d] != sb[e]:
            raise ShapeError(
                f"{name}: shapes {sa} and {sb} do not fit: axis {d} of the first has size {sa[d]} "
                f"and axis {e} of the second has size {sb[e]}"
            )
    shared = {d: f"k{n}" if len(left) > 1 else "k" for n, d in enumerate(left)}
    x_labels = tuple(shared.get(d, f"i{d}") for d in range(len(sa)))
    partner = {e: shared[d] for d, e in zip(left, right, strict=True)}
    y_labels = tuple(partner.get(e, f"j{e}") for e in range(len(sb)))
    out = tuple(t for t in x_labels + y_labels if t not in shared.values())
    return contract(a, b, x_labels=x_labels, y_labels=y_labels, out=out, name=name)


@implements(np.kron)
def kron(a: Any, b: Any) -> Any:
    """np.kron: blocks of ``b`` scaled by the elements of ``a``."""
    ndim = max(len(shape_of(a)), len(shape_of(b)))
    if not ndim:
        return _scaled(a, b)
    sa = (1,) * (ndim - len(shape_of(a))) + shape_of(a)
    sb = (1,) * (ndim - len(shape_of(b))) + shape_of(b)
    wide = reshape(a, tuple(s for extent in sa for s in (extent, 1)))
    fine = reshape(b, tuple(s for extent in sb for s in (1, extent)))
    blocks = arithmetic.multiply(wide, fine)
    return reshape(blocks, tuple(x * y for x, y in zip(sa, sb, strict=True)))


@implements(np.linalg.matmul)
def linalg_matmul(x1: Any, x2: Any, /) -> Any:
    """np.linalg.matmul."""
    return matmul(x1, x2)
