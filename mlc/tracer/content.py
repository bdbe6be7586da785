"""Functions as static arguments: told apart by what they do, not by which object they are.

::

    def step(k):
        return solve(lambda x: x * k, 3.0)     a new lambda at each call, and of one key for each k

The key of a function is its code, its globals, its defaults and what its cells hold: numbers, texts
and tuples by value, functions, partials and bound methods again by such keys, all else by identity,
since `Captures` watches what is in it. Functions that have attributes are told apart by identity.
"""

from __future__ import annotations

import types
import weakref
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np

from ..ops.op import frozen_key

_PLAIN = (bool, int, float, complex, str, bytes, type(None), np.number, np.bool)
_DEPTH = 8  # of functions in the cells of functions


class Identity:
    """A key equal to that of the same object alone, without keeping the object alive."""

    __slots__ = ("_hash", "_reference", "name")

    def __init__(self, value: Any) -> None:
        self._hash = id(value)
        self.name = type(value).__name__
        try:
            self._reference: Any = weakref.ref(value)
        except TypeError:
            self._reference = lambda: value

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Identity):
            return NotImplemented
        mine = self._reference()
        return mine is not None and mine is other._reference()

    @property
    def value(self) -> Any:
        """The object, while it is alive; then None."""
        return self._reference()

    def __repr__(self) -> str:
        return f"{self.name} object"


class Content:
    """A key of ``value``, a function, partial, bound method or tuple: equal for those that hold the
    same."""

    __slots__ = ("_hash", "parts", "value")

    def __init__(self, value: Any, parts: tuple[Any, ...]) -> None:
        self.value, self.parts = value, parts
        self._hash = hash(parts)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Content):
            return NotImplemented
        return self._hash == other._hash and self.parts == other.parts

    def __repr__(self) -> str:
        if not isinstance(self.value, types.FunctionType):
            return repr(self.value)
        names = self.value.__code__.co_freevars
        cells = zip(names, self.parts[len(self.parts) - len(names) :])
        plain = [f"{n}={key[1]}" for n, key in cells if type(key) is tuple and len(key) == 2]
        return self.value.__qualname__ + (f" with {', '.join(plain)}" if plain else "")

    def members(self) -> Iterator[Any]:
        """What of ``value`` may be another object in an equal one, in an order that is the same
        for both."""
        yield self.value
        if isinstance(self.value, types.FunctionType):
            yield from self.value.__closure__ or ()
        yield from members_of(self.parts)


def members_of(keys: Iterable[Any]) -> Iterator[Any]:
    """The `Content.members` of all that is in ``keys``."""
    for key in keys:
        if isinstance(key, Content):
            yield from key.members()
        elif isinstance(key, tuple):
            yield from members_of(key)


def content_key(value: Any) -> Any:
    """``value``, a static argument, as part of a key."""
    return _key(value, ()) if is_by_content(value) else frozen_key(value)


def is_by_content(value: Any) -> bool:
    """Whether ``value`` is told apart by what it holds."""
    return isinstance(value, (types.FunctionType, partial))


def _key(value: Any, above: tuple[Any, ...]) -> Any:
    if any(value is holder for holder in above):  # a function that calls itself
        return "above", next(n for n, holder in enumerate(above) if value is holder)
    if isinstance(value, _PLAIN):
        return type(value), repr(value)
    kind, inner = type(value), (*above, value)
    if len(inner) > _DEPTH or getattr(value, "__dict__", None):
        return Identity(value)
    if kind is types.FunctionType:
        return Content(value, _function_parts(value, inner))
    if kind is types.MethodType:
        parts = value.__func__, value.__self__
    elif kind is partial:
        parts = value.func, value.args, *value.keywords, *value.keywords.values()
    elif kind is tuple:
        parts = value
    else:
        return Identity(value)
    return Content(value, (kind, *(_key(part, inner) for part in parts)))


def _function_parts(function: types.FunctionType, inner: tuple[Any, ...]) -> tuple[Any, ...]:
    held: list[Any] = [*(function.__defaults__ or ())]
    for name, default in (function.__kwdefaults__ or {}).items():
        held += [name, default]
    code = function.__code__
    keys = [_key(value, inner) for value in held]
    keys += [_cell_key(cell, inner) for cell in function.__closure__ or ()]
    return code, code.co_filename, id(function.__globals__), len(held), *keys


def _cell_key(cell: types.CellType, inner: tuple[Any, ...]) -> Any:
    try:
        return _key(cell.cell_contents, inner)
    except ValueError:  # not bound yet
        return "unbound"
