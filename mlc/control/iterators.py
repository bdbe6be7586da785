"""Iterators that are at hand while a native loop or branch is traced.

::

    it = iter(items)              Whether the run takes an item there only the data decide. So none
    if x[0] > 0:           ->     is taken while a branch is traced: the data choose the branch
        first = next(it)          first, or the loop around runs as Python's.
"""

from __future__ import annotations

import gc
import itertools
import types
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from ..tracer.grown import Following
from ..tracer.items import Items
from .plan import NotNative

_MODULES = frozenset({"builtins", "itertools"})
_HELD: ContextVar[frozenset[int]] = ContextVar("iterators from before", default=frozenset())


class TakesItemsError(NotNative):
    """An item of an iterator from before a loop or branch would be taken in it."""


def is_iterator(value: Any) -> bool:
    """Whether ``value`` is an iterator of Python's, or one that stands for it."""
    kind = type(value)
    if kind in (Items, Following):
        return True
    return kind.__module__ in _MODULES and hasattr(kind, "__next__")


def within(iterator: Any) -> list[Any]:
    """The iterators that ``iterator`` takes its items from, as far as they show."""
    match iterator:
        case Following():
            return []
        case Items():
            return [iterator._rest]
        case types.GeneratorType():
            frame = iterator.gi_frame
            return [] if frame is None else [v for v in frame.f_locals.values() if is_iterator(v)]
    parts = gc.get_referents(iterator)
    parts += [item for part in parts if type(part) is tuple for item in part]  # those of a zip
    return [part for part in parts if is_iterator(part)]


def progress(iterator: Any) -> Any:
    """What is another once an item was taken; None where that does not show."""
    match iterator:
        case Following():
            return iterator.place
        case Items():
            return iterator.is_begun, progress(iterator._rest)
        case types.GeneratorType():
            frame = iterator.gi_frame
            return None if frame is None else (frame.f_lasti, *map(id, frame.f_locals.values()))
        case itertools.count() | itertools.repeat():
            return repr(iterator)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _, *parts = iterator.__reduce__()
    except (TypeError, AttributeError):
        return None
    return [
        _mark(part) for found in parts for part in (found if type(found) is tuple else (found,))
    ]


def _mark(part: Any) -> Any:
    """What tells a part of an iterator's state from what it is after an item was taken."""
    if isinstance(part, int):
        return part
    if is_iterator(part):
        return progress(part)
    return len(part) if isinstance(part, (list, tuple)) else None


@contextmanager
def holding(iterators: Iterable[Any]) -> Iterator[None]:
    """Inside, no item of ``iterators`` may be taken: TakesItemsError."""
    token = _HELD.set(_HELD.get().union(map(id, iterators)))
    try:
        yield
    finally:
        _HELD.reset(token)


def refuse_taking(*values: Any) -> None:
    """Raises TakesItemsError if one of ``values`` is an iterator that is held."""
    held = _HELD.get()
    if held:
        for value in values:
            if id(value) in held:
                raise TakesItemsError(
                    f"an item of a {type(value).__name__} from before a loop or branch over traced "
                    f"values would be taken in it, which compiled code does not do; take the items "
                    f"before, or make a list of them"
                )


def not_taking(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function``, of C, which might take items of its arguments."""
    if not _HELD.get():
        return function

    def run(*args: Any, **kwargs: Any) -> Any:
        refuse_taking(getattr(function, "__self__", None), *args, *kwargs.values())
        return function(*args, **kwargs)

    return run
