"""decompose_padding: a padded copy becomes a fill, and a copy of the inside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...dtypes import int64
from ...ir.affine import as_sum
from ...ir.expr import Apply, Axis, Const, Expr, Select, Var
from ...ir.program import (
    Allocate,
    Block,
    For,
    If,
    Iter,
    Program,
    Stmt,
    Store,
    blocks_of,
    map_exprs,
    seq,
    walk,
)
from ...ir.rewrite import conjuncts, loads_of, substitute, variables_of
from ...records import dataclass, replace
from ..boxes import all_of
from ..copying import fresh_copy
from ..levels import level_of
from ..refusal import Refusal
from ..step import Step, block_name, find_block, find_loop, loops_around, rebuild

if TYPE_CHECKING:
    from ..schedule import Schedule


_MIRRORED = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}


@dataclass(frozen=True)
class DecomposePadding(Step):
    """See :func:`decompose_padding`."""

    block: str
    loop: Var

    def check(self, program: Program) -> Refusal | str | None:
        block, loop = find_block(program, self.block), find_loop(program, self.loop)
        if all(around is not loop for around in loops_around(program, self.block)):
            return f"loop {self.loop.name} is not around block {self.block!r}"
        others = [b.name for b in blocks_of(loop) if b is not block]
        if others:
            return (
                f"loop {self.loop.name} holds block {others[0]!r} as well; choose one that holds "
                f"{self.block!r} alone"
            )
        if any(isinstance(node, (Allocate, If)) for node in walk(loop)):
            return f"loop {self.loop.name} holds more than loops and block {self.block!r}"
        match block.body:
            case Store(buffer=buffer, value=Select(condition, inside, Const())):
                if any(node.source is buffer for node in loads_of(inside)):
                    return f"block {self.block!r} reads {buffer.name}, which it writes"
                if loads_of(condition):
                    return f"what block {self.block!r} pads depends on data: {condition!r}"
                return None
        return f"block {self.block!r} is not of the form B[i] = select(inside, value, constant)"

    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        loop = find_loop(program, self.loop)
        level = level_of(program, loop)
        taken = {b.name for b in blocks_of(program.body)}
        block = find_block(program, self.block)
        assert isinstance(block.body, Store)
        assert isinstance(block.body.value, Select)
        pad = Store(block.body.buffer, block.body.indices, block.body.value.otherwise)
        filled = replace(block, name=f"{self.block}_pad", body=pad, reads=None)
        fill = fresh_copy(_with(loop, block, filled), taken)
        parts = [seq(fill, _inside(loop, block)) if p is loop else p for p in level.parts]
        (name,) = (b.name for b in blocks_of(fill))
        return level.replaced(parts, ()), (name,)


def _with(loop: For, old: Block, new: Stmt) -> Stmt:
    return rebuild(loop, lambda s: new if s is old else None)


def _inside(loop: For, block: Block) -> Stmt:
    """The nest over the points where the condition holds: loops cut short where it is a range of
    one axis, and a condition in the block for the rest of it."""
    body = block.body
    assert isinstance(body, Store)
    assert isinstance(body.value, Select)
    inner = {node.var: node for node in walk(loop) if isinstance(node, For)}
    uses: dict[Var, int] = {}
    for it in block.iters:
        for v in variables_of(it.binding):
            uses[v] = uses.get(v, 0) + 1
    for v in () if block.predicate is None else variables_of(block.predicate):
        uses[v] = uses.get(v, 0) + 1
    cut = {
        it.axis: it.binding
        for it in block.iters
        if isinstance(it.binding, Var)
        and it.binding in inner
        and uses[it.binding] == 1
        and inner[it.binding].extent == it.axis.extent
    }
    ranges = {axis: (0, axis.extent) for axis in cut}
    kept: list[Expr] = []
    for test in conjuncts(body.value.condition):
        limit = _limit(test)
        if limit is None or limit[0] not in ranges:
            kept.append(test)
            continue
        axis, low, high = limit
        old = ranges[axis]
        ranges[axis] = max(old[0], low), min(old[1], high)
    ranges = {a: r for a, r in ranges.items() if r != (0, a.extent)}
    if any(low >= high for low, high in ranges.values()):
        ranges, kept = {}, conjuncts(body.value.condition)
    fresh = {a: Axis(a.name, high - low) for a, (low, high) in ranges.items()}
    there: dict[Var, Expr] = {
        a: fresh[a] + low if low else fresh[a] for a, (low, _) in ranges.items()
    }
    stored: Stmt = Store(body.buffer, body.indices, body.value.then)
    rest = all_of(*kept)
    if rest is not None:
        stored = If(rest, stored)
    iters = tuple(Iter(fresh.get(it.axis, it.axis), it.binding) for it in block.iters)
    moved = map_exprs(stored, lambda e: substitute(e, there))
    made = replace(block, iters=iters, body=moved, reads=None, writes=None)
    counts = {cut[a]: high - low for a, (low, high) in ranges.items()}

    def on(stmt: Stmt) -> Stmt | None:
        if stmt is block:
            return made
        if isinstance(stmt, For) and stmt.var in counts:
            return replace(stmt, extent=counts[stmt.var], body=rebuild(stmt.body, on))
        return None

    return rebuild(loop, on)


def _limit(test: Expr) -> tuple[Axis, int, int] | None:
    """``test`` as ``low <= axis < high``."""
    match test:
        case Apply(fn=fn, args=(a, b)) if fn in _MIRRORED and a.dtype is int64:
            apart = as_sum(a - b)
            if len(apart.terms) != 1:
                return None
            axis, c = apart.terms[0]
            if not isinstance(axis, Axis) or abs(c) != 1:
                return None
            comparison = fn if c > 0 else _MIRRORED[fn]
            bound = -apart.constant * c
            low = {"gt": bound + 1, "ge": bound}.get(comparison, 0)
            high = {"lt": bound, "le": bound + 1}.get(comparison, axis.extent)
            return axis, low, high
    return None


def decompose_padding(s: Schedule, block: Block | str, loop: Var) -> str:
    """Fills the padding before ``loop`` and copies only the inside; returns the fill's name.

    ::

        for i in range(10):                              for i in range(10):
            P[i] = select((i >= 1) & (i < 9),    ->          P[i] = 0.0              # block P_pad
                          A[i - 1], 0.0)                 for i in range(8):
                                                             P[i + 1] = A[i + 1 - 1]

    The fill writes all that the block writes in one run of ``loop``. A loop over an axis that the
    condition limits to a range becomes shorter; other parts of the condition stay in the block.
    Refused where the block is not of this form, or where ``loop`` holds other blocks.
    """
    name = block_name(block)
    (made,) = s.take(DecomposePadding(name, loop))
    return made  # type: ignore[no-any-return]
