"""Schedules as Python: what a person pastes above a function, and edits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import combinations, islice
from types import SimpleNamespace
from typing import Any

from ..errors import MlcError, ScheduleError
from ..ir.program import Allocate, Program, blocks_of, walk
from ..schedules.decorator import ScheduleFunction, schedule
from ..schedules.schedule import Schedule
from .candidate import Candidate
from .outcome import Outcome
from .workload import Workload

_OPENINGS = 100  # ways to inline that are looked at


def schedule_function(candidate: Candidate, workload: Workload) -> ScheduleFunction:
    """The steps of a candidate as a function over a schedule, with what was sampled written out.

    It is what its source says: pasted somewhere else, it does the same.
    """
    plain = kernel_schedule(candidate, workload)
    return _above_function(workload, decided(candidate.trace), plain) or plain


def kernel_schedule(candidate: Candidate, workload: Workload) -> ScheduleFunction:
    """The same over the workload's own program."""
    trace = decided(candidate.trace)
    return _from_source(Schedule.from_json(workload.program, trace).source())


def _above_function(
    workload: Workload, trace: str, plain: ScheduleFunction
) -> ScheduleFunction | None:
    """The same over the program of the whole function, whose blocks are called as its author calls
    them; None where that is not known to make the same program."""
    from ..ir.structural import structural_key

    if workload.whole is None:
        return None
    try:
        whole = workload.whole()
        if workload.program.grid is not None:
            made = _from_source(Schedule.from_json(whole, trace).source())
            same = structural_key(made(whole)) == structural_key(plain(workload.program))
            return made if same else None
        wanted = structural_key(workload.program)
        for lines in _openings(whole, workload.program):
            opened = Schedule(whole)
            for line in lines:
                getattr(opened, line[0])(*line[1:])
            if structural_key(opened.program) == wanted:
                source = Schedule.from_json(opened.program, trace).source()
                head, _, steps = source.partition("(s):\n")
                first = "".join(f"    s.{n}({', '.join(map(repr, a))})\n" for n, *a in lines)
                made = _from_source(f"{head}(s):\n{first}{steps}")
                same = structural_key(made(whole)) == structural_key(plain(workload.program))
                return made if same else None
    except (MlcError, ValueError):
        return None  # what is no program for a schedule
    return None


def _openings(whole: Program, program: Program) -> Iterator[list[tuple[Any, ...]]]:
    """Steps that may make ``program`` out of ``whole``, up to names: formulas inlined as fusion
    does it, and what is left of memory where fusion puts it."""
    blocks, left = list(blocks_of(whole.body)), list(blocks_of(program.body))
    made = {b.name for b in whole.params}
    inner = [b.name for b in blocks if not b.is_reduction and b.name not in made]
    scopes = {
        b.scope.value for s in walk(program.body) if isinstance(s, Allocate) for b in s.buffers
    }
    for chosen in islice(combinations(inner, len(blocks) - len(left)), _OPENINGS):
        kept = [b.name for b in blocks if b.name not in (*chosen, *made)]
        steps = [("compute_inline", name) for name in chosen]
        yield steps
        if len(scopes) == 1:
            yield [*steps, *(("set_scope", name, *scopes) for name in kept)]


def default_function(
    workload: Workload, near: tuple[Candidate, Outcome] | None = None
) -> ScheduleFunction:
    """The default schedule of a workload as a function over a schedule of its plain loops.

    Where it makes blocks that no steps over those make, it is the candidate ``near`` instead, and
    its source says how fast that is; without one, calling it raises :class:`ScheduleError`.
    """
    head = "# the default schedule: nothing faster was found\n"
    steps = _steps_of_default(workload)
    if steps is not None:
        steps.source = head + steps.source
        return steps
    if near is not None:
        candidate, outcome = near
        made = schedule_function(candidate, workload)
        low, high = outcome.ratio_interval or (0.0, 0.0)
        made.source = (
            f"{head}# it makes blocks that steps over plain loops do not make: compile the "
            f"function as it is\n# the nearest that has such steps: {outcome.ratio or 0.0:.2f} of "
            f"its speed ({low:.2f} to {high:.2f})\n{made.source}"
        )
        return made

    def default_schedule(s: Schedule) -> None:
        raise ScheduleError(
            f"nothing faster than the default schedule of {workload.name} was found: compile "
            "the function as it is"
        )

    made = ScheduleFunction(default_schedule)
    note = "# these are its last steps, over blocks that it made: compile the function as it is\n"
    made.source = f"{head}{note}{workload.source}"
    return made


def _steps_of_default(workload: Workload) -> ScheduleFunction | None:
    """What is printed of the default schedule, if that makes it from the plain loops."""
    from ..ir.structural import structural_key

    if not workload.source:
        is_plain = workload.default is workload.program
        return _from_source(Schedule(workload.program).source()) if is_plain else None
    try:
        made = _from_source(workload.source)
        again = Schedule(workload.program)
        made.function(again)
    except (MlcError, SyntaxError, ValueError):
        return None
    same = structural_key(again.program) == structural_key(workload.default)
    return made if same else None


def _from_source(source: str) -> ScheduleFunction:
    name = source.partition("def ")[2].partition("(")[0]
    names: dict[str, Any] = {"mlc": SimpleNamespace(schedule=schedule)}
    exec(compile(source, f"<the best schedule: {name}>", "exec"), names)
    made: ScheduleFunction = names[name]
    made.source = source
    return made


def is_replayed(candidate: Candidate, workload: Workload) -> bool:
    """Whether what would be stored of a candidate makes the very program that was measured."""
    from ..ir.structural import structural_key

    if candidate.kind == "default":
        return True
    try:
        again = Schedule.from_json(workload.program, decided(candidate.trace)).program
    except ScheduleError:
        return False
    return structural_key(again) == structural_key(candidate.program(workload))


def decided(trace: str) -> str:
    """The trace without its sampling steps: what they chose stands where it was used."""
    content = json.loads(trace)
    steps = content["steps"]
    number: dict[int, int] = {}
    for old, step in enumerate(steps):
        if not step["step"].startswith("sample_"):
            number[old] = len(number)
    after = [sum(1 for new in number if new < old) for old in range(len(steps) + 1)]

    def operand(value: Any) -> Any:
        match value:
            case {"made": [int(old), int(position)]}:
                if old in number:
                    return {"made": [number[old], position]}
                return steps[old]["made"][position]
            case {"at": int(old), **rest}:
                return {**rest, "at": after[old]} if after[old] else rest
            case list():
                return [operand(v) for v in value]
            case _:
                return value

    content["steps"] = [
        {**steps[old], "with": {k: operand(v) for k, v in steps[old]["with"].items()}}
        for old in number
    ]
    return json.dumps(content)
