"""The loops inside one block: vectors, unrolling, order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from math import prod

from ...ir.expr import Apply, Axis, Const, Expr, Load, Var
from ...ir.program import Block
from ...ir.rewrite import postorder, variables_of
from ...ir.scalar import SCALAR_FNS
from ...te.program import Nest
from ..schedule import Schedule
from .access import point_cost, reduce_axes, widest_dtype_bytes
from .machine import FEW_REGISTERS, LINE_BYTES, Machine

LONG_ROW = 4  # vectors; shorter rows waste more at their ends than divisions cost
MOST_REGISTERS = 4  # that one vector operation takes to fill a cache line
_OF_BITS = frozenset({"bitor", "shl", "bitxor"})
FUNCTION = 12  # the cost from which on a scalar function is a long chain of operations


def next_power_of_two(n: int) -> int:
    """The least power of two >= ``n``."""
    return 1 << max(n - 1, 0).bit_length()


def lanes_for(nest: Nest, extent: int, machine: Machine) -> int:
    """Vector width for a loop of ``extent`` iterations of the nest."""
    full = max(machine.vector_bytes // widest_dtype_bytes(nest), 1)
    return min(full, next_power_of_two(extent))


def unroll_for(nest: Nest, extent: int, lanes: int, most: int = 4) -> int:
    """How many vectors to work on at once: more for cheap points, none for expensive ones. Numbers
    put together from what lies side by side are cheap, however long that is to write."""
    cost = 0.0 if _puts_together(nest) else point_cost(nest)
    wish = 4 if cost <= 12 else 2 if cost <= 40 else 1
    return max(min(wish, most, extent // lanes), 1)


def _puts_together(nest: Nest) -> bool:
    """Whether ``nest`` moves bits to other places of wider numbers, and does nothing else."""
    nodes = {node for part in nest.compute.body for node in postorder(part)}
    fns = {n.fn for n in nodes if isinstance(n, Apply) and n.dtype.itemsize == 4}
    return "bitor" in fns and fns <= _OF_BITS


def together_for(nest: Nest, extent: int, lanes: int, machine: Machine) -> int:
    """How many registers one vector operation takes, so that the long chains of mathematical
    functions run side by side: far apart in the code, a processor would not see them both. Where
    there are few, and vectors short, what has no place in them waits in the nearest cache."""
    nodes = {node for part in nest.compute.body for node in postorder(part)}
    costs = [SCALAR_FNS[n.fn].cost for n in nodes if isinstance(n, Apply) and n.dtype.is_float]
    if max(costs, default=0) < FUNCTION:
        return 1
    is_short = sum(costs) <= 3 * FUNCTION
    wish = 4 if is_short or machine.registers <= FEW_REGISTERS else 2
    if extent % (wish * lanes) == 0:  # short rows, too, where nothing is left over
        return wish
    return max(min(wish, extent // (4 * lanes)), 1)


def is_long(roots: Iterable[Expr]) -> bool:
    """Whether ``roots`` compute long chains of operations, such as those of exp."""
    nodes = {node for root in roots for node in postorder(root)}
    return any(isinstance(n, Apply) and SCALAR_FNS[n.fn].cost >= FUNCTION for n in nodes)


def private_loops(s: Schedule, block: Block, shared: int) -> list[Var]:
    """The loops of the block alone."""
    return list(s.loops(block)[shared:])


def loop_around(s: Schedule, name: str, loop: Var) -> Var | None:
    """The loop of block ``name`` right around ``loop``."""
    return next((outer for outer, inner in pairwise(s.loops(name)) if inner is loop), None)


def extent_of(s: Schedule, var: Var) -> int:
    """The extent of a loop of the current program."""
    from ..step import find_loop

    return find_loop(s.program, var).extent


def fuse_contiguous(
    s: Schedule, block: Block, loops: list[Var], apart: Callable[[Var, Var], bool] | None = None
) -> list[Var]:
    """Fuse neighbouring loops that every access walks as one, innermost first; those not of which
    ``apart`` holds."""
    if len(loops) < 2:
        return list(loops)
    from .walks import walked_as_one

    out = list(loops)
    while len(out) >= 2 and walked_as_one(s, s.block(block.name), out[-2], out[-1]):
        if apart is not None and apart(out[-2], out[-1]):
            break
        inner = out.pop()
        outer = out.pop()
        out.append(s.fuse(outer, inner))
    return out


def stay_apart(
    s: Schedule, name: str, nest: Nest, machine: Machine
) -> Callable[[Var, Var], bool] | None:
    """Whether an (outer, inner) pair of loops stays as it is: rows are long, and what is computed
    depends on the place in them, or on the row, as a number that only a division of the fused
    loop's counter would give back. None where nothing is computed of places."""
    numbers = {axis for part in nest.compute.body for axis in _numbers_in(part)}
    if not numbers:
        return None
    least = LONG_ROW * max(machine.vector_bytes // widest_dtype_bytes(nest), 1)
    bound = {it.binding: it.axis for it in s.block(name).iters}

    def apart(outer: Var, inner: Var) -> bool:
        used = bound.get(outer) in numbers or bound.get(inner) in numbers
        return used and extent_of(s, inner) >= least

    return apart


def _numbers_in(root: Expr) -> set[Axis]:
    """The axes that ``root`` computes with. Neither indices of loads count, nor comparisons of one
    axis with a constant, where loops are cut."""
    found: set[Axis] = set()
    seen: set[int] = set()
    pending = [root]
    while pending:
        last = pending.pop()
        if id(last) in seen:
            continue
        seen.add(id(last))
        match last:
            case Axis() as axis:
                found.add(axis)
            case Load():
                pass
            case Apply(fn="lt" | "le" | "gt" | "ge", args=(a, b)) as node:
                if (
                    not (isinstance(a, Const) or isinstance(b, Const))
                    or len(variables_of(node)) > 1
                ):
                    pending += node.args
            case node:
                pending += node.children
    return found


def _lanes_of_line(nest: Nest, machine: Machine) -> int:
    """How many elements fill a cache line of the largest result, if that is written past the caches
    and registers are shorter; 0 where they are not, or too many would be needed."""
    if not machine.past_bytes or machine.vector_bytes >= LINE_BYTES:
        return 0
    far = [t for t in nest.tensors if prod(t.shape) * t.dtype.itemsize > machine.past_bytes]
    line = LINE_BYTES // min((t.dtype.itemsize for t in far), default=LINE_BYTES)
    registers = line * widest_dtype_bytes(nest) // machine.vector_bytes
    return line if line > 1 and registers <= MOST_REGISTERS else 0


def vectorize_last(
    s: Schedule, nest: Nest, loop: Var, machine: Machine, most_unrolled: int = 4
) -> tuple[Var | None, ...]:
    """Split ``loop`` into (outer, unrolled, lanes), unroll and vectorize the latter two. Where
    functions are long, lanes fill several registers instead."""
    extent = extent_of(s, loop)
    if extent == 1:
        return (loop,)
    lanes = lanes_for(nest, extent, machine)
    together = 1 << (together_for(nest, extent, lanes, machine).bit_length() - 1)
    unroll = unroll_for(nest, extent, lanes, most_unrolled) if together == 1 else 1
    lanes *= together
    line = _lanes_of_line(nest, machine)
    if lanes < line <= extent:
        unroll, lanes = max(unroll * lanes // line, 1), line
    if unroll > 1:
        outer, middle, inner = s.split(loop, [None, unroll, lanes])
        s.unroll(middle)
        s.vectorize(inner)
        return (outer, middle, inner)
    outer, inner = s.split(loop, [None, lanes])
    s.vectorize(inner)
    return (outer, inner)


def split_roles(
    s: Schedule, block: Block, loops: list[Var], nest: Nest
) -> tuple[list[Var], list[Var]]:
    """The private loops of a block: (spatial, reduce)."""
    reduced = {id(a) for a in reduce_axes(nest)}
    bound = {id(it.binding): it.axis for it in s.block(block.name).iters}
    reduce = [v for v in loops if id(bound.get(id(v))) in reduced]
    spatial = [v for v in loops if not any(v is r for r in reduce)]
    return spatial, reduce
