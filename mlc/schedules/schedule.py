"""Schedule: a program, and the steps taken to it from where it began."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import ScheduleError
from ..ir.expr import Var
from ..ir.program import Block, For, LoopKind, Program, Stmt, blocks_of, children_of
from .step import Step
from .steps.fuse import Fuse
from .steps.mark import Mark
from .steps.reorder import Reorder
from .steps.split import Split


class Schedule:
    """Takes steps on ``program``; each is checked first, and refused with :class:`ScheduleError`.

    ``trace`` holds the steps taken and what each made; :meth:`source` prints them as Python.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.trace: list[tuple[Step, tuple[Any, ...]]] = []

    def __str__(self) -> str:
        return self.source()

    def take(self, step: Step) -> tuple[Any, ...]:
        """Check and apply one step; returns the loops it made."""
        reason = step.check(self.program)
        if reason is not None:
            raise ScheduleError(f"{type(step).__name__.lower()} refused: {reason}")
        self.program, made = step.apply(self.program)
        self.trace.append((step, made))
        return made

    def block(self, name: str) -> Block:
        """The block called ``name``."""
        found = [b for b in blocks_of(self.program.body) if b.name == name]
        if not found:
            known = ", ".join(b.name for b in blocks_of(self.program.body))
            raise ScheduleError(f"no block {name!r} in {self.program.name!r}; it has {known}")
        return found[0]

    def loops(self, block: Block | str) -> tuple[Var, ...]:
        """The loops around a block, outermost first."""
        name = block if isinstance(block, str) else block.name
        path = _path(self.program.body, name)
        if path is None:
            self.block(name)
        return tuple(loop.var for loop in path or ())

    def split(self, loop: Var, factors: Sequence[int | None]) -> tuple[Var, ...]:
        """See :class:`mlc.schedules.steps.split.Split`."""
        return self.take(Split(loop, tuple(factors)))

    def fuse(self, outer: Var, inner: Var) -> Var:
        """See :class:`mlc.schedules.steps.fuse.Fuse`."""
        (fused,) = self.take(Fuse(outer, inner))
        return fused  # type: ignore[no-any-return]

    def reorder(self, *loops: Var) -> None:
        """See :class:`mlc.schedules.steps.reorder.Reorder`."""
        self.take(Reorder(loops))

    def parallel(self, loop: Var, grain: int = 1) -> None:
        """Run ``loop`` on the threads of the pool, at least ``grain`` iterations a task."""
        self.take(Mark(loop, LoopKind.PARALLEL, (("grain", grain),)))

    def vectorize(self, loop: Var) -> None:
        """Run the iterations of ``loop`` in the lanes of vector registers."""
        self.take(Mark(loop, LoopKind.VECTORIZED))

    def unroll(self, loop: Var) -> None:
        """Write the iterations of ``loop`` out."""
        self.take(Mark(loop, LoopKind.UNROLLED))

    def source(self) -> str:
        """The steps taken so far, in order, written as calls on a schedule ``s``."""
        names: dict[Var, str] = {}
        taken: set[str] = set()
        lines: list[str] = []

        def name_of(var: Var) -> str:
            wish = var.name if var.name.isidentifier() else "i"
            text, n = wish, 1
            while text in taken:
                text, n = f"{wish}_{n}", n + 1
            taken.add(text)
            names[var] = text
            return text

        made_vars = {v for _, made in self.trace for v in made}
        for step, made in self.trace:
            used = [v for v in _vars_of(step) if v not in names and v not in made_vars]
            lines.extend(f"{name_of(v)} = s.loop({v.name!r})" for v in used)
            text = step.text(names)
            if made:
                text = f"{', '.join(name_of(v) for v in made)} = {text}"
            lines.append(text)
        body = "\n".join(f"    {line}" for line in lines) or "    pass"
        return f"def {self.program.name}_schedule(s):\n{body}\n"


def _vars_of(step: Step) -> list[Var]:
    out: list[Var] = []
    for value in vars(step).values():
        if isinstance(value, Var):
            out.append(value)
        elif isinstance(value, tuple):
            out.extend(v for v in value if isinstance(v, Var))
    return out


def _path(stmt: Stmt, name: str) -> list[For] | None:
    """The loops from ``stmt`` down to the block called ``name``."""
    if isinstance(stmt, Block):
        return [] if stmt.name == name else None
    for child in children_of(stmt):
        below = _path(child, name)
        if below is not None:
            return [stmt, *below] if isinstance(stmt, For) else below
    return None
