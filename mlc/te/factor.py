"""Rewrites of one nest into equal nests: factored reductions, fused axes, packed operands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from ..ir.expr import Axis, Expr, Load, Reduce, Var, const, load, reduce, select
from ..ir.rewrite import substitute, substitute_loads
from .program import Nest
from .tensor import Compute, Tensor


def factor_reduction(
    nest: Nest,
    axis: Axis,
    extents: Sequence[int],
    kept: Sequence[int],
    name: str = "part",
    is_outermost: bool = False,
) -> tuple[Nest, Nest]:
    """``s[i] = sum(v(i, k))`` -> ``p[i, l] = sum(v(i, ko * n + l))``, ``s[i] = sum(p[i, l])``.

    ``axis`` is split into ``extents`` (outermost first, their product at least its size); those at
    positions ``kept`` become the last spatial axes of the first nest, or the first ones if they are
    to be ``is_outermost``, and are folded by the second.
    The combiner must be commutative unless the outermost part alone is kept: the order of folding
    changes, the same way every time.
    """
    op = nest.compute
    root = op.body[0]
    assert isinstance(root, Reduce) and (root.combiner.commutative or tuple(kept) == (0,))
    combiner = root.combiner
    total = 1
    for extent in extents:
        total *= extent
    assert total >= axis.extent
    parts = [Axis(f"{axis.name}{n}", e, is_reduce=n not in kept) for n, e in enumerate(extents)]
    index: Expr = const(0)
    for part in parts:
        index = index * part.extent + part
    outer = tuple(Axis(a.name, a.extent) for a in op.axes)
    mapping: dict[Var, Expr] = {axis: index, **dict(zip(op.axes, outer, strict=True))}
    values = tuple(substitute(v, mapping) for v in root.values)
    if total > axis.extent:
        inside = index < axis.extent
        values = tuple(select(inside, v, e) for v, e in zip(values, combiner.identity, strict=True))
    own = tuple(parts[n] for n in kept)
    spatial = own + outer if is_outermost else outer + own
    folded = tuple(p for n, p in enumerate(parts) if n not in kept)
    others = tuple(a for a in root.axes if a is not axis)
    fresh_others = tuple(Axis(a.name, a.extent, is_reduce=True) for a in others)
    swap: dict[Var, Expr] = dict(zip(others, fresh_others, strict=True))
    values = tuple(substitute(v, swap) for v in values)
    axes = fresh_others + folded
    if not axes:
        axes = (Axis("one", 1, is_reduce=True),)
    first = _partial(nest, spatial, axes, values, name, root)
    again = tuple(Axis(parts[n].name, parts[n].extent, is_reduce=True) for n in kept)
    place = again + op.axes if is_outermost else op.axes + again
    reads = tuple(load(t, place) for t in first.tensors)
    body = tuple(reduce(combiner, reads, again, n) for n in range(len(reads)))
    return first, Nest(nest.tensors, replace(op, body=body))


def _partial(
    nest: Nest,
    spatial: tuple[Axis, ...],
    axes: tuple[Axis, ...],
    values: tuple[Expr, ...],
    name: str,
    root: Reduce,
) -> Nest:
    body = tuple(reduce(root.combiner, values, axes, n) for n in range(len(values)))
    compute = Compute(spatial, body, nest.compute.op, location=nest.compute.location)
    shape = tuple(a.extent for a in spatial)
    wish = f"{nest.tensors[0].name.split('.')[0]}_{name}"
    tensors = tuple(
        Tensor(wish, shape, root.combiner.dtypes[n], compute, n) for n in range(len(values))
    )
    return Nest(tensors, compute)


def fuse_reduce_axes(nest: Nest, outer: Axis, inner: Axis) -> Nest:
    """``sum over (a, b)`` -> ``sum over f`` with ``a = f // size(b)``, ``b = f % size(b)``."""
    op = nest.compute
    root = op.body[0]
    assert isinstance(root, Reduce)
    fused = Axis(f"{outer.name}{inner.name}", outer.extent * inner.extent, is_reduce=True)
    mapping: dict[Var, Expr] = {outer: fused // inner.extent, inner: fused % inner.extent}
    values = tuple(substitute(v, mapping) for v in root.values)
    axes = tuple(fused if a is outer else a for a in root.axes if a is not inner)
    body = tuple(reduce(root.combiner, values, axes, n) for n in range(len(op.body)))
    return Nest(nest.tensors, replace(op, body=body))


def pack_operand(
    nest: Nest,
    shape: tuple[int, ...],
    source: Callable[..., Expr],
    where: Mapping[Load, tuple[Expr, ...]],
    name: str,
) -> tuple[Nest, Nest]:
    """Copy what a nest reads into a tensor of another layout and read it there.

    ``source(*indices)`` is the element of the packed tensor, which has its type; ``where`` has for
    each load that is replaced the packed indices at which the nest finds it.
    """
    axes = tuple(Axis(f"p{n}", e) for n, e in enumerate(shape))
    element = source(*axes)
    compute = Compute(axes, (element,), "pack", location=nest.compute.location)
    packed = Tensor(name, shape, element.dtype, compute)

    def on_load(node: Load) -> Expr | None:
        return load(packed, where[node]) if node in where else None

    root = nest.compute.body[0]
    assert isinstance(root, Reduce)
    values = tuple(substitute_loads(v, on_load) for v in root.values)
    body = tuple(reduce(root.combiner, values, root.axes, n) for n in range(len(nest.compute.body)))
    return Nest((packed,), compute), Nest(nest.tensors, replace(nest.compute, body=body))
