"""Neighbours along a reduction as one number, as instructions for narrow types take them."""

from __future__ import annotations

from collections.abc import Callable

from ...dtypes import int32
from ...ir.expr import Axis, Expr, Load, Var, const, load, select
from ...ir.rewrite import substitute, variables_of
from ...records import dataclass
from ...te.program import Nest
from ...te.tensor import Compute, Tensor
from .access import reduce_axes


@dataclass(frozen=True, eq=False)
class Groups:
    """``nest`` makes a tensor of int32, each of which holds neighbours along the reduction."""

    nest: Nest
    spatial: tuple[Axis, ...]  # of the axes that the operand depends on
    place: Callable[[dict[Var, Expr]], tuple[Expr, ...]]

    def at(self, mapping: dict[Var, Expr]) -> Expr:
        """What the product reads, its axes replaced."""
        return load(self.nest.tensors[0], self.place(mapping))


def pack_groups(
    nest: Nest,
    node: Load,
    fold: Axis,
    column: Axis | None,
    panel: int,
    number: Callable[[Expr], Expr],
    count: int,
) -> Groups:
    """The operand with ``count`` neighbours along ``fold`` as one int32, the first lowest; with
    ``column``, ``panel`` columns lie together. ``number`` makes the bits of one of them, an int32
    with zeros above."""
    used = {v for index in node.indices for v in variables_of(index)}
    axes = [a for a in (*nest.compute.axes, *reduce_axes(nest)) if a in used]
    spatial = tuple(a for a in axes if not a.is_reduce)
    folds = [a for a in axes if a.is_reduce and a is not fold]
    groups = -(-fold.extent // count)
    outer = [a for a in spatial if a is not column]
    shape = [a.extent for a in outer]
    if column is not None:
        shape.append(-(-column.extent // panel))
    shape += [a.extent for a in folds]
    shape.append(groups)
    if column is not None:
        shape.append(panel)

    def element(*p: Expr) -> Expr:
        mapping: dict[Var, Expr] = dict(zip(outer, p, strict=False))
        rest = list(p[len(outer) :])
        inside: Expr | None = None
        if column is not None:
            mapping[column] = rest.pop(0) * panel + rest.pop()
            if column.extent % panel:
                inside = mapping[column] < column.extent
        mapping.update(zip(folds, rest, strict=False))
        total: Expr | None = None
        for place in range(count):
            mapping[fold] = rest[-1] * count + place
            raw = load(node.source, tuple(substitute(i, mapping) for i in node.indices))
            bits = number(raw)
            bits = bits << const(32 // count * place, int32) if place else bits
            test = inside
            if fold.extent % count and place >= fold.extent % count:
                below = mapping[fold] < fold.extent
                test = below if test is None else test & below
            if test is not None:
                bits = select(test, bits, const(0, int32))
            total = bits if total is None else total | bits
        assert total is not None
        return total

    def place(mapping: dict[Var, Expr]) -> tuple[Expr, ...]:
        found = [mapping.get(a, a) for a in outer]
        inner = [mapping.get(a, a) for a in (*folds, fold)]
        if column is None:
            return (*found, *inner)
        at = mapping.get(column, column)
        return (*found, at // panel, *inner, at % panel)

    index = tuple(Axis(f"p{n}", extent) for n, extent in enumerate(shape))
    compute = Compute(index, (element(*index),), "pack", location=nest.compute.location)
    tensor = Tensor(f"{node.source.name}_packed", tuple(shape), int32, compute)
    return Groups(Nest((tensor,), compute), spatial, place)
