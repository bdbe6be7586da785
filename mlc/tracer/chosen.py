"""Constants that data choose among those that a function names, each as its number: texts, and
members of an enum.

::

    state = "idle"                          state = 0
    for v in x:                             for v in x:
        if state == "idle" and v > 1:  ->       if state == 0 and v > 1:
            state = "busy"                          state = 1
    return state                            return ("idle", "busy")[state]
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any, NoReturn

import numpy as np

from ..errors import UnsupportedError
from ..ops.op import CURRENT
from . import tree
from .concrete import known
from .deciding import chosen_by_data
from .grown import named_tables_wanted
from .leaving import shown_in
from .number import python_number


class Choices:
    """The constants of one trace, in the order in which they were met."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.numbers: dict[Any, int] = {}

    def number_of(self, value: Any) -> int:
        """The number of ``value``, which is new perhaps."""
        if value not in self.numbers:
            self.numbers[value] = len(self.values)
            self.values.append(value)
        return self.numbers[value]

    def has(self, value: Any) -> bool:
        """Whether ``value`` may be one of them."""
        return is_constant(value)

    def text(self) -> str:
        """What they are, for messages."""
        return f"one of {', '.join(map(repr, self.values))}"

    def is_something(self, chosen: Chosen) -> Any:
        """``bool(chosen)``, traced: texts may be empty."""
        return chosen != ""

    def attribute(self, chosen: Chosen, name: str) -> Any:
        """What the attribute ``name`` of ``chosen`` is."""
        return getattr(chosen.constant(), name)


class Chosen:
    """The constant with a number that data choose, an int or a traced one, among ``choices``."""

    __slots__ = ("_choices", "_number")

    def __init__(self, number: Any, choices: Choices) -> None:
        self._number, self._choices = number, choices

    def __mlc_lift__(self, trace: Any) -> NoReturn:
        raise UnsupportedError(
            f"{self!r} stands where a number or an array is expected; compare it, or let it be a "
            f"whole number, such as a member of an enum.IntEnum"
        )

    def constant(self) -> Any:
        """What it is: what the data choose while the function is traced, once for each."""
        number = known(self._number)
        if not isinstance(number, (int, np.integer)):
            chosen = chosen_by_data(number)
            if chosen is None:
                raise UnsupportedError(
                    f"{self!r} is asked for what it is in a native loop; there it can be compared, "
                    f"kept and returned"
                )
            self._number = number = chosen
        return self._choices.values[int(number)]

    def is_something(self) -> Any:
        """``bool(self)``, traced."""
        return self._choices.is_something(self)

    def __eq__(self, other: object) -> Any:
        if self._choices.has(other):
            number: Any = self._choices.number_of(other)
        elif isinstance(other, Chosen) and other._choices is self._choices:
            number = other._number
        else:
            return False
        found = self._number == number
        return found if isinstance(found, bool) else python_number(found, bool)

    def __ne__(self, other: object) -> Any:
        same = self == other
        return not same if isinstance(same, bool) else python_number(np.logical_not(same), bool)

    def __hash__(self) -> int:
        if not isinstance(self._number, int):
            named_tables_wanted()
        return hash(self.constant())

    def __str__(self) -> str:
        return str(self.constant())

    def __format__(self, spec: str) -> str:
        return format(self.constant(), spec)

    def __repr__(self) -> str:
        return f"{self._choices.text()}, as the data choose"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._choices.attribute(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__slots__:
            object.__setattr__(self, name, value)
        else:
            setattr(self.constant(), name, value)

    # fmt: off
    def __bool__(self) -> bool: return bool(self.constant())
    def __len__(self) -> int: return len(self.constant())
    def __getitem__(self, key: Any) -> Any: return self.constant()[key]
    def __contains__(self, part: Any) -> bool: return part in self.constant()
    def __add__(self, other: Any) -> Any: return self.constant() + constant_of(other)
    def __radd__(self, other: Any) -> Any: return other + self.constant()
    def __lt__(self, other: Any) -> Any: return self.constant() < constant_of(other)
    def __le__(self, other: Any) -> Any: return self.constant() <= constant_of(other)
    def __gt__(self, other: Any) -> Any: return self.constant() > constant_of(other)
    def __ge__(self, other: Any) -> Any: return self.constant() >= constant_of(other)
    # fmt: on


def is_constant(value: Any) -> bool:
    """Whether ``value`` may be one of several that data choose: a text, or a member of an enum that
    is no number or text besides."""
    if isinstance(value, Enum):
        return not isinstance(value, (str, int, float))
    return type(value) is str


def holds_constant(value: Any) -> bool:
    """Whether ``value`` is such a constant, an object that data may choose, or a tuple that holds
    one."""
    if type(value) is tuple:
        return any(map(holds_constant, value))
    return is_constant(value) or group_of(value) is not None


def group_of(value: Any) -> Any:
    """Those among which data may choose ``value``, an object; None of what they do not."""
    groups: Any = getattr(CURRENT.get(), "groups", None)
    return groups.get(id(value)) if groups else None


def coded(value: Any) -> Any:
    """``value`` with its constants, also those in tuples, as ones that data may choose."""
    if type(value) is tuple:
        return tuple(map(coded, value)) if holds_constant(value) else value
    if (group := group_of(value)) is not None:
        return Chosen(group.number_of(value), group)
    if not is_constant(value):
        return value
    trace: Any = CURRENT.get()
    if isinstance(value, str) and shown_in(value, trace):
        raise UnsupportedError(
            f"a text that shows a traced value, {value!r}, is kept in a native loop, where nobody "
            f"knows its digits; keep the number"
        )
    if trace.choices is None:
        trace.choices = Choices()
    return Chosen(trace.choices.number_of(value), trace.choices)


def constant_of(value: Any) -> Any:
    """``value`` itself, or what it is if the data choose it."""
    return value.constant() if type(value) is Chosen else value


def _parts(value: Chosen) -> tuple[tuple[Any], Choices]:
    return (value._number,), value._choices


def _whole(choices: Choices, children: Sequence[Any]) -> Any:
    (number,) = children
    if CURRENT.get() is None and isinstance(number, (int, np.integer)):
        return choices.values[int(number)]  # a result
    return Chosen(number, choices)


tree.register(Chosen, _parts, _whole)
