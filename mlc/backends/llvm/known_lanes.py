"""Lanes that lie at known distances from one place, as those of ``a[(16 * j + lane) // 3]``: the
elements among them are loaded as they lie and picked by one shuffle, where a gather would load
them lane by lane."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence

from ...dtypes import DType
from ...ir.expr import Apply, Const, Expr, Var
from .emitter import Emitter
from .types import Value, memory_type, shuffle_mask

_OPERATIONS: dict[str, Callable[[int, int], int]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "floordiv": operator.floordiv,
    "mod": operator.mod, "minimum": min, "maximum": max,
}  # fmt: skip


def known_numbers(e: Emitter, expr: Expr) -> tuple[int, ...] | None:
    """What the integer ``expr`` is in each lane, if that depends on nothing but the lane."""
    if e.lane is None:
        return None
    numbers = _numbers(e, expr)
    return None if numbers is None else tuple(numbers)


def _numbers(e: Emitter, expr: Expr) -> Sequence[int] | None:
    match expr:
        case Const():
            return [int(expr.value)] * e.lanes
        case Var():
            if expr is e.lane:
                return range(e.lanes)
            return [e.fixed[expr]] * e.lanes if expr in e.fixed else None
        case Apply(fn=fn, args=(a, b)) if fn in _OPERATIONS:
            left, right = _numbers(e, a), _numbers(e, b)
            if left is None or right is None or fn in ("floordiv", "mod") and min(right) < 1:
                return None
            return list(map(_OPERATIONS[fn], left, right))
        case _:
            return None


def fits_shuffle(places: Sequence[int]) -> bool:
    """Whether a shuffle of two vectors has all ``places``."""
    return max(places) - min(places) < 2 * len(places)


def read_known(e: Emitter, pointer: str, places: Sequence[int], dtype: DType, align: int) -> Value:
    """The element ``places[lane]`` behind ``pointer`` for each lane; all between the first and the
    last of them are read."""
    first = min(places)
    many = max(places) - first + 1
    element = memory_type(dtype)
    if first:
        pointer = e.raw(f"getelementptr {element}, ptr {pointer}, i64 {first}")
    kind = f"<{many} x {element}>"
    part = e.raw(f"load {kind}, ptr {pointer}, align {align}")
    picks = shuffle_mask([place - first for place in places])
    return e.op(f"shufflevector {kind} {part}, {kind} poison, {picks}", dtype, e.lanes)
