"""What users declare themselves, and may look outside of arrays: the rest keeps inside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..te.key import topological
from ..te.tensor import Call, Compute, Tensor
from .op import OPS

_OURS = f"{__package__.partition('.')[0]}."
CHECKED = "checked"  # the attribute of programs of ours in which such operations are


def may_look_outside(outputs: Sequence[Tensor]) -> bool:
    """Whether an operator or a program of a user's, or a tensor that is none's, may look outside of
    an array."""
    return any_looks_outside(dict.fromkeys(tensor.op for tensor in topological(outputs)))


def any_looks_outside(operations: Iterable[Any]) -> bool:
    """The same of some operations."""
    for op in operations:
        if isinstance(op, Compute) and _is_foreign(op.op):
            from ..te import lookups

            if lookups.may_look_outside(op):
                return True
        elif isinstance(op, Call) and op.program.attrs.get(CHECKED):
            return True
        elif isinstance(op, Call) and op.program.attrs.get("unsafe") is not True:
            from ..te import lookups

            if lookups.program_may_look_outside(op.program):
                return True  # none of an operator's, which give no reason for being unsafe
    return False


def _is_foreign(name: str) -> bool:
    """Whether a user has declared the operator called so, or that of which this is a part."""
    found = OPS.get(name)
    while found is None and "." in name:
        name = name.rpartition(".")[0]
        found = OPS.get(name)
    return name == Compute.op or found is not None and not str(found.__module__).startswith(_OURS)
