"""Objects of the user's that data choose, each as its number among those that hang together.

::

    while node.value is None:                     while value[node] is None:
        if x[node.feature] < node.threshold:          if x[feature[node]] < threshold[node]:
            node = node.left                  ->          node = left[node]
        else:                                         else:
            node = node.right                             node = right[node]

All that can be reached from the first one by attributes is known when it is met, so that the arrays
of attributes are complete. Objects that something else is chosen beside are refused, as before.
"""

from __future__ import annotations

import types
from typing import Any

from ..tracer.attributes import is_object
from ..tracer.chosen import Choices, Chosen, group_of
from .plan import NotNative, current

_MOST = 1 << 14
_MISSING = object()
_OURS = ("constant", "is_something", "_number", "_choices")
_NEWEST = -1  # no id of an object


class Objects(Choices):
    """Objects, with all that can be reached from them."""

    is_read = False

    def add(self, values: list[Any]) -> None:
        for value in values:
            self.numbers[id(value)] = len(self.values)
            self.values.append(value)

    def has(self, value: Any) -> bool:
        return id(value) in self.numbers

    def number_of(self, value: Any) -> int:
        return self.numbers[id(value)]

    def text(self) -> str:
        names = dict.fromkeys(type(value).__name__ for value in self.values)
        return f"one of {len(self.values)} objects ({', '.join(names)})"

    __repr__ = text

    def is_something(self, chosen: Chosen) -> Any:
        kinds = set(map(type, self.values))
        if any(hasattr(kind, name) for kind in kinds for name in ("__bool__", "__len__")):
            raise NotNative(f"{chosen!r} is asked whether it is true; ask whether it is None")
        return True

    def attribute(self, chosen: Chosen, name: str) -> Any:
        """What the attribute ``name`` of ``chosen`` is."""
        number, self.is_read = chosen._number, True
        if isinstance(number, int):
            return getattr(self.values[number], name)
        from .calls import call
        from .list_steps import raise_where
        from .picking import taken

        kinds = set(map(type, self.values))
        shared = {getattr(kind, name, _MISSING) for kind in kinds}
        held = shared.pop() if len(shared) == 1 else None
        if isinstance(held, types.FunctionType):
            return types.MethodType(held, chosen)
        if isinstance(held, property) and held.fget is not None:
            return call(held.fget)(chosen)
        items = [getattr(value, name, _MISSING) for value in self.values]
        lacks = [item is _MISSING for item in items]
        if any(lacks):
            error = AttributeError(f"{type(self.values[lacks.index(True)]).__name__!r} object has "
                                   f"no attribute {name!r}")  # fmt: skip
            if all(lacks):
                raise error
            raise_where(taken(lacks, number), error)
            items = [None if item is _MISSING else item for item in items]
        return taken(items, number)


def may_be_chosen(value: Any) -> bool:
    """Whether ``value`` is an object that code can tell from others by what it is alone, and whose
    attributes are not called as those of what stands for it."""
    is_plain = is_object(value) and type(value).__eq__ is object.__eq__
    return is_plain and not any(hasattr(value, name) for name in _OURS)


def enter(value: Any) -> None:
    """Let data choose ``value``, an object, and all that can be reached from it, from now on. They
    are chosen among one another, and those met before, until an attribute of one is read."""
    trace = current()
    if group_of(value) is not None:
        return
    found, numbers = [value], {id(value)}
    group = trace.groups.get(_NEWEST)
    for each in found:
        for part in vars(each).values() if hasattr(each, "__dict__") else ():
            if id(part) in numbers or not may_be_chosen(part):
                continue
            if (other := group_of(part)) is not None:
                group = other
                continue
            numbers.add(id(part))
            found.append(part)
            if len(found) > _MOST:
                return
    if group is None or group.is_read:
        if any(group_of(part) is not None for each in found for part in vars(each).values()):
            return
        group = trace.groups[_NEWEST] = Objects()
    group.add(found)
    trace.groups.update(dict.fromkeys(numbers, group))
