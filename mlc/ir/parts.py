"""Parts of a program: its outermost loops, blocks and other statements, those in no loop.

What is asked of a loop can often be answered by the part that it stands in alone. Parts are
immutable and survive most changes to a program, so what is found in them is kept by identity.

A part may hold many statements in loops that they share. What is asked of a loop in one of these,
and of nothing else, is answered by a `Branch`: the part without the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from ..records import dataclass, replace
from .expr import Var
from .program import (
    Allocate,
    Block,
    Buffer,
    For,
    LoopKind,
    Program,
    Seq,
    Stmt,
    children_of,
    seq,
    walk,
)


@dataclass(frozen=True, eq=False)
class Part:
    """A statement, with the loops and the blocks in it, and the buffers that are allocated in it;
    of blocks of one name, the first."""

    stmt: Stmt
    loops: dict[Var, For]
    blocks: dict[str, Block]
    buffers: tuple[Buffer, ...]


@dataclass(frozen=True, eq=False)
class Branch:
    """A ``part`` with one statement alone in serial loops around it, and the ``place`` of that
    statement: its number in each sequence on the way down."""

    part: Part
    place: tuple[int, ...]

    @property
    def stmt(self) -> Stmt:
        """``for i: (a; b; c)`` -> ``for i: b``; the same object for the same branch."""
        return _without_others(self.part.stmt, self.place)


@lru_cache(maxsize=64)
def parts_of(program: Program) -> tuple[Part, ...]:
    """The parts of ``program`` in program order."""
    return tuple(map(_part, _outermost(program.body)))


def has_empty_loops(program: Program) -> bool:
    """Whether a loop of ``program`` has no iterations."""
    return any(loop.extent == 0 for part in parts_of(program) for loop in part.loops.values())


def buffers_around(program: Program) -> list[Buffer]:
    """The buffers that are allocated outside of all parts."""
    found: list[Buffer] = []
    todo = [program.body]
    while todo:
        match todo.pop():
            case Allocate(buffers=buffers, body=body):
                found += buffers
                todo.append(body)
            case Seq(stmts=stmts):
                todo += stmts
    return found


def part_with_loop(program: Program, var: Var) -> Part | None:
    """The part that the loop over ``var`` stands in."""
    return next((part for part in parts_of(program) if var in part.loops), None)


def part_with_block(program: Program, name: str) -> Part | None:
    """The first part that a block called ``name`` stands in."""
    return next((part for part in parts_of(program) if name in part.blocks), None)


def branch_with_loop(part: Part, var: Var) -> Branch:
    """The smallest branch of ``part`` that has the loop over ``var``, which is in no other one."""
    place: list[int] = []
    length = 0  # of the way to the last sequence of which some is left out
    stmt = part.stmt
    while True:
        match stmt:
            case For(body=body, kind=LoopKind.SERIAL, annotations=()) if stmt.var is not var:
                stmt = body
            case Allocate(body=body):
                stmt = body
            case Seq(stmts=stmts):
                holders = [n for n, one in enumerate(stmts) if var in _part(one).loops]
                if len(holders) != 1:
                    break
                place += holders
                length = len(place)
                stmt = stmts[holders[0]]
            case _:
                break
    return Branch(part, tuple(place[:length]))


def alone(program: Program, part: Part | Branch) -> Program:
    """A program that does what ``part`` does, the same object for the same part. It takes memory
    for granted that ``program`` allocates around the part."""
    stmt = part.stmt
    if stmt is program.body:
        return program
    return _alone(stmt, program.name, program.params, program.outputs)


def exchanged(program: Program, part: Part, other: Stmt) -> Program:
    """``program`` with ``other`` in the place of ``part``."""
    return program.with_body(_exchanged(program.body, part.stmt, other))


def grown_again(branch: Branch, made: Stmt) -> Stmt | None:
    """The part with what ``made`` has in the place of the branch's own statement; None if other
    loops stand around that than do in the part."""
    return _grown(branch.part.stmt, branch.place, made)


def _grown(stmt: Stmt, place: tuple[int, ...], made: Stmt) -> Stmt | None:
    if not place:
        return made
    match stmt, made:
        case Seq(stmts=stmts), _:
            here = place[0]
            inner = _grown(stmts[here], place[1:], made)
            return None if inner is None else seq(*stmts[:here], inner, *stmts[here + 1 :])
        case For(), For() if _are_alike(stmt, made):
            inner = _grown(stmt.body, place, made.body)
        case Allocate(), Allocate() if stmt.buffers == made.buffers:
            inner = _grown(stmt.body, place, made.body)
        case _:
            return None
    return None if inner is None else replace(stmt, body=inner)


def _are_alike(one: For, other: For) -> bool:
    """Whether two loops differ in nothing but what they hold."""
    return (
        one.var is other.var
        and one.extent == other.extent
        and one.kind is other.kind
        and one.annotations == other.annotations
    )


@lru_cache(maxsize=256)
def _without_others(stmt: Stmt, place: tuple[int, ...]) -> Stmt:
    if not place:
        return stmt
    match stmt:
        case Seq(stmts=stmts):
            return _without_others(stmts[place[0]], place[1:])
        case For() | Allocate():
            return replace(stmt, body=_without_others(stmt.body, place))
    raise AssertionError(type(stmt))


def _outermost(stmt: Stmt) -> Iterator[Stmt]:
    match stmt:
        case Allocate(body=body):
            yield from _outermost(body)
        case Seq(stmts=stmts):
            for one in stmts:
                yield from _outermost(one)
        case _:
            yield stmt


@lru_cache(maxsize=4096)
def _part(stmt: Stmt) -> Part:
    if not isinstance(stmt, (For, Seq, Allocate, Block)):  # conditions may be nested without end
        inside = [*walk(stmt)]
        loops = {n.var: n for n in reversed(inside) if isinstance(n, For)}
        blocks = {n.name: n for n in reversed(inside) if isinstance(n, Block)}
        buffers = tuple(b for n in inside if isinstance(n, Allocate) for b in n.buffers)
        return Part(stmt, dict(reversed(loops.items())), dict(reversed(blocks.items())), buffers)
    # What stands in these survives most changes, too.
    parts = [_part(child) for child in children_of(stmt) if children_of(child)]
    match stmt:
        case For(var=var):
            own: dict[Any, Any] = {var: stmt}
        case Block(name=name):
            own = {name: stmt}
        case _:
            own = {}
    buffers = stmt.buffers if isinstance(stmt, Allocate) else ()
    if len(parts) == 1:  # as most have: it differs in little
        (inner,) = parts
        loops, blocks = inner.loops, inner.blocks
        if isinstance(stmt, For):
            loops = {**own, **loops, **own}
        elif own:
            blocks = {**own, **blocks, **own}
        return Part(stmt, loops, blocks, (*buffers, *inner.buffers) if buffers else inner.buffers)
    return Part(
        stmt,
        _joined([own if isinstance(stmt, For) else {}, *[part.loops for part in parts]]),
        _joined([own if isinstance(stmt, Block) else {}, *[part.blocks for part in parts]]),
        (*buffers, *[buffer for part in parts for buffer in part.buffers]),
    )


def _joined(parts: list[dict[Any, Any]]) -> dict[Any, Any]:
    """All of ``parts`` in order; what several of them name is what the first one says."""
    found: dict[Any, Any] = {}
    for part in parts:
        found.update(part)
    if len(found) < sum(map(len, parts)):
        for part in reversed(parts):
            found.update(part)
    return found


@lru_cache(maxsize=2048)
def _alone(stmt: Stmt, name: str, params: tuple[Buffer, ...], outputs: int) -> Program:
    return Program(name, params, stmt, outputs)


def _exchanged(stmt: Stmt, old: Stmt, new: Stmt) -> Stmt:
    if stmt is old:
        return new
    match stmt:
        case Allocate(body=body):
            changed = _exchanged(body, old, new)
            return stmt if changed is body else replace(stmt, body=changed)
        case Seq(stmts=stmts):
            parts = [_exchanged(one, old, new) for one in stmts]
            if all(a is b for a, b in zip(parts, stmts, strict=True)):
                return stmt
            return seq(*parts)
        case _:
            return stmt
