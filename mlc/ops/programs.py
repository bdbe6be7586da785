"""Writes the tensor programs of operators that no expression per element says.

::

    w = Writer("running")
    x, out = w.input("x", (n,), float32), w.output("out", (n,), float32)
    total = w.variable("total", const(0, float32))
    with w.loop(n, "i") as i:
        w.set(total, total[()] + x[i])
        w.store(out, (i,), total[()])
    return w.call(tensor)

Loops that run at once are trusted: who writes such a program has to know that iterations do not
meet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from .. import te
from ..dtypes import DType, uint8
from ..ir.combiner import reducer
from ..ir.expr import Expr, Var, as_expr, cast, const, select
from ..ir.grids import Grid
from ..ir.program import (
    Accumulate,
    Allocate,
    Buffer,
    Evaluate,
    For,
    If,
    LoopKind,
    Program,
    Region,
    Scope,
    Seq,
    Stmt,
    Store,
    While,
    seq,
)

PARALLEL_WORK = 1 << 15  # element steps below which threads do not pay
_KINDS = {
    "": LoopKind.SERIAL,
    "threads": LoopKind.PARALLEL,
    "lanes": LoopKind.VECTORIZED,
    "unrolled": LoopKind.UNROLLED,
}


class Writer:
    """A program that is being written: statements go where the innermost ``with`` stands."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.inputs: list[Buffer] = []
        self.outputs: list[Buffer] = []
        self.lists: list[list[Any]] = [[]]
        self.refusals: dict[str, tuple[str, str]] = {}

    def input(self, name: str, shape: Sequence[int], dtype: DType) -> Buffer:
        """The next array that the program reads."""
        self.inputs.append(Buffer(name, tuple(shape), dtype))
        return self.inputs[-1]

    def output(self, name: str, shape: Sequence[int], dtype: DType) -> Buffer:
        """The next array that the program writes, every element of it."""
        self.outputs.append(Buffer(name, tuple(shape), dtype))
        return self.outputs[-1]

    def memory(self, name: str, shape: Sequence[int], dtype: DType) -> Buffer:
        """Uninitialised memory, from here to the end of the innermost ``with``."""
        return self._allocate(Buffer(name, tuple(shape), dtype))

    def registers(self, name: str, shape: Sequence[int], dtype: DType) -> Buffer:
        """Registers; their indices are constants, unrolled, or the lane."""
        return self._allocate(Buffer(name, tuple(shape), dtype, scope=Scope.REGISTER))

    def variable(self, name: str, start: Expr) -> Buffer:
        """A scalar in a register, ``start`` at first; read it as ``v[()]``."""
        made = self.registers(name, (), start.dtype)
        self.set(made, start)
        return made

    def _allocate(self, buffer: Buffer) -> Buffer:
        self.lists[-1].append(buffer)
        return buffer

    def store(self, buffer: Buffer, indices: Sequence[Expr | int], value: Any) -> None:
        """``buffer[indices] = value``, converted to its dtype."""
        places = tuple(cast(as_expr(i), "int64") for i in indices)
        self.lists[-1].append(Store(buffer, places, cast(as_expr(value), buffer.dtype)))

    def accumulate(self, name: str, buffer: Buffer, index: Sequence[Expr], value: Expr) -> None:
        """``buffer[index]`` combined with ``value`` by the reducer ``name``, such as "sum"."""
        combiner = reducer(name, buffer.dtype)
        places = tuple(cast(as_expr(i), "int64") for i in index)
        self.lists[-1].append(Accumulate(combiner, (buffer,), places, (value,)))

    def set(self, variable: Buffer, value: Any) -> None:
        """``variable = value``."""
        self.store(variable, (), value)

    def run(self, name: str, *args: Buffer | int) -> None:
        """A call of a library function: buffers by their addresses, integers as int64."""
        whole = tuple(arg if isinstance(arg, Buffer) else const(arg) for arg in args)
        self.lists[-1].append(Evaluate(name, whole))

    def run_on(self, intrinsic: str, *regions: Region) -> None:
        """A call of an intrinsic on parts of buffers."""
        self.lists[-1].append(Evaluate(intrinsic, regions))

    @contextmanager
    def loop(self, extent: int, name: str = "i", at_once: str = "") -> Iterator[Expr]:
        """``for i in range(extent)``; ``at_once`` is "threads", "lanes" or "unrolled", or names
        threads of a grid: "blockIdx.x", or "blockIdx.x atomic" where blocks combine into the same
        elements."""
        kind = _KINDS.get(at_once, LoopKind.BOUND)
        var = Var(name)
        with self._nested() as body:
            yield var
        hints: tuple[tuple[str, object], ...] = ()
        if kind is LoopKind.BOUND:
            thread, *more = at_once.split()
            hints = (("thread", thread), *((hint, True) for hint in more))
        self.lists[-1].append(For(var, extent, body.statement(), kind, hints))

    @contextmanager
    def repeat(self, condition: Expr) -> Iterator[None]:
        """``while condition:``"""
        with self._nested() as body:
            yield
        self.lists[-1].append(While(condition, body.statement()))

    @contextmanager
    def when(self, condition: Expr) -> Iterator[None]:
        """``if condition:``"""
        with self._nested() as body:
            yield
        self.lists[-1].append(If(condition, body.statement()))

    @contextmanager
    def otherwise(self) -> Iterator[None]:
        """``else:`` of the ``when`` right before."""
        with self._nested() as body:
            yield
        last = self.lists[-1].pop()
        self.lists[-1].append(If(last.condition, last.then, body.statement()))

    @contextmanager
    def _nested(self) -> Iterator[_Part]:
        part = _Part()
        self.lists.append(part.items)
        try:
            yield part
        finally:
            self.lists.pop()

    def guard(self, error: str, sentence: str, extent: int = 1) -> Buffer:
        """What ends the call where it is stored to at ``extent`` or beyond, with ``error`` and
        ``sentence``; see :class:`mlc.ir.program.Program`."""
        name = f"guard{len(self.refusals) or ''}"
        made = self._allocate(Buffer(name, (extent,), uint8, strides=(0,)))  # all at one place
        self.refusals[made.name] = (error, sentence)
        return made

    def insist(self, guard: Buffer, condition: Expr) -> None:
        """End the call, as ``guard`` says, unless ``condition`` holds."""
        self.store(guard, (select(condition, const(0), const(1)),), 0)

    def program(self) -> Program:
        """What was written."""
        params = (*self.inputs, *self.outputs)
        attrs: dict[str, Any] = {"unsafe": True}
        if self.refusals:
            attrs["refusals"] = self.refusals
        return Program(self.name, params, joined(self.lists[0]), len(self.outputs), attrs)

    def call(self, *tensors: te.Tensor, on_grid: Callable[[], Grid] | None = None) -> Any:
        """What the program makes of ``tensors``: a tensor, or a tuple of them. ``on_grid`` makes
        what writes the one that cards run instead, over params of the same kinds."""
        return te.call(self.program(), *tensors, on_grid=on_grid)


class _Part:
    """The statements of one body."""

    def __init__(self) -> None:
        self.items: list[Any] = []

    def statement(self) -> Stmt:
        return joined(self.items)


def joined(items: Sequence[Stmt | Buffer]) -> Stmt:
    """Statements in order; a buffer among them lives until the end."""
    for n, item in enumerate(items):
        if isinstance(item, Buffer):
            before: list[Any] = list(items[:n])
            return seq(*before, Allocate((item,), joined(items[n + 1 :])))
    rest: list[Any] = list(items)
    return seq(*rest) if rest else Seq(())


def unflattened(place: Expr, shape: Sequence[int]) -> list[Expr]:
    """The indices of element number ``place``, in C order, of an array of ``shape``."""
    indices: list[Expr] = []
    for extent in reversed(shape[1:]):
        indices.insert(0, place % extent)
        place = place // extent
    return [place, *indices] if shape else []


@contextmanager
def nested(w: Writer, shape: Sequence[int], name: str = "i") -> Iterator[list[Expr]]:
    """Loops over all places of ``shape``, the last axis innermost."""
    if not shape:
        yield []
        return
    with w.loop(shape[0], f"{name}{len(shape)}") as i, nested(w, shape[1:], name) as rest:
        yield [i, *rest]


@contextmanager
def beside(w: Writer, shape: Sequence[int], name: str = "i") -> Iterator[list[Expr]]:
    """Loops over all places of ``shape``, which do not meet: lanes along the last axis."""
    if not shape:
        yield []
        return
    with nested(w, shape[:-1], name) as outer, w.loop(shape[-1], name, "lanes") as lane:
        yield [*outer, lane]


def threads(pieces: int, work: float) -> str:
    """``at_once`` of a loop over ``pieces`` independent parts that together take ``work`` steps."""
    return "threads" if pieces > 1 and work >= PARALLEL_WORK else ""
