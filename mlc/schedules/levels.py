"""Where statements stand one after the other, and where a buffer exists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..errors import ScheduleError
from ..ir.expr import Var
from ..ir.program import (
    Allocate,
    Block,
    Buffer,
    For,
    If,
    Program,
    Seq,
    Stmt,
    blocks_of,
    seq,
)
from ..records import replace
from .step import rebuild


def holds(stmt: Stmt, names: set[str]) -> bool:
    """Whether a block in ``stmt`` is called so."""
    return any(b.name in names for b in blocks_of(stmt))


@dataclass(frozen=True, eq=False)
class Level:
    """Statements that run one after the other, and how to put others in their place.

    ``around`` holds the extents of the loops and axes that they may speak of, ``loops`` are all
    loops around them; ``holder`` is the Allocate whose body they are, if any, else ``site`` is what
    they are.
    """

    program: Program
    site: Stmt
    holder: Allocate | None
    around: Mapping[Var, int]
    loops: tuple[Var, ...] = ()

    @property
    def parts(self) -> tuple[Stmt, ...]:
        """The statements, in order."""
        return self.site.stmts if isinstance(self.site, Seq) else (self.site,)

    def inside(self, part: Stmt, names: set[str]) -> Level | None:
        """The level in ``part`` that holds all those of its blocks that are called so; None if
        ``part`` is one of them, or if they stand on both sides of a condition."""
        match part:
            case Allocate(body=body):
                return Level(self.program, body, part, self.around, self.loops)
            case For(var=var, extent=extent, body=body):
                around = {**self.around, var: extent}
                return Level(self.program, body, None, around, (*self.loops, var))
            case Block() if part.name not in names:
                axes: dict[Var, int] = {it.axis: it.axis.extent for it in part.iters}
                return Level(self.program, part.body, None, axes, self.loops)
            case If(then=then, otherwise=otherwise):
                sides = [then] if otherwise is None else [then, otherwise]
                holding = [side for side in sides if not names or holds(side, names)]
                if len(holding) != 1:
                    return None
                return Level(self.program, holding[0], None, self.around, self.loops)
            case _:
                return None

    def replaced(self, parts: Sequence[Stmt], fresh: tuple[Buffer, ...]) -> Program:
        """The program with ``parts`` at this level, ``fresh`` buffers allocated around them."""
        body = seq(*parts)
        if self.holder is None:
            target, made = self.site, Allocate(fresh, body) if fresh else body
        else:
            target, made = self.holder, Allocate((*self.holder.buffers, *fresh), body)
        changed = rebuild(self.program.body, lambda s: made if s is target else None)
        return self.program.with_body(changed)


def home_of(program: Program, buffer: Buffer) -> Level:
    """Where ``buffer`` exists: the whole program, or the body of its Allocate."""

    def search(level: Level) -> Level | None:
        for part in level.parts:
            for below in _below(level, part):
                if isinstance(part, Allocate) and any(b is buffer for b in part.buffers):
                    return below
                found = search(below)
                if found is not None:
                    return found
        return None

    top = Level(program, program.body, None, {})
    if any(b is buffer for b in program.params):
        return top
    found = search(top)
    if found is None:
        raise ScheduleError(f"buffer {buffer.name} is not one of program {program.name!r}")
    return found


def level_of(program: Program, stmt: Stmt) -> Level:
    """The statements among which ``stmt`` of the program is one."""

    def search(level: Level) -> Level | None:
        for part in level.parts:
            if part is stmt:
                return level
            for below in _below(level, part):
                found = search(below)
                if found is not None:
                    return found
        return None

    found = search(Level(program, program.body, None, {}))
    assert found is not None
    return found


def _below(level: Level, part: Stmt) -> list[Level]:
    """The levels right inside of ``part``."""
    if isinstance(part, If) and part.otherwise is not None:
        return [replace(level, site=side, holder=None) for side in (part.then, part.otherwise)]
    below = level.inside(part, set())
    return [] if below is None else [below]
