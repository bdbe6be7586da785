"""blockize: the loops around a block become one block that holds it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...ir.affine import Sum, as_sum
from ...ir.bounds import decide, interval
from ...ir.expr import Axis, Expr, Var
from ...ir.program import (
    Block,
    For,
    Iter,
    LoopKind,
    Program,
    Stmt,
    Store,
    map_exprs,
    reads_of,
    walk,
)
from ...ir.rewrite import conjuncts, substitute, variables_of
from ...records import dataclass, replace
from ..legality.starts import starts_once_in
from ..refusal import Refusal
from ..step import Step, find_loop, fresh_block_name, path_to, replace_loop

if TYPE_CHECKING:
    from ..schedule import Schedule


@dataclass(frozen=True)
class Blockize(Step):
    """The subtree of a loop around one block becomes a block with axes for the loops outside.

    The inner block keeps its name, its axes and its body; what was bound to ``i_0 * 16 + i_1`` is
    bound to ``vi_o * 16 + i_1``. Nothing moves but an init: it runs for all inner points at the
    outer block's first reduce point.
    """

    loop: Var

    def check(self, program: Program) -> Refusal | str | None:
        loop = find_loop(program, self.loop)
        inside = _inside(loop)
        if inside is None:
            return (
                f"loop {self.loop.name} does not hold one block in perfectly nested loops; "
                f"reorder, or move the other statements away first"
            )
        loops, block = inside
        empty = next((each.var.name for each in loops if each.extent == 0), None)
        if empty is not None:
            return f"loop {empty} has no iterations; there is nothing to make a block of"
        inner = {each.var for each in loops}
        ranges = _ranges(program, block)
        for test in conjuncts(block.predicate):
            mixed = [v for v in variables_of(test) if v in inner]
            if mixed and decide(test, ranges) is not True:
                return (
                    f"the condition {test!r} of block {block.name!r} cuts through the new block: "
                    f"it holds for some values of {', '.join(v.name for v in mixed)} only; split "
                    f"by a factor that divides the extent, or pad the operands first"
                )
        for it in block.iters:
            parts = _parted(block, it, loops, ranges)
            if isinstance(parts, str):
                return parts
        if block.init is not None and _outer_reduces(block, loops, ranges):
            set_here = {s.buffer for s in walk(block.init) if isinstance(s, Store)}
            read = next((n for n in reads_of(block.body) if n.source in set_here), None)
            if read is not None:
                return Refusal(
                    f"block {block.name!r} reads {read!r} of the buffer that its init sets, and "
                    f"the init of all inner points would run before the first of them is read"
                )
            if not starts_once_in(block, loops):
                return Refusal(
                    f"the reduction of block {block.name!r} starts anew within loop "
                    f"{self.loop.name}, and its init with it, which would run once outside",
                    fix="blockize a loop inside that",
                    proven=False,
                )
        return None

    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        inside = _inside(find_loop(program, self.loop))
        assert inside is not None
        loops, block = inside
        name = fresh_block_name(program, f"{block.name}_o")
        ranges = _ranges(program, block)
        outer, inner, starts = _bindings(block, loops, ranges)
        inner_vars = {each.var for each in loops}
        guard: Expr | None = None
        for test in conjuncts(block.predicate):
            if not inner_vars.intersection(variables_of(test)):
                guard = test if guard is None else guard & test
            else:
                assert decide(test, ranges) is True
        init = None
        core = replace(block, iters=inner, predicate=None)
        if block.init is not None and any(it.axis.is_reduce for it in outer):
            init = _init_nest(block, loops, starts, fresh_block_name(program, f"{block.name}_init"))
            core = replace(core, init=None)
        body: Stmt = core
        for each in reversed(loops):
            body = replace(each, body=body)
        made = Block(name, outer, body, init, guard, block.location)
        return replace_loop(program, self.loop, lambda _: made), (name,)


def _inside(loop: For) -> tuple[list[For], Block] | None:
    """The chain of loops from ``loop`` down, and the block at its end."""
    loops, node = [loop], loop.body
    while isinstance(node, For):
        loops.append(node)
        node = node.body
    return (loops, node) if isinstance(node, Block) else None


def _ranges(program: Program, block: Block) -> dict[Var, int]:
    ranges: dict[Var, int] = {}
    for stmt in path_to(program, block.name):
        if isinstance(stmt, For):
            ranges[stmt.var] = stmt.extent
        elif isinstance(stmt, Block):
            ranges.update((it.axis, it.axis.extent) for it in stmt.iters)
    return ranges


def _outer_reduces(block: Block, loops: list[For], ranges: Mapping[Var, int]) -> bool:
    """Whether a loop outside of ``loops`` feeds a reduce axis."""
    inner = {each.var for each in loops}
    return any(
        it.axis.is_reduce
        and any(v not in inner and ranges.get(v) != 1 for v in variables_of(it.binding))
        for it in block.iters
    )


def _parted(
    block: Block, it: Iter, loops: list[For], ranges: Mapping[Var, int]
) -> tuple[Expr | None, int, Expr] | str:
    """(outer, size, inner) such that the binding is ``outer * size + inner`` and ``inner`` runs
    over ``range(size)``; outer is None where no loop outside takes part. A sentence where the
    binding does not part. Loops of one iteration are left out."""
    extents = {each.var: each.extent for each in loops}
    total = as_sum(it.binding)
    inner: list[tuple[Expr, int]] = []
    outer: list[tuple[Expr, int]] = []
    for atom, c in total.terms:
        if ranges.get(atom) == 1:  # type: ignore[call-overload]
            continue
        used = [v in extents for v in variables_of(atom)]
        if any(used) and not isinstance(atom, Var):
            return (
                f"axis {it.axis.name} of block {block.name!r} is bound to {it.binding!r}, in which "
                f"{atom!r} is no sum of loops, so it does not part into loops outside and inside; "
                f"blockize a loop further out, or split instead of fuse"
            )
        (inner if any(used) else outer).append((atom, c))
    if not outer:
        rest = Sum(tuple(inner), total.constant).expr()
        low, high = interval(rest, extents)
        if low <= high and not 0 <= low <= high < it.axis.extent:
            return (
                f"axis {it.axis.name} of block {block.name!r} is bound to {it.binding!r}, outside "
                f"of its range({it.axis.extent}): the block never runs"
            )
        return None, 1, rest
    size = 1 + sum(abs(c) * (extents[atom] - 1) for atom, c in inner if isinstance(atom, Var))
    uneven = [c for _, c in outer if c % size] or [total.constant] * bool(total.constant % size)
    quotient = Sum(tuple((atom, c // size) for atom, c in outer), total.constant // size).expr()
    # a last tile that is not whole is no matter where the loops do not reach it
    beyond = it.axis.extent % size and interval(quotient, ranges)[1] >= it.axis.extent // size
    if any(c < 0 for _, c in inner) or uneven or beyond:
        reason = f"the inner loops span {size} points"
        if uneven and not any(c < 0 for _, c in inner):
            reason += f", which does not divide {abs(uneven[0])}"
        elif beyond:
            reason += f", which does not divide the extent {it.axis.extent}"
        return (
            f"axis {it.axis.name} of block {block.name!r} is bound to {it.binding!r}, which is not "
            f"outer * size + inner over whole tiles: {reason}; split this axis by a factor that "
            f"divides its extent, and keep the last of its loops inside"
        )
    return quotient, size, Sum(tuple(inner), 0).expr()


def _bindings(
    block: Block, loops: list[For], ranges: Mapping[Var, int]
) -> tuple[tuple[Iter, ...], tuple[Iter, ...], dict[Var, tuple[Expr | None, Expr]]]:
    """The outer block's iters, the inner block's, and (outer part or None, inner part) by axis."""
    outer: list[Iter] = []
    inner: list[Iter] = []
    starts: dict[Var, tuple[Expr | None, Expr]] = {}
    for it in block.iters:
        parts = _parted(block, it, loops, ranges)
        assert not isinstance(parts, str)
        binding, size, rest = parts
        if binding is None:
            inner.append(Iter(it.axis, rest))
            starts[it.axis] = (None, rest)
            continue
        axis = Axis(f"{it.axis.name}_o", it.axis.extent // size, it.axis.is_reduce)
        outer.append(Iter(axis, binding))
        start: Expr = axis if size == 1 else axis * size
        inner.append(Iter(it.axis, start if size == 1 else start + rest))
        starts[it.axis] = (start, rest if size != 1 else start)
    return tuple(outer), tuple(inner), starts


def _init_nest(
    block: Block, loops: list[For], starts: dict[Var, tuple[Expr | None, Expr]], name: str
) -> Stmt:
    """The init over copies of the inner loops that feed spatial axes."""
    assert block.init is not None
    spatial = [it for it in block.iters if not it.axis.is_reduce]
    used = {v for it in spatial for v in variables_of(it.binding)}
    kept = [each for each in loops if each.var in used]
    fresh: dict[Var, Expr] = {each.var: Var(each.var.name) for each in kept}
    axes: dict[Var, Expr] = {}
    iters = []
    for it in spatial:
        start, rest = starts[it.axis]
        binding = substitute(rest, fresh)
        if start is not None and rest is not start:
            binding = start + binding
        axis = Axis(it.axis.name, it.axis.extent)
        axes[it.axis] = axis
        iters.append(Iter(axis, binding))
    init = map_exprs(block.init, lambda e: substitute(e, axes))
    out: Stmt = Block(name, tuple(iters), init, location=block.location)
    for each in reversed(kept):
        var = fresh[each.var]
        assert isinstance(var, Var)
        kind = LoopKind.SERIAL if each.kind is LoopKind.PARALLEL else each.kind
        out = For(var, each.extent, out, kind)
    return out


def blockize(s: Schedule, loop: Var) -> str:
    """Makes one block of everything under ``loop``; returns its name::

        for i_0, j_0, k_0, i_1, j_1, k_1 in T.grid(8, 8, 8, 16, 16, 16):
            with T.block("C"):
                vi = T.axis.spatial(128, i_0 * 16 + i_1)
                ...
                with T.init():
                    C[vi, vj] = 0.0
                C[vi, vj] += A[vi, vk] * B[vk, vj]

        s.blockize(i_1) ->

        for i_0, j_0, k_0 in T.grid(8, 8, 8):
            with T.block("C_o"):
                vi_o, vj_o, vk_o = T.remap("SSR", [i_0, j_0, k_0])
                with T.init():
                    for i_1, j_1 in T.grid(16, 16):
                        with T.block("C_init"):
                            vi = T.axis.spatial(128, vi_o * 16 + i_1)
                            ...
                            C[vi, vj] = 0.0
                for i_1, j_1, k_1 in T.grid(16, 16, 16):
                    with T.block("C"):
                        vi = T.axis.spatial(128, vi_o * 16 + i_1)
                        ...
                        C[vi, vj] += A[vi, vk] * B[vk, vj]

    Refused where a binding is not ``outer * size + inner`` with the inner loops covering ``size``,
    and where a predicate holds for some inner points only.
    """
    (name,) = s.take(Blockize(loop))
    return name  # type: ignore[no-any-return]
