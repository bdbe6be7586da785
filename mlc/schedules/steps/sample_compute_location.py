"""sample_compute_location: a place for a block, drawn by chance or decided."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...ir.program import Block, For, Program, walk
from ...records import dataclass
from ..placement import INLINE
from ..refusal import Refusal
from ..step import Decision, Step, block_name, find_block
from .compute_at import ComputeAt
from .reverse_compute_at import ReverseComputeAt

if TYPE_CHECKING:
    from ..schedule import Schedule


UNDECIDED = INLINE - 1


@dataclass(frozen=True)
class SampleComputeLocation(Step):
    """Place ``decision`` for the block: the number of a loop in program order, -1 for where it is,
    -2 for inline. The program stays as it is."""

    block: str
    reverse: bool = False
    decision: int = UNDECIDED  # never taken: each place is written out, -1 too

    def check(self, program: Program) -> Refusal | str | None:
        find_block(program, self.block)
        return _move(self.block, self.reverse, self.decision).check(program)

    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        return program, (Decision(self.decision),)


def _move(block: str, reverse: bool, place: int) -> Step:
    return ReverseComputeAt(block, place) if reverse else ComputeAt(block, place)


def compute_locations(program: Program, block: str, reverse: bool) -> list[int]:
    """The places where the block could move: those where the step would be accepted."""
    places = _places(program)
    return [p for p in places if _move(block, reverse, p).check(program) is None]


def _places(program: Program) -> range:
    return range(INLINE, sum(1 for stmt in walk(program.body) if isinstance(stmt, For)))


def sample_compute_location(
    s: Schedule, block: Block | str, reverse: bool = False, decision: int | None = None
) -> int:
    """A place to compute ``block`` at, one of those that ``compute_at`` accepts; with ``reverse``,
    of those that ``reverse_compute_at`` does. ``decision`` names the place instead.

    ``place = s.sample_compute_location("p")``, then ``s.compute_at("p", place)``::

        for i in T.serial(8):                        for i in T.serial(8):
            with T.block("p"): ...           ->          with T.block("p"): ...
        for i in T.serial(8):                            with T.block("q"): ...
            with T.block("q"): ...

    The place is the number of a loop, counted from 0 in program order; -1 leaves the block where it
    is, -2 puts its formula into the blocks that read it (with ``reverse``, into the one that makes
    its input). The program stays as it is. Refused: a place where the block cannot move.
    """
    name = block_name(block)
    if decision is None:
        find_block(s.program, name)
        places = _places(s.program)  # in any order: the first that is accepted may be each
        tried = s.random.sample(places, len(places))
        decision = next(p for p in tried if _move(name, reverse, p).check(s.program) is None)
    (place,) = s.take(SampleComputeLocation(name, reverse, decision))
    return place  # type: ignore[no-any-return]
