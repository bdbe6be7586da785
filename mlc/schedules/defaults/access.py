"""How a nest touches memory: the step of each load along each axis, and what a point costs."""

from __future__ import annotations

import functools

from ...ir.affine import linear_in
from ...ir.expr import Apply, Axis, Cast, Expr, Load, Reduce, Select, const
from ...ir.program import contiguous_strides
from ...ir.rewrite import loads_of, postorder, variables_of
from ...ir.scalar import SCALAR_FNS
from ...ir.simplify import simplify
from ...te.program import Nest
from ...te.tensor import Placeholder, Tensor

FAR = 8  # elements; loads that are nearer than this along the lanes share cache lines anyway


def loads_in(nest: Nest) -> list[Load]:
    """Every distinct load of the nest."""
    found: dict[Load, None] = {}
    for part in nest.compute.body:
        found.update(dict.fromkeys(loads_of(part)))
    return list(found)


def strides_of(tensor: Tensor) -> tuple[int, ...]:
    """The strides of a tensor in elements."""
    op = tensor.op
    if isinstance(op, Placeholder) and op.strides is not None:
        return op.strides
    return contiguous_strides(tensor.shape)


def step(node: Load, axis: Axis) -> int | None:
    """Elements between what ``node`` reads at two neighbouring points of ``axis``; None if it
    varies."""
    return linear_in(_address(node), axis)


@functools.lru_cache(maxsize=4096)
def _address(node: Load) -> Expr:
    """The offset of the element from the start of its tensor, in elements."""
    total: Expr = const(0)
    for stride, index, extent in zip(
        strides_of(node.source), node.indices, node.source.shape, strict=True
    ):
        if extent > 1:
            total = total + index * stride
    return simplify(total)


def transposed_axis(nest: Nest) -> Axis | None:
    """The axis along which some load finds neighbours while it jumps along the last axis, if
    any."""
    axes = nest.compute.axes
    if len(axes) < 2 or axes[-1].extent < FAR:
        return None
    for node in loads_in(nest):
        along = step(node, axes[-1])
        if along is None or abs(along) < FAR:
            continue
        for axis in reversed(axes[:-1]):
            if axis.extent >= FAR and step(node, axis) in (1, -1):
                return axis
    return None


def reduce_axes(nest: Nest) -> tuple[Axis, ...]:
    """The reduce axes of the nest."""
    root = nest.compute.body[0]
    return root.axes if isinstance(root, Reduce) else ()


def point_cost(nest: Nest) -> float:
    """What one point of the nest costs, in additions; a load counts one, a store too."""
    cost = 1.0
    seen: set[Expr] = set()
    for part in nest.compute.body:
        roots = part.values if isinstance(part, Reduce) else (part,)
        for root in roots:
            for node in postorder(root):
                if node in seen:
                    continue
                seen.add(node)
                if isinstance(node, Apply) and node.dtype.name != "int64":
                    cost += SCALAR_FNS[node.fn].cost
                elif isinstance(node, (Load, Select, Cast)):
                    cost += 1
    return cost


def points(nest: Nest) -> int:
    """How many points the nest visits."""
    total = 1
    for axis in (*nest.compute.axes, *reduce_axes(nest)):
        total *= axis.extent
    return total


def widest_dtype_bytes(nest: Nest) -> int:
    """Item size that decides how many lanes a vector loop gets: the widest type computed with.
    Places that are the same in all lanes are none of that."""
    sizes = [t.dtype.itemsize for t in nest.tensors]
    lane = nest.compute.axes[-1] if nest.compute.axes and not reduce_axes(nest) else None
    for part in nest.compute.body:
        for node in postorder(part):
            is_index = node.dtype.name == "int64" and (
                not isinstance(node, (Load, Cast))
                or (lane is not None and all(v is not lane for v in variables_of(node)))
            )
            if not is_index and not isinstance(node, Axis):
                sizes.append(node.dtype.itemsize)
    if all(size == 1 for size in sizes):
        return 1
    return max(sizes)


def tile_bytes(tensor: Tensor, tiles: tuple[int, ...]) -> int:
    """Bytes of what a tile holds of ``tensor``, whose other axes are whole."""
    size = tensor.dtype.itemsize
    for d, extent in enumerate(tensor.shape):
        size *= tiles[d] if d < len(tiles) else extent
    return size
