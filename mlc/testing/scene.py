"""What a random step may speak of: the loops, blocks and buffers of one program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..ir.expr import Var
from ..ir.program import Block, Buffer, For, Program
from ..schedules.regions import buffers_read, buffers_written
from ..schedules.schedule import Schedule
from ..schedules.step import Decision, loops_around
from .choices import Choices


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a method of a schedule."""

    name: str
    args: tuple[Any, ...]
    options: tuple[tuple[str, Any], ...] = ()

    def take(self, schedule: Schedule, unsafe: bool = False) -> Any:
        """Takes the step; raises what the method raises."""
        more = {"unsafe": True} if unsafe else {}
        return getattr(schedule, self.name)(*self.args, **dict(self.options), **more)

    def __str__(self) -> str:
        parts = [getattr(a, "name", None) or repr(a) for a in self.args]
        parts += [f"{key}={value!r}" for key, value in self.options]
        return f"{self.name}({', '.join(parts)})"


@dataclass(frozen=True)
class Scene:
    """What steps may speak of in one program."""

    program: Program
    choices: Choices
    loops: list[For]
    blocks: list[Block]
    decisions: list[Decision]

    def block(self) -> Block:
        return self.choices.pick(self.blocks)

    def loop(self) -> Var:
        """A loop, mostly one around a block."""
        return self.choices.pick(self.loops).var

    def loops_of(self, block: Block) -> list[Var]:
        """The loops around a block, outermost first."""
        return [loop.var for loop in loops_around(self.program, block.name)]

    def loop_of(self, block: Block) -> Var:
        """A loop around ``block``, or now and then another."""
        own = self.loops_of(block)
        if not own or self.choices.one_in(8):
            return self.loop()
        return self.choices.pick(own)

    def extent(self, var: Var) -> int:
        return next(loop.extent for loop in self.loops if loop.var is var)

    def factor(self) -> Any:
        """A small number, perhaps one that was sampled."""
        if self.decisions and self.choices.one_in(2):
            return self.choices.pick(self.decisions)
        return self.choices.pick((2, 4, 3, 1, 5))

    def read_by(self, block: Block) -> Any:
        """A buffer that ``block`` reads, mostly."""
        return self.one_of(buffers_read(block))

    def written_by(self, block: Block) -> Any:
        return self.one_of(buffers_written(block))

    def one_of(self, buffers: Sequence[Buffer]) -> Any:
        if not buffers or self.choices.one_in(10):
            return self.choices.below(3)
        return self.choices.pick(buffers)
