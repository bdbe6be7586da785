"""The defaults of a function's parameters: which arguments say nothing beyond them.

A call that passes what is the default anyway is the same call as one that leaves it out, and has
the same code. That holds for defaults that are values: numbers, texts, None, types, and tuples of
them. As in Python, ``f.__defaults__`` and ``f.__kwdefaults__`` may be set at any time.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Collection
from typing import Any

import numpy as np

_VALUES = (bool, int, float, complex, str, bytes, type(None), type(...))
_OBJECTS = (type, np.dtype)
# What is to be the same still, for a call that leaves arguments out: the attribute ``key`` of a
# function, or what a dict has under ``key``.
Held = tuple[Any, str, object]


class Defaults:
    """The defaults of ``function`` as they are now; none of what is no plain function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        is_plain = type(function) is types.FunctionType and not hasattr(function, "__wrapped__")
        self._function: Any = function if is_plain else None
        self.values: dict[str, Any] = {}  # by the names of parameters: those that are values
        self._by_place: frozenset[str] = frozenset()
        self._by_keyword: frozenset[str] = frozenset()
        self._seen: Any = None
        if is_plain:
            self._read()

    def _read(self) -> None:
        code = self._function.__code__
        places = self._function.__defaults__ or ()
        named = self._function.__kwdefaults__
        positional = code.co_varnames[: code.co_argcount][code.co_argcount - len(places) :]
        self._seen = self._function.__defaults__, named, dict(named or {})
        self._by_place, self._by_keyword = frozenset(positional), frozenset(named or ())
        found = {**dict(zip(positional, places)), **(named or {})}
        self.values = {name: value for name, value in found.items() if _is_value(value)}

    def have_changed(self) -> bool:
        """Whether somebody has set others; they are read anew."""
        if self._function is None:
            return False
        places, named, items = self._seen
        function = self._function
        if function.__defaults__ is places and function.__kwdefaults__ is named:
            now = named or {}
            if len(now) == len(items) and all(now.get(k, self) is v for k, v in items.items()):
                return False
        self._read()
        return True

    def is_default(self, name: str, value: Any) -> bool:
        """Whether an argument says nothing: its value is the default."""
        return name in self.values and is_same_value(value, self.values[name])

    def held(self, given: Collection[str]) -> tuple[Held, ...]:
        """What must not have changed for a call that passes the parameters ``given`` alone."""
        found: list[Held] = []
        if not self._by_place.issubset(given):
            found.append((self._function, "__defaults__", self._function.__defaults__))
        left = sorted(self._by_keyword.difference(given))
        if left:
            named = self._function.__kwdefaults__
            found.append((self._function, "__kwdefaults__", named))
            found += [(named, name, named[name]) for name in left]
        return tuple(found)


def _is_value(value: Any) -> bool:
    if type(value) is tuple:
        return all(map(_is_value, value))
    return type(value) in _VALUES or isinstance(value, _OBJECTS)


def is_same_value(a: Any, b: Any) -> bool:
    """Whether two arguments are one value: of one type, and equal bit for bit."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if type(a) is tuple:
        return len(a) == len(b) and all(map(is_same_value, a, b))
    if type(a) in (float, complex):
        return repr(a) == repr(b)  # -0.0 is not 0.0, and NaN is NaN
    return (type(a) in _VALUES or isinstance(a, np.dtype)) and bool(a == b)
