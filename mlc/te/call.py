"""Tensor programs as operations: what no expression per element says."""

from __future__ import annotations

from typing import Any

from ..errors import ArgumentError, DTypeError, ShapeError, user_location
from ..ir.program import Program
from .tensor import Call, Tensor


def call(program: Program, *inputs: Tensor, name: str = "") -> Any:
    """What ``program`` writes when its first params are ``inputs``: a tensor, or a tuple of them.

    The params are the inputs in order, then the outputs, each written whole. Raises ShapeError,
    DTypeError or ArgumentError where ``inputs`` do not fit the params.
    """
    count = len(program.params) - program.outputs
    if len(inputs) != count:
        raise ArgumentError(f"{program.name} reads {count} tensors, got {len(inputs)}")
    for place, (tensor, buffer) in enumerate(zip(inputs, program.params)):
        if tensor.shape != buffer.shape:
            raise ShapeError(
                f"input {place} of {program.name} must have shape {buffer.shape} as its param "
                f"{buffer.name}, got {tensor.shape}"
            )
        if tensor.dtype is not buffer.dtype:
            raise DTypeError(
                f"input {place} of {program.name} must be {buffer.dtype} as its param "
                f"{buffer.name}, got {tensor.dtype}; convert it with astype"
            )
    label = name or program.name
    op = Call(program, inputs, label, location=user_location())
    made = tuple(
        Tensor(label if program.outputs == 1 else f"{label}.{n}", b.shape, b.dtype, op, n)
        for n, b in enumerate(op.outputs)
    )
    return made[0] if len(made) == 1 else made
