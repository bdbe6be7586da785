"""The reference interpreter: a program runs over NumPy arrays, element by element.

Programs with blocks and flat ones run alike. All kinds of loops run one iteration after the other,
and every index that the ranges of its variables do not keep in bounds is checked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..dtypes import DType, boolean
from ..errors import ArgumentError, BoundsError, DTypeError, ShapeError, UnsupportedError
from .arithmetic import silent
from .call_names import is_gufunc
from .closures import Action, Closures, Frame, Value, assign, reader
from .empty_loops import fill_empty_reductions
from .expr import Axis
from .gufuncs import run_gufunc
from .intrinsic import expand_call, is_intrinsic
from .program import (
    Accumulate,
    Allocate,
    Block,
    Buffer,
    Evaluate,
    For,
    If,
    LoopKind,
    Program,
    Seq,
    Stmt,
    Store,
    While,
)


def interpret(
    program: Program,
    *arrays: np.ndarray[Any, Any],
    check_uninitialised: bool = False,
    reverse_parallel: bool = False,
) -> None:
    """Runs ``program`` on one array per parameter; the outputs are written in place."""
    compile_program(program, check_uninitialised, reverse_parallel)(*arrays)


def compile_program(
    program: Program, check_uninitialised: bool = False, reverse_parallel: bool = False
) -> Callable[..., None]:
    """``program`` as a function over one array per parameter.

    Allocated memory starts as NaN (integers: 0xAB bytes). With ``check_uninitialised``, reading
    what was never written raises :class:`CompileError`, outputs included. ``reverse_parallel`` runs
    PARALLEL loops from the last iteration to the first, which must make no difference.
    Raises :class:`BoundsError` for an index outside its buffer.
    """
    return _Compiler(program, check_uninitialised, reverse_parallel).compile()


def poisoned(shape: tuple[int, ...], dtype: DType) -> np.ndarray[Any, Any]:
    """A new array of values that show when they are used: NaN, or 0xAB bytes; True for bool."""
    if dtype.is_float:
        return np.full(shape, float("nan"), dtype.numpy)
    if dtype is boolean:
        return np.ones(shape, bool)
    count = math.prod(shape) * dtype.itemsize
    return np.full(count, 0xAB, np.uint8).view(dtype.numpy).reshape(shape)


class _Compiler:
    def __init__(self, program: Program, check: bool, reverse: bool) -> None:
        self.program = program
        self.check = check
        self.reverse = reverse
        self.exprs = Closures(check, program.script)
        self.exprs.refusals = program.attrs.get("refusals", {})

    def compile(self) -> Callable[..., None]:
        program = fill_empty_reductions(self.program)
        params = program.params
        first_output = len(params) - program.outputs
        slots = [self.exprs.slot(b) for b in params]
        written = [self.exprs.slot(("written", b)) for b in params] if self.check else []
        body = self.statement(program.body)
        size = len(self.exprs.slots)

        def run(*arrays: np.ndarray[Any, Any]) -> None:
            if len(arrays) != len(params):
                raise ArgumentError(f"{program.name} takes {len(params)} arrays, got {len(arrays)}")
            frame: Frame = [None] * size
            for position, (buffer, array, slot) in enumerate(zip(params, arrays, slots)):
                check_array(buffer, array, position >= first_output)
                frame[slot] = array
                if written:
                    frame[written[position]] = np.full(array.shape, position < first_output)
            with silent():
                body(frame)

        return run

    def statement(self, stmt: Stmt) -> Action:
        exprs = self.exprs
        match stmt:
            case Seq(stmts=stmts):
                return _in_order([self.statement(s) for s in stmts])
            case For():
                return self.loop(stmt)
            case Allocate(buffers=buffers, body=body):
                return self.allocation(buffers, body)
            case While(condition=condition, body=body):
                before = exprs.share(condition)
                test = exprs.value(condition)
                return _repeat(before, test, self.statement(body))
            case If(condition=condition, then=then, otherwise=otherwise):
                before = exprs.share(condition)
                test = exprs.value(condition)
                yes = self.statement(then)
                no = None if otherwise is None else self.statement(otherwise)
                return _in_order([*before, _branch(test, yes, no)])
            case Block():
                return self.block(stmt)
            case Store(buffer=buffer, indices=indices, value=value):
                before = exprs.share(*indices, value)
                return _in_order([*before, exprs.store(buffer, indices, exprs.value(value))])
            case Accumulate():
                return self.accumulate(stmt)
            case Evaluate(name=name) if is_intrinsic(name):
                return self.statement(expand_call(stmt))
            case Evaluate(name=name) if is_gufunc(name):
                return self.library_call(stmt)
            case Evaluate(name=name):
                raise UnsupportedError(
                    f"the interpreter cannot call {name!r}; interpret the program as it was before "
                    f"this call took the place of plain statements"
                )
        raise AssertionError(type(stmt))

    def library_call(self, call: Evaluate) -> Action:
        """A call of a NumPy gufunc over whole buffers."""
        buffers = [b for b in call.args if isinstance(b, Buffer)]
        slots = [self.exprs.slot(b) for b in buffers]
        written = [self.exprs.slot(("written", b)) for b in buffers] if self.check else []

        def run(frame: Frame) -> None:
            run_gufunc(call.name, [frame[slot] for slot in slots])
            for slot in written:
                frame[slot][...] = True

        return run

    def loop(self, stmt: For) -> Action:
        slot = self.exprs.bind(stmt.var, stmt.extent)
        body = self.statement(stmt.body)
        iterations = range(stmt.extent)
        if self.reverse and stmt.kind is LoopKind.PARALLEL:
            iterations = iterations[::-1]

        def run(frame: Frame) -> None:
            for i in iterations:
                frame[slot] = i
                body(frame)

        return run

    def allocation(self, buffers: Sequence[Buffer], body: Stmt) -> Action:
        rows = [(self.exprs.slot(b), b.shape, b.dtype) for b in buffers]
        written = [self.exprs.slot(("written", b)) for b in buffers] if self.check else []
        inner = self.statement(body)

        def run(frame: Frame) -> None:
            for slot, shape, dtype in rows:
                frame[slot] = poisoned(shape, dtype)
            for slot, (_, shape, _) in zip(written, rows):
                frame[slot] = np.zeros(shape, bool)
            inner(frame)

        return run

    def block(self, stmt: Block) -> Action:
        exprs = self.exprs
        outer, exprs.location = exprs.location, stmt.location or exprs.location
        before = exprs.share(*(it.binding for it in stmt.iters))
        values = [exprs.value(it.binding) for it in stmt.iters]
        slots = [exprs.bind(it.axis, it.axis.extent) for it in stmt.iters]
        work = self.statement(stmt.body)
        if stmt.init is not None:
            reduced = [exprs.slot(it.axis) for it in stmt.iters if it.axis.is_reduce]
            work = _in_order([_at_first(reduced, self.statement(stmt.init)), work])
        enter = [assign(slot, value) for slot, value in zip(slots, values)]
        enter += [
            _within(it.axis, slot, stmt.name)
            for it, slot in zip(stmt.iters, slots)
            if not exprs.is_within(it.binding, it.axis.extent)
        ]
        run = _in_order([*before, *enter, work])
        if stmt.predicate is not None:
            tests = exprs.share(stmt.predicate)
            run = _in_order([*tests, _branch(exprs.value(stmt.predicate), run, None)])
        exprs.location = outer
        return run

    def accumulate(self, stmt: Accumulate) -> Action:
        exprs, combiner = self.exprs, stmt.combiner
        before = exprs.share(*stmt.indices, *stmt.values)
        news = [exprs.scalar(value) for value in stmt.values]
        olds = [exprs.element(buffer, stmt.indices) for buffer in stmt.buffers]
        if combiner.fn:
            function = exprs.function(combiner.fn, combiner.dtypes[0], combiner.dtypes[0])
            (old,), (new,) = olds, news
            update = exprs.store(
                stmt.buffers[0], stmt.indices, lambda frame: function(old(frame), new(frame))
            )
            return _in_order([*before, update])
        held = [exprs.slot(("result", stmt, i)) for i in range(len(olds))]
        stores = [
            exprs.store(buffer, stmt.indices, reader(slot))
            for buffer, slot in zip(stmt.buffers, held, strict=True)
        ]
        fetch = [
            assign(exprs.slot(var), value)
            for var, value in zip(combiner.lhs + combiner.rhs, (*olds, *news), strict=True)
        ]
        inner = exprs.share(*combiner.result)
        parts = [assign(slot, exprs.value(r)) for slot, r in zip(held, combiner.result)]
        return _in_order([*before, *fetch, *inner, *parts, *stores])


def check_array(buffer: Buffer, array: Any, is_output: bool) -> None:
    """Raises unless ``array`` fits ``buffer``."""
    if not isinstance(array, np.ndarray):
        raise ArgumentError(f"expected an array for {buffer.name}, got {type(array).__name__}")
    if array.shape != buffer.shape:
        raise ShapeError(f"expected shape {buffer.shape} for {buffer.name}, got {array.shape}")
    if array.dtype != buffer.dtype.numpy:
        raise DTypeError(f"expected {buffer.dtype} for {buffer.name}, got {array.dtype.name}")
    if is_output and not array.flags.writeable:
        raise ArgumentError(f"the array for output {buffer.name} is read-only")


def _in_order(actions: Sequence[Action]) -> Action:
    if len(actions) == 1:
        return actions[0]
    if len(actions) == 2:
        first, second = actions

        def both(frame: Frame) -> None:
            first(frame)
            second(frame)

        return both

    def run(frame: Frame) -> None:
        for action in actions:
            action(frame)

    return run


def _within(axis: Axis, slot: int, block: str) -> Action:
    """Refuses a binding that leaves its axis: the body is compiled for the axis' range."""
    name, extent = axis.name, axis.extent

    def run(frame: Frame) -> None:
        if not 0 <= frame[slot] < extent:
            raise BoundsError(
                f"axis {name} of block {block!r} is {frame[slot]}, outside its range({extent}); "
                f"bind it within the range or give the block a predicate"
            )

    return run


def _branch(test: Value, yes: Action, no: Action | None) -> Action:
    def run(frame: Frame) -> None:
        if test(frame):
            yes(frame)
        elif no is not None:
            no(frame)

    return run


def _repeat(before: Sequence[Action], test: Value, body: Action) -> Action:
    def run(frame: Frame) -> None:
        while True:
            for action in before:
                action(frame)
            if not test(frame):
                return
            body(frame)

    return run


def _at_first(slots: Sequence[int], action: Action) -> Action:
    """``action`` when all the reduce axes stand at 0."""

    def run(frame: Frame) -> None:
        for slot in slots:
            if frame[slot]:
                return
        action(frame)

    return run
