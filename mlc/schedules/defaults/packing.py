"""Copies that lie otherwise than what they are made of: where they are made, and in which order."""

from __future__ import annotations

from ...ir.expr import Axis, Load, Var
from ...ir.program import reads_of
from ...ir.rewrite import variables_of
from ...te.program import Nest
from ...te.tensor import Constant
from ..schedule import Schedule
from .access import loads_in, reduce_axes, step, transposed_axis
from .contraction import Roles
from .machine import LINE_BYTES, Machine
from .vectors import extent_of

MOST_PANELS = 4
PAGE_BYTES = 4096
AHEAD = 8  # rows


def made_in_parts(before: list[Nest], main: Nest, roles: Roles, machine: Machine) -> list[Nest]:
    """Those of ``before`` that copy, in order or turned, what the columns of the product ``main``
    read, and of which each panel of columns needs another part."""
    read = {n.source: n for n in loads_in(main) if not _uses(n, roles.m) and _uses(n, roles.n)}
    return [
        nest
        for nest in before
        if len(nest.tensors) == 1 and nest.tensors[0] in read and _is_copy(nest, machine)
    ]


def _uses(node: Load, axis: Axis | None) -> bool:
    return any(v is axis for index in node.indices for v in variables_of(index))


def _is_copy(nest: Nest, machine: Machine) -> bool:
    """Whether ``nest`` copies one array in order, or by tiles that are turned in registers."""
    loads, last = loads_in(nest), nest.compute.axes[-1]
    if reduce_axes(nest) or len({node.source for node in loads}) != 1:
        return False
    if isinstance(loads[0].source.op, Constant):
        return False
    if all(step(node, last) == 1 for node in loads):
        return True
    from .transpose import is_turned_by_tiles

    return is_turned_by_tiles(nest, machine)


def copy_in_parts(s: Schedule, name: str, nest: Nest, loop: Var) -> int:
    """Each iteration of ``loop`` copies what it reads, right before; returns how many loops are
    around what an iteration copies::

        for panel, k, lane: packed[...] = b[...]        for some panels:
        for panel, rows, k, lane: c += a * packed   ->      for k, panel, lane: packed[...] = b[...]
                                                            for rows, panel, k, lane: c += ...

    The copy is in the cache when it is read, and takes the memory of the one before it. Where
    iterations run on threads, none of them waits for a copy that others make, or reads their cache.
    """
    s.compute_at(name, loop)
    shared = next(n for n, around in enumerate(s.loops(name), 1) if around is loop)
    read_in_order(s, name, nest, shared)
    return shared


def turn_in_part(s: Schedule, name: str, nest: Nest, shared: int, machine: Machine) -> bool:
    """Schedules the loops of a copy inside ``shared`` ones by tiles if it is turned; says whether
    it is."""
    across = transposed_axis(nest)
    if across is None:
        _copy_lines(s, name, nest, shared, machine)
        return False
    from .transpose import tile_transposed

    own = s.loops(name)[shared:]
    loops: dict[Axis, Var] = {}
    for it in s.block(name).iters:
        used = [loop for loop in own if loop in set(variables_of(it.binding))]
        if len(used) == 1:
            loops[it.axis] = used[0]
    if len(loops) != len(own) or across not in loops or nest.compute.axes[-1] not in loops:
        return False
    tile_transposed(s, nest, loops, across, machine)
    return True


def _copy_lines(s: Schedule, name: str, nest: Nest, shared: int, machine: Machine) -> None:
    """Rows of which a copy takes a few lines each, one for a panel: the loop over panels is written
    out, and lines of rows far apart, of which nothing sees the next coming, are asked for early."""
    (tensor,) = nest.tensors
    own, itemsize = s.loops(name)[shared:], tensor.dtype.itemsize
    iters = s.block(name).iters
    if len(own) != 3 or tensor.shape[-1] * itemsize > LINE_BYTES:
        return
    rows, panels, _ = own
    position = next((n for n, it in enumerate(iters) if it.binding is rows), 0)
    if not position or extent_of(s, panels) > MOST_PANELS:
        return
    s.unroll(panels)
    (node,) = loads_in(nest)
    apart = (step(node, nest.compute.axes[position]) or 0) * itemsize
    if apart >= PAGE_BYTES and node.source.size * itemsize > machine.l2:
        (matrix,) = {read.source for read in reads_of(s.block(name))}
        s.prefetch(name, matrix, rows, AHEAD)


def read_in_order(s: Schedule, name: str, nest: Nest, shared: int = 0) -> None:
    """``for panel, k, lane: packed[panel, k, lane] = b[k, 64 * panel + lane]`` ->
    ``for k, panel, lane``: what is read goes by once, from its begin to its end.

    Reads that jump are late, as nothing sees them coming; pieces of whole cache lines may be
    written anywhere. Done for copies that read neighbours along their last axis: one, or some that
    lie equally far apart everywhere.
    """
    axes, loads = nest.compute.axes, loads_in(nest)
    if reduce_axes(nest) or len(nest.tensors) != 1 or not loads or len(axes) < 3:
        return
    first, *others = loads
    *outer, last = axes
    if step(first, last) != 1 or last.extent * nest.tensors[0].dtype.itemsize < LINE_BYTES:
        return
    for other in others:  # neighbours along the reduction that make one number
        if other.source is not first.source or any(step(other, a) != step(first, a) for a in axes):
            return
    steps = [step(first, axis) for axis in outer]
    if any(n is None or n < 0 for n in steps):
        return
    order = sorted(range(len(outer)), key=lambda d: -(steps[d] or 0))
    own = set(s.loops(name)[shared:])
    bound = {it.axis: set(variables_of(it.binding)) & own for it in s.block(name).iters}
    loops = [loop for d in order for loop in bound[outer[d]]]
    if order != list(range(len(outer))) and len(loops) > 1:
        s.reorder(*loops)
