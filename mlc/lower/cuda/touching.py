"""Which buffers statements touch."""

from __future__ import annotations

from ...ir.intrinsic import call_effects, is_intrinsic
from ...ir.program import (
    Accumulate,
    Allocate,
    Buffer,
    Evaluate,
    For,
    Region,
    Stmt,
    Store,
    expressions_of,
    walk,
)
from ...ir.rewrite import loads_of


def buffers_read(stmt: Stmt) -> set[Buffer]:
    """Every buffer of which ``stmt`` reads elements."""
    found: set[Buffer] = set()
    for node in walk(stmt):
        for expr in expressions_of(node):
            found.update(load.source for load in loads_of(expr))
        match node:
            case Accumulate(buffers=buffers):
                found.update(buffers)
            case Evaluate(name=name) if is_intrinsic(name):
                found.update(region.buffer for region in call_effects(node)[0])
            case Evaluate(args=args):
                found.update(_arguments(args))
    return found


def buffers_written(stmt: Stmt) -> set[Buffer]:
    """Every buffer of which ``stmt`` writes elements."""
    found: set[Buffer] = set()
    for node in walk(stmt):
        match node:
            case Store(buffer=buffer):
                found.add(buffer)
            case Accumulate(buffers=buffers):
                found.update(buffers)
            case Evaluate(name=name) if is_intrinsic(name):
                found.update(region.buffer for region in call_effects(node)[1])
            case Evaluate(args=args):
                found.update(_arguments(args))
    return found


def buffers_touched(stmt: Stmt) -> set[Buffer]:
    """Every buffer that ``stmt`` names."""
    return buffers_read(stmt) | buffers_written(stmt)


def buffers_made(stmt: Stmt) -> set[Buffer]:
    """Every buffer that ``stmt`` allocates."""
    return {b for node in walk(stmt) if isinstance(node, Allocate) for b in node.buffers}


def loops_in(stmt: Stmt) -> list[For]:
    """Every loop of ``stmt``, outer ones first."""
    return [node for node in walk(stmt) if isinstance(node, For)]


def _arguments(args: object) -> set[Buffer]:
    found: set[Buffer] = set()
    for arg in args if isinstance(args, tuple) else ():
        if isinstance(arg, Region):
            found.add(arg.buffer)
        elif isinstance(arg, Buffer):
            found.add(arg)
    return found
