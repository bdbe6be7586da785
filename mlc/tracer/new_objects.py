"""Objects of the user's classes that a function makes of traced values and returns.

::

    def doubled(v):                          f(v):   return 2 * v.x, 2 * v.y
        return Vector(2 * v.x, 2 * v.y)  ->  each call makes a Vector and sets its attributes

Each call gives an object of its own, as Python would: of the same class, with the arrays that were
computed. ``__init__`` ran while tracing and does not run again.
"""

from __future__ import annotations

import enum
import types
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from . import tree
from .attributes import is_object
from .slots import Slots

_MOST = 12  # objects in objects
_PLAIN = (
    type(None), type, types.ModuleType, types.BuiltinFunctionType, enum.Enum, np.ufunc, np.dtype,
    complex, range, slice,
)  # fmt: skip


class NewObject:
    """Stands for an object of ``kind`` that holds ``values`` as the attributes ``names``."""

    def __init__(self, kind: type, names: tuple[str, ...], values: tuple[Any, ...]) -> None:
        self.kind, self.names, self.values = kind, names, values


def _made(kept: tuple[type, tuple[str, ...]], values: Any) -> Any:
    kind, names = kept
    made: Any = object.__new__(kind)
    for name, value in zip(names, values):
        object.__setattr__(made, name, value)
    return made


tree.register(NewObject, lambda n: (n.values, (n.kind, n.names)), _made)


def opened(returned: Any, trace: Any) -> Any:
    """What a function returns, with a tree in the place of each object that it has made.

    Raises UnsupportedError where an object that holds arrays holds what cannot be made again, too;
    one without arrays is the same at each call then.
    """
    known = {} if trace.captures is None else trace.captures.seen
    return _Opening(trace.name, known).opened(returned, 0)


class _Opening:
    def __init__(self, function: str, known: dict[int, Any]) -> None:
        self.function, self.known = function, known  # what there was before
        self.met: set[int] = set()

    def opened(self, value: Any, depth: int) -> Any:
        leaves, structure = tree.flatten(value)
        made = self.is_filled if depth == 0 else self.is_made
        if not any(map(made, leaves)):
            return value
        return tree.unflatten(structure, [self.leaf(leaf, depth) for leaf in leaves])

    def leaf(self, leaf: Any, depth: int) -> Any:
        if depth:
            return self.tree_of(leaf, depth) if self.is_made(leaf) else leaf
        if not self.is_filled(leaf):
            return leaf
        try:
            return self.tree_of(leaf, depth)
        except UnsupportedError:
            if self.has_arrays(leaf):
                raise
            return leaf

    def tree_of(self, leaf: Any, depth: int) -> NewObject:
        kind = type(leaf)
        refusal = (
            f"{self.function} returns a {kind.__name__} that it has made, and {{}}, which cannot "
            f"be made again at each call; return its arrays"
        )
        if id(leaf) in self.met or depth > _MOST:
            raise UnsupportedError(refusal.format("that stands in several places, or in itself"))
        self.met.add(id(leaf))
        held = _held(leaf)
        for name, value in held.items():
            for inner in tree.flatten(value)[0]:
                if not self.is_made(inner) and _is_other(inner):
                    what = f"its {name} is or holds a {type(inner).__name__} from elsewhere"
                    raise UnsupportedError(refusal.format(what))
        values = [self.opened(value, depth + 1) for value in held.values()]
        return NewObject(kind, tuple(held), tuple(values))

    def is_made(self, value: Any) -> bool:
        """Whether ``value`` is an object that the function has made."""
        if tree.is_plain(value) or hasattr(type(value), "__mlc_lift__"):
            return False
        if not (is_object(value) or _is_traced_array_like(value)):
            return False
        return id(value) not in self.known and _is_simple(type(value))

    def is_filled(self, value: Any) -> bool:
        """Whether ``value`` is such an object, and holds anything."""
        return self.is_made(value) and bool(_held(value))

    def has_arrays(self, value: Any) -> bool:
        """Whether ``value`` is such an object, and holds arrays."""
        return self._reaches(value, set())

    def _reaches(self, value: Any, met: set[int]) -> bool:
        if id(value) in met or not self.is_made(value):
            return False
        met.add(id(value))
        return any(
            isinstance(leaf, np.ndarray)
            or hasattr(type(leaf), "__mlc_lift__")
            or self._reaches(leaf, met)
            for held in _held(value).values()
            for leaf in tree.flatten(held)[0]
        )


def _held(value: Any) -> dict[str, Any]:
    return {**getattr(value, "__dict__", {}), **Slots(value)}


def _is_traced_array_like(value: Any) -> bool:
    """Whether ``value`` is an object with ``__array__``, written in Python, that holds traced
    values: the function has made it, as others of that kind among its arguments are arrays."""
    method = getattr(type(value), "__array__", None)
    if not isinstance(method, types.FunctionType) or not tree.is_leaf(value):
        return False
    leaves = (leaf for held in _held(value).values() for leaf in tree.flatten(held)[0])
    return any(hasattr(type(leaf), "__mlc_lift__") for leaf in leaves)


def _is_other(value: Any) -> bool:
    """Whether ``value``, which is not new, may be another one at each call."""
    if tree.is_plain(value) or hasattr(type(value), "__mlc_lift__"):
        return False
    if isinstance(value, types.FunctionType):
        return bool(value.__closure__)
    return not isinstance(value, _PLAIN)


def _is_simple(kind: type) -> bool:
    """Whether instances are nothing but their attributes."""
    if kind.__new__ is not object.__new__:
        return False
    try:
        object.__new__(kind)
    except TypeError:  # a class that is made in C, or abstract
        return False
    return True
