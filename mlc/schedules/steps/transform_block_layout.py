"""transform_block_layout: the points of a block are counted by other axes, in other loops."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ...ir.expr import Axis, Expr, Var
from ...ir.program import Block, For, Iter, Program, Region, Stmt, map_exprs
from ...ir.rewrite import substitute, variables_of
from ...ir.simplify import simplify
from ...records import dataclass, replace
from ..coverage import order_dependence, own_loops
from ..index_map import IndexMap, index_map
from ..refusal import Refusal
from ..step import Step, block_name, find_block, operand_text, rebuild

if TYPE_CHECKING:
    from ..schedule import Schedule


@dataclass(frozen=True)
class TransformBlockLayout(Step):
    """See :func:`transform_block_layout`. ``index_map`` is the text of a lambda."""

    block: str
    index_map: str

    def check(self, program: Program) -> Refusal | str | None:
        block = find_block(program, self.block)
        loops = own_loops(program, block)
        if isinstance(loops, str):
            return loops
        mapping = index_map(self.index_map, len(block.iters))
        sizes = [it.axis.extent for it in block.iters]
        extents = mapping.extents(sizes)
        if isinstance(extents, str):
            return extents
        reduced = {p for p, it in zip(mapping.params, block.iters) if it.axis.is_reduce}
        for result in mapping.results:
            used = variables_of(result)
            if len({v in reduced for v in used}) > 1:
                return (
                    f"{result!r} joins spatial and reduce axes of block {self.block!r}; an axis is "
                    "one or the other"
                )
        if reduced and not any(reduced & set(variables_of(r)) for r in mapping.results):
            return f"the index map drops the reduce axes of block {self.block!r}; keep one"
        if mapping.inverse(sizes, mapping.results) is None:
            pair = mapping.collision(sizes)
            if pair is not None:
                return (
                    f"the index map is not injective: the points {pair[0]} and {pair[1]} of block "
                    f"{self.block!r} would be one; keep what tells them apart as an axis of its own"
                )
            return "the index map is not made of digits of the axes; give quotients and remainders"
        if math.prod(extents) != math.prod(sizes):
            return (
                f"the index map makes {math.prod(extents)} points of {math.prod(sizes)}; choose "
                "factors that divide the axes, or use s.pad_einsum first"
            )
        order = {it.binding: n for n, it in enumerate(block.iters)}
        loop_order = [mapping.params[order[loop.var]] for loop in loops]
        if self._keeps_order(mapping, sizes, loop_order):
            return None
        return order_dependence(program, loops[0])

    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        block = find_block(program, self.block)
        loops = own_loops(program, block)
        assert not isinstance(loops, str)
        mapping = index_map(self.index_map, len(block.iters))
        sizes = [it.axis.extent for it in block.iters]
        extents = mapping.extents(sizes)
        assert not isinstance(extents, str)
        reduced = {p for p, it in zip(mapping.params, block.iters) if it.axis.is_reduce}
        axes: list[Axis] = []
        fresh: list[Var] = []
        for n, (result, extent) in enumerate(zip(mapping.results, extents, strict=True)):
            used = variables_of(result)
            name = "_".join(v.name for v in used) or f"u{n}"
            axes.append(Axis(name, extent, bool(used) and used[0] in reduced))
            fresh.append(Var(f"ax{n}"))
        back = mapping.inverse(sizes, axes)
        assert back is not None
        inside: dict[Var, Expr] = {
            it.axis: simplify(value) for it, value in zip(block.iters, back, strict=True)
        }
        iters = tuple([Iter(axis, var) for axis, var in zip(axes, fresh, strict=True)])
        out: Stmt = replace(_moved(block, inside), iters=iters)
        for var, extent in zip(reversed(fresh), reversed(extents), strict=True):
            out = For(var, extent, out)
        body = rebuild(program.body, lambda s: out if s is loops[0] else None)
        return program.with_body(body), tuple(fresh)

    def _keeps_order(self, mapping: IndexMap, sizes: list[int], loops: list[Var]) -> bool:
        """Whether the new loops visit the points in the order of the old ones."""
        digits = mapping.digits(sizes)
        if digits is None:
            return False
        place = {var: n for n, var in enumerate(loops)}
        order = [(place[d.var], -d.low) for d in digits if d.extent > 1]
        return order == sorted(order)

    def text(self, names: Mapping[Any, str]) -> str:
        """The map stands there as a lambda."""
        return f"s.transform_block_layout({operand_text(self.block, names)}, {self.index_map})"


def _moved(block: Block, mapping: Mapping[Var, Expr]) -> Block:
    """``block`` with other expressions for its axes in its body, init and regions."""

    def change(expr: Expr) -> Expr:
        return substitute(expr, mapping)

    def regions(given: tuple[Region, ...] | None) -> tuple[Region, ...] | None:
        if given is None:
            return None
        return tuple(replace(r, starts=tuple(map(change, r.starts))) for r in given)

    return replace(
        block,
        body=map_exprs(block.body, change),
        init=None if block.init is None else map_exprs(block.init, change),
        reads=regions(block.reads),
        writes=regions(block.writes),
    )


def transform_block_layout(
    s: Schedule, block: Block | str, index_map: Callable[..., Any] | str
) -> tuple[Var, ...]:
    """The axes of a block become those that ``index_map`` makes of them; returns its new loops.

    ::

        for i, j in grid(8, 6):            for ax0 in range(48):
            B[i, j] = A[i, j]        ->        B[ax0 // 6, ax0 % 6] = A[ax0 // 6, ax0 % 6]

    shows ``transform_block_layout("B", lambda i, j: (i * 6 + j,))``. The map speaks of all axes of
    the block, in order; each new axis is made of spatial or of reduce axes only. Refused: a map
    that takes two points to one, or makes more points than there are; another order of points that
    depend on each other; loops shared with other blocks.
    """
    from ..index_map import index_map as as_map

    name = block_name(block)
    mapping = as_map(index_map, len(find_block(s.program, name).iters))
    return s.take(TransformBlockLayout(name, mapping.text))
