"""Scalar mathematics inside te.compute: a function for each row of the table in `ir/scalar.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..dtypes import float64
from ..errors import ArgumentError
from ..ir.expr import Expr, apply, cast, promote
from ..ir.scalar import SCALAR_FNS

_FLOATS_ONLY = {
    "sqrt", "floor", "ceil", "trunc", "rint", "copysign", "isnan", "isinf", "isfinite", "signbit",
    "fma", "div",
}  # fmt: skip
_INTEGERS_TOO = {"floordiv", "mod", "fmod", "pow", "dot4"}  # dear, but not for floats alone
_HIDDEN = {"bitcast", "rarely", "lookup16", "scale", "unless_below"}
NAMES = tuple(name for name in SCALAR_FNS if name not in _HIDDEN and not name.startswith("libm_"))


def scalar_math(name: str, namespace: str = "te") -> Callable[..., Expr]:
    """The function ``te.<name>``, or that of another ``namespace``.

    Its arguments are promoted; integers become float64 where it needs floats. It raises
    :class:`ArgumentError` for a wrong number of arguments.
    """
    row = SCALAR_FNS[name]
    wants_floats = name in _FLOATS_ONLY or (row.cost >= 6 and name not in _INTEGERS_TOO)

    def function(*args: Any) -> Expr:
        if len(args) != row.arity:
            raise ArgumentError(f"{namespace}.{name} takes {row.arity} arguments, got {len(args)}")
        values = promote(*args)
        if wants_floats and not values[0].dtype.is_float:
            values = tuple(cast(value, float64) for value in values)
        return apply(name, *values)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        f"{name} of {row.arity} scalar expression{'s' * (row.arity > 1)}, as NumPy's."
    )
    return function
