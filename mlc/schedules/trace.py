"""A trace as source: the Python of a schedule function that takes the same steps."""

from __future__ import annotations

import keyword
from typing import TYPE_CHECKING, Any

from ..ir.expr import Var
from ..ir.notation import identifier
from ..ir.parts import Part, parts_of
from ..ir.program import For, Program, blocks_of, walk
from .step import Decision, Step, loops_around

if TYPE_CHECKING:
    from .schedule import Schedule, Taken


def source_text(schedule: Schedule) -> str:
    """``schedule`` as a function under ``@mlc.schedule``: applied to the program that the schedule
    began with, it gives the program that the schedule has now."""
    lines = _Lines(schedule.trace)
    lines.write()
    head = f"@mlc.schedule\ndef {identifier(schedule.program.name)}_schedule(s):\n"
    return head + "".join(f"    {line}\n" for line in lines.lines or ["pass"])


def step_texts(trace: list[Taken]) -> list[str]:
    """Each step as its line of :func:`source_text`."""
    lines = _Lines(trace)
    lines.write()
    return lines.steps


def returns_tuple(name: str) -> bool:
    """Whether the method of the step returns a tuple even of one thing, by what it declares."""
    from .schedule import step_method

    return str(step_method(name).__annotations__.get("return", "")).startswith("tuple")


def variables_in(value: Any) -> list[Var]:
    """The loops among the operands of a step, in order."""
    match value:
        case Step():
            return [v for part in vars(value).values() for v in variables_in(part)]
        case tuple():
            return [v for part in value for v in variables_in(part)]
        case Var():
            return [value]
        case _:
            return []


def births(trace: list[Taken]) -> dict[Var, int]:
    """The loops that the steps use but no step returned, each with the number of the first program
    that has it: 0 for the one before the first step."""
    made = {thing for taken in trace for thing in taken.made if isinstance(thing, Var)}
    wanted = {v for taken in trace for v in variables_in(taken.step)} - made
    born: dict[Var, int] = {}
    seen: set[Part] = set()
    for number, taken in enumerate(trace):
        if not wanted:
            break
        for part in parts_of(taken.before):
            if part in seen:
                continue
            seen.add(part)
            for var in part.loops:
                if var in wanted:
                    born[var] = number
                    wanted.discard(var)
    return born


class _Lines:
    """The lines of the function's body, and the names given so far."""

    def __init__(self, trace: list[Taken]) -> None:
        self.trace = trace
        self.lines: list[str] = []
        self.steps: list[str] = []  # those lines that are steps
        self.names: dict[Any, str] = {}
        self.taken = {"s", "mlc", "_"}

    def write(self) -> None:
        born = births(self.trace)
        part_of: tuple[str, ...] = ()
        for number, taken in enumerate(self.trace):
            fresh = [var for var, birth in born.items() if birth == number]
            self.fetch(taken.before, fresh)
            if taken.part_of != part_of:
                self.lines.append(f"# {' > '.join(taken.part_of) or 'and then'}")
                part_of = taken.part_of
            self.step(taken)

    def step(self, taken: Taken) -> None:
        text = taken.step.text(self.names)
        if taken.unsafe:
            open_call = text.removesuffix(")")
            text = f"{open_call}{'' if open_call.endswith('(') else ', '}unsafe=True)"
        if taken.made:
            target = ", ".join(self.name(thing) for thing in taken.made)
            if len(taken.made) == 1 and returns_tuple(taken.step.name):
                target = f"({target},)"
            text = f"{target} = {text}"
        self.lines.append(text)
        self.steps.append(text)

    def name(self, thing: Any) -> str:
        """A new name for something that a step made."""
        key: Any
        match thing:
            case Var():
                key, wish = thing, thing.name
            case Decision():
                key, wish = thing.key, "t"
            case _:
                key, wish = thing, str(thing)
        wish = identifier(wish)
        text, count = wish, 1
        while text in self.taken or keyword.iskeyword(text):
            text, count = f"{wish}_{count}", count + 1
        self.taken.add(text)
        self.names[key] = text
        return text

    def fetch(self, program: Program, wanted: list[Var]) -> None:
        """Lines that name ``wanted``: as the loops of a block where they stand around one."""
        missing = set(wanted)
        for block in blocks_of(program.body) if missing else ():
            loops = [loop.var for loop in loops_around(program, block.name)]
            if missing.intersection(loops):
                shown = [self.name(v) if v in missing else self.names.get(v, "_") for v in loops]
                missing.difference_update(loops)
                target = ", ".join(shown) if len(shown) > 1 else f"({shown[0]},)"
                self.lines.append(f"{target} = s.loops({block.name!r})")
        for var in wanted:
            if var in missing:
                occurrence = occurrence_of(program, var)
                self.lines.append(f"{self.name(var)} = s.loop({var.name!r}, {occurrence})")


def occurrence_of(program: Program, var: Var) -> int:
    """How many loops of the same name begin before that over ``var``."""
    count = 0
    for node in walk(program.body):
        if isinstance(node, For):
            if node.var is var:
                break
            count += node.var.name == var.name
    return count
