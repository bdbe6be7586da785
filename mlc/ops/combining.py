"""What ``ufunc.reduce``, ``accumulate`` and ``reduceat`` combine elements by."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..dtypes import boolean
from ..ir.expr import Expr, apply
from .transcendental import LOG_OF_SUM, LOG_OF_SUM_2

FOLDED = {
    np.add: "add", np.multiply: "mul", np.maximum: "maximum", np.minimum: "minimum",
    np.fmax: "fmax", np.fmin: "fmin", np.subtract: "sub", np.divide: "div",
    np.floor_divide: "floordiv", np.remainder: "mod", np.fmod: "fmod", np.power: "pow",
    np.bitwise_and: "bitand", np.bitwise_or: "bitor", np.bitwise_xor: "bitxor",
    np.logical_and: "bitand", np.logical_or: "bitor", np.logical_xor: "bitxor",
    np.hypot: "hypot", np.arctan2: "arctan2", np.copysign: "copysign",
    np.logaddexp: "logaddexp", np.logaddexp2: "logaddexp2",
}  # fmt: skip
_FORMULAS: dict[str, Callable[[Expr, Expr], Expr]] = {
    "logaddexp": LOG_OF_SUM, "logaddexp2": LOG_OF_SUM_2,
}  # fmt: skip
_OF_BOOLS = {"add": "bitor", "mul": "bitand", "maximum": "bitor", "minimum": "bitand"}


def combined(fn: str, left: Expr, right: Expr) -> Expr:
    """``left`` and ``right``, of one dtype, combined by ``fn``, which is a value of FOLDED."""
    formula = _FORMULAS.get(fn)
    if formula is not None:
        return formula(left, right)
    return apply(_OF_BOOLS.get(fn, fn) if left.dtype is boolean else fn, left, right)
