"""reindex: a block reaches a buffer through another one, whose axes are the block's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...ir.bounds import interval
from ...ir.expr import Axis, Expr, Load, Var, const, load
from ...ir.program import (
    Block,
    Buffer,
    Program,
    Region,
    Stmt,
    Store,
    blocks_of,
    expressions_of,
    map_exprs,
    walk,
    writes_of,
)
from ...ir.rewrite import loads_of, postorder, rewrite, substitute, variables_of
from ...records import dataclass, replace
from ..boxes import Box, box_nest, copy_name
from ..buffers import (
    Indices,
    Redirect,
    buffer_key,
    chosen_buffer,
    find_buffer,
    fresh_buffer_name,
    is_passed,
    redirect_blocks,
    untouched,
)
from ..coverage import covers, exact_writes
from ..levels import Level, holds
from ..refusal import Refusal
from ..regions import buffers_read, buffers_written
from ..step import Step, block_name, find_block, rebuild
from .cache_read import CacheRead
from .cache_write import CacheWrite

if TYPE_CHECKING:
    from ..schedule import Schedule


@dataclass(frozen=True)
class Reindex(Step):
    """See :func:`reindex`. ``buffer`` is the key of a buffer that ``block`` touches, ``place``
    counts where it does."""

    block: str
    buffer: str
    place: int | None = None

    def check(self, program: Program) -> Refusal | str | None:
        found = self._access(program)
        if isinstance(found, str):
            return found
        block, buffer = find_block(program, self.block), find_buffer(program, self.buffer)
        if buffer not in buffers_written(block):
            place = CacheRead(self.block, self.buffer, buffer.scope.value, ()).place(program)
            if place.refusal is None and place.is_moved:
                return (
                    f"{buffer.name} is written in the loops around block {self.block!r}; take this "
                    "step before compute_at"
                )
            return place.refusal
        if buffer in buffers_read(block):
            return f"block {self.block!r} reads {buffer.name}, which it writes, as well"
        axes, _ = found
        if self.place is not None:
            return f"block {self.block!r} writes {buffer.name}, which it does at one place"
        missing = [
            it.axis.name
            for it in block.iters
            if it.axis.extent > 1 and it.axis.is_reduce == any(it.axis is a for a in axes)
        ]
        if missing:
            return f"block {self.block!r} does not write {buffer.name} once at each spatial point"
        level, n = self._site(program, buffer)
        for other in blocks_of(level.parts[n]):
            if other.name != self.block and (
                buffer in buffers_written(other) or buffer in buffers_read(other)
            ):
                return (
                    f"block {other.name!r} uses {buffer.name} in the same loops; take this step "
                    "before compute_at or decompose_reduction"
                )
        twin = self._twin(program, buffer, axes)
        part = self._redirected(level.parts[n], buffer, twin, found)
        exact = exact_writes(part, self.block, twin)
        zeros: Indices = (const(0),) * twin.ndim
        if exact is None or not covers(exact, Region(twin, zeros, twin.shape)):
            return Refusal(
                f"it is not shown that block {self.block!r} runs at all of its points",
                fix="take the step before its loops are split, fused or cut",
                proven=False,
            )
        return None

    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        found = self._access(program)
        assert not isinstance(found, str)
        axes, indices = found
        block, buffer = find_block(program, self.block), find_buffer(program, self.buffer)
        twin = self._twin(program, buffer, axes)
        name = copy_name(program, twin)
        is_written = buffer in buffers_written(block)

        def copied(at: Indices) -> Stmt:
            mapping: dict[Var, Expr] = dict(zip(axes, at, strict=True))
            there = tuple(substitute(index, mapping) for index in indices)
            if is_written:
                return Store(buffer, there, load(twin, at))
            return Store(twin, at, load(buffer, there))

        if is_written:
            level, n = self._site(program, buffer)
        else:
            place = CacheRead(self.block, self.buffer, buffer.scope.value, ()).place(program)
            level, n = place.level, place.first
        parts = list(level.parts)
        parts[n] = self._redirected(parts[n], buffer, twin, found)
        parts.insert(n + is_written, box_nest(name, copied, Box.whole(twin), level.around))
        return level.replaced(parts, (twin,)), (name,)

    def _site(self, program: Program, buffer: Buffer) -> tuple[Level, int]:
        level = CacheWrite(self.block, self.buffer, buffer.scope.value).level(program, buffer)
        return level, next(n for n, part in enumerate(level.parts) if holds(part, {self.block}))

    def _twin(self, program: Program, buffer: Buffer, axes: tuple[Axis, ...]) -> Buffer:
        name = fresh_buffer_name(program, f"{buffer.name}_reindex")
        shape = tuple(axis.extent for axis in axes)
        return Buffer(name, shape, buffer.dtype, scope=buffer.scope)

    def _redirected(
        self, part: Stmt, old: Buffer, new: Buffer, found: tuple[tuple[Axis, ...], Indices]
    ) -> Stmt:
        axes, indices = found
        if self.place is None:
            return redirect_blocks(part, {self.block}, Redirect(old, new, lambda _: axes))
        here, there = load(old, indices), load(new, axes)

        def redirected(expr: Expr) -> Expr:
            return rewrite(expr, lambda node: there if node is here else None)

        def on(node: Stmt) -> Stmt | None:
            if not isinstance(node, Block) or node.name != self.block:
                return None
            body = map_exprs(node.body, redirected)
            return replace(node, body=body)

        return rebuild(part, on)

    def _access(self, program: Program) -> tuple[tuple[Axis, ...], Indices] | str:
        """The axes that index the buffer, and the indices; or why there are no such."""
        block, buffer = find_block(program, self.block), find_buffer(program, self.buffer)
        name = buffer.name
        if len(blocks_of(block)) > 1 or is_passed(block, buffer):
            return f"block {self.block!r} holds other blocks, or passes {name} to a call as a box"
        inside = (*walk(block.body), *(() if block.init is None else walk(block.init)))
        found: dict[Indices, None] = {}
        for stmt in inside:
            for expr in expressions_of(stmt):
                found |= {n.indices: None for n in loads_of(expr) if n.source is buffer}
            found |= {indices: None for b, indices in _direct_writes(stmt) if b is buffer}
        wrong = untouched(program, self.block, buffer, "reads", "writes")
        if wrong is not None:
            return wrong
        shown = " and ".join(f"{name}[{', '.join(map(repr, at))}]" for at in found)
        if self.place is None and len(found) != 1:
            way = ""
            if buffer not in buffers_written(block):
                way = "; place=0 or another number says which"
            return f"block {self.block!r} touches {shown}; wanted is one place{way}"
        if self.place is not None and not 0 <= self.place < len(found):
            return f"block {self.block!r} touches {shown}; there is no place {self.place}"
        if self.place is not None and block.reads is not None:
            return f"block {self.block!r} declares what it reads; leave out place"
        indices = list(found)[self.place or 0]
        used = {v for index in indices for v in variables_of(index)}
        axes = tuple(it.axis for it in block.iters if it.axis in used)
        if len(axes) != len(used) or any(
            isinstance(node, Load) for index in indices for node in postorder(index)
        ):
            return f"{name}[{', '.join(map(repr, indices))}] is indexed by more than axes"
        for index, size in zip(indices, buffer.shape, strict=True):
            low, high = interval(index, {})
            if low < 0 or high >= size:
                return (
                    f"index {index!r} leaves {buffer!r} where the block does not look; use "
                    "s.decompose_padding first"
                )
        return axes, indices


def _direct_writes(stmt: Stmt) -> list[tuple[Buffer, Indices]]:
    return writes_of(stmt) if not isinstance(stmt, Block) else []


def reindex(
    s: Schedule, block: Block | str, buffer: Buffer | str | int, place: int | None = None
) -> str:
    """``block`` reaches ``buffer`` through a buffer indexed by its axes; returns the copy's name.

    ::

        for i, j in grid(8, 4):                  A_reindex = alloc((8, 4))
            B[i, j] = A[j, i * 2]        ->      for ax0, ax1 in grid(8, 4):
                                                     A_reindex[ax0, ax1] = A[ax1, ax0 * 2]
                                                 for i, j in grid(8, 4):
                                                     B[i, j] = A_reindex[i, j]

    The axes are those of the block that the indices speak of, in its order. A number counts what
    the block reads; a buffer or name may be one that it writes, and then the copy comes after it.
    The layout of the new buffer is free: see transform_layout. A buffer that is read at several
    places, as ``A`` in ``A[i, k] * A[j, k]``, gets a copy for the one that ``place`` counts.
    Refused where the block touches the buffer at several places otherwise, or out of its bounds
    under a condition, and where cache_read and cache_write would be.
    """
    name = block_name(block)
    node = find_block(s.program, name)
    read = isinstance(buffer, int) or any(
        b is buffer or buffer in (b.name, buffer_key(s.program, b)) for b in buffers_read(node)
    )
    key = chosen_buffer(s.program, node, buffer, "reads" if read else "writes")
    (made,) = s.take(Reindex(name, key, place))
    return made  # type: ignore[no-any-return]
