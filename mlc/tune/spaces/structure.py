"""What a template asks of a block: its loops by role, how accesses go along each, and its work."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any

from ...ir.expr import Var
from ...ir.parts import alone, part_with_block
from ...ir.program import Block, For, Program, blocks_of
from ...ir.rewrite import variables_of
from ...looking.machine import Facts
from ...looking.nests import depends, stride_along
from ...schedules.legality.accesses import Access, accesses_of
from ...schedules.schedule import Schedule
from ...schedules.step import find_block, loops_around

_NEAR = (1, 2, 3, 4)  # elements between neighbours that vectors are still loaded from


@dataclass(frozen=True, eq=False)
class Nest:
    """A block with the loops around it: ``spatial`` ones feed axes that name what is written,
    ``reduce`` ones are combined away. Loops of one iteration are in ``all`` only."""

    name: str
    all: tuple[For, ...]
    spatial: tuple[Var, ...]
    reduce: tuple[Var, ...]
    extents: dict[Var, int]
    reads: tuple[Access, ...]
    writes: tuple[Access, ...]

    @property
    def points(self) -> int:
        """How often the body runs."""
        return prod(loop.extent for loop in self.all)

    def step(self, access: Access, var: Var) -> int | None:
        """Elements between what two neighbours along the loop touch; None where it varies."""
        return stride_along(access, var)

    @property
    def itemsize(self) -> int:
        """The widest element it touches, in bytes."""
        return max((a.buffer.dtype.itemsize for a in (*self.reads, *self.writes)), default=4)

    @property
    def lane_loop(self) -> Var | None:
        """The spatial loop along which results are neighbours in memory."""
        for var in reversed(self.spatial):
            if all(self.step(a, var) == 1 for a in self.writes):
                return var
        return None

    def reused(self, var: Var) -> int:
        """How many reads stay the same along the loop."""
        return sum(not depends(a, var) for a in self.reads)

    @property
    def is_contraction(self) -> bool:
        """Whether it folds, and some operand is used again along another spatial loop."""
        lanes = self.lane_loop
        if not self.reduce or lanes is None or len(self.reads) < 2:
            return False
        return any(self.reused(v) for v in self.spatial)

    @property
    def is_stencil(self) -> bool:
        """Whether it folds, and neighbours among the results come from what lies close together."""
        lanes = self.lane_loop
        if not self.reduce or lanes is None:
            return False
        return any(self.step(a, lanes) in _NEAR for a in self.reads)


def nest_of(program: Program, name: str) -> Nest:
    """The nest of the block called ``name``."""
    part = part_with_block(program, name)
    return _nest_of(program if part is None else alone(program, part), name)


@lru_cache(maxsize=1024)  # templates ask for the same parts of programs again
def _nest_of(program: Program, name: str) -> Nest:
    block = find_block(program, name)
    loops = tuple(loops_around(program, name))
    live = [loop.var for loop in loops if loop.extent > 1]
    folded = {v for it in block.iters if it.axis.is_reduce for v in variables_of(it.binding)}
    rows = [row for row in accesses_of(program).rows if row.block == name and not row.is_init]
    return Nest(
        name,
        loops,
        tuple(v for v in live if v not in folded),
        tuple(v for v in live if v in folded),
        {loop.var: loop.extent for loop in loops},
        tuple(row for row in rows if row.kind == "read"),
        tuple(row for row in rows if row.kind != "read"),
    )


def nests_of(program: Program) -> list[Nest]:
    """The nests of all blocks, in program order."""
    return [nest_of(program, block.name) for block in blocks_of(program.body)]


def is_plain(program: Program) -> bool:
    """Whether templates may take the program apart: serial loops, and blocks of one level."""
    blocks = blocks_of(program.body)
    nested = any(isinstance(inner, Block) for b in blocks for inner in blocks_of(b.body))
    loops = [loop for b in blocks for loop in loops_around(program, b.name)]
    return bool(blocks) and not nested and all(loop.kind.value == "serial" for loop in loops)


@dataclass(frozen=True)
class Context:
    """What templates know beside the schedule: the machine, and how much work is worth threads."""

    facts: Facts
    constants: tuple[int, ...] = ()  # params that are the same arrays in every call

    def is_constant(self, s: Schedule, access: Access) -> bool:
        """Whether what is read never changes: what depends on it alone is done once."""
        return any(access.buffer is s.program.params[n] for n in self.constants)

    def lanes(self, nest: Nest) -> int:
        """Elements in a vector register."""
        return self.facts.lanes(nest.itemsize)


def sampled(s: Schedule, options: list[int], weights: list[float] | None = None) -> Any:
    """One of ``options``, which the trace names; the heaviest is what an expert would take.

    Where there is no choice nothing is sampled, so that nothing is printed.
    """
    if len(options) == 1:
        return options[0]
    return s.sample_categorical(options, weights)


def among(var: Var, others: Iterable[Var]) -> bool:
    """Whether the loop is one of ``others``."""
    return any(var is other for other in others)


def depth_of(s: Schedule, name: str, var: Var) -> int:
    """How many loops around the block there are down to ``var``, that one counted."""
    return next(n for n, loop in enumerate(s.loops(name), 1) if loop is var)


def extent_of(s: Schedule, var: Var) -> int:
    """The extent of a loop of the current program."""
    from ...schedules.step import find_loop

    return find_loop(s.program, var).extent
