"""The scalar functions of the language, one line each.

The table says all that the compiler knows of a function: how many arguments, what type comes out,
how NumPy spells it (which is also how the reference interpreter evaluates it), how it prints, and
what it costs. Backends list the names they can emit; the others are expanded before they get there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..records import dataclass


@dataclass(frozen=True, eq=False)
class ScalarFn:
    """One scalar function.

    ``result`` is ``"same"`` (the type of the last argument), ``"bool"`` or ``"given"`` (stated at
    the call). ``infix`` is the Python operator, if it has one. ``cost`` counts in additions.
    """

    name: str
    arity: int
    numpy: Callable[..., Any]
    result: str = "same"
    infix: str = ""
    cost: int = 1
    commutative: bool = False


def _bitcast(x: Any, dtype: Any) -> Any:
    return np.asarray(x).view(dtype)


def _fma(a: Any, b: Any, c: Any) -> Any:
    """Multiply-add: exactly rounded for float32 and narrower, twice rounded for float64."""
    if np.asarray(c).dtype == np.float64:
        return np.asarray(a * b + c, np.float64)
    wide = np.asarray(a, np.float64) * np.asarray(b, np.float64) + np.asarray(c, np.float64)
    return wide.astype(np.asarray(c).dtype)


def _same(x: Any) -> Any:
    return x


def _lookup16(x: Any, *entries: Any) -> Any:
    """The entry of a table for each ``x``, by the four lowest bits of that."""
    x = np.asarray(x)
    table = np.array([np.asarray(entry)[()] for entry in entries], x.dtype)
    return table[x.view(f"u{x.itemsize}") & 15]


def _scale(n: Any, biased: Any, y: Any) -> Any:
    return np.ldexp(y, np.asarray(n).astype(np.int32))


def _unless_below(low: Any, x: Any) -> Any:
    return np.where(x < low, np.zeros_like(x), x)


def _exp_less(p: Any, x: Any, m: Any) -> Any:
    return p * np.exp(x - m)


def _dot4(a: Any, b: Any) -> Any:
    """The products of the bytes of the lowest 32 bits, without sign and with it, summed: wraps."""
    left, right = (np.asarray(x).astype(np.int32) for x in (a, b))
    total = np.zeros(np.broadcast_shapes(left.shape, right.shape), np.int32)
    for shift in (0, 8, 16, 24):
        total = total + ((left >> shift) & 255) * (right << (24 - shift) >> 24)
    return total.astype(np.asarray(b).dtype)


def _libm(name: str) -> Callable[..., Any]:
    """A function that NumPy lacks, taken element by element from Python's math module."""
    import math

    function = np.vectorize(getattr(math, name), otypes=[np.float64])

    def apply(x: Any) -> Any:
        array = np.asarray(x)
        return function(array.astype(np.float64)).astype(array.dtype)

    return apply


_TABLE = (
    ScalarFn("add", 2, np.add, infix="+", commutative=True),
    ScalarFn("sub", 2, np.subtract, infix="-"),
    ScalarFn("mul", 2, np.multiply, infix="*", commutative=True),
    ScalarFn("div", 2, np.true_divide, infix="/", cost=4),  # floats only
    ScalarFn("floordiv", 2, np.floor_divide, infix="//", cost=8),  # rounds to -inf; x // 0 == 0
    ScalarFn("mod", 2, np.remainder, infix="%", cost=8),  # sign of the divisor; x % 0 == 0
    ScalarFn("fmod", 2, np.fmod, cost=8),  # sign of the dividend
    ScalarFn("pow", 2, np.power, cost=40),
    ScalarFn("minimum", 2, np.minimum, commutative=True),  # NaN wins
    ScalarFn("maximum", 2, np.maximum, commutative=True),
    ScalarFn("fmin", 2, np.fmin, cost=2),  # NaN loses
    ScalarFn("fmax", 2, np.fmax, cost=2),
    ScalarFn("bitand", 2, np.bitwise_and, infix="&", commutative=True),  # bool: logical and
    ScalarFn("bitor", 2, np.bitwise_or, infix="|", commutative=True),
    ScalarFn("bitxor", 2, np.bitwise_xor, infix="^", commutative=True),
    ScalarFn("shl", 2, np.left_shift, infix="<<", cost=2),  # counts >= the width give 0
    ScalarFn("shr", 2, np.right_shift, infix=">>", cost=2),  # arithmetic for signed
    ScalarFn("eq", 2, np.equal, "bool", "==", commutative=True),
    ScalarFn("ne", 2, np.not_equal, "bool", "!=", commutative=True),
    ScalarFn("lt", 2, np.less, "bool", "<"),
    ScalarFn("le", 2, np.less_equal, "bool", "<="),
    ScalarFn("gt", 2, np.greater, "bool", ">"),
    ScalarFn("ge", 2, np.greater_equal, "bool", ">="),
    ScalarFn("neg", 1, np.negative),
    ScalarFn("invert", 1, np.invert),  # bool: logical not
    ScalarFn("abs", 1, np.abs),
    ScalarFn("fma", 3, _fma),  # a * b + c, rounded once
    # Four bytes of each, those of the second with sign: the sum of the products. Integers only.
    ScalarFn("dot4", 2, _dot4, cost=8),
    ScalarFn("sqrt", 1, np.sqrt, cost=6),
    ScalarFn("floor", 1, np.floor),
    ScalarFn("ceil", 1, np.ceil),
    ScalarFn("trunc", 1, np.trunc),
    ScalarFn("rint", 1, np.rint),  # ties to even
    ScalarFn("copysign", 2, np.copysign, cost=2),
    ScalarFn("isnan", 1, np.isnan, "bool"),
    ScalarFn("isinf", 1, np.isinf, "bool"),
    ScalarFn("isfinite", 1, np.isfinite, "bool"),
    ScalarFn("signbit", 1, np.signbit, "bool"),
    ScalarFn("bitcast", 1, _bitcast, "given"),  # same bits, other type of the same width
    ScalarFn("exp", 1, np.exp, cost=12),
    # exp_less(p, x, m): p * exp(x - m) for a power of two p, at most 1, and x that is not above m,
    # or NaN.
    ScalarFn("exp_less", 3, _exp_less, cost=12),
    ScalarFn("exp2", 1, np.exp2, cost=12),
    ScalarFn("expm1", 1, np.expm1, cost=20),
    ScalarFn("log", 1, np.log, cost=16),
    ScalarFn("log2", 1, np.log2, cost=16),
    ScalarFn("log10", 1, np.log10, cost=16),
    ScalarFn("log1p", 1, np.log1p, cost=20),
    ScalarFn("sin", 1, np.sin, cost=20),
    ScalarFn("cos", 1, np.cos, cost=20),
    ScalarFn("tan", 1, np.tan, cost=30),
    ScalarFn("arcsin", 1, np.arcsin, cost=30),
    ScalarFn("arccos", 1, np.arccos, cost=30),
    ScalarFn("arctan", 1, np.arctan, cost=30),
    ScalarFn("arctan2", 2, np.arctan2, cost=40),
    ScalarFn("sinh", 1, np.sinh, cost=30),
    ScalarFn("cosh", 1, np.cosh, cost=30),
    ScalarFn("tanh", 1, np.tanh, cost=20),
    ScalarFn("arcsinh", 1, np.arcsinh, cost=30),
    ScalarFn("arccosh", 1, np.arccosh, cost=30),
    ScalarFn("arctanh", 1, np.arctanh, cost=30),
    ScalarFn("cbrt", 1, np.cbrt, cost=30),
    ScalarFn("erf", 1, _libm("erf"), cost=20),
    ScalarFn("erfc", 1, _libm("erfc"), cost=30),
    ScalarFn("hypot", 2, np.hypot, cost=20),
    ScalarFn("nextafter", 2, np.nextafter, cost=10),
    # Its argument, rounded: no part of a fused multiply-add.
    ScalarFn("rounded", 1, _same),
    # Its argument, in code that is passed over where no lane of a vector needs it: around the rare
    # side of a select.
    ScalarFn("rarely", 1, _same),
    # lookup16(x, t0, ..., t15): the entry whose number is in the four lowest bits of x.
    ScalarFn("lookup16", 17, _lookup16, cost=2),
    # scale(n, b, y): y * 2**n, rounded once, for a whole n between -2 * bias and 2 * bias, where b
    # has n + 2 * bias in its low bits.
    ScalarFn("scale", 3, _scale, cost=6),
    # unless_below(low, x): x, but any number where it is below low: for what is looked at where
    # it is not, and is slow where it is, as products that underflow are.
    ScalarFn("unless_below", 2, _unless_below, cost=2),
    # The C library's function, never expanded: the rare side of a select, for lanes that need it.
    ScalarFn("libm_sin", 1, np.sin, cost=60),
    ScalarFn("libm_cos", 1, np.cos, cost=60),
    ScalarFn("libm_tan", 1, np.tan, cost=60),
)

SCALAR_FNS: dict[str, ScalarFn] = {fn.name: fn for fn in _TABLE}
