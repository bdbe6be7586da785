"""on_grid: what an operator has written for grids of threads, in place of its plain loops."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...errors import ScheduleError
from ...ir.grids import Grid
from ...ir.program import Program
from ...records import dataclass, replace
from ..refusal import Refusal
from ..step import Step, operand_text

if TYPE_CHECKING:
    from ..schedule import Schedule


@dataclass(frozen=True)
class OnGrid(Step):
    """See :func:`on_grid`. ``numbers`` are pairs of a name and a value."""

    numbers: tuple[tuple[str, int], ...] = ()

    def check(self, program: Program) -> Refusal | str | None:
        if program.grid is None:
            return (
                f"no operator has written {program.name!r} for grids of threads; bind its loops "
                "with s.bind"
            )
        problem = program.grid.problem(dict(self.numbers))
        if problem is not None:
            return problem
        try:
            made = self.written(program.grid)
        except ScheduleError as error:
            return error.message
        mine, theirs = ([(b.shape, b.dtype) for b in p.params] for p in (program, made))
        assert mine == theirs, f"{program.name} has {mine}, on grids {theirs}"
        return None

    def apply(self, program: Program) -> tuple[Program, tuple[Any, ...]]:
        assert program.grid is not None
        made = self.written(program.grid)
        marks = {key: program.attrs[key] for key in ("unsafe",) if key in program.attrs}
        attrs = {**made.attrs, **marks}
        return replace(made, name=program.name, attrs=attrs, grid=program.grid), ()

    def written(self, grid: Grid) -> Program:
        return grid.written(dict(self.numbers))

    def text(self, names: Mapping[Any, str]) -> str:
        shown = [f"{name}={operand_text(value, names)}" for name, value in self.numbers]
        return f"s.on_grid({', '.join(shown)})"


def on_grid(s: Schedule, **numbers: int) -> None:
    """Takes what the operator has written for grids of threads: scans, sorts, counts, attention.

    ``s.on_grid(threads=128)``::

        for i in range(4096):              for b in T.thread_binding(4, 'blockIdx.x'):
            out[i] = out[i - 1] + x[i] ->      for t in T.thread_binding(128, 'threadIdx.x'):
                                                   ...

    ``numbers`` choose those that the operator leaves open, such as ``threads`` and ``each`` of a
    scan; others are as they are without a schedule, and so is what else a function computes, before
    and after that operator. Refused for programs of which no operator has
    written another, for numbers that it does not leave open or does not have, and where a block
    would need more shared memory than cards have. All steps before it are forgotten.
    """
    s.take(OnGrid(tuple(numbers.items())))
