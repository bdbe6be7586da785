"""``itertools.groupby`` of items that are traced."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from ..errors import TracerBoolError, UnsupportedError


def grouped(source: Any, key: Callable[[Any], Any] | None = None) -> Iterator[Any]:
    """``itertools.groupby(source, key)``; UnsupportedError where data decide how many groups there
    are, and there is no code for each number of them."""
    return ((name, _told(items)) for name, items in _told(itertools.groupby(source, key)))


def _told(iterator: Iterator[Any]) -> Iterator[Any]:
    while True:
        try:
            found = next(iterator)
        except StopIteration:
            return
        except TracerBoolError as error:
            raise UnsupportedError(
                "itertools.groupby makes as many groups as the keys say, which are not known while "
                "tracing; go through the items in a loop that compares each with the one before, "
                "and append to a list where they differ, or use np.flatnonzero(x[1:] != x[:-1])"
            ) from error
        yield found
