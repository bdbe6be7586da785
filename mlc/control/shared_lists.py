"""Lists and dicts with two names after a branch: which of them a variable is, only the run knows.
See `mlc.tracer.shared_lists`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..tracer.grown import is_arrays
from ..tracer.shared_lists import REFUSED, content_of, is_same, keep
from .exits import spoken
from .perhaps import bare
from .plan import NotNative, State, current
from .shared_arrays import names_of

_DEEP = 4  # levels of lists in lists


Begun = tuple[int, Any, list[Any]]  # number of a variable, a list of it, what that held


def contents(values: Mapping[int, Any]) -> list[Begun]:
    """What the lists hold that stand for the variables of these numbers."""
    return [(n, held, content_of(held)) for n, v in values.items() for held in _lists(bare(v), 0)]


def holds_lists(value: Any) -> bool:
    """Whether there is a list or dict of Python's in ``value``."""
    return next(_lists(value, 0), None) is not None


class SharedLists:
    """The ``variables`` (their numbers) that get a list with another name in a branch or loop, and
    those ``lists``."""

    def __init__(
        self, state: State, before: Sequence[Any], begun: Sequence[Begun],
        left: Sequence[Sequence[Any]], carried: set[int],
    ) -> None:  # fmt: skip
        """``before`` are the values of all variables before it, which they hold again, ``begun``
        what stood for their lists, ``left`` the values at the end of each body, and ``carried`` the
        variables that change.

        Raises NotNative where such a list is changed inside, too.
        """
        self.state = state
        self.variables: set[int] = set()
        self.lists: dict[int, Any] = {}
        changing = [n for n in carried if state.is_lasting(n)]
        owned: dict[int, int] = {}  # how many of the variables that change hold a list
        for n in changing:
            for held in _lists(bare(before[n]), 0):
                owned[id(held)] = owned.get(id(held), 0) + 1
        written = {id(b) for b, items in _items(state) if not carried.isdisjoint(items)}
        touched = {n for n, held, content in begun if not is_same(content, content_of(held))}
        for n in changing:
            for value in (bare(before[n]), *(bare(values[n]) for values in left)):
                for held in _lists(value, 0):
                    is_shared = len(names_of(held)) > owned.get(id(held), 0)
                    is_written = id(held) in written or is_shared and n in touched
                    if not (is_shared or is_written):
                        continue
                    if is_written or REFUSED.get():
                        raise NotNative(self.text(n))
                    self.variables.add(n)
                    self.lists[id(held)] = held

    def text(self, n: int) -> str:
        """What to say of variable ``n``."""
        return (
            f"{self.state.what} gives {spoken(self.state.names[n])} a list or dict that has "
            f"another name, too, and what changes it by one name would have to show under the "
            f"other; make a copy, list(items)"
        )

    def keep(self, values: Sequence[Any]) -> None:
        """Let nobody change the lists, or what the variables hold now."""
        for n in sorted(self.variables):
            keep(current(), _lists(bare(values[n]), 0), self.text(n))
            keep(current(), self.lists.values(), self.text(n))


def _items(state: State) -> Iterator[tuple[Any, range]]:
    """Each list or dict that is part of ``state``, and the numbers of its items."""
    at = len(state.names) - state.hosts
    for box in state.boxes:
        end = at + 1
        while end < len(state.names) and not state.names[end].startswith("the items of "):
            end += 1
        yield box, range(at, end)
        at = end


def _lists(value: Any, depth: int) -> Iterator[Any]:
    """The lists and dicts in ``value``, and itself if it is one, as far as they are Python's."""
    if depth > _DEEP or is_arrays(value) or not isinstance(value, (list, tuple, dict)):
        return
    if not isinstance(value, tuple):
        yield value
    for item in value.values() if isinstance(value, dict) else value:
        yield from _lists(item, depth + 1)
