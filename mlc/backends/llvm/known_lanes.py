"""Lanes that lie at known distances from one place, as those of ``a[(16 * j + lane) // 3]``: the
elements among them are loaded as they lie and picked by one shuffle, where a gather would load
them lane by lane."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence

from ...dtypes import DType, boolean, int8
from ...ir.expr import Apply, Const, Expr, Var
from .emitter import Emitter
from .types import Value, mangled, memory_type, shuffle_mask

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


def read_known(
    e: Emitter,
    pointer: str,
    places: Sequence[int],
    dtype: DType,
    align: int,
    beside: tuple[int, int] = (0, 0),
) -> Value:
    """The element ``places[lane]`` behind ``pointer`` for each lane; all between the first and the
    last of them are read, and those ``beside`` them if that makes a vector whole."""
    first = min(places)
    many = max(places) - first + 1
    if many + sum(beside) == 1 << (many - 1).bit_length():
        first, many = first - beside[0], many + sum(beside)
    element = memory_type(dtype)
    if first:
        pointer = e.raw(f"getelementptr {element}, ptr {pointer}, i64 {first}")
    wide = _rounded(e, many, dtype)
    kind = f"<{wide} x {element}>"
    if wide == many:
        part = e.raw(f"load {kind}, ptr {pointer}, align {align}")
    else:
        name = f"@llvm.masked.load.{mangled(int8 if dtype is boolean else dtype, wide)}.p0"
        e.declare(f"declare {kind} {name}(ptr, <{wide} x i1>, {kind})")
        wanted = ", ".join(f"i1 {str(i < many).lower()}" for i in range(wide))
        operands = f"ptr align {align} {pointer}, <{wide} x i1> <{wanted}>, {kind} poison"
        part = e.raw(f"call {kind} {name}({operands})")
    picks = shuffle_mask([place - first for place in places])
    return e.op(f"shufflevector {kind} {part}, {kind} poison, {picks}", dtype, e.lanes)


def _rounded(e: Emitter, many: int, dtype: DType) -> int:
    """How many lanes a load of ``many`` elements should have: LLVM puts a vector of another length
    together from pieces, which takes longer than to leave out the last lanes of a longer one."""
    wanted = "+avx512f" if dtype.itemsize >= 4 else "+avx512bw"
    short = many <= 2 or wanted not in e.target.features.split(",")
    return many if short else 1 << (many - 1).bit_length()
