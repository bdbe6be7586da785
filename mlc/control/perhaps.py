"""What a variable holds of which only the run knows whether it has a value."""

from __future__ import annotations

from typing import Any

from .host_changes import UNDEFINED


class Perhaps:
    """``value`` where ``is_bound``, a traced bool, holds; no value where it does not.

    Code of the user's never meets one: see `mlc.control.reads`.
    """

    __slots__ = ("is_bound", "value")

    def __init__(self, value: Any, is_bound: Any) -> None:
        self.value, self.is_bound = value, is_bound


def bare(held: Any) -> Any:
    """The value alone, whether it is one or not; UNDEFINED if it is none for certain."""
    return held.value if type(held) is Perhaps else held


def is_bound(held: Any) -> Any:
    """Whether a variable that holds this has a value: True, False, or a traced bool."""
    return held.is_bound if type(held) is Perhaps else held is not UNDEFINED


def with_flag(value: Any, flag: Any) -> Any:
    """What has ``value`` where ``flag`` holds."""
    if type(flag) is bool:
        return value if flag else UNDEFINED
    return Perhaps(value, flag)
