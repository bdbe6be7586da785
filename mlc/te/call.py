"""Tensor programs as operations: what no expression per element says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ArgumentError, DTypeError, ShapeError, user_location
from ..ir.grids import Grid, asked_later
from ..ir.program import Program
from .construct import constant
from .tensor import Call, Tensor

OnGrid = Callable[[], Grid]  # called when somebody wants it
_values: list[Callable[..., Any]] = []


def set_values(run: Callable[..., Any]) -> None:
    """Say what calls a program with values that are no tensors: ``run(program, values, name)``."""
    _values[:] = [run]


def call(program: Any, *inputs: Any, name: str = "", on_grid: OnGrid | None = None) -> Any:
    """What ``program`` writes when its first params are ``inputs``: a tensor, or a tuple of them.

    The params are the inputs in order, then the outputs; what the program does not write of these
    is 0. A schedule stands for the program that it has come to, and a template for the program of
    the sizes that the inputs have. Inputs are te tensors, as in the body of an operator, or traced
    values in a jitted function, or arrays: then what comes back is of that kind too. Raises
    ShapeError, DTypeError or ArgumentError where ``inputs`` do not fit the params. ``on_grid``
    makes what writes a program of the same meaning over the same params for cards, where they are
    tensors.
    """
    if not inputs or not all(isinstance(value, Tensor) for value in inputs):
        return _values[0](program, inputs, name)
    return call_of_tensors(program, inputs, name, on_grid)


def call_of_tensors(
    program: Any,
    inputs: tuple[Any, ...],
    name: str = "",
    on_grid: OnGrid | None = None,
) -> Any:
    """The same where ``inputs`` are te tensors, or numbers for params of no axes."""
    from .unwritten import with_zeros

    chosen = with_zeros(program_for(program, inputs))
    count = len(chosen.params) - chosen.outputs
    if len(inputs) != count:
        raise ArgumentError(f"{chosen.name} reads {count} tensors, got {len(inputs)}")
    fitting = tuple(_fitting(chosen, n, value) for n, value in enumerate(inputs))
    label = name or chosen.name
    grid = None if on_grid is None else asked_later(on_grid)
    op = Call(chosen, fitting, label, location=user_location(), on_grid=grid)
    made = tuple(
        Tensor(label if chosen.outputs == 1 else f"{label}.{n}", b.shape, b.dtype, op, n)
        for n, b in enumerate(op.outputs)
    )
    return made[0] if len(made) == 1 else made


def _fitting(program: Program, place: int, value: Any) -> Tensor:
    """``value`` as input number ``place`` of ``program``."""
    buffer = program.params[place]
    wanted = f"input {place} of {program.name} must"
    if isinstance(value, (bool, int, float)) and not buffer.shape:
        value = constant(np.asarray(value, buffer.dtype.numpy), buffer.name)
    if not isinstance(value, Tensor):
        raise ArgumentError(f"{wanted} be an array of shape {buffer.shape}, got {value!r}")
    if value.shape != buffer.shape:
        raise ShapeError(
            f"{wanted} have shape {buffer.shape} as its param {buffer.name}, got {value.shape}"
        )
    if value.dtype is not buffer.dtype:
        raise DTypeError(
            f"{wanted} be {buffer.dtype} as its param {buffer.name}, got {value.dtype}; convert it "
            f"with astype"
        )
    return value


def program_for(what: Any, inputs: tuple[Any, ...]) -> Program:
    """The program that ``what`` is, or stands for where ``inputs`` are its first params."""
    if isinstance(what, Program):
        return what
    if hasattr(what, "specialize"):
        made = what.specialize([getattr(value, "shape", ()) for value in inputs], some=True)
        assert isinstance(made, Program)
        return made
    found = getattr(what, "program", None)
    if not isinstance(found, Program):
        raise ArgumentError(
            f"te.call wants a program as @T.program makes, a template or a schedule, got "
            f"{type(what).__name__}"
        )
    return found
