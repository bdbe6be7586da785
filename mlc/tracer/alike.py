"""Objects that hold the same but for the arrays and numbers in them: ``Net(1)`` and ``Net(2)``.

Code compiled for one of them serves the others, with what differs as inputs, if nothing else that a
function could find in them differs. Whatever is not known to be plain data must be the same object.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import tree
from .signature import Identity
from .slots import Slots, slots_of
from .streams import is_generator

_PLAIN = (bool, int, float, complex, str, bytes, type(None), np.generic)
_HEAP_TYPE = 1 << 9  # a class that was made by a statement
_MOST = 20_000  # parts

# What functions have that are compiled in another way.
_MARKS = ("__mlc_lifted__", "__mlc_schedule__", "__mlc_autotune__")

Place = tuple[Any, Any]  # a dict, a list or slots, and a key


def differences(
    ours: Sequence[Any], others: Sequence[Any], is_input: Callable[[Any, Any, Any], bool]
) -> list[Place] | None:
    """Where, in ``ours``, floats stand that are others in ``others``; None where the two differ in
    more than what ``is_input(holder, key, value)`` says of places in ``ours``."""
    if len(ours) != len(others):
        return None
    floats: list[Place] = []
    twins: dict[int, Any] = {}
    owners: dict[int, Any] = {}
    stack: list[tuple[Any, Any, Any, Any]] = [(a, b, None, None) for a, b in zip(ours, others)]
    while stack:
        a, b, holder, key = stack.pop()
        if type(a) is not type(b) or len(twins) > _MOST:
            return None
        if isinstance(a, _PLAIN):
            if repr(a) == repr(b) or holder is not None and is_input(holder, key, a):
                continue
            if type(a) is not float or holder is None:
                return None
            floats.append((holder, key))
            continue
        if id(a) in twins or id(b) in owners:  # the same parts are to be shared in both
            if twins.get(id(a)) is not b or owners.get(id(b)) is not a:
                return None
            continue
        twins[id(a)], owners[id(b)] = b, a
        if type(a) is np.ndarray:
            if a is not b and not (holder is not None and is_input(holder, key, a)):
                if a.dtype.hasobject or not _same_bits(a, b):
                    return None
            continue
        parts = _parts(a, b)
        if parts is not None:
            stack += parts
        elif a is not b:
            return None
    return floats


def _same_bits(a: Any, b: Any) -> bool:
    looks = (a.dtype, a.shape, a.strides) == (b.dtype, b.shape, b.strides)
    return looks and a.tobytes() == b.tobytes()


def _parts(a: Any, b: Any) -> list[tuple[Any, Any, Any, Any]] | None:
    """The parts of two values of one type, side by side; None where they are not known."""
    kind = type(a)
    if kind in (list, tuple):
        if len(a) != len(b):
            return None
        holder = a if kind is list else None
        return [(x, y, holder, n) for n, (x, y) in enumerate(zip(a, b))]
    if kind is dict:
        return _of_mapping(a, b)
    if kind is types.MethodType:
        return [(a.__self__, b.__self__, None, None)] if a.__func__ is b.__func__ else None
    if not all(base is object or base.__flags__ & _HEAP_TYPE for base in kind.__mro__):
        return None
    own, other = getattr(a, "__dict__", None), getattr(b, "__dict__", None)
    found = [] if own is None else _of_mapping(own, other) if type(own) is dict else None
    if found is None or not slots_of(kind):
        return found if own is not None else None
    slots, others = Slots(a), Slots(b)
    if list(slots.keys()) != list(others.keys()):
        return None
    return found + [(slots[key], others[key], slots, key) for key in slots]


def _of_mapping(a: Any, b: Any) -> list[tuple[Any, Any, Any, Any]] | None:
    """The values of two dicts; None where their keys differ."""
    if type(b) is not dict or len(a) != len(b):
        return None
    keys = list(a)
    if not all(isinstance(key, _PLAIN) for key in keys) or list(map(repr, keys)) != list(
        map(repr, b)
    ):
        return None
    return [(a[key], b[key], a, key) for key in keys]


class Model:
    """Objects among the arguments of a call, for which code was made, and what they hold."""

    __slots__ = ("found", "is_shared", "objects")

    def __init__(self, objects: list[Any], found: Any) -> None:
        self.objects, self.found = objects, found
        self.is_shared = True  # whether the code may serve objects like these

    def in_place_of(
        self, objects: list[Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[tuple[Any, ...], dict[str, Any]], Callable[[], None]]:
        """A call with these objects instead of ``objects``, and what is to be done after it: lists
        and dicts that hold objects were copied, and the caller's own get what has changed."""
        ours = dict(zip(map(id, objects), self.objects))
        theirs = dict(zip(map(id, self.objects), objects))
        copied: list[tuple[Any, Any]] = []

        def swapped(value: Any) -> Any:
            if id(value) in ours:
                return ours[id(value)]
            if type(value) is dict:
                made: Any = {key: swapped(item) for key, item in value.items()}
            elif type(value) in (list, tuple):
                made = type(value)(map(swapped, value))
            else:
                leaves, structure = tree.flatten(value)
                if not any(id(leaf) in ours for leaf in leaves):
                    return value
                return tree.unflatten(structure, [ours.get(id(leaf), leaf) for leaf in leaves])
            if _holds_same(value, made):
                return value
            copied.append((value, made))
            return made

        call = tuple(map(swapped, args)), {key: swapped(v) for key, v in kwargs.items()}
        back = {id(made): own for own, made in copied} | theirs

        def put_back() -> None:
            for own, made in copied:
                if isinstance(made, dict):
                    now: Any = {key: back.get(id(item), item) for key, item in made.items()}
                    if not _holds_same(own, now):
                        own.clear()
                        own.update(now)
                elif isinstance(made, list):
                    own[:] = [back.get(id(item), item) for item in made]

        return call, put_back


def nothing() -> None:
    """What is to be done after a call that got the caller's own."""


def _holds_same(a: Any, b: Any) -> bool:
    """Whether two lists, tuples or dicts hold the same things."""
    if isinstance(a, dict):
        return list(a) == list(b) and all(a[key] is b[key] for key in a)
    return len(a) == len(b) and all(x is y for x, y in zip(a, b))


def owner_of(value: Any) -> Any:
    """The object whose method ``value`` is, or ``value`` itself."""
    return value.__self__ if type(value) is types.MethodType else value


def are_objects_new(jitted: Any, signature: tuple[Any, ...]) -> bool:
    """Whether a call of a function differs from one before in the identity of objects alone, and
    may be compiled in a way that serves objects like these."""
    marks = getattr(jitted._function, "__dict__", {})
    may_share = jitted._alike is not False and jitted._target == "cpu" and jitted._families is None
    if not may_share or any(map(marks.__contains__, _MARKS)):
        return False
    keys, *rest = signature
    return any(
        [*others] == rest and known != keys and _differ_in_objects(known, keys)
        for known, *others in jitted._entries
    )


def _differ_in_objects(old: Any, new: Any) -> bool:
    if type(old) is tuple and type(new) is tuple:
        return len(old) == len(new) and all(map(_differ_in_objects, old, new))
    if type(old) is type(new) is Identity:
        return not is_generator(new.value)
    if type(old) is type(new) is types.MethodType:
        return old.__func__ is new.__func__ and type(old.__self__) is type(new.__self__)
    return bool(old == new)
