"""Replaying a trace on a program that has changed since, with a word on every step."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from ..errors import ScheduleError
from ..ir.expr import Var
from ..ir.program import Program
from .lookup import loop_named
from .matching import changed_role, same_blocks, same_loops, same_names
from .record import (
    Record,
    Recording,
    Role,
    buffer_names,
    chain_of,
    describe,
    outline,
    read_chain,
    read_json,
    record_trace,
    roles_of,
    step_class,
)
from .schedule import Schedule
from .step import Decision, Step, loops_around

if TYPE_CHECKING:
    from .schedule import Taken


@dataclass(frozen=True)
class Row:
    """What became of one step: ``status`` is "kept", "adapted" or "lost"; ``reason`` says why."""

    step: str
    status: str
    reason: str = ""


@dataclass(frozen=True)
class Report:
    """What became of every step of a trace. Prints as a table."""

    rows: tuple[Row, ...]

    def count(self, status: str) -> int:
        """How many steps have this status."""
        return sum(row.status == status for row in self.rows)

    def __str__(self) -> str:
        width = max((len(row.step) for row in self.rows), default=0)
        lines = [
            f"{n:>3}  {row.step:<{width}}  {row.status:<7}  {row.reason}".rstrip()
            for n, row in enumerate(self.rows, 1)
        ]
        counts = ", ".join(f"{self.count(s)} {s}" for s in ("kept", "adapted", "lost"))
        return "\n".join([*lines, counts])

    __repr__ = __str__


@dataclass(frozen=True, eq=False)
class Replayed:
    """The schedule that could be taken, and the report. Prints as the report."""

    schedule: Schedule
    report: Report

    @property
    def program(self) -> Program:
        """The program with the steps that could be taken."""
        return self.schedule.program

    def __str__(self) -> str:
        return str(self.report)

    __repr__ = __str__


class _LostError(Exception):
    """An operand that the program does not have."""


def replay(trace: Schedule | list[Taken] | str, program: Program, strict: bool = False) -> Replayed:
    """The steps of ``trace`` (a schedule, its trace, or its JSON), taken on ``program``.

    A step is *kept* if it came out as before; *adapted* if a block or loop has another name or
    place, if an extent is another than it was, or if the step itself had to change to fit; *lost*
    if it does not fit, is refused, or needs what a lost step made. Nothing is taken unproven that
    was proven before. With ``strict`` the first step that is lost or has to change raises
    :class:`ScheduleError`.
    """
    player = _Player(_recording(trace), program, strict)
    for number in range(len(player.recording.steps)):
        player.play(number)
    return Replayed(player.schedule, Report(tuple(player.rows)))


def _recording(trace: Schedule | list[Taken] | str) -> Recording:
    match trace:
        case str():
            return read_json(trace)
        case Schedule():
            return record_trace(trace.trace)
        case list():
            return record_trace(trace)
    raise ScheduleError(
        f"replay takes a schedule, a trace or the text of to_json(), not {type(trace).__name__}"
    )


class _Player:
    """One replay: what the steps so far made, and what the old blocks are called now."""

    def __init__(self, recording: Recording, program: Program, strict: bool) -> None:
        self.recording = recording
        self.schedule = Schedule(program)
        self.strict = strict
        self.rows: list[Row] = []
        self.made: list[tuple[Any, ...] | None] = []
        self.programs: list[Program] = []  # before each step of the recording
        self.loops = dict(recording.blocks)
        roles: list[Role | None] = [*recording.roles]
        roles += [None] * (len(recording.blocks) - len(roles))
        self.was = dict(zip(self.loops, roles))
        self.now = {name: role for (name, _), role in zip(outline(program), roles_of(program))}
        self.renamed = same_blocks(self.was, self.now, strict)
        self.buffers = same_names(list(recording.buffers), list(buffer_names(program)), strict)
        self.gone: dict[str, int] = {}  # blocks that lost steps had made
        self.notes: list[str] = []

    def play(self, number: int) -> None:
        record = self.recording.steps[number]
        self.programs.append(self.schedule.program)
        self.notes = []
        made: tuple[Any, ...] | None = None
        text = record.name
        try:
            step = self.decoded(record)
            text = self.text(step)
            made = self.take(step, record)
            text = self.text(self.schedule.trace[-1].step)
        except (_LostError, ScheduleError) as error:
            reason = error.message if isinstance(error, ScheduleError) else str(error)
            if self.strict:
                raise ScheduleError(f"step {number + 1} ({text}) is lost: {reason}") from None
            self.rows.append(Row(text, "lost", reason.partition("\n")[0]))
            self.gone.update((made, number) for made in record.made if isinstance(made, str))
        else:
            status = "adapted" if self.notes else "kept"
            self.rows.append(Row(text, status, "; ".join(dict.fromkeys(self.notes))))
        self.made.append(made)

    def take(self, step: Step, record: Record) -> tuple[Any, ...]:
        """The step, or its like for other sizes; notes what came out otherwise."""
        schedule = self.schedule
        schedule._part_of = record.part_of
        if not self.strict and isinstance(step.check(schedule.program), str):
            near = step.adapted(schedule.program)
            if near is not None:
                self.notes.append(f"was {self.text(step)}")
                step = near
        made = schedule.take(step, unsafe=record.unsafe)
        if schedule.trace[-1].unsafe and not record.unsafe:
            raise AssertionError("a step that was proven is taken unproven")
        before, after = record.made, describe(schedule.program, made)
        for old, new in zip(before, after):  # blocks that the step made, by their names
            if isinstance(old, str) and isinstance(new, str):
                self.renamed[old] = new
        if len(before) != len(after):
            if self.strict:
                raise _LostError(f"it made {len(after)} things, not {len(before)}")
            self.notes.append(f"made {len(after)} things, was {len(before)}")
        elif before != after:
            self.notes.append(f"made {_listed(after)}, was {_listed(before)}")
        return made

    def text(self, step: Step) -> str:
        from .lookup import plain_text

        return plain_text(step)

    def decoded(self, record: Record) -> Step:
        """The step of ``record`` with the loops and blocks of this program."""
        kind = step_class(record.name)
        known = {field.name for field in fields(kind)}
        if unknown := set(record.operands) - known:
            raise ScheduleError(f"the step {record.name!r} has no operand {sorted(unknown)[0]!r}")
        operands = {
            key: self.buffer(value) if key == "buffer" else self.operand(value)
            for key, value in record.operands.items()
        }
        try:
            return kind(**operands)
        except TypeError as error:
            raise ScheduleError(f"the step {record.name!r} cannot be read: {error}") from None

    def operand(self, value: Any) -> Any:
        match value:
            case {"made": [int(number), int(position)]}:
                return self.product(number, position)
            case {"loop": [str(block), int(depth)], **rest}:
                return self.loop(block, depth, _whole(rest.get("at", 0)), rest.get("among"))
            case {"loop": str(name), "number": int(occurrence), **rest}:
                return loop_named(self.before(_whole(rest.get("at", 0))), name, occurrence)
            case list() | tuple():
                return tuple(map(self.operand, value))
            case str() if value in self.renamed:
                return self.block(value)
            case str() if value in self.gone:
                raise self.needs(self.gone[value])
            case dict():
                raise ScheduleError(f"an operand cannot be read: {value!r}")
            case _:
                return value

    def buffer(self, value: Any) -> Any:
        """An operand that names a buffer."""
        if isinstance(value, str) and (found := self.buffers.get(value)) is not None:
            if found != value:
                self.notes.append(f"buffer {value!r} is called {found!r} now")
            return found
        return value if isinstance(value, str) else self.operand(value)

    def before(self, number: int) -> Program:
        if not 0 <= number < len(self.programs):
            raise ScheduleError(f"an operand speaks of step {number}, which comes later")
        return self.programs[number]

    def product(self, number: int, position: int) -> Any:
        """Number ``position`` of what step ``number`` made."""
        if not 0 <= number < len(self.made):
            raise ScheduleError(f"an operand speaks of step {number}, which comes later")
        made = self.made[number]
        if made is None:
            raise self.needs(number)
        if not 0 <= position < len(made):
            raise _LostError(f"step {number + 1} made {len(made)} things now")
        return made[position]

    def needs(self, number: int) -> _LostError:
        return _LostError(f"it needs what step {number + 1} made, and that is lost")

    def block(self, name: str) -> str:
        """What the block is called now."""
        found = self.renamed[name]
        if found is None:
            raise _LostError(f"there is no block {name!r} any more")
        if found != name:
            self.notes.append(f"block {name!r} is called {found!r} now")
        was, now = self.was.get(name), self.now.get(found)
        if was is not None and now is not None and not self.strict:
            change = changed_role(was, now, self.buffers)
            if change:
                self.notes.append(f"block {found!r} {change}")
        return found

    def loop(self, block: str, depth: int, at: int, among: Any) -> Var:
        """The loop that stood at ``depth`` around ``block`` in the program before step ``at``,
        where the loops ``among`` did."""
        name = self.operand(block)
        loops = [loop.var for loop in loops_around(self.before(at), name)]
        new = chain_of(self.before(at), name)
        try:
            old = self.loops[block] if at == 0 else new if among is None else read_chain(among)
        except (KeyError, TypeError, ValueError):
            raise ScheduleError(
                f"an operand cannot be read: the loops of block {block!r}"
            ) from None
        if among is None and at and depth >= len(new):
            raise _LostError(f"block {name!r} has {len(new)} loops, none at depth {depth}")
        if not 0 <= depth < len(old):
            raise ScheduleError(f"an operand cannot be read: loop {depth} of block {block!r}")
        places = same_loops(old, new)
        if self.strict and len(old) == len(new):
            places = list(range(len(old)))
        old_name, old_extent = old[depth]
        place = places[depth]
        if place is None:
            raise _LostError(
                f"block {name!r} has {len(new)} loops, had {len(old)}; none of them is "
                f"called {old_name!r}"
            )
        new_name, new_extent = new[place]
        if len(new) != len(old):
            self.notes.append(f"block {name!r} has {len(new)} loops, had {len(old)}")
        elif place != depth:
            self.notes.append(f"loop {new_name} of {name!r} is number {place} now, was {depth}")
        if new_name != old_name:
            self.notes.append(f"loop {old_name} is called {new_name} now")
        if new_extent != old_extent:
            self.notes.append(f"{new_name} runs over {new_extent}, was {old_extent}")
        return loops[place]


def _listed(made: tuple[Any, ...]) -> str:
    return ", ".join(str(int(m) if isinstance(m, Decision) else m) for m in made)


def _whole(value: Any) -> int:
    if not isinstance(value, int):
        raise ScheduleError(f"an operand cannot be read: {value!r} is no number of a step")
    return value
