"""Steps that are refused, or that nothing proves, and may be taken all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import NotProvenError, ScheduleError
from ..ir.program import Program
from ..ir.unsafe import unsafe_steps
from ..records import replace
from . import lookup
from .loop_kinds import new_clash
from .refusal import Refusal
from .step import Step

if TYPE_CHECKING:
    from .schedule import Made, Schedule


def in_spite_of(
    schedule: Schedule, step: Step, problem: Refusal | str, unsafe: bool
) -> tuple[Program, tuple[Any, ...], bool]:
    """The step's result if it may be taken nevertheless, and whether that is unsafe."""
    old = schedule.program
    if isinstance(problem, str):
        raise ScheduleError(lookup.complaint(old, step, problem))
    if not unsafe and problem.proven:
        raise ScheduleError(lookup.complaint(old, step, problem), refusal=problem)
    if not unsafe:
        return *schedule._tried(step, problem), False
    marks = (*unsafe_steps(old), lookup.plain_text(step))
    program, made = step.apply(replace(old, attrs={**old.attrs, "unsafe": marks}))
    assert program.attrs.get("unsafe") == marks, f"{step.name} drops the mark of the program"
    return program, made, True


def tried(before: Program, step: Step, problem: Refusal) -> Made:
    """The step's result if running a small program both ways shows that it is the same."""
    from .legality.exhaustive import Difference, Same, same_meaning

    if not step.is_concurrent:
        program, made = step.apply(before)
        match same_meaning(before, program):
            case Same():
                clash = new_clash(before, program)
                if clash is None:
                    return program, made
                problem = Refusal(clash, proven=False) if isinstance(clash, str) else clash
                if problem.proven:
                    raise ScheduleError(lookup.complaint(before, step, problem), refusal=problem)
            case Difference(output=output, element=element) as found:
                place = f"{output}[{', '.join(map(str, element)) or '()'}]"
                reason = (
                    f"{problem}; it would compute another {place}: {found.after_term} "
                    f"instead of {found.before_term}"
                )
                raise ScheduleError(lookup.complaint(before, step, reason), refusal=problem)
    text = lookup.complaint(before, step, problem, "was not proven")
    raise NotProvenError(text, refusal=problem)
