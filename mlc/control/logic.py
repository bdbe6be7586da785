"""Conditions in expressions: ``a if test else b``, ``and``, ``or``, ``not``, ``in``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..config import config
from ..tracer.grown import is_arrays
from ..tracer.number import python_number
from ..tracer.operators import _is_weak
from .carry import UNDEFINED, NotNative, State
from .condition_reads import reading
from .draws import draws_undone
from .folding import is_in
from .forms import is_traced, native_if
from .host_changes import HostState
from .iterators import TakesItemsError, holding, refuse_taking
from .perhaps import Perhaps
from .plan import CHOSEN, alone, current
from .raised import attempted
from .truths import truth
from .watching import changes_undone

Thunk = Callable[[], Any]


def if_expression(test: Any, then: Thunk, otherwise: Thunk, *, is_taken: bool = False) -> Any:
    """``a if test else b``; if it ``is_taken`` at once, nobody keeps it."""
    test = truth(test)
    if not is_traced(test):
        return then() if test else otherwise()
    held: list[Any] = [UNDEFINED]

    def put(values: list[Any]) -> None:
        held[0] = values[0]

    state = State((CHOSEN,), lambda: list(held), put, "the conditional expression")
    state.is_branch, state.is_taken = True, is_taken
    native_if(test, lambda: put([then()]), lambda: put([otherwise()]), state)
    return held[0]


def not_(value: Any) -> Any:
    """``not value``."""
    value = truth(value)
    return python_number(np.logical_not(_one(value)), bool) if is_traced(value) else not value


def in_(value: Any, where: Thunk, negated: bool = False) -> Any:
    """``value in where()``, or ``not in``."""
    found = is_in(value, lambda: _not_taken(where()))
    return not_(found) if negated else found


def _not_taken(value: Any) -> Any:
    refuse_taking(value)
    return value


def and_(value: Any, *others: Thunk) -> Any:
    """``value and others[0]() and ...``."""
    return _logic(value, others, np.logical_and, False)


def or_(value: Any, *others: Thunk) -> Any:
    """``value or others[0]() or ...``."""
    return _logic(value, others, np.logical_or, True)


def _logic(value: Any, others: Sequence[Thunk], join: Any, ends: bool) -> Any:
    for other in others:
        if is_arrays(value):
            test = truth(value)
            chosen = current().room(lambda: test)
            if chosen is not None:
                if bool(chosen) is ends:
                    return value
                value = other()
                continue
            raise NotNative("a list that data decide about is one side of `and` or `or`; write len")
        if type(value) is Perhaps:
            kept = _given(value._mlc_value if ends else value)
            value = if_expression(value, *((kept, other) if ends else (other, kept)))
            continue
        if not is_traced(value):
            if bool(value) is ends:
                return value
            value = other()
            continue
        hosts = HostState(other)
        takes = False
        try:
            with (
                changes_undone() as changed,
                draws_undone() as drew,
                holding(hosts.iterators),
                reading(None),
            ):
                second, fails = attempted(alone(other))
        except TakesItemsError:
            takes = True
        counted = hosts.changes()
        hosts.undo()
        # An array, the note of an error, a number drawn: only where it is asked for.
        if takes or fails or changed or counted or drew or config.debug:
            value = if_expression(value, *((_given(value), other) if ends else
                                           (other, _given(value))))  # fmt: skip
        elif _kind(value) == "b" and _kind(second) == "b":
            both = join(_one(value), _one(second))
            value = python_number(both, bool) if _is_weak(value) and _is_weak(second) else both
        else:
            sides = (value, second) if ends else (second, value)
            value = if_expression(value, *map(_given, sides))
    return value


def _given(value: Any) -> Thunk:
    return lambda: value


def _kind(value: Any) -> str:
    return "b" if isinstance(value, bool) else getattr(getattr(value, "dtype", None), "kind", "")


def _one(value: Any) -> Any:
    if np.size(value) != 1:
        raise ValueError(
            "The truth value of an array with more than one element is ambiguous. Use a.any() or "
            "a.all()"
        )
    return np.reshape(value, ()) if np.shape(value) else value
