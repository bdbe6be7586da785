"""pad_einsum: a contraction runs over padded copies, whose sizes are multiples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...ir.expr import Axis, Const, Expr, Load, Var, const, load, select
from ...ir.program import (
    Accumulate,
    Block,
    Buffer,
    For,
    Iter,
    Program,
    Stmt,
    Store,
    blocks_of,
    map_exprs,
)
from ...ir.rewrite import loads_of, rewrite, substitute, substitute_loads, variables_of
from ...ir.simplify import simplify
from ...records import dataclass, replace
from ..boxes import Box, all_of, box_nest, copy_nest, unique_name
from ..buffers import Indices, Redirect, fresh_buffer_name
from ..coverage import own_loops
from ..levels import level_of
from ..refusal import Refusal
from ..step import Step, block_name, find_block

if TYPE_CHECKING:
    from ..schedule import Schedule


@dataclass(frozen=True)
class PadEinsum(Step):
    """See :func:`pad_einsum`."""

    block: str
    paddings: tuple[int, ...]

    def check(self, program: Program) -> Refusal | str | None:
        block = find_block(program, self.block)
        loops = own_loops(program, block)
        if isinstance(loops, str):
            return loops
        if len(self.paddings) != len(block.iters) or any(p < 1 for p in self.paddings):
            return (
                f"wanted is one padding >= 1 for each of the {len(block.iters)} axes of block "
                f"{self.block!r}, got {list(self.paddings)}"
            )
        wrong = _form(block)
        if wrong is not None:
            return f"block {self.block!r} is no einsum: {wrong}"
        for axis, extent in self._extents(block).items():
            if axis.is_reduce and extent != axis.extent and self._pad(block) is None:
                return Refusal(
                    f"no value of the padding is known with which the points of block "
                    f"{self.block!r} outside of axis {axis.name} would change nothing",
                    fix="pad only spatial axes, or let every operand be indexed by that axis",
                    proven=False,
                )
        return None

    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        block = find_block(program, self.block)
        loops, extents = own_loops(program, block), self._extents(block)
        assert not isinstance(loops, str)
        assert isinstance(block.body, Accumulate)
        level = level_of(program, loops[0])
        pad = self._pad(block)
        made: list[str] = []
        fresh: list[Buffer] = []
        before: list[Stmt] = []
        after: list[Stmt] = []
        body: Block = block
        taken = {b.name for b in blocks_of(program.body)}
        out = block.body.buffers[0]
        for source, indices in (*_reads(block).items(), (out, block.body.indices)):
            axes = [i for i in indices if isinstance(i, Axis)]
            shape = tuple(extents[a] for a in axes)
            inner = tuple(a.extent for a in axes)
            if shape == inner:
                continue
            twin = Buffer(fresh_buffer_name(program, f"{source.name}_pad"), shape, source.dtype)
            name = unique_name(twin.name, taken)
            fresh.append(twin)
            made.append(name)
            body = Redirect(source, twin).block(body)
            if source is out:
                box = Box((const(0),) * len(inner), inner, inner)
                after.append(copy_nest(name, twin, out, box, level.around))
            else:
                before.append(_padded_copy(name, source, twin, inner, pad))
        nest = _wider(body, loops, extents)
        parts: list[Stmt] = []
        for part in level.parts:
            parts += [*before, nest, *after] if part is loops[0] else [part]
        return level.replaced(parts, tuple(fresh)), tuple(made)

    def _extents(self, block: Block) -> dict[Axis, int]:
        """The padded extent of each axis."""
        return {
            it.axis: -(-it.axis.extent // p) * p
            for it, p in zip(block.iters, self.paddings, strict=True)
        }

    def _pad(self, block: Block) -> Const | None:
        """The value that padded elements hold; None if none keeps every sum as it is."""
        body = block.body
        assert isinstance(body, Accumulate)
        identity = body.combiner.identity[0]
        padded = [a for a, n in self._extents(block).items() if a.is_reduce and n != a.extent]
        for value in (identity, const(0, identity.dtype)):
            if all(_vanishes(body.values[0], axis, value, identity) for axis in padded):
                return value
        return None


def _vanishes(value: Expr, axis: Axis, pad: Const, identity: Const) -> bool:
    """Whether ``value`` is the identity where every operand that ``axis`` indexes is padding."""

    def on(node: Load) -> Expr | None:
        if any(v is axis for index in node.indices for v in variables_of(index)):
            return _as(pad, node)
        return None

    return simplify(substitute_loads(value, on)) is identity


def _as(pad: Const | None, node: Load | Buffer) -> Expr:
    """The padding as an element of an operand's type; 0 where any value will do."""
    if pad is None:
        return const(0, node.dtype)
    if pad.dtype is node.dtype:
        return pad
    fits = pad.value == pad.value and abs(pad.value) != float("inf")
    if (
        fits
        and not node.dtype.is_float
        and not (node.dtype.lowest <= pad.value <= node.dtype.highest)
    ):
        return const(0, node.dtype)
    return pad.astype(node.dtype)


def _reads(block: Block) -> dict[Buffer, Indices]:
    assert isinstance(block.body, Accumulate)
    return {node.source: node.indices for node in loads_of(block.body.values[0])}


def _form(block: Block) -> str | None:
    """What keeps the block from being ``C[axes] += f(A[axes], B[axes], ...)`` with an init."""
    body, init = block.body, block.init
    if not isinstance(body, Accumulate) or len(body.buffers) != 1 or block.reads is not None:
        return "its body is not one accumulation into one buffer"
    if (
        not isinstance(init, Store)
        or init.buffer is not body.buffers[0]
        or any(a is not b for a, b in zip(init.indices, body.indices))
        or init.value is not body.combiner.identity[0]
    ):
        return "its init does not set what it accumulates to the identity"
    loads = loads_of(body.values[0])
    if len({node.source for node in loads}) != len(loads) or body.buffers[0] in _reads(block):
        return "it reads a buffer at several places, or the one it writes"
    for indices in (body.indices, *(node.indices for node in loads)):
        if len(set(indices)) != len(indices) or not all(isinstance(i, Axis) for i in indices):
            return f"[{', '.join(map(repr, indices))}] are not different axes"
    if any(i.is_reduce for i in body.indices if isinstance(i, Axis)):
        return "it writes at a reduce axis"
    outside: set[Var] = set()
    rest = rewrite(body.values[0], lambda n: const(0, n.dtype) if isinstance(n, Load) else None)
    outside.update(variables_of(rest))
    return "its value depends on the axes themselves" if outside else None


def _padded_copy(
    name: str, source: Buffer, twin: Buffer, inner: tuple[int, ...], pad: Const | None
) -> Stmt:
    def body(at: Indices) -> Stmt:
        tests = [i < n for i, n, wide in zip(at, inner, twin.shape, strict=True) if wide != n]
        test = all_of(*tests)
        assert test is not None
        return Store(twin, at, select(test, load(source, at), _as(pad, source)))

    return box_nest(name, body, Box.whole(twin), {})


def _wider(block: Block, loops: list[For], extents: dict[Axis, int]) -> Stmt:
    """The nest over the padded extents."""
    fresh = {axis: Axis(axis.name, n, axis.is_reduce) for axis, n in extents.items()}
    there: dict[Var, Expr] = dict(fresh.items())
    counts = {it.binding: extents[it.axis] for it in block.iters}
    assert block.init is not None
    out: Stmt = replace(
        block,
        iters=tuple(Iter(fresh[it.axis], it.binding) for it in block.iters),
        body=map_exprs(block.body, lambda e: substitute(e, there)),
        init=map_exprs(block.init, lambda e: substitute(e, there)),
    )
    for loop in reversed(loops):
        out = replace(loop, extent=counts[loop.var], body=out)
    return out


def pad_einsum(s: Schedule, block: Block | str, paddings: Sequence[int]) -> tuple[str, ...]:
    """Each axis of a contraction is padded to a multiple; returns the names of the copies.

    ::

        for i, j, k in T.grid(127, 127, 127):
            with T.block("C"):
                ...
                C[vi, vj] += A[vi, vk] * B[vk, vj]

        s.pad_einsum("C", [16, 16, 16]) ->

        for ax0, ax1 in T.grid(128, 128):
            with T.block("A_pad"):
                ...
                A_pad[v0, v1] = T.select((v0 < 127) & (v1 < 127), A[v0, v1], 0.0)
        ...
        for i, j, k in T.grid(128, 128, 128):
            with T.block("C"):
                ...
                C_pad[vi, vj] += A_pad[vi, vk] * B_pad[vk, vj]
        for ax0, ax1 in T.grid(127, 127):
            with T.block("C_pad"):
                ...
                C[v0, v1] = C_pad[v0, v1]

    There is one number for each axis of the block, in order. What is padded along a reduce axis
    holds a value with which the combination changes nothing (0 in a sum of products, the least
    number in a maximum). Refused where the block is no einsum, where there is no such value, and
    after its loops were split.
    """
    return s.take(PadEinsum(block_name(block), tuple(paddings)))
