"""Which parts of a graph can be computed some rows at a time, and in how many passes.

A *space* is what rows are counted in: the size itself (axes of ``c * n`` elements have ``c`` per
row), or one of its own for each other extent such as ``n - 1`` or ``n / 2``. A pass runs over one
space. In it, an array of that space is *aligned* if rows ``[s, s + B)`` of the result need just
those rows of it; otherwise it is read *whole*, which takes another pass if it is not an argument.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction

from ..ir.bounds import interval
from ..ir.expr import Axis, Expr, Load, Reduce, Var
from ..ir.program import Buffer
from ..ir.rewrite import postorder, substitute, variables_of
from ..ir.scalar import SCALAR_FNS
from ..ir.simplify import simplify
from ..te.key import topological
from ..te.tensor import Call, Compute, Tensor
from .programs import Different, for_all_sizes
from .template import Extents, Line, Template

Space = Line
SIZE: Space = (Fraction(1), Fraction(0))
_START = Var("start")
_FAR = 1 << 40  # more rows than any array has
_PROBE = 1 << 30  # rows of a chunk, at most
_CHEAP = 8  # functions up to this cost are computed again rather than stored


class NotChunked(Exception):
    """Why a graph cannot be computed some rows at a time."""


def space_of(extent: Line) -> tuple[Space, int]:
    """The space that an axis of this extent counts in, and how many elements a row has."""
    slope, offset = extent
    whole = offset == 0 and slope.denominator == 1
    return (SIZE, int(slope)) if whole else ((slope, offset), 1)


@dataclass(eq=False)
class Chunks:
    """The passes for a template.

    ``spaces`` holds (space, dimension, elements per row) of each array that depends on the size.
    ``levels`` numbers the passes: rows come after the static part of their number. ``folds``
    are the reductions over rows. ``whole`` has the loads that are not aligned, ``stored`` what is
    kept in memory from one pass to the next. ``calls`` has the programs that depend on the size, as
    they are for all sizes.
    """

    template: Template
    spaces: dict[Tensor, tuple[Space, int, int]] = field(default_factory=dict)
    levels: dict[Tensor, int] = field(default_factory=dict)
    folds: dict[Compute, tuple[Space, Axis, int]] = field(default_factory=dict)
    whole: dict[Compute, set[Load]] = field(default_factory=dict)
    stored: set[Tensor] = field(default_factory=set)
    calls: dict[Call, Call] = field(default_factory=dict)
    order: list[Tensor] = field(default_factory=list)


def find_chunks(template: Template) -> Chunks:
    """The passes that compute the outputs of ``template``. Raises :class:`NotChunked`."""
    found = Chunks(template)
    expensive: dict[Tensor, bool] = {}
    traced = template.traced
    for tensor in (*traced.inputs, *topological(traced.outputs)):
        if tensor in found.levels:
            continue
        found.order.append(tensor)
        place = _space(tensor, template.extents)
        if place is not None:
            found.spaces[tensor] = place
        match tensor.op:
            case Compute() as op:
                found.levels[tensor] = _level(found, tensor, op)
                expensive[tensor] = (
                    op.reduction is not None
                    or any(
                        getattr(SCALAR_FNS.get(getattr(n, "fn", "")), "cost", 0) > _CHEAP
                        for part in op.body
                        for n in postorder(part)
                    )
                    or any(expensive.get(t, False) and t not in found.stored for t in op.inputs)
                )
                _store(found, tensor, op, expensive)
            case Call() as op:
                found.levels[tensor] = _level_of_call(found, op)
                if op not in found.calls and _depends(found, tensor, op):
                    found.calls[op] = _call_for_all(found, op)
            case _:
                found.levels[tensor] = 0
    found.stored |= {t for t in traced.outputs if t in found.spaces}
    return found


def _space(tensor: Tensor, extents: Extents) -> tuple[Space, int, int] | None:
    moving = [d for d in range(tensor.ndim) if extents[tensor, d][0]]
    if len(moving) > 1:
        raise NotChunked(f"two axes of {tensor.name} depend on the size")
    if not moving:
        return None
    space, rows = space_of(extents[tensor, moving[0]])
    return space, moving[0], rows


def _level(found: Chunks, tensor: Tensor, op: Compute) -> int:
    if op in found.whole:  # another result of the same compute
        return next(found.levels[t] for t in found.order if t.op is op and t in found.levels)
    extents = found.template.extents
    root = op.reduction
    axes = [a for a in (*op.axes, *(() if root is None else root.axes)) if extents[a][0]]
    if len(axes) > 1:
        raise NotChunked(f"two axes of {tensor.name} depend on the size")
    own = axes[0] if axes else None
    space: Space | None = None
    rows = 0
    if own is not None:
        space, rows = space_of(extents[own])
        if own.is_reduce:
            found.folds[op] = space, own, rows
    whole = found.whole.setdefault(op, set())
    level = 0
    for part in op.body:
        for node in postorder(part):
            if not isinstance(node, Load):
                continue
            source = node.source
            before = found.levels[source] + (source.op in found.calls)
            place = found.spaces.get(source)
            if place is not None and not (
                place[0] == space and own is not None and is_aligned(found, node, own, rows)
            ):
                whole.add(node)
                if isinstance(source.op, Compute):
                    found.stored.add(source)
                    before += 1
            level = max(level, before)
    return level + 1 if op in found.folds else level


def _depends(found: Chunks, tensor: Tensor, op: Call) -> bool:
    """Whether the program of ``op`` has to know the size."""
    if tensor in found.spaces or any(t in found.spaces for t in op.inputs):
        return True
    return any(owner is op for owner, _ in found.template.numbers)


def _level_of_call(found: Chunks, op: Call) -> int:
    level = 0
    for source in op.inputs:
        is_kept = source in found.spaces and isinstance(source.op, Compute)
        if is_kept:
            found.stored.add(source)
        level = max(level, found.levels[source] + (is_kept or source.op in found.calls))
    return level


def _call_for_all(found: Chunks, op: Call) -> Call:
    extents = found.template.extents
    moving: dict[Buffer, int] = {}
    for buffer in op.program.params:
        axes = [d for d in range(buffer.ndim) if extents.get((buffer, d), SIZE[1:])[0]]
        if len(axes) > 1:
            raise NotChunked(f"two axes of {buffer.name} depend on the size")
        if axes:
            moving[buffer] = axes[0]
    numbers = [node for owner, node in found.template.numbers if owner is op]
    try:
        program = for_all_sizes(op.program, len(op.inputs), numbers, moving)
    except Different as different:
        raise NotChunked(f"{op.op}: {different}") from None
    return replace(op, program=program)


def _store(found: Chunks, tensor: Tensor, op: Compute, expensive: dict[Tensor, bool]) -> None:
    """Note which of the arrays that ``op`` reads had better be kept from earlier passes."""
    mine = found.levels[tensor] - (op in found.folds)
    for source in op.inputs:
        if source in found.spaces and isinstance(source.op, Compute):
            if found.levels[source] < mine and expensive[source]:
                found.stored.add(source)


def local_index(found: Chunks, node: Load, own: Axis, rows: int) -> Expr:
    """The index of an aligned load along the rows, counted from the start of the chunk."""
    _, dim, count = found.spaces[node.source]
    moved = substitute(node.indices[dim], {own: own + _START * rows}) - _START * count
    return simplify(moved, {own: rows * _PROBE, _START: _FAR})


def is_aligned(found: Chunks, node: Load, own: Axis, rows: int) -> bool:
    """Whether the rows of a chunk are all that ``node`` reads for that chunk.

    With ``F(i) = E(i + start * rows) - start * count`` free of ``start``, ``F`` moves on by
    ``count`` every ``rows`` elements. So if it stays in bounds for one number of rows, it does for
    all.
    """
    count = found.spaces[node.source][2]
    index = local_index(found, node, own, rows)
    if any(v is _START for v in variables_of(index)) or any(
        isinstance(n, Load) for n in postorder(index)
    ):
        return False
    low, high = interval(index, {own: rows * _PROBE})
    return bool(low >= 0 and high < count * _PROBE)


def reduce_of(op: Compute) -> Reduce:
    """The reduction of a compute that has one."""
    root = op.reduction
    assert root is not None
    return root
