"""Parts of a program: its outermost loops, blocks and other statements, those in no loop.

What is asked of a loop can often be answered by the part that it stands in alone. Parts are
immutable and survive most changes to a program, so what is found in them is kept by identity.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from ..records import dataclass, replace
from .expr import Var
from .program import Allocate, Block, Buffer, For, Program, Seq, Stmt, seq, walk


@dataclass(frozen=True, eq=False)
class Part:
    """A statement, with the loops and the blocks in it, and the buffers that are allocated in it;
    of blocks of one name, the first."""

    stmt: Stmt
    loops: dict[Var, For]
    blocks: dict[str, Block]
    buffers: tuple[Buffer, ...]


@lru_cache(maxsize=64)
def parts_of(program: Program) -> tuple[Part, ...]:
    """The parts of ``program`` in program order."""
    return tuple(map(_part, _outermost(program.body)))


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


def alone(program: Program, part: Part) -> Program:
    """A program that does what ``part`` does, the same object for the same part. It takes memory
    for granted that ``program`` allocates around the part."""
    if part.stmt is program.body:
        return program
    return _alone(part.stmt, program.name, program.params, program.outputs)


def exchanged(program: Program, part: Part, other: Stmt) -> Program:
    """``program`` with ``other`` in the place of ``part``."""
    return program.with_body(_exchanged(program.body, part.stmt, other))


def _outermost(stmt: Stmt) -> Iterator[Stmt]:
    match stmt:
        case Allocate(body=body):
            yield from _outermost(body)
        case Seq(stmts=stmts):
            for one in stmts:
                yield from _outermost(one)
        case _:
            yield stmt


@lru_cache(maxsize=2048)
def _part(stmt: Stmt) -> Part:
    loops: dict[Var, For] = {}
    blocks: dict[str, Block] = {}
    buffers: list[Buffer] = []
    for node in walk(stmt):
        if isinstance(node, For):
            loops.setdefault(node.var, node)
        elif isinstance(node, Block):
            blocks.setdefault(node.name, node)
        elif isinstance(node, Allocate):
            buffers += node.buffers
    return Part(stmt, loops, blocks, tuple(buffers))


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
