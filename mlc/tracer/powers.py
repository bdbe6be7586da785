"""Integers to powers that the data decide: negative ones are refused, as NumPy refuses them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import user_location
from ..ir.expr import Apply, Cast, Const, Expr, Load, Select, Var
from ..ops.arithmetic import NEGATIVE_POWER
from ..ops.broadcast import shape_of
from ..ops.elementwise import astype, select_where
from ..ops.moving import is_inside_loop, number_range
from ..ops.op import CURRENT
from ..ops.promotion import ufunc_dtypes
from ..te.tensor import Compute, Constant, Tensor
from .noting import note_error
from .writing import as_operand

_DEEP = 12  # how many tensors and expressions one is looked at through


def chosen_powers(inputs: Any, where: Any, dtype: Any) -> tuple[Any, ...]:
    """Base and exponent of np.power with ``where=``: exponents of 0 where it does not hold, so that
    none is refused there."""
    if _signed(inputs, dtype) is None:
        return tuple(inputs)
    inputs = tuple(map(as_operand, inputs))
    base, exponent = inputs
    made = astype(exponent, dtype=_signed(inputs, dtype))
    return base, select_where(where, made, made.dtype.type(0))


def checked_powers(inputs: Any, dtype: Any) -> tuple[Any, ...]:
    """Base and exponent of np.power. Integers to a negative power end the call with NumPy's
    ValueError: at once where the exponents are known, else compiled code notes it, unless it is
    clear that none is negative."""
    inputs = tuple(map(as_operand, inputs))
    base, exponent = inputs
    if _signed(inputs, dtype) is None or 0 in shape_of(base) or 0 in shape_of(exponent):
        return tuple(inputs)
    trace: Any = CURRENT.get()
    lifted = exponent if trace is None else trace.lift(exponent)
    if not isinstance(lifted, Tensor):
        known = np.asarray(lifted)
    elif isinstance(lifted.op, Constant):
        known = lifted.op.array
    else:
        if not _is_natural(lifted):
            note_error(np.any(np.less(exponent, 0)), _refusal())
        return tuple(inputs)
    if known.min() >= 0:
        return tuple(inputs)
    if not is_inside_loop():
        raise _refusal()
    note_error(np.True_, _refusal())  # what comes here does so only if the loop or branch is run
    return base, 0 if not shape_of(exponent) else np.maximum(known, 0)


def _refusal() -> ValueError:
    where = user_location()
    return ValueError(NEGATIVE_POWER if where is None else f"{NEGATIVE_POWER}\n  at {where}")


def _signed(inputs: Any, dtype: Any) -> Any:
    """The dtype of the exponents, where base and exponents are of signed integers; else None."""
    try:
        wanted = ufunc_dtypes(np.power, tuple(inputs), dtype)[0][1]
    except TypeError:
        return None  # refused elsewhere
    own = getattr(inputs[1], "dtype", None)
    if wanted.kind != "i" or own is not None and np.dtype(str(own)).kind in "bu":
        return None
    return wanted


def _is_natural(tensor: Tensor, deep: int = _DEEP) -> bool:
    """Whether no element of ``tensor`` is negative, as far as its expressions say."""
    if tensor.dtype.kind in "bu":
        return True
    if not tensor.shape and number_range(tensor)[0] >= 0:
        return True
    match tensor.op:
        case Constant(array=array):
            return bool(array.size == 0 or array.min() >= 0)
        case Compute(body=body) if deep:
            return _is_natural_expr(body[tensor.index], deep - 1)
    return False


def _is_natural_expr(expr: Expr, deep: int) -> bool:
    """The same for an integer expression; sums and products may overflow, and so say nothing."""
    if expr.dtype.kind in "bu":
        return True
    if expr.dtype.kind != "i" or not deep:
        return False
    holds = [_is_natural_expr(part, deep - 1) for part in expr.children]
    match expr:
        case Const(value=value):
            return bool(value >= 0)
        case Var():
            return True  # an axis
        case Load(source=source):
            return isinstance(source, Tensor) and _is_natural(source, deep - 1)
        case Cast(value=value):
            wide = value.dtype.bits + (value.dtype.kind == "u") <= expr.dtype.bits
            return value.dtype.kind == "b" or wide and holds[0]
        case Select():
            return all(_is_natural_expr(part, deep - 1) for part in (expr.then, expr.otherwise))
        case Apply(fn="maximum" | "bitand"):
            return any(holds)
        case Apply(fn="mod"):
            return holds[1]  # the sign is that of the divisor
        case Apply(fn="minimum" | "floordiv" | "shr" | "bitor" | "bitxor"):
            return all(holds)
    return False
