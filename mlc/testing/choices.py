"""Choices: the one source of chance for everything that is drawn here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


class Choices:
    """``below(n)`` is a number in ``range(n)``; 0 is the plainest choice, towards which to shrink.

    Where the numbers come from is another's concern: hypothesis, a generator, or a list of earlier
    ones.
    """

    def __init__(self, below: Callable[[int], int]) -> None:
        self._below = below

    def below(self, n: int) -> int:
        """A number in ``range(n)``."""
        return self._below(n) if n > 1 else 0

    def between(self, low: int, high: int) -> int:
        """A number from ``low`` to ``high``, both included."""
        return low + self.below(high - low + 1)

    def pick(self, items: Sequence[T]) -> T:
        """One of ``items``."""
        return items[self.below(len(items))]

    def one_in(self, n: int) -> bool:
        """Whether something that happens once in ``n`` times happens now."""
        return self.below(n) == n - 1

    def some(self, items: Sequence[T], count: int) -> list[T]:
        """``count`` of ``items`` in any order, or all if there are fewer."""
        rest = list(items)
        return [rest.pop(self.below(len(rest))) for _ in range(min(count, len(rest)))]
