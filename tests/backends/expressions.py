"""Random scalar expressions of every dtype whose value is the same however they are evaluated."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from mlc import te
from mlc.dtypes import ALL, DType, boolean, float16, float32, int64, uint8
from mlc.ir.expr import Expr, apply, as_expr, cast, const, select

SIZE = 6
KINDS = (boolean, uint8, *(d for d in ALL if d.name in ("int32", "int64", "bfloat16")))
KINDS += (float16, float32)

ARITHMETIC = ("add", "sub", "mul", "minimum", "maximum", "floordiv", "mod")
BITS = ("bitand", "bitor", "bitxor", "shl", "shr")
COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
FLOAT = ("div", "copysign", "fmin", "fmax")
FLOAT_UNARY = ("neg", "abs", "sqrt", "floor", "ceil", "trunc", "rint")


def inputs() -> dict[DType, te.Tensor]:
    """One placeholder per dtype."""
    return {d: te.placeholder((SIZE,), d, name=f"x_{d.name}") for d in KINDS}


def values_of(dtype: DType) -> np.ndarray[Any, Any]:
    """Special values and plain ones."""
    if dtype is boolean:
        return np.array([0, 1, 1, 0, 1, 0], bool)
    if dtype.is_float:
        low = [np.nan, -np.inf, -0.0, 1.5, 3.0, -7.25]
        return np.array(low).astype(dtype.numpy)
    return np.array([dtype.lowest, dtype.highest, 0, 1, 3, 70], dtype.numpy)


@st.composite
def expressions(draw: Any, x: dict[DType, te.Tensor], i: Expr, dtype: DType, depth: int) -> Expr:
    """An expression of ``dtype`` at point ``i``."""

    def again(kind: DType) -> Expr:
        return draw(expressions(x, i, kind, depth - 1))

    if depth == 0 or draw(st.integers(0, 5)) == 0:
        return leaf(draw, x, i, dtype)
    kind = draw(st.sampled_from(KINDS))
    match draw(st.integers(0, 9)):
        case 0:
            # Sharing: the same side twice, and a load that only the condition makes legal.
            side = again(dtype)
            other = x[dtype][i + 1] if draw(st.booleans()) else side
            return select(as_expr(i < SIZE - 1) & again(boolean), other, side)
        case 1:
            return convert(again(kind), dtype)
        case 2 | 3 | 4 if dtype is boolean:
            return apply(draw(st.sampled_from(COMPARISONS)), again(kind), again(kind))
        case 2 if dtype.is_float:
            return apply(draw(st.sampled_from(FLOAT_UNARY)), again(dtype))
        case 5 if dtype is boolean:
            return apply("invert", again(boolean))
        case 2 if dtype is not boolean:
            return apply(draw(st.sampled_from(("neg", "abs", "invert"))), again(dtype))
    names: tuple[str, ...] = ARITHMETIC + (FLOAT if dtype.is_float else BITS)
    if dtype is boolean:
        names = ("add", "mul", "minimum", "maximum", "bitand", "bitor", "bitxor")
    left = again(dtype)
    right = left if draw(st.integers(0, 4)) == 0 else again(dtype)
    return apply(draw(st.sampled_from(names)), left, right)


def leaf(draw: Any, x: dict[DType, te.Tensor], i: Expr, dtype: DType) -> Expr:
    choice = draw(st.integers(0, 2))
    if choice == 0:
        return const(draw(st.integers(0, 1 if dtype is boolean else 100)), dtype)
    if choice == 1 and dtype is int64:
        return (i * draw(st.integers(-3, 3)) + draw(st.integers(0, 9))) % draw(st.integers(1, 5))
    return x[dtype][SIZE - 1 - i] if draw(st.booleans()) else x[dtype][i]


def convert(value: Expr, dtype: DType) -> Expr:
    """A cast; from float to integer where the value fits, for nothing says what else it gives."""
    if value.dtype.is_float and dtype.is_integer:
        low = const(0 if dtype.kind == "u" else -100, value.dtype)
        inside = apply("minimum", apply("maximum", value, low), const(100, value.dtype))
        value = select(apply("isnan", value), const(0, value.dtype), inside)
    return cast(value, dtype)
