"""transform_layout: the elements of a buffer lie elsewhere, in another shape."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ...ir.expr import Const, Expr, Var, as_expr
from ...ir.program import Accumulate, Block, Buffer, For, LoopKind, Program, Stmt, Store, walk
from ...ir.simplify import simplify
from ...records import dataclass
from ..boxes import Box, all_of, box_nest
from ..buffers import Indices, Redirect, allocated_violation, chosen_buffer, find_buffer, is_passed
from ..index_map import IndexMap, index_map
from ..levels import home_of
from ..refusal import Refusal
from ..regions import buffers_written
from ..step import Step, block_name, find_block, fresh_block_name, operand_text

if TYPE_CHECKING:
    from ..schedule import Schedule


@dataclass(frozen=True)
class TransformLayout(Step):
    """See :func:`transform_layout`. ``buffer`` is a key; ``index_map`` the text of a lambda."""

    buffer: str
    index_map: str
    pad_value: int | float | bool | None = None

    def check(self, program: Program) -> Refusal | str | None:
        buffer = find_buffer(program, self.buffer)
        wrong = allocated_violation(program, buffer, "how it lies in memory")
        if wrong is not None:
            return wrong
        if buffer.strides is not None:
            return f"{buffer.name} is aligned already; transform its layout before storage_align"
        if is_passed(program.body, buffer):
            return f"{buffer.name} is passed to a call as a box; transform its layout before that"
        for node in walk(program.body):
            if isinstance(node, Accumulate) and buffer in node.buffers and len(node.buffers) > 1:
                return (
                    f"{buffer.name} is reduced into together with other buffers, at the same "
                    "indices; its layout cannot change alone"
                )
        mapping = index_map(self.index_map, buffer.ndim)
        shape = mapping.extents(buffer.shape)
        if isinstance(shape, str):
            return shape
        if mapping.inverse(buffer.shape, mapping.results) is None:
            pair = mapping.collision(buffer.shape)
            if pair is not None:
                one, two = (", ".join(map(str, point)) for point in pair)
                return Refusal(
                    f"the index map is not injective: {buffer.name}[{one}] and {buffer.name}"
                    f"[{two}] would be one element",
                    fix="keep what tells them apart as an index of its own",
                )
            if buffer.size > 1 << 20:
                return Refusal("it is not shown that the index map is injective", proven=False)
        left = math.prod(shape) - buffer.size
        if left and self.pad_value is None:
            return (
                f"the index map makes {math.prod(shape)} elements of {buffer.size}: give "
                f"pad_value=..., which the {left} others get"
            )
        if left and self.pad_value is not None:
            around = set(home_of(program, buffer).loops)
            if any(
                isinstance(n, For) and n.var in around and n.kind is LoopKind.VECTORIZED
                for n in walk(program.body)
            ):
                return f"{buffer.name} is allocated in a vectorized loop, which can hold no padding"
        if self.pad_value is not None and not self._pads(buffer):
            return f"pad_value={self.pad_value!r} is no {buffer.dtype}"
        return None

    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        old = find_buffer(program, self.buffer)
        mapping = index_map(self.index_map, old.ndim)
        shape = mapping.extents(old.shape)
        assert not isinstance(shape, str)
        new = Buffer(old.name, shape, old.dtype, None, old.scope, old.aligned)
        changed = program.with_body(Redirect(old, new, mapping)(program.body))
        if math.prod(shape) == old.size:
            return changed, ()
        level = home_of(changed, new)
        name = fresh_block_name(program, f"{old.name}_pad")
        return level.replaced((self._fill(name, old, new, mapping), *level.parts), ()), (name,)

    def _pads(self, buffer: Buffer) -> bool:
        value = as_expr(self.pad_value, buffer.dtype)
        return isinstance(value, Const) and value.dtype is buffer.dtype

    def _fill(self, name: str, old: Buffer, new: Buffer, mapping: IndexMap) -> Stmt:
        """The block that writes the padding; all of ``new`` where it is not known which that is."""
        value = as_expr(self.pad_value, new.dtype)

        def outside(indices: Indices, extents: Mapping[Var, int]) -> Expr | None:
            back = mapping.inverse(old.shape, indices)
            if back is None:
                return None
            inside = [i < n for i, n in zip(back, old.shape, strict=True)]
            again = zip(mapping(back), indices, strict=True)
            inside += [a.__eq__(b) for a, b in again if a is not b]
            test = all_of(*(simplify(t, extents) for t in inside))
            assert test is not None
            return simplify(~test, extents)

        return box_nest(name, lambda at: Store(new, at, value), Box.whole(new), {}, outside)

    def text(self, names: Mapping[Any, str]) -> str:
        """The map stands there as a lambda."""
        pad = "" if self.pad_value is None else f", pad_value={self.pad_value!r}"
        return (
            f"s.transform_layout(None, {operand_text(self.buffer, names)}, {self.index_map}{pad})"
        )


def transform_layout(
    s: Schedule,
    block: Block | str | None,
    buffer: Buffer | str | int,
    index_map: Callable[..., Any] | str,
    pad_value: int | float | bool | None = None,
) -> str | None:
    """Element ``[i, j]`` of a buffer moves to ``index_map(i, j)``; every access follows.

    ::

        t = alloc((32, 8))                     t = alloc((2, 8, 16))
        for i, j in grid(32, 8):               for i, j in grid(32, 8):
            t[i, j] = A[i, j]          ->          t[i // 16, j, i % 16] = A[i, j]
        for i, j in grid(32, 8):               for i, j in grid(32, 8):
            B[i, j] = t[i, j]                      B[i, j] = t[i // 16, j, i % 16]

    shows ``transform_layout("t", "t", lambda i, j: (i // 16, j, i % 16))``. ``buffer`` is one that
    ``block`` touches (its number counts those it writes); ``block`` may be None for a buffer or its
    name. Where the new shape has more elements than the old, ``pad_value`` is what a new block,
    whose name is returned, writes into the others. Refused: a map that takes two elements to one;
    parameters of the program, which lie as the caller says (use cache_read or cache_write first).
    """
    from ..index_map import index_map as as_map

    program = s.program
    if block is None:
        from ..buffers import buffer_key

        key = buffer_key(program, buffer) if isinstance(buffer, Buffer) else str(buffer)
    else:
        node = find_block(program, block_name(block))
        written = isinstance(buffer, int) or any(
            b is buffer or b.name == buffer for b in buffers_written(node)
        )
        key = chosen_buffer(program, node, buffer, "writes" if written else "reads")
    mapping = as_map(index_map, find_buffer(program, key).ndim)
    made = s.take(TransformLayout(key, mapping.text, pad_value))
    return made[0] if made else None
