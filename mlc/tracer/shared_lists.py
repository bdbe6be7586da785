"""Lists and dicts that may be the same after a branch, which only the run knows.

::

    row = table[0] if test else table[1]      what is carried of `row` is what is in it, a list of
    row[0] = x                                its own: the table would not see what is written

As long as nobody changes them, it does not matter. Where a function does, it is traced again, and
the data choose the branch, or the lists become rows of one array.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any

from ..errors import UnsupportedError
from ..records import dataclass

# Whether what may have two names after a branch is refused there, be it changed or not.
REFUSED: ContextVar[bool] = ContextVar("shared lists are refused", default=False)


class SharedListError(UnsupportedError):
    """A list or dict that may have two names after a branch is changed."""


@dataclass(frozen=True, eq=False)
class _Kept:
    """A list or dict, what it held, and what to say if it changes."""

    held: Any
    content: list[Any]
    text: str


def keep(trace: Any, lists: Iterable[Any], text: str) -> None:
    """Let nobody change ``lists``, lists and dicts, until ``trace`` ends; ``text`` says why."""
    trace.kept_lists += [_Kept(held, content_of(held), text) for held in lists]


def check_kept(trace: Any) -> None:
    """Raises SharedListError if one of the lists that are to stay what they are has changed."""
    for each in trace.kept_lists:
        if not is_same(each.content, content_of(each.held)):
            raise SharedListError(each.text)


def with_lists_apart(error: Exception, again: Callable[[], Any]) -> Any:
    """What tracing ``again`` gives where no list has two names after a branch; raises ``error``, if
    that was tried already, or is no help."""
    if not isinstance(error, SharedListError) or REFUSED.get():
        raise error
    token = REFUSED.set(True)
    try:
        return again()
    except Exception as last:
        raise error from last
    finally:
        REFUSED.reset(token)


def is_same(before: list[Any], after: list[Any]) -> bool:
    """Whether a list holds what it did."""
    return len(before) == len(after) and all(a is b for a, b in zip(before, after))


def content_of(held: Any) -> list[Any]:
    """What a list or dict holds, while that is no arrays."""
    items = dict.items(held) if isinstance(held, dict) else list.__iter__(held)
    return [part for item in items for part in (item if isinstance(held, dict) else (item,))]
