"""How long a loop stays Python's own while tracing, since what decides in it is known.

::

    while True:                      Python's own loop, iteration by iteration, as long as lists
        stack.append(n)              are of known numbers; from some thousand of them on, with those
        ...                    ->    of the loops in it, the rest of it is a native loop, whose
        if not stack: break          lists are arrays

Where that fails, at once or later in the function, all of it stays Python's.

Loops that set items of lists in lists, and are long, are traced again with these as rows of arrays.

So it is with short loops whose iterations turn out to be long, as those that call a function are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..errors import MlcError
from ..ops.op import CURRENT
from ..tracer.again import HURRIED, UNHURRIED
from ..tracer.grown import is_arrays, rows_wanted
from .around import may_unroll
from .growth import _read, reach_lists
from .item_kinds import are_numbers
from .list_rows import REGION, hold
from .lists import Growing

Thunk = Callable[[], Any]
_MUCH = 8192  # iterations, those of inner loops among them, that are Python's
_MORE = 4  # times as many before the next attempt
_LONG = 64  # numbers in a list
_HEAVY = 600  # operations that the rest of a loop would be traced to
_LISTED = 2400  # operations, traced for a loop that sets items of lists in lists
_OF_BODY = 30  # operations that a run of the body of a native loop or branch counts as
_FEWEST = 4  # iterations that a native loop is tried for
LARGE = 1 << 31  # what is beyond may get beyond 64 bits, which Python's integers do not mind
FAILURES = (NameError, MlcError, TypeError, ValueError, IndexError, NotImplementedError)


def done_natively(loop: Callable[[], None]) -> bool:
    """Whether ``loop``, a native one, was done."""
    try:
        with may_unroll():
            loop()
    except FAILURES:
        return False
    return True


class Patience:
    """Counts the iterations of a loop that is Python's and changes ``lists``, and of those in it.
    ``reads`` tell what its variables hold."""

    def __init__(self, lists: Sequence[Thunk], reads: Sequence[Thunk]):
        trace: Any = CURRENT.get()
        self.trace = trace
        self.lists, self.reads, self.limit = lists, reads, _MUCH
        self.is_tried = trace is None or UNHURRIED.get()
        self.is_asked = False
        if trace is not None:
            self.traced = _weight(trace)
            self.begin, self.hurried = trace.rounds, trace.hurried

    def is_over(self) -> bool:
        """Asked after each iteration: whether to try a native loop for the others."""
        if self.trace is None:
            return False
        self.trace.rounds += 1
        if not self.is_asked and _weight(self.trace) - self.traced > _LISTED:
            self.is_asked = True
            for box in map(_read, self.lists):
                if type(box) is list:
                    rows_wanted(box)  # the loops are native if these are rows
        # What inner loops made native is arrays now, and each iteration would ask for them.
        is_begun = self.trace.hurried > self.hurried
        if not is_begun and self.trace.rounds - self.begin <= self.limit:
            return False
        self.limit, self.hurried = self.limit * _MORE, self.trace.hurried
        may_hurry = not UNHURRIED.get() and reach_lists(self.lists)
        return may_hurry and _is_small(map(_read, (*self.reads, *self.lists)))

    def is_heavy(self, done: int, left: int) -> bool:
        """Whether to try a native loop of the ``left`` iterations, since the ``done`` ones were
        long: once, and without it if the function fails later on."""
        if self.is_tried or left < _FEWEST:
            return False
        self.is_tried = (_weight(self.trace) - self.traced) * left > _HEAVY * done
        if self.is_tried:
            HURRIED.set(True)
        return self.is_tried

    def ended(self, loop: Callable[[], None]) -> bool:
        """Whether ``loop``, what is left, is done as a native one. Long lists of numbers, each of
        which would be a variable of its own, are arrays before it begins."""
        long = [box for box in map(_read, self.lists) if type(box) is Growing and _is_long(box)]
        items = [box.items() for box in long]
        for box in long:
            hold(box, None)
        if done_natively(loop):
            self.trace.hurried += 1
            HURRIED.set(True)
            return True
        for box, held in zip(long, items):
            box.become(held)
        return False


def _weight(trace: Any) -> int:
    """About how many operations were traced so far."""
    return len(trace.numbered) + _OF_BODY * trace.attempts  # type: ignore[no-any-return]


def _is_long(box: Growing) -> bool:
    is_plain = not (box.is_native or box.rigid or box.frozen) and box.serial > REGION.get()
    return is_plain and len(box.items()) > _LONG and are_numbers(box.items())


def _is_small(values: Iterable[Any]) -> bool:
    """Whether no number among ``values``, which are known, is on its way out of 64 bits."""
    for value in values:
        if isinstance(value, (list, tuple)) and not is_arrays(value):
            items = [*list.__iter__(value)] if isinstance(value, list) else value
            ends = (min(items), max(items)) if are_numbers(items) else items
            if not _is_small(ends):
                return False
        elif isinstance(value, int) and abs(value) > LARGE:
            return False
    return True
