"""What users declare themselves, and may look outside of arrays: the rest keeps inside."""

from __future__ import annotations

from collections.abc import Sequence

from ..ir.program import Program
from ..te.key import topological
from ..te.tensor import Call, Compute, Tensor
from .op import OPS

_OURS = f"{__package__.partition('.')[0]}."


def may_look_outside(outputs: Sequence[Tensor]) -> bool:
    """Whether an operator or a program of a user's, or a tensor that is none's, may look outside of
    an array."""
    for op in dict.fromkeys(tensor.op for tensor in topological(outputs)):
        if isinstance(op, Compute) and _is_foreign(op.op):
            from ..te import lookups

            if lookups.may_look_outside(op):
                return True
        elif isinstance(op, Call) and not _is_ours(op.program):
            from ..te import lookups

            if lookups.program_may_look_outside(op.program):
                return True
    return False


def _is_foreign(name: str) -> bool:
    found = OPS.get(name)
    return name == Compute.op or found is not None and not str(found.__module__).startswith(_OURS)


def _is_ours(program: Program) -> bool:
    """Whether an operator has written ``program``, which gives no reason then."""
    return program.attrs.get("unsafe") is True
