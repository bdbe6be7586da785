"""Schedules as JSON: steps whose loops are named by where they came from.

::

    {"format": "mlc.schedule", "version": 1,
     "program": {"name": "mm", "blocks": [["C", [["i", 6], ["j", 128], ["k", 4]]]],
                 "roles": [["SSR", ["A", "B"], ["C"]]], "buffers": ["A", "B", "C"]},
     "steps": [{"step": "split", "made": [16, 8],
                "with": {"loop": {"loop": ["C", 1]}, "factors": [null, 8]}}, ...]}

A loop is ``{"made": [n, m]}``, number ``m`` of the things that step ``n`` made, or
``{"loop": [block, depth]}``, or, where it stands around no block, ``{"loop": name, "number": n}``.
Those two speak of the program before the first step unless ``"at"`` names another step; then
``"among"`` holds the loops around the block there. The ``"roles"`` of a block are the kinds of its
axes, what it reads and what it writes. Blocks and decisions that a step made are ``{"made": [n,
m]}`` too. ``"made"`` of a step holds the extents of the loops, the names of the blocks and the
numbers that it made: by those a replay sees whether it comes out as before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from ..errors import ScheduleError
from ..ir.expr import Var
from ..ir.parts import part_with_loop
from ..ir.program import (
    Allocate,
    Block,
    Program,
    blocks_of,
    reads_of,
    walk,
    writes_of,
)
from .step import Decision, Step, loops_around
from .trace import births, occurrence_of

if TYPE_CHECKING:
    from .schedule import Taken

FORMAT = "mlc.schedule"
VERSION = 1


Chain = tuple[tuple[str, int], ...]
"""The loops around a block, outermost first: names and extents."""


@dataclass(frozen=True)
class Role:
    """What a block does: the kinds of its axes ("SSR"), what it reads and what it writes."""

    kinds: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Record:
    """One step: ``operands`` are JSON values by the names of the step's fields."""

    name: str
    operands: Mapping[str, Any]
    made: tuple[Any, ...]
    unsafe: bool = False
    part_of: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Recording:
    """The steps of a schedule, and what its program looked like: (block, ((loop, extent), ...)),
    the names of its buffers, params first, in program order, and what each block did."""

    program: str
    blocks: tuple[tuple[str, Chain], ...]
    steps: tuple[Record, ...]
    buffers: tuple[str, ...] = ()
    roles: tuple[Role, ...] = ()

    def to_json(self) -> str:
        """The recording as text."""
        steps = []
        for record in self.steps:
            entry: dict[str, Any] = {"step": record.name, "with": dict(record.operands)}
            if record.made:
                entry["made"] = record.made
            if record.unsafe:
                entry["unsafe"] = True
            if record.part_of:
                entry["part_of"] = record.part_of
            steps.append(entry)
        roles = [(role.kinds, role.reads, role.writes) for role in self.roles]
        program = {
            "name": self.program, "blocks": self.blocks, "roles": roles, "buffers": self.buffers,
        }  # fmt: skip
        content = {"format": FORMAT, "version": VERSION, "program": program, "steps": steps}
        return json.dumps(content)


def read_json(text: str) -> Recording:
    """The recording that ``text`` holds; :class:`ScheduleError` if it holds none that is known."""
    try:
        content = json.loads(text)
    except ValueError as error:
        raise ScheduleError(f"this is no schedule: the text is not JSON ({error})") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ScheduleError(f'this is no schedule: the text does not say "format": "{FORMAT}"')
    if content.get("version") != VERSION:
        raise ScheduleError(
            f"the schedule has version {content.get('version')!r}; this mlc reads version "
            f"{VERSION}: store it anew from its Python source"
        )
    try:
        program = content["program"]
        blocks = tuple((str(name), read_chain(loops)) for name, loops in program["blocks"])
        roles = tuple(
            Role(str(kinds), tuple(map(str, reads)), tuple(map(str, writes)))
            for kinds, reads, writes in program.get("roles", ())
        )
        steps = tuple(
            Record(
                entry["step"],
                entry["with"],
                _tuples(entry.get("made", ())),
                bool(entry.get("unsafe", False)),
                _tuples(entry.get("part_of", ())),
            )
            for entry in content["steps"]
        )
        buffers = tuple(map(str, program.get("buffers", ())))
        return Recording(str(program["name"]), blocks, steps, buffers, roles)
    except (KeyError, TypeError, ValueError) as error:
        raise ScheduleError(f"the schedule is damaged: {error!r} while it was read") from None


def read_chain(loops: Any) -> Chain:
    """The loops around a block from JSON; ValueError or TypeError if they are none."""
    return tuple((str(loop), int(extent)) for loop, extent in loops)


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, (list, tuple)) else value


@lru_cache(maxsize=16)
def outline(program: Program) -> tuple[tuple[str, Chain], ...]:
    """The blocks of ``program`` in order, each with its loops and their extents."""
    return tuple((block.name, chain_of(program, block.name)) for block in blocks_of(program.body))


def chain_of(program: Program, name: str) -> Chain:
    """The loops around the block called ``name``."""
    return tuple((f.var.name, f.extent) for f in loops_around(program, name))


@lru_cache(maxsize=16)
def roles_of(program: Program) -> tuple[Role, ...]:
    """What each block of ``program`` does, in the order of :func:`outline`."""
    return tuple(map(_role, blocks_of(program.body)))


def _role(block: Block) -> Role:
    kinds = "".join("R" if it.axis.is_reduce else "S" for it in block.iters)
    reads = dict.fromkeys(load.source.name for load in reads_of(block.body))
    writes = dict.fromkeys(buffer.name for buffer, _ in writes_of(block.body))
    return Role(kinds, tuple(reads), tuple(writes))


@lru_cache(maxsize=16)
def buffer_names(program: Program) -> tuple[str, ...]:
    """The names of the buffers of ``program``: its params, then what it allocates, in order."""
    made = [b for s in walk(program.body) if isinstance(s, Allocate) for b in s.buffers]
    return tuple(buffer.name for buffer in (*program.params, *made))


def record_trace(trace: list[Taken]) -> Recording:
    """The steps of ``trace``."""
    origins: dict[Any, dict[str, Any]] = {}
    born = births(trace)
    steps = []
    for number, taken in enumerate(trace):
        for var, birth in born.items():
            if birth == number:
                origins[var] = _place(taken.before, var, number)
        names = _field_names(type(taken.step))
        operands = {name: _encoded(getattr(taken.step, name), origins) for name in names}
        made = describe(taken.after, taken.made)
        steps.append(Record(taken.step.name, operands, made, taken.unsafe, taken.part_of))
        for position, thing in enumerate(taken.made):
            key = thing.key if isinstance(thing, Decision) else thing
            origins[key] = {"made": [number, position]}
    if not trace:
        return Recording("", (), ())
    original = trace[0].before
    blocks, roles = outline(original), roles_of(original)
    return Recording(original.name, blocks, tuple(steps), buffer_names(original), roles)


@cache
def _field_names(kind: type[Step]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def describe(program: Program, made: tuple[Any, ...]) -> tuple[Any, ...]:
    """What a step made, as values: extents of loops, names of blocks, numbers."""
    return tuple(
        _extent(program, t) if isinstance(t, Var) else int(t) if isinstance(t, int) else t
        for t in made
    )


def _extent(program: Program, var: Var) -> int | None:
    part = part_with_loop(program, var)
    return None if part is None else part.loops[var].extent


def _place(program: Program, var: Var, number: int) -> dict[str, Any]:
    """Where the loop over ``var`` stands in the program before step ``number``."""
    at: dict[str, Any] = {"at": number} if number else {}
    for block in blocks_of(program.body):
        for depth, loop in enumerate(loops_around(program, block.name)):
            if loop.var is var:
                among = {"among": chain_of(program, block.name)} if number else {}
                return {"loop": [block.name, depth], **at, **among}
    return {"loop": var.name, "number": occurrence_of(program, var), **at}


def _encoded(value: Any, origins: dict[Any, dict[str, Any]]) -> Any:
    match value:
        case Var():
            return origins[value]
        case Decision():
            return origins.get(value.key, int(value))
        case tuple():
            return [_encoded(part, origins) for part in value]
        case str():
            return origins.get(value, value)
        case None | bool() | int() | float():
            return value
    raise ScheduleError(
        f"a step holds {value!r}, which cannot be stored: loops, names of blocks, numbers, "
        "strings and tuples of those can"
    )


def step_class(name: str) -> type[Step]:
    """The class of the step called ``name``; :class:`ScheduleError` if there is none."""
    from .schedule import step_module

    try:
        module = step_module(name)
    except AttributeError as error:
        raise ScheduleError(str(error)) from None
    wanted = name.replace("_", "").lower()
    for value in vars(module).values():
        if isinstance(value, type) and value.__module__ == module.__name__:
            if issubclass(value, Step) and value.__name__.lower() == wanted:
                return value
    raise ScheduleError(f"the step {name!r} has no form that can be stored")
