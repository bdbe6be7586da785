"""Neighbours along a reduction as one number, as instructions for narrow types take them."""

from __future__ import annotations

from collections.abc import Callable, Collection

from ...dtypes import DType, int32
from ...ir.expr import Apply, Axis, Cast, Expr, Load, Reduce, Var, const, load, select
from ...ir.rewrite import substitute, variables_of
from ...records import dataclass
from ...te.program import Nest
from ...te.tensor import Compute, Tensor
from .access import loads_in, reduce_axes, step
from .contraction import Roles


@dataclass(frozen=True, eq=False)
class Groups:
    """Numbers of int32, each of which holds neighbours along the reduction: ``at`` says what the
    product reads, its axes replaced. The nests in ``before`` make them; there are none where they
    lie so."""

    before: tuple[Nest, ...]
    spatial: tuple[Axis, ...]  # of the axes that the operand depends on
    at: Callable[[dict[Var, Expr]], Expr]


def narrow_operands(
    nest: Nest, roles: Roles, types: Collection[DType], kinds: str
) -> tuple[Load, Load] | None:
    """What the rows and the columns read, if the nest sums products of a ``kinds`` of two numbers
    of ``types``, and no element is read for many of the points of a copy, as in a convolution."""
    root = nest.compute.body[0]
    if len(nest.compute.body) != 1 or not isinstance(root, Reduce) or root.combiner.fn != "add":
        return None
    (value,) = root.values
    if not isinstance(value, Apply) or value.fn != "mul" or value.dtype.kind not in kinds:
        return None
    found: list[Load] = []
    for arg in value.args:
        node = arg.value if isinstance(arg, Cast) else arg
        if not isinstance(node, Load) or node.dtype not in types:
            return None
        found.append(node)
    if len(loads_in(nest)) != 2:
        return None
    found.sort(key=lambda node: _uses(node, roles.n))
    left, right = found
    if _uses(left, roles.n) or not _uses(right, roles.n):
        return None
    if roles.m is not None and (not _uses(left, roles.m) or _uses(right, roles.m)):
        return None
    folds = reduce_axes(nest)
    for node in found:
        used = {v for index in node.indices for v in variables_of(index)}
        size = 1
        for axis in (*nest.compute.axes, *folds):
            size *= axis.extent if axis in used else 1
        if not used.issuperset(folds) or size > 2 * node.source.size:
            return None
    return left, right


def _uses(node: Load, axis: Axis) -> bool:
    return any(v is axis for index in node.indices for v in variables_of(index))


def pack_groups(
    nest: Nest,
    node: Load,
    fold: Axis,
    column: Axis | None,
    panel: int,
    number: Callable[[Expr], Expr],
    count: int,
    multiple: int = 1,
    panels: int = 0,
    flips: int = 0,
) -> Groups:
    """The operand with ``count`` neighbours along ``fold`` as one int32, the first lowest; with
    ``column``, ``panel`` columns lie together. ``number`` makes the bits of one of them, an int32
    with zeros above. There are a ``multiple`` of groups, and at least so many ``panels``, zeros
    beyond the end, and the bits that ``flips`` has are turned over."""
    spatial, folds = _axes_of(nest, node, fold)
    groups = -(-fold.extent // (count * multiple)) * multiple
    is_filled_up = groups > -(-fold.extent // count)
    outer = [a for a in spatial if a is not column]
    shape = [a.extent for a in outer]
    if column is not None:
        shape.append(max(-(-column.extent // panel), panels))
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
            if column.extent < panel * shape[len(outer)]:
                inside = mapping[column] < column.extent
        mapping.update(zip(folds, rest, strict=False))
        total = _joined(node, mapping, fold, rest[-1], number, count, inside, is_filled_up)
        return total ^ const(flips, int32) if flips else total

    made = _packing(nest, f"{node.source.name}_packed", shape, element)
    (packed,) = made.tensors

    def at(mapping: dict[Var, Expr]) -> Expr:
        found = [mapping.get(a, a) for a in outer]
        inner = [mapping.get(a, a) for a in (*folds, fold)]
        if column is None:
            return load(packed, (*found, *inner))
        place = mapping.get(column, column)
        return load(packed, (*found, place // panel, *inner, place % panel))

    return Groups((made,), spatial, at)


def groups_in_place(
    nest: Nest,
    node: Load,
    fold: Axis,
    number: Callable[[Expr], Expr],
    count: int,
    flips: int = 0,
) -> Groups | None:
    """Groups of ``count`` neighbours that lie side by side in memory, none of them left over; None
    where they do not. The bits that ``flips`` has are turned over as they are read."""
    if step(node, fold) != 1 or fold.extent % count:
        return None
    spatial, folds = _axes_of(nest, node, fold)

    def at(mapping: dict[Var, Expr]) -> Expr:
        inside: dict[Var, Expr] = {a: mapping.get(a, a) for a in (*spatial, *folds)}
        total = _joined(node, inside, fold, mapping.get(fold, fold), number, count)
        return total ^ const(flips, int32) if flips else total

    return Groups((), spatial, at)


def turn_groups(
    nest: Nest,
    node: Load,
    fold: Axis,
    column: Axis,
    panel: int,
    number: Callable[[Expr], Expr],
    count: int,
    flips: int = 0,
) -> Groups:
    """What `pack_groups` makes of an operand whose neighbours lie along ``fold``: first a nest that
    puts them together, zeros beyond the end of the last panel, then one that turns the numbers."""
    spatial, folds = _axes_of(nest, node, fold)
    outer = [a for a in spatial if a is not column]
    panels, groups = -(-column.extent // panel), -(-fold.extent // count)

    def joined(*p: Expr) -> Expr:
        mapping: dict[Var, Expr] = dict(zip((*outer, column, *folds), p, strict=False))
        total = _joined(node, mapping, fold, p[-1], number, count)
        if column.extent < panel * panels:
            total = select(mapping[column] < column.extent, total, const(0, int32))
        return total ^ const(flips, int32) if flips else total

    shape = [*(a.extent for a in outer), panel * panels, *(a.extent for a in folds), groups]
    words = _packing(nest, f"{node.source.name}_joined", shape, joined)

    def turned(*p: Expr) -> Expr:
        *front, lane = p
        at = front[len(outer)] * panel + lane
        return load(words.tensors[0], (*front[: len(outer)], at, *front[len(outer) + 1 :]))

    shape = [*shape[: len(outer)], panels, *shape[len(outer) + 1 :], panel]
    made = _packing(nest, f"{node.source.name}_packed", shape, turned)

    def at(mapping: dict[Var, Expr]) -> Expr:
        found = [mapping.get(a, a) for a in outer]
        inner = [mapping.get(a, a) for a in (*folds, fold)]
        place = mapping.get(column, column)
        return load(made.tensors[0], (*found, place // panel, *inner, place % panel))

    return Groups((words, made), spatial, at)


def _axes_of(nest: Nest, node: Load, fold: Axis) -> tuple[tuple[Axis, ...], list[Axis]]:
    """The axes that ``node`` depends on: spatial ones, and reduce axes beside ``fold``."""
    used = {v for index in node.indices for v in variables_of(index)}
    axes = [a for a in (*nest.compute.axes, *reduce_axes(nest)) if a in used]
    spatial = tuple(a for a in axes if not a.is_reduce)
    return spatial, [a for a in axes if a.is_reduce and a is not fold]


def _packing(nest: Nest, name: str, shape: list[int], element: Callable[..., Expr]) -> Nest:
    index = tuple(Axis(f"p{n}", extent) for n, extent in enumerate(shape))
    compute = Compute(index, (element(*index),), "pack", location=nest.compute.location)
    return Nest((Tensor(name, tuple(shape), int32, compute),), compute)


def _joined(
    node: Load,
    mapping: dict[Var, Expr],
    fold: Axis,
    group: Expr,
    number: Callable[[Expr], Expr],
    count: int,
    inside: Expr | None = None,
    is_filled_up: bool = False,
) -> Expr:
    """The ``count`` neighbours of a ``group``, zeros where they are not ``inside``."""
    total: Expr | None = None
    for place in range(count):
        mapping[fold] = group * count + place
        raw = load(node.source, tuple(substitute(i, mapping) for i in node.indices))
        bits = number(raw)
        bits = bits << const(32 // count * place, int32) if place else bits
        test = inside
        if is_filled_up or place >= fold.extent % count > 0:
            below = mapping[fold] < fold.extent
            test = below if test is None else test & below
        if test is not None:
            bits = select(test, bits, const(0, int32))
        total = bits if total is None else total | bits
    assert total is not None
    return total
