"""What nearly all kernels do with integers: sums, products and comparisons of places."""

from __future__ import annotations

from collections.abc import Sequence

from .builder import Builder
from .types import Value

_OPCODES = {"add": "add", "sub": "sub", "mul": "mul"}
# Of signed numbers, and of all others.
PREDICATES = {
    "eq": ("eq", "eq"),
    "ne": ("ne", "ne"),
    "lt": ("slt", "ult"),
    "le": ("sle", "ule"),
    "gt": ("sgt", "ugt"),
    "ge": ("sge", "uge"),
}


def plain_integer(e: Builder, fn: str, args: Sequence[Value]) -> Value | None:
    """The scalar function ``fn`` of integers, if it is one of these."""
    a, b = args[0], args[-1]
    if fn in _OPCODES:
        return e.binary(_OPCODES[fn], a, b)
    if fn in PREDICATES:
        return e.compare(PREDICATES[fn][a.dtype.kind != "i"], a, b)
    return None
