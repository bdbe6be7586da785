"""cache_write: a block writes into another memory, and a copy of that is written back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...errors import ScheduleError
from ...ir.expr import Expr, Var
from ...ir.program import Allocate, Block, Buffer, For, Program, Seq, blocks_of, walk
from ...ir.rewrite import variables_of
from ...records import dataclass
from ..boxes import Box, copy_name, copy_nest
from ..buffers import (
    Redirect,
    cached_twin,
    chosen_buffer,
    find_buffer,
    scope_violation,
    untouched,
)
from ..coverage import covers, exact_writes, is_made_before
from ..levels import Level, holds, home_of
from ..placement import feeding
from ..refusal import Refusal
from ..regions import buffers_read, buffers_written, region_in
from ..step import Step, block_name, find_block

if TYPE_CHECKING:
    from ..schedule import Schedule


@dataclass(frozen=True, eq=False)
class _Plan:
    """Parts ``first`` to ``last`` of ``level`` use the cache; ``box`` is written back."""

    level: Level
    first: int
    last: int
    box: Box
    refusal: Refusal | None


@dataclass(frozen=True)
class CacheWrite(Step):
    """See :func:`cache_write`. ``buffer`` is the key of a buffer that ``block`` writes."""

    block: str
    buffer: str
    scope: str

    def check(self, program: Program) -> Refusal | str | None:
        target = find_buffer(program, self.buffer)
        problem = scope_violation(self.scope) or untouched(program, self.block, target, "writes")
        return problem or self._plan(program).refusal

    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        plan = self._plan(program)
        target = find_buffer(program, self.buffer)
        twin = cached_twin(program, target, self.scope)
        redirect = Redirect(target, twin)
        parts = list(plan.level.parts)
        for n in range(plan.first, plan.last + 1):
            parts[n] = redirect(parts[n])
        name = copy_name(program, twin)
        back = copy_nest(name, twin, target, plan.box, plan.level.around)
        parts.insert(plan.last + 1, back)
        return plan.level.replaced(parts, (twin,)), (name,)

    def _plan(self, program: Program) -> _Plan:
        target = find_buffer(program, self.buffer)
        find_block(program, self.block)
        level = self.level(program, target)
        parts = level.parts
        last = next(n for n, part in enumerate(parts) if holds(part, {self.block}))
        first = last
        if any(target in buffers_read(b) for b in blocks_of(parts[last])):
            first = next(
                n for n in range(last + 1) if region_in(parts[n], target, "write") is not None
            )
        inside = Seq(parts[first : last + 1])
        refusal = self._unmade(program, inside, target)
        exact = exact_writes(parts[last], self.block, target)
        written = region_in(inside, target, "write")
        assert written is not None
        if exact is None or not covers(exact, written):
            exact = None
            refusal = refusal or Refusal(
                f"it is not shown that block {self.block!r} writes every element of "
                f"{target.name} that is copied back from the cache",
                fix="take the step before the loops of the block are split, fused or cut",
                proven=False,
            )
        box = exact or Box.of(written, level.around)
        return _Plan(level, first, last, box, refusal)

    def level(self, program: Program, target: Buffer) -> Level:
        """Where the cache lives: as far out as the buffer, inside the allocations around."""
        level, names = home_of(program, target), {self.block}
        if not any(holds(part, names) for part in level.parts):
            raise ScheduleError(
                f"{target.name} exists only inside block {self.block!r}; "
                "cache it for a block that stands in there"
            )
        while True:
            parts = level.parts
            here = next(n for n, part in enumerate(parts) if holds(part, names))
            before = any(region_in(p, target, "write") is not None for p in parts[:here])
            inner = level.inside(parts[here], names)
            if before or inner is None or not isinstance(parts[here], Allocate):
                return level
            level = inner

    def _unmade(self, program: Program, inside: Seq, target: Buffer) -> Refusal | None:
        """Why a read of the cache might need what was in the buffer before."""
        blocks = blocks_of(inside)
        own = {n.var for n in walk(inside) if isinstance(n, For)}
        own |= {it.axis for b in blocks for it in b.iters}
        for block in blocks:
            around = _resolved(feeding(block, reduce=True), blocks) - own
            if block.init is not None and around and target in buffers_written(block):
                names = ", ".join(sorted(var.name for var in around))
                return Refusal(
                    f"block {block.name!r} goes on in later iterations of {names} with what "
                    f"{target.name} holds, and its init is not run in them",
                    fix=f"decompose the reduction at {names}, or allocate {target.name} outside",
                    proven=False,
                )
        if not any(b is target for b in program.params):
            return None
        readers = [b for b in blocks if target in buffers_read(b)]
        makers = [b for b in blocks if target in buffers_written(b) and b not in readers]
        for reader in readers:
            if any(any(i is b for i in readers) for b in blocks_of(reader.body)):
                continue
            if any(is_made_before(inside.stmts, m.name, reader.name, target) for m in makers):
                continue
            return Refusal(
                f"block {reader.name!r} reads {target.name}, and it is not shown that what it "
                "reads is written into the cache before",
                fix=f"initialise {target.name} in the same loops, or cache a buffer that the "
                "program allocates",
                proven=False,
            )
        return None


def _resolved(variables: set[Var], blocks: Sequence[Block]) -> set[Var]:
    """``variables``, and what those that are axes of ``blocks`` are bound to."""
    bound: dict[Var, Expr] = {it.axis: it.binding for b in blocks for it in b.iters}
    found, todo = set(variables), list(variables)
    while todo:
        binding = bound.get(todo.pop())
        fresh = set() if binding is None else set(variables_of(binding)) - found
        found |= fresh
        todo += fresh
    return found


def cache_write(s: Schedule, block: Block | str, buffer: Buffer | str | int, scope: str) -> str:
    """``block`` writes a cache in ``scope``; a new block, whose name is returned, writes it back.

    ::

        for i in range(8):                      C_local = alloc((8,), scope="local")
            for k in range(4):                  for i in range(8):
                if k == 0:                          for k in range(4):
                    C[i] = 0.0        ->                if k == 0:
                C[i] += A[i, k]                             C_local[i] = 0.0
                                                        C_local[i] += A[i, k]
                                                for ax0 in range(8):
                                                    C[ax0] = C_local[ax0]      # block C_local

    ``buffer`` is one that ``block`` writes: itself, its name, or its number among them. All that
    happens to the buffer in the outermost loop around the block happens to the cache, the block's
    init included; where the block continues what earlier loops began (an init of its own, an
    update) so do they. reverse_compute_at brings the copy nearer. Refused where elements might be
    written back that were not written into the cache, or read from it before they are.
    """
    name = block_name(block)
    key = chosen_buffer(s.program, find_block(s.program, name), buffer, "writes")
    (made,) = s.take(CacheWrite(name, key, scope))
    return made  # type: ignore[no-any-return]
