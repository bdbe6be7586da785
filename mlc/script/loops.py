"""Loops, branches, scopes and memory of a traced program."""

from __future__ import annotations

import operator
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..errors import ArgumentError, MlcError
from ..ir.expr import Expr, Var
from ..ir.program import For, If, LoopKind, While
from .names import assigned_names
from .trace import Level, Trace, current, new_buffer
from .values import Handle, Value

Hints = Mapping[str, Any]


def grid(*extents: Any) -> Iterator[Any]:
    """Nested serial loops: ``for i, j in T.grid(4, 8):``; with one extent, a single variable."""
    if not extents:
        raise ArgumentError("T.grid wants the extents of its loops: for i, j in T.grid(4, 8):")
    return _loops("T.grid", extents, LoopKind.SERIAL, ())


def serial(extent: Any, annotations: Hints | None = None) -> Iterator[Any]:
    """A loop whose iterations run one after the other."""
    return _loops("T.serial", (extent,), LoopKind.SERIAL, _hints(annotations))


def parallel(extent: Any, annotations: Hints | None = None) -> Iterator[Any]:
    """A loop whose iterations run on the threads of the pool."""
    return _loops("T.parallel", (extent,), LoopKind.PARALLEL, _hints(annotations))


def vectorized(extent: Any, annotations: Hints | None = None) -> Iterator[Any]:
    """A loop whose iterations run in the lanes of vector registers."""
    return _loops("T.vectorized", (extent,), LoopKind.VECTORIZED, _hints(annotations))


def unrolled(extent: Any, annotations: Hints | None = None) -> Iterator[Any]:
    """A loop whose iterations are written out."""
    return _loops("T.unrolled", (extent,), LoopKind.UNROLLED, _hints(annotations))


def thread_binding(extent: Any, thread: str, annotations: Hints | None = None) -> Iterator[Any]:
    """A loop whose iterations run on the threads of an accelerator, such as "threadIdx.x"."""
    if not isinstance(thread, str):
        raise ArgumentError(
            f"T.thread_binding wants the name of a thread index such as 'threadIdx.x', "
            f"got {thread!r}"
        )
    hints = ((("thread", thread),) if thread else ()) + _hints(annotations)
    return _loops("T.thread_binding", (extent,), LoopKind.BOUND, hints)


def _hints(annotations: Hints | None) -> tuple[tuple[str, Any], ...]:
    return tuple((annotations or {}).items())


def as_extent(value: Any, what: str) -> int:
    """``value`` as the number of iterations or points of something."""
    if isinstance(value, (Expr, Value)):
        raise ArgumentError(
            f"{what} wants an extent that is an integer, got {value!r}; let the loop run as far as "
            f"it ever has to, and put `with T.when(k < {value!r}):` around what it does"
        )
    try:
        extent = int(operator.index(value))
    except MlcError:
        raise
    except TypeError:
        raise ArgumentError(f"{what} wants an extent that is an integer, got {value!r}") from None
    if extent < 0:
        raise ArgumentError(f"{what} wants an extent >= 0, got {extent}")
    return extent


def _loops(
    name: str, extents: tuple[Any, ...], kind: LoopKind, hints: tuple[tuple[str, Any], ...]
) -> Iterator[Any]:
    trace = current(name)
    sizes = [as_extent(extent, name) for extent in extents]
    return _run(trace, sizes, kind, hints)


def _run(
    trace: Trace, sizes: list[int], kind: LoopKind, hints: tuple[tuple[str, Any], ...]
) -> Iterator[Any]:
    names = assigned_names(sys._getframe(0).f_back, len(sizes))
    names = names or [f"i{n}" if len(sizes) > 1 else "i" for n in range(len(sizes))]
    variables = [Var(text) for text in names]
    levels = [trace.open(Level("loop", variables={v: n})) for v, n in zip(variables, sizes)]
    try:
        yield variables[0] if len(variables) == 1 else tuple(variables)
    except GeneratorExit:
        trace.broken = trace.broken or ArgumentError(
            f"the loop over {', '.join(names)} is left by break or return; "
            f"the iterations of a program's loop all run: use T.when(condition) inside it",
            levels[0].location,
        )
        raise
    for variable, size, level in zip(reversed(variables), reversed(sizes), reversed(levels)):
        body = trace.close(level)
        trace.loops[variable] = level.location
        trace.emit(For(variable, size, body, kind, hints))


@contextmanager
def when(condition: Any) -> Iterator[None]:
    """``with T.when(condition):`` the statements run where the condition holds."""
    trace = current("T.when")
    test = trace.condition(condition, "T.when")
    level = trace.open(Level("when", condition=test))
    yield
    body = trace.close(level)
    stmt = If(test, body)
    trace.emit(stmt)
    trace.level.last_when = stmt


@contextmanager
def otherwise() -> Iterator[None]:
    """``with T.otherwise():`` after T.when: the statements run where its condition fails."""
    trace = current("T.otherwise")
    stmt = trace.level.last_when
    if stmt is None:
        raise ArgumentError("T.otherwise() must follow a `with T.when(condition):` at once")
    level = trace.open(Level("otherwise", condition=stmt.condition))
    yield
    body = trace.close(level)
    trace.level.items[-1] = If(stmt.condition, stmt.then, body)
    trace.level.last_when = None


@contextmanager
def while_(condition: Any) -> Iterator[None]:
    """``with T.while_(condition):`` the statements run again and again while the condition, which
    reads what they write, holds."""
    trace = current("T.while_")
    test = trace.condition(condition, "T.while_")
    level = trace.open(Level("loop"))
    yield
    body = trace.close(level)
    trace.emit(While(test, body))


@contextmanager
def scope() -> Iterator[None]:
    """``with T.scope():`` what is allocated inside ends with it."""
    trace = current("T.scope")
    level = trace.open(Level("scope"))
    yield
    body = trace.close(level)
    trace.emit_all(body)


def alloc(
    shape: Any,
    dtype: Any = "float32",
    *,
    strides: Any = None,
    scope: str = "global",
    aligned: bool = True,
) -> Handle:
    """Memory of the program's own, uninitialised, until the ``with`` or ``for`` around it ends."""
    trace = current("T.alloc")
    names = assigned_names(sys._getframe(1), 1)
    buffer = new_buffer(names[0] if names else "buffer", shape, dtype, strides, scope, aligned)
    trace.allocate(buffer)
    return Handle(buffer, trace)
