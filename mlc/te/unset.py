"""Arrays of which no element has a value yet."""

from __future__ import annotations

from collections.abc import Sequence

from ..dtypes import DType
from ..ir.program import Buffer, Program, Seq
from .tensor import Call, Tensor

UNSET = "unset"


def unset(shape: Sequence[int], dtype: DType) -> Tensor:
    """An array of which no element has a value yet; nobody spends time on making it."""
    made = Buffer("rows", tuple(shape), dtype)
    program = Program(UNSET, (made,), Seq(()), 1, {"unsafe": True})
    return Tensor(UNSET, tuple(shape), dtype, Call(program, (), UNSET))


def is_unset(tensor: Tensor) -> bool:
    """Whether ``tensor`` is an array of which no element has a value yet."""
    return isinstance(tensor.op, Call) and tensor.op.op == UNSET
