"""The scalar functions of the language and its numbers, as CUDA C."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...dtypes import (
    DType,
    bfloat16,
    boolean,
    float16,
    float64,
    int32,
    int64,
    uint32,
    uint64,
)
from ...errors import CompileError
from ...ir.bounds import interval
from ...ir.expr import Expr, Var
from ...ir.scalar import SCALAR_FNS

PRIMARY, UNARY, TIMES, PLUS, SHIFT, ORDER, EQUAL = 20, 15, 13, 12, 11, 10, 9
BIT_AND, BIT_XOR, BIT_OR, AND, OR, CHOICE = 8, 7, 6, 5, 4, 3

_TYPES = {"bool": "bool", "int32": "int", "uint32": "unsigned", "float32": "float",
          "float64": "double", "float16": "mlc_half", "bfloat16": "mlc_bfloat16"}  # fmt: skip
INFIX = {
    "add": ("+", PLUS), "sub": ("-", PLUS), "mul": ("*", TIMES), "div": ("/", TIMES),
    "lt": ("<", ORDER), "le": ("<=", ORDER), "gt": (">", ORDER), "ge": (">=", ORDER),
    "eq": ("==", EQUAL), "ne": ("!=", EQUAL),
    "bitand": ("&", BIT_AND), "bitxor": ("^", BIT_XOR), "bitor": ("|", BIT_OR),
}  # fmt: skip
COMPARISONS = frozenset({"lt", "le", "gt", "ge", "eq", "ne"})
_MATHS = {
    "fmod": "fmod", "pow": "pow", "abs": "fabs", "fma": "fma", "copysign": "copysign",
    "nextafter": "nextafter", "arcsin": "asin", "arccos": "acos", "arctan": "atan",
    "arctan2": "atan2", "arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh",
    "libm_sin": "sin", "libm_cos": "cos", "libm_tan": "tan",
    **{name: name for name in (
        "sqrt", "floor", "ceil", "trunc", "rint", "exp", "exp2", "expm1", "log", "log2", "log10",
        "log1p", "sin", "cos", "tan", "sinh", "cosh", "tanh", "cbrt", "erf", "erfc", "hypot",
    )},
}  # fmt: skip
C_FUNCTIONS = frozenset(name + end for name in _MATHS.values() for end in ("", "f"))
_CALLS = {"minimum": "mlc_min", "maximum": "mlc_max", "fmin": "mlc_fmin", "fmax": "mlc_fmax"}
_TESTS = {name: f"mlc_{name}" for name in ("isnan", "isinf", "isfinite", "signbit")}
# Of numbers that a 16-bit float holds these give such numbers, which need no rounding.
EXACT = frozenset(
    ("minimum", "maximum", "fmin", "fmax", "neg", "abs", "copysign")
    + ("floor", "ceil", "trunc", "rint")
)
SMALL = frozenset(
    ("minimum", "maximum", "fmin", "fmax", "floordiv", "mod", "fmod", "abs")
)  # of int64 that fit into int
SAME = frozenset({"floor", "ceil", "trunc", "rint"})


def c_type(dtype: DType) -> str:
    """The name of ``dtype`` in CUDA C."""
    return _TYPES.get(dtype.name, f"{dtype.name}_t")


def is_half(dtype: DType) -> bool:
    """Whether values of ``dtype`` are computed with in float."""
    return dtype is float16 or dtype is bfloat16


@dataclass(frozen=True)
class Text:
    """C for a value, and how tightly its outermost operator binds.

    An int64 is ``narrow`` where its C type is int. A 16-bit float is a C float; ``loose`` says that
    it has not been rounded yet.
    """

    text: str
    level: int = PRIMARY
    narrow: bool = False
    loose: bool = False

    def at(self, level: int) -> str:
        """As an operand of something that binds like ``level``."""
        return self.text if self.level >= level else f"({self.text})"


def wide(made: Text) -> Text:
    """An int64 as a C int64_t."""
    return Text(f"(int64_t){made.at(UNARY)}", UNARY) if made.narrow else made


def constant(value: bool | int | float, dtype: DType) -> Text:
    """C for a number."""
    if dtype is boolean:
        return Text("true" if value else "false")
    if dtype.is_float:
        return float_constant(float(value), dtype)
    number = int(value)
    if dtype is int64:
        if -(1 << 31) < number < 1 << 31:
            return Text(str(number), PRIMARY if number >= 0 else UNARY, narrow=True)
        if number == -(1 << 63):
            return Text("(int64_t)(-9223372036854775807ll - 1)", UNARY)
        return Text(f"(int64_t){number}ll", UNARY)
    if dtype is uint64:
        return Text(f"(uint64_t){number}ull", UNARY)
    if dtype is uint32:
        return Text(f"{number}u")
    if dtype is int32 and number == -(1 << 31):
        return Text("(-2147483647 - 1)")
    return Text(str(number), PRIMARY if number >= 0 else UNARY)


def float_constant(value: float, dtype: DType) -> Text:
    """C for a float, of its own type; that of 16-bit floats is float."""
    suffix = "" if dtype is float64 else "f"
    if math.isnan(value):
        return Text(f"mlc_nan{suffix}()")
    if math.isinf(value):
        return Text(f"mlc_inf{suffix}()") if value > 0 else Text(f"-mlc_inf{suffix}()", UNARY)
    if dtype is float64:
        text = repr(value)
    else:
        text = str(np.float32(value))
    if not any(c in text for c in ".en"):
        text += ".0"
    return Text(text + suffix, UNARY if text.startswith("-") else PRIMARY)


def fits(expr: Expr, ranges: Mapping[Var, int]) -> bool:
    """Whether the values of an int64 fit into int."""
    low, high = interval(expr, ranges)
    return low > -(1 << 31) and high < 1 << 31


def call(name: str, parts: list[Text], dtype: DType, explicit: bool = True) -> Text:
    """C for a call; with the type spelled out if ``explicit``."""
    if not explicit and dtype is int64:
        parts = [wide(p) for p in parts]
    kind = f"<{c_type(dtype)}>" if explicit else ""
    return Text(f"{name}{kind}({', '.join(p.text for p in parts)})")


def other_integer(fn: str, parts: list[Text], dtype: DType) -> Text:
    """C for a function of integers that is no plain operator."""
    signed = dtype.kind == "i"
    name = c_type(dtype)
    match fn:
        case "floordiv":
            return call("mlc_floordiv", parts, dtype)
        case "mod":
            return call("mlc_mod", parts, dtype)
        case "fmod":
            return call("mlc_remainder", parts, dtype)
        case "pow":
            return call("mlc_power", parts, dtype)
        case "minimum" | "maximum" | "fmin" | "fmax":
            return call("mlc_min" if "min" in fn else "mlc_max", parts, dtype)
        case "shl" | "shr":
            return call(f"mlc_{fn}", parts, dtype)
        case "neg":
            if signed and dtype.bits >= 32:
                return call("mlc_sub", [Text("0", narrow=True), parts[0]], dtype, explicit=False)
            return Text(f"({name})-{parts[0].at(UNARY)}", UNARY)
        case "invert":
            return Text(f"({name})~{wide(parts[0]).at(UNARY)}", UNARY)
        case "abs":
            return call("mlc_abs", parts, dtype) if signed else parts[0]
        case "isnan" | "isinf":
            return Text("false")
        case "isfinite":
            return Text("true")
        case "signbit":
            return Text(f"{parts[0].at(ORDER)} < 0", ORDER) if signed else Text("false")
    if fn in SCALAR_FNS:
        raise CompileError(f"there is no CUDA C for {fn} of {dtype}; convert the argument first")
    raise CompileError(f"{fn} is no scalar function")


def floating(fn: str, parts: list[Text], dtype: DType) -> Text | None:
    """C for a function of floats or doubles."""
    row = INFIX.get(fn)
    if row is not None and fn not in ("bitand", "bitor", "bitxor"):
        op, level = row
        return Text(f"{parts[0].at(level)} {op} {parts[1].at(level + 1)}", level)
    if fn == "neg":
        return Text(f"-{parts[0].at(UNARY + 1)}", UNARY)
    inner = ", ".join(p.text for p in parts)
    if fn in ("floordiv", "mod"):
        return Text(f"mlc_float_{fn}({inner})")
    if fn in ("minimum", "maximum") and dtype is not float64:
        return Text(f"{_CALLS[fn]}_nan({inner})")
    if fn in _CALLS:
        return Text(f"{_CALLS[fn]}<{c_type(dtype)}>({inner})")
    if fn in _TESTS:
        return Text(f"{_TESTS[fn]}({inner})")
    if fn in _MATHS:
        return Text(f"{_MATHS[fn]}{'' if dtype is float64 else 'f'}({inner})")
    return None


def to_integer(made: Text, dtype: DType) -> Text:
    """C for a float as an integer, with what x86 makes of numbers out of range."""
    if dtype is uint64:
        return Text(f"mlc_to_uint64({made.text})")
    if dtype is int64:
        return Text(f"mlc_to_int64({made.text})")
    if dtype is uint32:
        return Text(f"(unsigned)mlc_to_int64({made.text})", UNARY)
    call = f"mlc_to_int({made.text})"
    return Text(call) if dtype is int32 else Text(f"({c_type(dtype)}){call}", UNARY)
