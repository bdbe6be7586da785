"""check_accesses: in debug mode, places that data decide are looked at before they are used."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace

from ...dtypes import uint8
from ...ir.expr import Expr, Load, Select, apply, const
from ...ir.program import Accumulate, Buffer, If, Stmt, Store, expressions_of, seq
from ...ir.rewrite import loads_of
from ...schedules.step import rebuild
from .kernel import DeviceProgram

Access = tuple[Buffer, tuple[Expr, ...], tuple[Expr, ...]]  # where, at what place, under what tests


@dataclass(frozen=True)
class Looked:
    """A dimension that is looked at; stores to a buffer called ``guard`` are what looks."""

    guard: str
    buffer: str
    axis: int
    extent: int


def check_accesses(
    program: DeviceProgram, known: Container[str] = ()
) -> tuple[DeviceProgram, tuple[Looked, ...]]:
    """``y[j] = x[i[j]]`` -> ``guard[i[j]] = 0; if 0 <= i[j] < 10: y[j] = x[i[j]]``, and what the
    guards stand for. What a select leaves out is not looked at, nor what goes to the buffers
    ``known``, which are guards already."""
    found: dict[Looked, Buffer] = {}

    def on(stmt: Stmt) -> Stmt | None:
        if not isinstance(stmt, (Store, Accumulate)):
            return None
        if isinstance(stmt, Store) and stmt.buffer.name in known:
            return None
        made: Stmt = stmt
        for buffer, indices, tests in reversed(list(_accesses(stmt))):
            for axis in reversed(range(len(indices))):
                index = indices[axis]
                if not loads_of(index):
                    continue
                made = _looked(made, _guard(found, buffer, axis), index, tests)
        return None if made is stmt else made

    kernels = tuple(replace(k, body=rebuild(k.body, on)) for k in program.kernels)
    return replace(program, kernels=kernels), tuple(found)


def _looked(stmt: Stmt, guard: Buffer, index: Expr, tests: Sequence[Expr]) -> Stmt:
    extent = guard.size
    inside = (index >= 0) & (index < extent)
    look: Stmt = Store(guard, (index,), const(0, uint8))
    for test in reversed(tests):
        look = If(test, look)
    left_out = [apply("invert", test) for test in tests]
    allowed = inside
    for test in reversed(left_out):
        allowed = test | allowed
    return seq(look, If(allowed, stmt))


def _guard(found: dict[Looked, Buffer], buffer: Buffer, axis: int) -> Buffer:
    extent = buffer.shape[axis]
    looked = Looked(f"{buffer.name} {axis} {extent}", buffer.name, axis, extent)
    if looked not in found:
        found[looked] = Buffer(looked.guard, (extent,), uint8, strides=(0,))
    return found[looked]


def _accesses(stmt: Store | Accumulate) -> Iterator[Access]:
    """What ``stmt`` reads, inner places before outer ones, and what it writes."""
    for expr in expressions_of(stmt):
        yield from _loads(expr, ())
    match stmt:
        case Store(buffer=buffer, indices=indices):
            yield buffer, indices, ()
        case Accumulate(buffers=(buffer, *_), indices=indices):
            yield buffer, indices, ()


def _loads(expr: Expr, tests: tuple[Expr, ...]) -> Iterator[Access]:
    if not loads_of(expr):
        return
    if isinstance(expr, Select):
        yield from _loads(expr.condition, tests)
        yield from _loads(expr.then, (*tests, expr.condition))
        yield from _loads(expr.otherwise, (*tests, apply("invert", expr.condition)))
        return
    for child in expr.children:
        yield from _loads(child, tests)
    if isinstance(expr, Load):
        yield expr.source, expr.indices, tests
