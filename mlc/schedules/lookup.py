"""Finding blocks and loops by name, or by what they touch; sentences for what is not there."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ScheduleError
from ..ir.expr import Var
from ..ir.program import (
    Accumulate,
    Allocate,
    Block,
    Buffer,
    Evaluate,
    For,
    If,
    LoopKind,
    Program,
    Region,
    Stmt,
    blocks_of,
    children_of,
    reads_of,
    walk,
    writes_of,
)
from .refusal import Refusal
from .step import Step

if TYPE_CHECKING:
    from .schedule import Taken

LONGEST_NEST = 16  # lines of a loop nest that an error shows


def matching_blocks(program: Program, pattern: str) -> tuple[Block, ...]:
    """The blocks whose names fit ``pattern``, in program order."""
    return tuple(b for b in blocks_of(program.body) if fnmatchcase(b.name, pattern))


def one_block(program: Program, pattern: str) -> Block:
    """The one block that fits ``pattern``; :class:`ScheduleError` if there are none or several."""
    found = matching_blocks(program, pattern)
    if len(found) == 1:
        return found[0]
    names = [block.name for block in blocks_of(program.body)]
    if found:
        fitting = ", ".join(block.name for block in found)
        raise ScheduleError(
            f"{len(found)} blocks of {program.name!r} fit {pattern!r}: {fitting}; "
            "name one, or take s.blocks(pattern)"
        )
    raise ScheduleError(f"no block fits {pattern!r} in {program.name!r}; {_choice(pattern, names)}")


def nearest(name: str, names: list[str]) -> list[str]:
    """The one of ``names`` that is most like ``name``, if any is."""
    from difflib import get_close_matches

    return get_close_matches(name, names, n=1)


def _choice(name: str, names: list[str]) -> str:
    """``it has a, b; did you mean 'a'?``."""
    known = ", ".join(names) or "no blocks"
    near = nearest(name, names)
    return f"it has {known}" + (f"; did you mean {near[0]!r}?" if near else "")


def loop_named(program: Program, name: str, occurrence: int | None = None) -> Var:
    """The loop called ``name``; :class:`ScheduleError` if there is none, or no choice is made."""
    loops = [node.var for node in walk(program.body) if isinstance(node, For)]
    found = [var for var in loops if var.name == name]
    if not found:
        names = list(dict.fromkeys(var.name for var in loops))
        near = nearest(name, names)
        raise ScheduleError(
            f"no loop {name!r} in {program.name!r}; it has {', '.join(names) or 'no loops'}"
            + (f"; did you mean {near[0]!r}?" if near else "")
        )
    if occurrence is None and len(found) > 1:
        raise ScheduleError(
            f"{len(found)} loops of {program.name!r} are called {name!r}; take yours from "
            f"s.loops(block), or count them: s.loop({name!r}, 0) is the first"
        )
    if occurrence is not None and not 0 <= occurrence < len(found):
        raise ScheduleError(
            f"{program.name!r} has {len(found)} loops called {name!r}; there is no number "
            f"{occurrence}, counted from 0"
        )
    return found[occurrence or 0]


def _touched(block: Block) -> tuple[set[Buffer], set[Buffer]]:
    """The buffers that ``block`` reads and those it writes; what it combines into is both."""
    reads = {load.source for load in reads_of(block)}
    writes = {buffer for buffer, _ in writes_of(block)}
    for node in walk(block):
        if isinstance(node, Accumulate):
            reads.update(node.buffers)
        elif isinstance(node, Evaluate):
            called = _buffers(node.args)
            reads |= called
            writes |= called
    if block.reads is not None:
        reads = {region.buffer for region in block.reads}
    if block.writes is not None:
        writes = {region.buffer for region in block.writes}
    return reads, writes


def _buffers(args: tuple[Any, ...]) -> set[Buffer]:
    out = {arg for arg in args if isinstance(arg, Buffer)}
    return out | {arg.buffer for arg in args if isinstance(arg, Region)}


def _others(program: Program, block: Block) -> Iterator[tuple[Block, bool]]:
    """The blocks beside ``block``, neither in it nor around it, and whether they come before."""
    before = True
    for other in blocks_of(program.body):
        if other is block:
            before = False
        elif block not in blocks_of(other) and other not in blocks_of(block):
            yield other, before


def producers(program: Program, block: Block) -> tuple[Block, ...]:
    """The blocks before ``block`` that write what it reads."""
    reads, _ = _touched(block)
    others = _others(program, block)
    return tuple(other for other, before in others if before and reads & _touched(other)[1])


def consumers(program: Program, block: Block) -> tuple[Block, ...]:
    """The blocks after ``block`` that read what it writes."""
    _, writes = _touched(block)
    others = _others(program, block)
    return tuple(other for other, before in others if not before and writes & _touched(other)[0])


def child_blocks(block: Block) -> tuple[Block, ...]:
    """The blocks that stand in ``block`` and in no other block within it."""
    found: list[Block] = []

    def search(stmt: Stmt) -> None:
        if isinstance(stmt, Block):
            found.append(stmt)
        else:
            for child in children_of(stmt):
                search(child)

    for child in children_of(block):
        search(child)
    return tuple(found)


def output_blocks(program: Program) -> tuple[Block, ...]:
    """The blocks, those that hold others aside, that write an output of the program."""
    outputs = set(program.params[len(program.params) - program.outputs :])
    return tuple(
        block
        for block in blocks_of(program.body)
        if not child_blocks(block) and outputs & _touched(block)[1]
    )


def step_names() -> list[str]:
    """The names of all steps: those of the files in `steps/`."""
    folder = Path(__file__).parent / "steps"
    return sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")


def unknown_step(name: str) -> str:
    """A sentence about a step that does not exist."""
    from ..synonyms import hint

    names = step_names()
    elsewhere = hint("a schedule", name, (), "")
    if elsewhere:
        return f"a schedule has no step {name!r}{elsewhere}"
    near = nearest(name, names)
    meant = f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(names)}"
    return f"a schedule has no step {name!r}{meant}"


class _OwnNames(dict[Any, str]):
    """Every loop called by its own name; all else is printed as it is."""

    def __missing__(self, key: Any) -> str:
        return key.name  # type: ignore[no-any-return]

    def get(self, key: Any, default: Any = None) -> Any:
        return default


def plain_text(step: Step) -> str:
    """The step as Python, with loops called by their own names."""
    return step.text(_OwnNames())


def complaint(
    program: Program, step: Step, problem: Refusal | str, verdict: str = "refused"
) -> str:
    """Why ``step`` is not taken on ``program``: the reason, the step, the loops it was asked of."""
    lines = [f"{step.name} {verdict}: {problem}", f"  in {plain_text(step)}"]
    nest = nest_lines(program.body, set(_operands(step)))
    if 0 < len(nest) <= LONGEST_NEST:
        lines.append("  on")
        lines += [f"    {line}" for line in nest]
    return "\n".join(lines)


def gone(step: Step, program: Program, trace: list[Taken]) -> str:
    """Which step of ``trace`` took away a loop that ``step`` is given, and what came instead."""
    for var in _operands(step):
        if not isinstance(var, Var) or _has_loop(program, var):
            continue
        for taken in reversed(trace):
            if _has_loop(taken.before, var) and not _has_loop(taken.after, var):
                made = ", ".join(thing.name for thing in taken.made if isinstance(thing, Var))
                instead = f" and made {made}" if made else ""
                return f"{plain_text(taken.step)} took {var.name} away{instead}"
        return f"loop {var.name} belongs to another program"
    return ""


def _has_loop(program: Program, var: Var) -> bool:
    return any(isinstance(node, For) and node.var is var for node in walk(program.body))


def _operands(value: Any) -> Iterator[Any]:
    """The loops and names in a step."""
    match value:
        case Step():
            for part in vars(value).values():
                yield from _operands(part)
        case tuple():
            for part in value:
                yield from _operands(part)
        case Var() | str():
            yield value


def nest_lines(stmt: Stmt, wanted: set[Any]) -> list[str]:
    """The loops and blocks under ``stmt``, one a line, less the top-level parts that hold nothing
    that is ``wanted``."""
    while isinstance(stmt, Allocate):
        stmt = stmt.body
    parts = children_of(stmt) if not isinstance(stmt, (For, If, Block)) else (stmt,)
    chosen = [p for p in parts if any(_is_wanted(node, wanted) for node in walk(p))]
    lines: list[str] = []
    for shown in chosen or parts:
        _write_nest(shown, 0, lines)
    return lines


def _is_wanted(stmt: Stmt, wanted: set[Any]) -> bool:
    match stmt:
        case For(var=var):
            return var in wanted
        case Block(name=name):
            return name in wanted
        case _:
            return False


def _write_nest(stmt: Stmt, depth: int, lines: list[str]) -> None:
    indent = "  " * depth
    match stmt:
        case For(var=var, extent=extent, kind=kind):
            thread = dict(stmt.annotations).get("thread", kind.value)
            note = "" if kind is LoopKind.SERIAL else f"  # {thread}"
            lines.append(f"{indent}for {var.name} in range({extent}):{note}")
            _write_nest(stmt.body, depth + 1, lines)
        case Block(name=name):
            axes = ", ".join(f"{it.axis.name}={it.binding!r}" for it in stmt.iters)
            lines.append(f"{indent}block {name}({axes})")
            for inner in child_blocks(stmt):
                _write_nest(inner, depth + 1, lines)
        case _:
            for child in children_of(stmt):
                _write_nest(child, depth, lines)
