"""Texts and members of enums that loops and branches carry, as numbers: see `mlc.tracer.chosen`."""

from __future__ import annotations

from typing import Any

from ..tracer.chosen import Chosen, coded, holds_constant
from .host_changes import UNDEFINED
from .objects import enter, may_be_chosen
from .plan import State, current


def fitted_constant(state: State, before: Any, end: Any) -> Any:
    """``end``, whose constants are numbers if a variable gets them that had none ``before``, or
    something with other constants."""
    if before is end:
        return end
    if may_be_chosen(end) and _are_carried(state):
        if before is UNDEFINED or type(before) is Chosen:
            enter(end)
        elif may_be_chosen(before):
            enter(before)
            enter(end)
    if not holds_constant(end):
        return end
    if not (_holds_chosen(before) or _are_carried(state)):
        return end
    return end if holds_constant(before) and before == end else coded(end)


def becomes_chosen(state: State, before: Any, end: Any) -> bool:
    """Whether a variable with constants ``before`` is carried with numbers in their place, as it
    ends as something that was."""
    if not (_holds_chosen(end) and _are_carried(state)):
        return False
    if may_be_chosen(before):
        enter(before)
    return holds_constant(before)


def _holds_chosen(value: Any) -> bool:
    return any(map(_holds_chosen, value)) if type(value) is tuple else type(value) is Chosen


def _are_carried(state: State) -> bool:
    """Outside of native loops the data choose what a branch leaves."""
    return not (state.must_fit or state.is_branch and current().has_room)


def as_given(value: Any) -> Any:
    """``value`` as it was before its constants were made numbers."""
    if type(value) is tuple:
        return tuple(map(as_given, value)) if _holds_chosen(value) else value
    is_known = type(value) is Chosen and isinstance(value._number, int)
    return value.constant() if is_known else value
