"""Where the author of a function looks up elements at places that the data decide."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..errors import SourceLocation
from ..ir.bounds import interval
from ..ir.expr import Expr
from ..ir.program import Accumulate, Block, Program, Stmt, Store, children_of, expressions_of
from ..ir.rewrite import loads_of
from .show import operations
from .tensor import Call, Compute, Tensor

Reached = tuple[str, int, int]  # the name of a buffer, an axis of it, its size there
Found = list[tuple[Reached, SourceLocation]]


def lines_of_graph(
    outputs: Sequence[Tensor], buffer: str, axis: int, extent: int, refusal: Any
) -> tuple[SourceLocation, ...]:
    """The lines of the graph that leads to ``outputs`` of which one looked outside ``buffer``,
    whose size was ``extent`` along ``axis``, or failed with ``refusal``, an error and a sentence:
    one if that is certain.

    Kernels are made of several lines and of views, so names, axes and sizes need not be theirs.
    """
    found: Found = []
    wanted = buffer, axis, extent
    for op in operations(outputs):
        if isinstance(op, Call):
            where = op.program.attrs.get("location") or op.location
            if where is None:
                continue
            if refusal is None:
                found += [(reached, where) for reached, _ in _looked_up(op.program)]
            elif tuple(refusal) in map(tuple, op.program.attrs.get("refusals", {}).values()):
                found.append((wanted, where))
        elif isinstance(op, Compute) and refusal is None and op.location is not None:
            found += [(reached, op.location) for reached in _reached(op.body)]
    return _nearest(found, wanted)


def may_look_outside(op: Compute) -> bool:
    """Whether ``op`` looks up elements at places that the data decide, and no bounds of theirs are
    known that lie inside."""
    loads = (load for expr in op.body for load in loads_of(expr))
    return any(_may_lie_outside(load.source, load.indices) for load in loads)


def program_may_look_outside(program: Program) -> bool:
    """The same of what the statements of ``program`` read and write."""
    stack = [program.body]
    while stack:
        stmt = stack.pop()
        loads = [load for expr in expressions_of(stmt) for load in loads_of(expr)]
        places = [(load.source, load.indices) for load in loads]
        match stmt:
            case Store(buffer=buffer, indices=indices):
                places.append((buffer, indices))
            case Accumulate(buffers=buffers, indices=indices):
                places += [(buffer, indices) for buffer in buffers]
        if any(_may_lie_outside(*place) for place in places):
            return True
        stack.extend(children_of(stmt))
    return False


def _may_lie_outside(source: Any, indices: Sequence[Expr]) -> bool:
    for index, extent in zip(indices, source.shape, strict=True):
        if loads_of(index):
            low, high = interval(index, {})
            if low < 0 or high >= int(extent):
                return True
    return False


def lines_of_program(
    program: Program, buffer: str, axis: int, extent: int
) -> tuple[SourceLocation, ...]:
    """The same of a program: the lines of its blocks."""
    found = [(reached, where) for reached, where in _looked_up(program) if where is not None]
    return _nearest(found, (buffer, axis, extent))


def _nearest(found: Found, wanted: Reached) -> tuple[SourceLocation, ...]:
    """Those that reach just that, or else an axis of that size, or else all; each once."""
    same = [where for reached, where in found if reached == wanted]
    sized = [where for reached, where in found if reached[2] == wanted[2]]
    return tuple(dict.fromkeys(same or sized or [where for _, where in found]))


def _reached(exprs: Iterable[Expr]) -> list[Reached]:
    """What ``exprs`` load at places that are loaded themselves."""
    loads = [load for expr in exprs for load in loads_of(expr)]
    return [reached for load in loads for reached in _by_data(load.source, load.indices)]


def _by_data(source: Any, indices: Sequence[Expr]) -> list[Reached]:
    axes = [axis for axis, index in enumerate(indices) if loads_of(index)]
    return [(source.name, axis, int(source.shape[axis])) for axis in axes]


def _looked_up(program: Program) -> list[tuple[Reached, SourceLocation | None]]:
    """What the statements of ``program`` read and write at such places, and their lines."""
    found: list[tuple[Reached, SourceLocation | None]] = []
    stack: list[tuple[Stmt, SourceLocation | None]] = [(program.body, None)]
    while stack:
        stmt, where = stack.pop()
        reached = _reached(expressions_of(stmt))
        match stmt:
            case Block():
                where = stmt.location or where
            case Store(buffer=buffer, indices=indices):
                reached += _by_data(buffer, indices)
            case Accumulate(buffers=buffers, indices=indices):
                reached += [place for buffer in buffers for place in _by_data(buffer, indices)]
        found += [(place, where) for place in reached]
        stack.extend((child, where) for child in reversed(children_of(stmt)))
    return found
