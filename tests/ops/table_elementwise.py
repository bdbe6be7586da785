"""Rows for operators that work element by element."""

from __future__ import annotations

from typing import Any

import numpy as np

from .cases import EXACT, Case, Tolerance, ulp
from .inputs import (
    ALL,
    BOOL,
    FLOATS,
    INTEGERS,
    NUMBERS,
    SIGNED,
    broadcastable,
    one_array,
)  # fmt: skip

IEEE = tuple(d for d in FLOATS if d.kind == "f")


def same(name: str, function: Any, inputs: Any) -> Case:
    """A row that agrees with NumPy in every bit (but for the sign of zero)."""
    return Case(name, function, inputs, EXACT)


def near(name: str, function: Any, inputs: Any, count: float) -> Case:
    return Case(name, function, inputs, ulp(count))


def pairs(dtypes: Any = NUMBERS, kind: Any = "any", mixed: bool = True) -> Any:
    return broadcastable(2, dtypes, kind, mixed)


_BINARY = {
    "add": pairs(ALL), "subtract": pairs(), "multiply": pairs(ALL), "divide": pairs(),
    "maximum": pairs(ALL), "minimum": pairs(ALL), "fmax": pairs(ALL), "fmin": pairs(ALL),
    "floor_divide": pairs(mixed=False), "remainder": pairs(mixed=False),
    "fmod": pairs(INTEGERS + IEEE, mixed=False), "copysign": pairs(FLOATS),
    "heaviside": pairs(IEEE),
    "nextafter": pairs((np.dtype("float32"), np.dtype("float64")), mixed=False),
    "equal": pairs(ALL), "not_equal": pairs(ALL), "less": pairs(ALL), "less_equal": pairs(ALL),
    "greater": pairs(ALL), "greater_equal": pairs(ALL),
    "logical_and": pairs(ALL), "logical_or": pairs(ALL), "logical_xor": pairs(ALL),
    "bitwise_and": pairs(INTEGERS + BOOL, mixed=False),
    "bitwise_or": pairs(INTEGERS + BOOL, mixed=False),
    "bitwise_xor": pairs(INTEGERS + BOOL, mixed=False),
}  # fmt: skip

_UNARY = {
    "negative": one_array(), "positive": one_array(), "absolute": one_array(ALL),
    "fabs": one_array(INTEGERS + IEEE), "sign": one_array(), "square": one_array(),
    "sqrt": one_array(IEEE), "reciprocal": one_array(FLOATS),
    "floor": one_array(ALL[:-1]), "ceil": one_array(ALL[:-1]), "trunc": one_array(ALL[:-1]),
    "rint": one_array(), "logical_not": one_array(ALL), "invert": one_array(INTEGERS + BOOL),
    "isnan": one_array(ALL), "isinf": one_array(ALL), "isfinite": one_array(ALL),
    "signbit": one_array(IEEE + SIGNED),
}  # fmt: skip

# Units in the last place that good implementations stay within, of float32 and float64.
_TRANSCENDENTAL = {
    "exp": 2, "exp2": 2, "expm1": 3, "log": 2, "log2": 3, "log10": 3, "log1p": 3, "sin": 3, "cos":
    3,
    "tan": 4, "arcsin": 4, "arccos": 4, "arctan": 3, "sinh": 4, "cosh": 3, "tanh": 4, "arcsinh": 4,
    "arccosh": 4, "arctanh": 4, "cbrt": 3, "degrees": 3, "radians": 3,
}  # fmt: skip

# sin of the greatest float64 is no test of ours; arguments are such as programs have.
_MODEST = {"sin", "cos", "tan"}

CASES = [
    *(same(name, getattr(np, name), inputs) for name, inputs in _BINARY.items()),
    *(same(name, getattr(np, name), inputs) for name, inputs in _UNARY.items()),
    *(
        near(
            name, getattr(np, name), one_array(IEEE, "finite" if name in _MODEST else "any"), count
        )
        for name, count in _TRANSCENDENTAL.items()
    ),
    near("exp of integers", np.exp, one_array(INTEGERS, "small"), 2),
    same("left_shift", np.left_shift, broadcastable(2, INTEGERS, ("any", "positive"), mixed=False)),
    same(
        "right_shift", np.right_shift, broadcastable(2, INTEGERS, ("any", "positive"), mixed=False)
    ),
    same(
        "power of integers",
        np.power,
        broadcastable(2, INTEGERS, ("small", "positive"), mixed=False),
    ),
    near("power", np.power, pairs(IEEE, ("positive", "small"), mixed=False), 4),
    near("float_power", np.float_power, pairs(INTEGERS, ("positive", "small")), 4),
    near(
        "small powers",
        lambda x: (x**2, x**3, x**4, x**-1, x**1, x**0),
        one_array(IEEE, "nonzero"),
        2,
    ),
    near("square roots by power", lambda x: (x**0.5, x**-0.5), one_array(IEEE), 2),
    Case("sinc", np.sinc, one_array(IEEE[1:], "unit"), Tolerance(8, lambda x: 4 * np.ones_like(x))),
    same(
        "select",
        lambda x, y: np.select([x > 1, x < y], [x, y], 0),
        pairs(SIGNED + IEEE, "finite"),
    ),
    same("array_equal", lambda x: (np.array_equal(x, x), np.array_equal(x, x + 1)), one_array()),
    same("allclose", lambda x, y: np.allclose(x, y, rtol=0.5), pairs((IEEE[2],), "unit")),
    same("real", lambda x: np.conjugate(x) + 0 * np.real(x), one_array(SIGNED)),
    near("hypot", np.hypot, pairs(IEEE, "finite", mixed=False), 3),
    near("arctan2", np.arctan2, pairs(IEEE, "finite", mixed=False), 4),
    Case(
        "logaddexp",
        np.logaddexp,
        pairs(IEEE, "finite", mixed=False),
        Tolerance(4, lambda x, y: x + y + 1),
    ),
    Case(
        "logaddexp2",
        np.logaddexp2,
        pairs(IEEE, "finite", mixed=False),
        Tolerance(4, lambda x, y: x + y + 1),
    ),
    same("divmod", lambda x, y: np.divmod(x, y), pairs(mixed=False)),
    same("modf", lambda x: np.modf(x), one_array(IEEE)),
    same("frexp", lambda x: np.frexp(x), one_array(IEEE)),
    same("spacing", lambda x: np.spacing(x), one_array(IEEE)),
    same("ldexp", lambda x: [np.ldexp(x, n) for n in (3, -20, -140, -1060)], one_array(IEEE)),
    same("bitwise_count", lambda x: np.bitwise_count(x), one_array(INTEGERS)),
    same("operators", lambda x, y: (x + y, x - y, x * y, -x, abs(x), x < y), pairs(SIGNED)),
    same("scalars", lambda x: (x + 1, 2 * x, x - 1, x * 3, np.maximum(x, 0), x > 1), one_array()),
    same("float scalars", lambda x: (x + 0.5, x / 2.0), one_array(INTEGERS + IEEE)),
    same("far scalars", lambda x: (x < 1000, x >= -1000, x == 10**6), one_array(INTEGERS)),
    same("lists", lambda x: x.reshape(-1, 1) + [1, 2, 3], one_array(SIGNED + IEEE)),
    same("where", lambda c, x, y: np.where(c, x, y), broadcastable(3, ALL)),
    same("where with a number", lambda x: np.where(x > 0, x, 0), one_array()),
    same("clip", lambda x: np.clip(x, -1, 2), one_array(SIGNED + FLOATS)),
    same("clip from below", lambda x: np.clip(x, 1, None), one_array()),
    same("clip between arrays", np.clip, broadcastable(3, NUMBERS, mixed=False)),
    near("round to places", lambda x: np.round(x, 2), one_array(IEEE[1:], "finite"), 4),
    same("round", lambda x: (np.round(x), np.fix(x)), one_array(IEEE)),
    same("nan_to_num", lambda x: np.nan_to_num(x), one_array(IEEE + INTEGERS)),
    same(
        "nan_to_num to values",
        lambda x: np.nan_to_num(x, nan=1, posinf=2, neginf=3),
        one_array(IEEE),
    ),
    same("isclose", lambda x, y: np.isclose(x, y, equal_nan=True), pairs((IEEE[2],))),
    same("isposinf", lambda x: (np.isposinf(x), np.isneginf(x)), one_array(IEEE)),
    *(
        Case(f"astype {name}", lambda x, name=name: x.astype(name), one_array(ALL, "small"))
        for name in ("bool", "int32", "uint8", "float32", "float64", "float16")
    ),
]
