"""Schedule: a program, and the steps taken to it from where it began."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any

from ..errors import ScheduleError
from ..ir.expr import Var
from ..ir.program import Block, Program
from .step import Step, block_name, find_block, loops_around


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
        refusal = step.check(self.program)
        if refusal is not None:
            raise ScheduleError(f"{step.name} refused: {refusal}", refusal=refusal)
        self.program, made = step.apply(self.program)
        self.trace.append((step, made))
        return made

    def block(self, name: str) -> Block:
        """The block called ``name``."""
        return find_block(self.program, name)

    def loops(self, block: Block | str) -> tuple[Var, ...]:
        """The loops around a block, outermost first."""
        return tuple(loop.var for loop in loops_around(self.program, block_name(block)))

    def __getattr__(self, name: str) -> Any:
        """The method for the step in the file ``steps/<name>.py``."""
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            module = import_module(f"{__package__}.steps.{name}")
        except ModuleNotFoundError:
            raise AttributeError(f"a schedule has no step {name!r}") from None
        method = partial(getattr(module, name), self)
        method.__doc__ = getattr(module, name).__doc__
        return method

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
