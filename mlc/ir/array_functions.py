"""What NumPy's functions answer where they are given a scalar of a program or a whole tensor.

NumPy's scalars compute with expressions (``np.float32(2) * A[i]``); every other function of NumPy
is for arrays, and refused with the one to write instead.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from ..errors import ArgumentError

_OPERATORS: dict[Any, Callable[[Any, Any], Any]] = {
    np.add: operator.add, np.subtract: operator.sub, np.multiply: operator.mul,
    np.true_divide: operator.truediv, np.floor_divide: operator.floordiv,
    np.remainder: operator.mod, np.power: operator.pow,
    np.bitwise_and: operator.and_, np.bitwise_or: operator.or_, np.bitwise_xor: operator.xor,
    np.left_shift: operator.lshift, np.right_shift: operator.rshift,
    np.less: operator.lt, np.less_equal: operator.le, np.greater: operator.gt,
    np.greater_equal: operator.ge, np.equal: operator.eq, np.not_equal: operator.ne,
}  # fmt: skip
_SHAPES = {np.shape: "shape", np.ndim: "ndim", np.size: "size"}
_ARITHMETIC = (
    "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor",
    "lshift", "rshift",
)  # fmt: skip


def scalar_ufunc(self: Any, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
    """``__array_ufunc__`` of scalars: operators compute, as Python's do."""
    from .expr import as_expr

    function = _OPERATORS.get(ufunc)
    if function is not None and method == "__call__" and not options:
        left, right = inputs
        return function(as_expr(left), right)
    _refuse_function(ufunc)


def scalar_function(self: Any, function: Any, types: Any, args: Any, kwargs: Any) -> NoReturn:
    """``__array_function__`` of scalars."""
    _refuse_function(function)


def no_integer(self: Any) -> NoReturn:
    """``__index__`` and ``__int__`` of scalars."""
    raise ArgumentError(
        f"{self!r} has no value while the program is written: range(), shapes and indices of lists "
        f"and arrays want integers of Python's; loop with T.serial and a condition, and make a "
        f"table of numbers a tensor: te.constant(table)[i]"
    )


def no_float(self: Any) -> NoReturn:
    """``__float__`` of scalars."""
    raise ArgumentError(
        f"{self!r} has no value while the program is written: functions of math want numbers; "
        f"write te.sin(x) instead of math.sin(x), in a program T.sin(x)"
    )


def explained_index(error: IndexError) -> Exception:
    """``error`` of a NumPy array that was indexed with a scalar; NumPy does not say so."""
    if not str(error).startswith("only integers, slices"):
        return error
    return ArgumentError(
        "a NumPy array is indexed with a scalar of an expression, which has no value while the "
        "program is written; make the array a tensor, te.constant(array), or pass it in"
    )


def refuse_array_functions(cls: type, sentence: Callable[[Any, str], str]) -> None:
    """Have operators and NumPy's functions of a whole ``cls`` raise ArgumentError with
    ``sentence(self, what it was)``."""

    def ufunc(self: Any, function: np.ufunc, method: str, *inputs: Any, **options: Any) -> NoReturn:
        raise ArgumentError(sentence(self, f"np.{function.__name__}"))

    def other(self: Any, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function in _SHAPES:
            return getattr(args[0], _SHAPES[function])
        raise ArgumentError(sentence(self, f"np.{function.__name__}"))

    def arithmetic(name: str) -> Callable[..., NoReturn]:
        def refused(self: Any, *others: Any) -> NoReturn:
            raise ArgumentError(sentence(self, f"the operator {name}"))

        return refused

    made: dict[str, Any] = {"__array_ufunc__": ufunc, "__array_function__": other}
    for name in _ARITHMETIC:
        made[f"__{name}__"] = made[f"__r{name}__"] = arithmetic(f"__{name}__")
    made["__neg__"] = arithmetic("__neg__")
    for name, function in made.items():
        setattr(cls, name, function)


def name_of(function: Any) -> str:
    """What a function of NumPy is called for scalars of expressions; "" if there is none."""
    from .scalar import SCALAR_FNS

    same = {np.where: "select", np.amax: "max", np.amin: "min", np.max: "max", np.min: "min",
            np.sum: "sum", np.prod: "prod", np.any: "any", np.all: "all"}  # fmt: skip
    found = next((row.name for row in SCALAR_FNS.values() if row.numpy is function), "")
    return same.get(function, found)


def _refuse_function(function: Any) -> NoReturn:
    name = name_of(function)
    instead = f"write te.{name}(...), in a program T.{name}(...)" if name else (
        "dir(mlc.te) lists the functions that there are"
    )  # fmt: skip
    raise ArgumentError(
        f"np.{function.__name__} is for arrays, and is given a scalar of an expression; {instead}"
    )
