"""What a variable holds of which only the run knows whether it has a value."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from .host_changes import UNDEFINED
from .plan import NotNative, State


class Perhaps:
    """``value`` where ``is_bound``, a traced bool, holds; no value, or None, where it does not.

    Code of the user's never meets one: see `mlc.control.reads`.
    """

    __slots__ = ("is_bound", "or_none", "value")

    def __init__(self, value: Any, is_bound: Any, or_none: bool = False) -> None:
        self.value, self.is_bound, self.or_none = value, is_bound, or_none


def bare(held: Any) -> Any:
    """The value alone, whether it is one or not; UNDEFINED if it is none for certain."""
    return held.value if type(held) is Perhaps else held


def is_bound(held: Any) -> Any:
    """Whether a variable that holds this has a value: True, False, or a traced bool."""
    return held.is_bound if type(held) is Perhaps else held is not UNDEFINED


def is_or_none(held: Any) -> bool:
    """Whether a variable that holds this is None where it has no value."""
    return type(held) is Perhaps and held.or_none


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
