"""Python's functions of whole numbers over traced ones: ``math.gcd``, ``math.comb``,
``pow(a, b, m)``. They compute in int64, and raise Python's errors."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

from ..errors import user_location
from ..tracer.dispatch import call_function
from ..tracer.number import python_number
from ..tracer.tracer import Tracer
from .forms import fori_loop, is_traced, while_loop
from .list_steps import raise_where

_FACTORIALS = np.array([math.factorial(n) for n in range(21)])  # those that int64 holds
_ROOT = 3_037_000_499  # the largest number whose square is an int64


def _whole(value: Any) -> Any:
    if not isinstance(value, Tracer):
        return operator.index(value)
    if value.shape or value.dtype.kind not in "biu":
        kind = value.dtype if not value.shape else "an array"
        raise TypeError(f"{kind!r} cannot be interpreted as an integer")
    return python_number(value, int)


def _of(function: Callable[..., Any], compute: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` by ``compute`` where a number is traced."""

    def call(*args: Any, **options: Any) -> Any:
        if not any(map(is_traced, (*args, *options.values()))):
            return function(*args, **options)
        found = compute(*map(_whole, args), **{k: _whole(v) for k, v in options.items()})
        return python_number(found, int) if is_traced(found) else int(found)

    return call


def _refuse(test: Any, error: Exception) -> None:
    """Raise ``error`` where ``test`` holds, now or when the data say so: then with the line."""
    if is_traced(test):
        at = user_location()
        raise_where(test, error if at is None else type(error)(f"{error}\n  at {at}"))
    elif test:
        raise error


def _gcd(*numbers: Any) -> Any:
    return reduce(np.gcd, numbers, 0)


def _lcm(*numbers: Any) -> Any:
    return reduce(np.lcm, numbers, 1)


def _isqrt(n: Any) -> Any:
    _refuse(n < 0, ValueError("isqrt() argument must be nonnegative"))
    root = np.minimum(np.floor(np.sqrt(np.maximum(n, 0))).astype(np.int64), _ROOT)
    root = root - (root * root > n)
    return root + ((root < _ROOT) & ((root + 1) * (root + 1) <= n))


def _factorial(n: Any) -> Any:
    _refuse(n < 0, ValueError("factorial() not defined for negative values"))
    _refuse(n > 20, OverflowError(
        "math.factorial() of a number above 20 is no int64, in which compiled code computes "
        "Python's integers; compute with floats, or with math.lgamma outside"
    ))  # fmt: skip
    return call_function(np.take, (_FACTORIALS, np.clip(n, 0, 20)), {})


def _refuse_negative(n: Any, k: Any) -> None:
    _refuse(n < 0, ValueError("n must be a non-negative integer"))
    _refuse(k < 0, ValueError("k must be a non-negative integer"))


def _comb(n: Any, k: Any) -> Any:
    _refuse_negative(n, k)
    count = np.minimum(k, n - k)
    return fori_loop(0, count, lambda i, made: made * (n - i) // (i + 1), _start(n, k))


def _perm(n: Any, k: Any = None) -> Any:
    if k is None:
        return _factorial(n)
    _refuse_negative(n, k)
    return fori_loop(0, k, lambda i, made: made * (n - i), _start(n, k))


def _start(n: Any, k: Any) -> Any:
    """1, or 0 where there is nothing to choose from."""
    return np.where(k <= n, np.int64(1), np.int64(0))


def _power(base: Any, exponent: Any, modulus: Any) -> Any:
    _refuse(np.equal(modulus, 0), ValueError("pow() 3rd argument cannot be 0"))
    _refuse(np.abs(modulus) > _ROOT, OverflowError(
        f"pow() with a modulus above {_ROOT} multiplies numbers that are no int64, in which "
        f"compiled code computes Python's integers; compute it outside of the jitted function"
    ))  # fmt: skip
    _refuse(exponent < 0, ValueError(
        "pow() with a negative exponent and a modulus, an inverse, is not compiled; compute it "
        "outside of the jitted function"
    ))  # fmt: skip
    safe = np.where(np.equal(modulus, 0), 1, modulus)

    def step(state: Any) -> Any:
        made, square, left = state
        odd = np.equal(left & 1, 1)
        return np.where(odd, made * square % safe, made), square * square % safe, left >> 1

    state = (np.int64(1) % safe, base % safe, exponent + np.int64(0))
    return while_loop(lambda state: state[2] > 0, step, state)[0]


def power(base: Any, exponent: Any, mod: Any = None) -> Any:
    """As the builtin ``pow``."""
    if mod is None:
        return pow(base, exponent)
    return _of(pow, _power)(base, exponent, mod)


_COMPUTED = {"gcd": _gcd, "lcm": _lcm, "isqrt": _isqrt, "factorial": _factorial, "comb": _comb,
             "perm": _perm}  # fmt: skip
INSTEAD: dict[Any, Any] = {
    pow: power,
    **{getattr(math, name): _of(getattr(math, name), made) for name, made in _COMPUTED.items()},
}  # what to call in the place of Python's functions
