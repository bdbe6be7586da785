"""What a program costs, loop by loop, and what would help."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from ..ir.program import Buffer, LoopKind, Program, While, walk
from ..ir.show import Names
from ..ir.unsafe import unsafe_steps
from .advice import advice
from .cost import Cost, Part, parts_of, total_cost
from .lanes import lane_loop, patterns
from .machine import Facts, bytes_text, count_text, this_machine, time_text
from .nests import Footprint, Leaf, Nest
from .traffic import work_of


@dataclass(frozen=True)
class Explanation:
    """A text to read, and the numbers in it: the cost of the whole."""

    text: str
    cost: Cost

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self.text)}</pre>"


def explain(*programs: Program, facts: Facts | None = None, name: str = "") -> Explanation:
    """What ``programs``, run one after the other, cost, by the model of `looking.traffic`.

    Counts come from the programs; nothing is measured. For each loop: how often it runs in all,
    what one iteration touches of each buffer, and the nearest memory that holds it. For each
    statement: the operations of one run, and how its accesses go along the vector loop, or along
    the innermost one. Then what moves into each cache, the time that each resource needs by itself
    on one thread, of which the longest is the bound, and steps that would help.
    """
    known = facts or this_machine()
    lines: list[str] = []
    all_parts: list[Part] = []
    for program in programs:
        parts = parts_of(program, known)
        all_parts += parts
        lines += ["", *_program_lines(program, parts, known)]
    total = total_cost(all_parts)
    head = [f"{name or ', '.join(p.name for p in programs)}: {total}", f"on {known}"]
    return Explanation("\n".join([*head, *lines]), total)


def _program_lines(program: Program, parts: Sequence[Part], facts: Facts) -> Iterator[str]:
    names = Names()
    for buffer in program.params:
        names.add(buffer)
    for number, part in enumerate(parts):
        yield from [""] if number else []
        yield from _part_lines(program, part, names, facts)


def _part_lines(program: Program, part: Part, names: Names, facts: Facts) -> Iterator[str]:
    rows = list(_rows(part.nest, 0, 1, names, facts))
    table = [("loop", "runs", "held by", "one iteration touches"), *rows]
    first, second, third = (max(len(row[n]) for row in table) for n in range(3))
    for label, runs, held, touched in table:
        yield f"  {label.ljust(first)}  {runs.rjust(second)}  {held.ljust(third)}  {touched}"
    if any(held.endswith("*") for _, _, held, _ in rows):
        yield "  * a nearer cache is large enough, but it would all fall into few of its sets"
    cost = part.cost
    yield _traffic(part, names)
    spent = ", ".join(f"{what} {time_text(s)}" for what, s in cost.times if s)
    yield f"  time     {spent}"
    yield f"  bound    {cost.bound}: {time_text(cost.seconds)} on one thread"
    yield from _tasks(part, facts)
    for factor, block in part.recomputed:
        yield f"  again    block {block} runs {factor:g} points for each it ran before"
    for step in unsafe_steps(program):
        yield f"  unsafe   {step}: taken without proof"
    if any(isinstance(stmt, While) for stmt in walk(program.body)):
        yield "  while    loops that run until something holds are counted as if they ran once"
    for sentence in advice(program, part, facts):
        yield f"  next     {sentence}"


def _traffic(part: Part, names: Names) -> str:
    texts = []
    for level, found in part.moved:
        total = sum(found.values())
        most = max(found, key=lambda b: found[b], default=None)
        share = ""
        if most is not None and len(found) > 1:
            share = f" ({_name(most, names)} {bytes_text(found[most])})"
        texts.append(f"{level} {bytes_text(total)}{share}")
    return f"  moved    into {', '.join(texts)}"


def _tasks(part: Part, facts: Facts) -> Iterator[str]:
    for nest in part.nest.nests():
        loop = nest.loop
        if loop is None or loop.kind is not LoopKind.PARALLEL:
            continue
        grain = int(dict(loop.annotations).get("grain", 1))
        tasks = max(-(-loop.extent // grain), 1)
        each = part.cost.seconds / tasks
        yield (
            f"  tasks    {loop.var.name}: {tasks} of {grain} iteration{'s' * (grain != 1)} for "
            f"{facts.threads} threads, about {time_text(each)} each"
        )


_Row = tuple[str, str, str, str]


def _rows(nest: Nest, depth: int, runs: int, names: Names, facts: Facts) -> Iterator[_Row]:
    inner = depth
    if nest.loop is not None:
        loop = nest.loop
        runs *= loop.extent
        kind = "" if loop.kind is LoopKind.SERIAL else f" {loop.kind.value}"
        label = f"{'  ' * depth}{loop.var.name} {loop.extent}{kind}"
        touched = _footprint_text(nest.one_iteration, names)
        if loop.extent != 1:
            yield label, count_text(runs), facts.level_of(nest.one_iteration), touched
            inner += 1
    for leaves, parts in groupby(nest.parts, _place_of):
        if leaves is None:
            for part in parts:
                assert isinstance(part, Nest)
                yield from _rows(part, inner, runs, names, facts)
        else:
            found = [part for part in parts if isinstance(part, Leaf)]
            yield _leaf_row(nest, found, inner, names, facts)


def _place_of(part: Nest | Leaf) -> tuple[str, bool, int] | None:
    """What statements that are told of in one row have in common; None for a loop."""
    return None if isinstance(part, Nest) else (part.block, part.is_init, part.times)


def _leaf_row(nest: Nest, leaves: list[Leaf], depth: int, names: Names, facts: Facts) -> _Row:
    leaf = leaves[0]
    flops = sum(work_of(each, facts).flops for each in leaves)
    what = type(leaf.stmt).__name__.lower() if len(leaves) == 1 else f"{len(leaves)} statements"
    label = f"{'  ' * depth}{leaf.block or what}{' init' * leaf.is_init}: {flops} flop"
    lane = lane_loop(leaf.loops)
    how = ""
    if lane is not None:
        rows = [
            r
            for r in nest.accesses
            if r.block == leaf.block and r.is_init == leaf.is_init and r.loops == leaf.loops
        ]
        found = {b: p for b, p in patterns(rows, lane.var).items() if b.shape}
        texts = [f"{_name(b, names)} {p}" for b, p in found.items()]
        how = f"along {lane.var.name}: {', '.join(texts)}" if texts else ""
        if lane.kind is LoopKind.VECTORIZED and texts:
            size = max((b.dtype.itemsize for b in found), default=4)
            lanes = facts.lanes(size)
            how += f"; {min(lanes, lane.extent)} of {lanes} lanes"
    return label, count_text(leaf.times), "", how


def _footprint_text(found: dict[Buffer, Footprint], names: Names) -> str:
    arrays = {b: f for b, f in found.items() if b.shape}  # numbers are in registers
    parts = [f"{_name(b, names)} {bytes_text(f.bytes)}" for b, f in arrays.items()]
    total = sum(f.bytes for f in arrays.values())
    return " + ".join(parts) + (f" = {bytes_text(total)}" if len(parts) > 1 else "")


def _name(buffer: Buffer, names: Names) -> str:
    return names.get(buffer) or names.add(buffer)
