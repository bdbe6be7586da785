"""cache_read: consumers read a copy of a buffer, in another memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...ir.program import Allocate, Block, Buffer, Program, blocks_of, reads_of
from ...records import dataclass
from ..boxes import Box, copy_name, copy_nest
from ..buffers import (
    Redirect,
    cached_twin,
    chosen_buffer,
    find_buffer,
    is_called_with,
    is_passed,
    redirect_blocks,
    scope_violation,
    untouched,
)
from ..coverage import going_stale
from ..legality.accesses import Access
from ..legality.conflict import Conflict
from ..levels import Level, holds, home_of
from ..refusal import Refusal
from ..regions import buffers_read, buffers_written, region_in, union
from ..step import Step, block_name, find_block

if TYPE_CHECKING:
    from ..schedule import Schedule


@dataclass(frozen=True, eq=False)
class Place:
    """Where a copy goes: before part ``first`` of ``level``; the parts up to ``last`` hold the
    consumers.

    ``is_moved`` says that this is inside of loops in which the buffer is written.
    """

    level: Level
    first: int
    last: int
    is_moved: bool
    refusal: Refusal | None = None


@dataclass(frozen=True)
class CacheRead(Step):
    """See :func:`cache_read`. ``buffer`` is the key of a buffer that ``block`` reads."""

    block: str
    buffer: str
    scope: str
    consumers: tuple[str, ...] | None = None

    def check(self, program: Program) -> Refusal | str | None:
        return self._misfit(program) or self.place(program).refusal

    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        place = self.place(program)
        level, first, last = place.level, place.first, place.last
        source = find_buffer(program, self.buffer)
        twin = cached_twin(program, source, self.scope)
        redirect = Redirect(source, twin, writes=False)
        parts = list(level.parts)
        box = Box.whole(source)
        if level.loops:
            regions = (region_in(part, source) for part in parts[first : last + 1])
            region = union([r for r in regions if r is not None], {})
            assert region is not None
            box = Box.of(region, level.around)
        names = self._names(program, source)
        for n in range(first, last + 1):
            parts[n] = redirect_blocks(parts[n], names, redirect)
        name = copy_name(program, twin)
        parts.insert(first, copy_nest(name, source, twin, box, level.around))
        return level.replaced(parts, (twin,)), (name,)

    def _misfit(self, program: Program) -> str | None:
        """Why the step makes no sense for the program."""
        wrong = scope_violation(self.scope)
        if wrong is not None:
            return wrong
        source = find_buffer(program, self.buffer)
        wrong = untouched(program, self.block, source, "reads")
        if wrong is not None:
            return wrong
        for name in sorted(self._names(program, source)):
            block = find_block(program, name)
            if source not in buffers_read(block):
                return f"block {name!r} does not read {source.name}"
            if source in buffers_written(block) and is_called_with(block, source):
                return (
                    f"block {name!r} hands {source.name} to a call that writes it as well, and "
                    f"would write the copy; use s.cache_write({name!r}, {source.name!r}, "
                    f"{self.scope!r})"
                )
            if all(n.source is not source for n in reads_of(block)) and not is_passed(
                block, source
            ):
                return (
                    f"block {name!r} adds to {source.name} and reads it for nothing else; use "
                    f"s.cache_write({name!r}, {source.name!r}, {self.scope!r})"
                )
        return None

    def _names(self, program: Program, source: Buffer) -> set[str]:
        """The blocks that are to read the copy."""
        if self.consumers is not None:
            return {self.block, *self.consumers}
        readers = [b for b in blocks_of(program.body) if source in buffers_read(b)]
        outer = {b.name for b in readers if any(i is not b and i in readers for i in blocks_of(b))}
        return {b.name for b in readers if b.name not in outer}

    def place(self, program: Program) -> Place:
        """As far out as the buffer is not changed between the copy and its consumers."""
        source = find_buffer(program, self.buffer)
        names = self._names(program, source)
        level, is_moved = home_of(program, source), False
        while True:
            parts = level.parts
            reading = [n for n, part in enumerate(parts) if holds(part, names)]
            first, last = reading[0], reading[-1]
            used = parts[first : last + 1]
            is_changed = any(region_in(part, source, "write") is not None for part in used)
            stale = None
            if is_changed:
                stale = going_stale(program, used, level.loops, source, names)
            inner = level.inside(parts[first], names) if first == last else None
            if stale is None and not (inner and isinstance(parts[first], Allocate)):
                return Place(level, first, last, is_moved)
            if inner is None:
                assert stale is not None
                return Place(level, first, last, is_moved, self._stale(*stale))
            is_moved = is_moved or not isinstance(parts[first], Allocate)
            level = inner

    def _stale(self, found: Conflict, write: Access, read: Access) -> Refusal:
        rule = (
            f"block {write.block!r} writes {write.buffer.name} after the copy is made and before "
            f"block {read.block!r} reads it"
        )
        fix = "name in consumers=[...] only blocks that read the buffer as it is before this write"
        if write.block == read.block:
            fix = f"use cache_write({write.block!r}, {write.buffer.name!r}): one cache for both"
        return Refusal(rule, found.witness, fix, proven=found.is_certain)


def cache_read(
    s: Schedule,
    block: Block | str,
    buffer: Buffer | str | int,
    scope: str,
    consumers: Sequence[Block | str] | None = None,
) -> str:
    """The consumers of ``buffer`` read a copy of it in ``scope``; returns the new block's name.

    ::

        for i in range(8):                      A_local = alloc((8,), scope="local")
            B[i] = A[i] * 2                     for ax0 in range(8):
                                      ->            A_local[ax0] = A[ax0]      # block A_local
                                                for i in range(8):
                                                    B[i] = A_local[i] * 2

    ``buffer`` is one that ``block`` reads: itself, its name, or its number among them. All blocks
    that read it become consumers unless ``consumers`` names some; ``block`` is one always. The copy
    is made as far out as possible, right before the first consumer; compute_at brings it nearer.
    If the buffer is written in the same loop, the copy goes into that loop; there it holds no more
    than what its consumers read in one iteration. Refused where the buffer changes between the copy
    and its last reader.
    """
    name = block_name(block)
    key = chosen_buffer(s.program, find_block(s.program, name), buffer, "reads")
    names = None if consumers is None else tuple(block_name(b) for b in consumers)
    (made,) = s.take(CacheRead(name, key, scope, names))
    return made  # type: ignore[no-any-return]
