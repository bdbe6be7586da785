"""What a variable holds of which only the run knows whether it has a value."""

from __future__ import annotations

import dis
import operator
import os
import sys
import types
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from typing import Any

from ..errors import is_user_frame
from ..ops.op import CURRENT
from ..tracer import tree
from .exits import DONE, LATE_VALUE, VALUE
from .host_changes import UNDEFINED
from .plan import NotNative, State
from .syntax import HELPER

_OURS = os.path.dirname(os.path.dirname(__file__)) + os.sep


class Perhaps:
    """``value`` where ``is_bound``, a traced bool, holds; no value, or None, where it does not.

    Code of the user's meets one only where it may be None: an item of a list or a dict, asked
    whether it is None, compared and kept as it is. What else is done with it is done with the
    value, and the run raises an error where there is none.
    """

    __slots__ = ("_mlc_bound", "_mlc_or_none", "_mlc_value")  # no names of users' attributes
    __mlc_first__ = True  # its operators come before those of traced values

    def __init__(self, value: Any, is_bound: Any, or_none: bool = False) -> None:
        self._mlc_value, self._mlc_bound, self._mlc_or_none = value, is_bound, or_none

    def _mlc_with(self, value: Any) -> Perhaps:
        """The same with another value."""
        return Perhaps(value, self._mlc_bound, self._mlc_or_none)

    def _mlc_certain(self) -> Any:
        """The value; the run raises an error where there is none."""
        from .unbound import certain

        return certain(self, "an item", False)

    def __mlc_lift__(self, trace: Any) -> Any:
        return trace.lift(self._mlc_certain())

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._mlc_certain(), name)

    def __eq__(self, other: object) -> Any:
        from .unbound import equal_or_none

        return equal_or_none(lambda: self, lambda: other, "Eq")

    def __ne__(self, other: object) -> Any:
        from .unbound import equal_or_none

        return equal_or_none(lambda: self, lambda: other, "NotEq")

    def __array_ufunc__(self, ufunc: Any, method: str, *given: Any, **options: Any) -> Any:
        return getattr(ufunc, method)(*map(value_in, given), **options)

    def __array_function__(self, function: Any, types: Any, given: Any, options: Any) -> Any:
        return function(*map(value_in, given), **{k: value_in(v) for k, v in options.items()})

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__slots__:
            object.__setattr__(self, name, value)
        else:
            setattr(self._mlc_certain(), name, value)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._mlc_certain()[value_in(key)] = value

    # fmt: off
    __hash__ = None  # type: ignore[assignment]
    def __bool__(self) -> bool: return bool(self._mlc_bound and self._mlc_certain())
    def __len__(self) -> int: return len(self._mlc_certain())
    def __iter__(self) -> Iterator[Any]: return iter(self._mlc_certain())
    def __contains__(self, part: Any) -> bool: return part in self._mlc_certain()
    def __getitem__(self, key: Any) -> Any: return self._mlc_certain()[value_in(key)]
    def __index__(self) -> int: return operator.index(self._mlc_certain())
    def __int__(self) -> int: return int(self._mlc_certain())
    def __float__(self) -> float: return float(self._mlc_certain())
    def __neg__(self) -> Any: return -self._mlc_certain()
    def __pos__(self) -> Any: return +self._mlc_certain()
    def __abs__(self) -> Any: return abs(self._mlc_certain())
    def __invert__(self) -> Any: return ~self._mlc_certain()
    # fmt: on


def _binary(name: str) -> None:
    function = getattr(operator, f"__{name}__")

    def forward(self: Perhaps, other: Any) -> Any:
        return function(self._mlc_certain(), value_in(other))

    def backward(self: Perhaps, other: Any) -> Any:
        return function(value_in(other), self._mlc_certain())

    setattr(Perhaps, f"__{name}__", forward)
    if name not in ("lt", "le", "gt", "ge"):
        setattr(Perhaps, f"__r{name}__", backward)


for _name in (
    "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "lshift", "rshift", "and",
    "or", "xor", "lt", "le", "gt", "ge",
):  # fmt: skip
    _binary(_name)


def value_in(held: Any) -> Any:
    """``held``, or what it surely is if that may be None; so with what is in tuples and lists."""
    if type(held) is Perhaps:
        return held._mlc_certain()
    if type(held) in (tuple, list) and any(type(part) is Perhaps for part in held):
        return type(held)(map(value_in, held))
    return held


@lru_cache(maxsize=4096)
def asks_for_none(code: types.CodeType) -> bool:
    """Whether ``code``, which was not transformed, asks of something whether it is None, or another
    object: what may be None is an object."""
    if HELPER in code.co_freevars or code.co_filename.startswith(_OURS):
        return False
    names = {step.opname for step in dis.get_instructions(code)}
    return any(name == "IS_OP" or name.endswith("NONE") for name in names)


def seen(item: Any) -> Any:
    """``item``, which user's code asks for: where that asks whether it is None and was not
    transformed, it gets the value, or None where the data choose."""
    if type(item) is not Perhaps and not (
        type(item) is tuple and any(type(part) is Perhaps for part in item)
    ):
        return item
    frame = sys._getframe(1)
    while frame is not None:
        if is_user_frame(frame):
            return value_in(item) if asks_for_none(frame.f_code) else item
        frame = frame.f_back  # type: ignore[assignment]
    return item


def bare(held: Any) -> Any:
    """The value alone, whether it is one or not; UNDEFINED if it is none for certain."""
    return held._mlc_value if type(held) is Perhaps else held


def is_bound(held: Any) -> Any:
    """Whether a variable that holds this has a value: True, False, or a traced bool."""
    return held._mlc_bound if type(held) is Perhaps else held is not UNDEFINED


def is_or_none(held: Any) -> bool:
    """Whether a variable that holds this is None where it has no value."""
    return type(held) is Perhaps and held._mlc_or_none


def with_flag(value: Any, flag: Any, or_none: bool = False) -> Any:
    """What has ``value`` where ``flag`` holds, and is None elsewhere if it is ``or_none``."""
    if type(flag) is not bool:
        return Perhaps(value, flag, or_none)
    return value if flag else None if or_none else UNDEFINED


def without_none(held: Sequence[Any], nones: Collection[int]) -> list[Any]:
    """``held``, where variables of the numbers ``nones`` that are None have no value instead."""
    return [UNDEFINED if v is None and n in nones else v for n, v in enumerate(held)]


def check_set(state: State, unset: Collection[int], after: Sequence[Any]) -> None:
    """NotNative if a body leaves a variable of the numbers ``unset`` without a value, ``after`` it,
    that another one makes None: code could not tell one from the other."""
    for n in unset:
        if after[n] is UNDEFINED and state.variable(n) and not state.outcome.is_error:
            name = state.names[n]
            raise NotNative(f"{state.what} makes {name} None on one way, and leaves it unbound")


def has_failed(names: Sequence[str], values: Sequence[Any]) -> bool:
    """Whether a body ended the function with an error, for certain: it has returned no value."""
    held = dict(zip(names, values))
    results = [held[name] for name in (VALUE, LATE_VALUE) if name in held]
    return held.get(DONE) is True and bool(results) and all(v is UNDEFINED for v in results)


def _parts(held: Perhaps) -> tuple[tuple[Any, Any], bool]:
    return (held._mlc_bound, held._mlc_value), held._mlc_or_none


def _whole(or_none: bool, parts: Sequence[Any]) -> Any:
    flag, value = parts
    if CURRENT.get() is None:
        return value if flag else None  # a result
    return Perhaps(value, flag, or_none)


tree.register(Perhaps, _parts, _whole)
