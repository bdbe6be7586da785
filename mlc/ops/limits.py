"""Python ints among the arguments that become narrower integers: NumPy refuses those that do not
fit, so what was traced for all of them holds for those that fit alone."""

from __future__ import annotations

import bisect
import math
from typing import Any

from ..dtypes import DType, int64
from ..ir.affine import as_sum
from ..ir.bounds import interval
from ..ir.expr import Expr, Load, Var
from ..ir.rewrite import loads_of, substitute_loads
from ..te.tensor import Compute, Placeholder, Tensor

_DEEP = 40  # integers made of integers that are looked through
_NONE = 1, 0  # the ends of no integers


def note_conversion(trace: Any, value: Any, dtype: DType) -> None:
    """Let ``trace`` know that ``value`` becomes ``dtype``: if that is a Python int, an argument or
    made of arguments, the trace holds for those for which it fits. Where it is not one of them
    times a number plus another, the trace holds for fewer than it could: for a range of each."""
    if dtype.kind not in "iu" or dtype is int64 or not isinstance(value, Tensor):
        return
    while getattr(trace, "outer", None) is not None:
        trace = trace.outer
    if trace is None or value not in trace.weak or value.dtype is not int64:
        return
    written = _written_out(value[()], _DEEP)
    terms = as_sum(written)
    match terms.terms:
        case ((Load(source=Tensor(op=Placeholder()) as argument), factor),) if (
            argument in trace.weak
        ):
            ends = dtype.lowest - terms.constant, dtype.highest - terms.constant
            first, last = ends if factor > 0 else (-ends[1], -ends[0])
            least, most = -(-first // abs(factor)), last // abs(factor)
            _limit(trace, argument, int(least), int(most))
        case _:
            arguments = _arguments(written, trace)
            found = _ends(written, arguments, dtype)
            if found is not None:
                for argument in arguments:
                    _limit(trace, argument, *found)


def _limit(trace: Any, argument: Tensor, first: int, last: int) -> None:
    low, high = trace.limits.get(argument, (int64.lowest, int64.highest))
    trace.limits[argument] = max(low, first), min(high, last)


def _arguments(expr: Expr, trace: Any) -> list[Tensor]:
    """The Python ints among the arguments that ``expr`` reads."""
    sources = dict.fromkeys(load.source for load in loads_of(expr))
    return [
        source for source in sources
        if isinstance(source, Tensor) and isinstance(source.op, Placeholder)
        and source in trace.weak and source.dtype is int64
    ]  # fmt: skip


def _ends(expr: Expr, arguments: list[Tensor], dtype: DType) -> tuple[int, int] | None:
    """Numbers between which all ``arguments`` may be so that ``expr`` fits ``dtype``: as wide a
    range as a power of two allows, around 0, or from 0 on for what has no sign. None where it is
    not known what values ``expr`` has."""
    places = {argument: Var(argument.name) for argument in arguments}

    def ends(bits: int) -> tuple[int, int]:
        last = (1 << bits) - 1
        return -last if dtype.lowest else 0, last

    def values(bits: int) -> tuple[float, float]:
        first, last = ends(bits)

        def moved(node: Load) -> Expr | None:
            place = places.get(node.source) if isinstance(node.source, Tensor) else None
            return None if place is None else place + first

        ranges = dict.fromkeys(places.values(), last - first + 1)
        return interval(substitute_loads(expr, moved), ranges)

    def fits(bits: int) -> bool:
        low, high = values(bits)
        return dtype.lowest <= low and high <= dtype.highest

    if not fits(0):
        return _NONE if all(map(math.isfinite, values(0))) else None
    return ends(bisect.bisect(range(1, 63), False, key=lambda bits: not fits(bits)))


def _written_out(expr: Expr, deep: int) -> Expr:
    """``expr`` with the integers in it written as what they are made of."""

    def made_of(node: Load) -> Expr | None:
        source = node.source
        if not deep or not isinstance(source, Tensor) or source.shape or source.dtype is not int64:
            return None
        if not isinstance(source.op, Compute) or source.op.reduction is not None:
            return None
        return _written_out(source.op.body[source.index], deep - 1)

    return substitute_loads(expr, made_of)
