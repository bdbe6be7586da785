"""Comprehensions under conditions, and generators that Python's functions go through at once.

::

    [f(v) for v in x if v > 0]             a list to which a native loop appends
    sum(v * v for v in x if v > 0)         a native loop that adds
    any(v > 3 for v in x)                  one that ends where it is known

The first item is looked at as Python does: where neither a condition nor a value of it is traced,
nor is the loop native. Few items under conditions leave these to the data (`mlc.tracer.sizes`).
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from ..ops.op import CURRENT
from ..tracer.concrete import known
from ..tracer.items import Items, items_of, table_of
from ..tracer.tracer import Tracer
from .around import repeats
from .calls import call
from .comparing import holds_traced
from .forms import is_traced
from .iterators import refuse_taking
from .list_loops import walk_of
from .lists import Growing
from .logic import and_, not_, or_
from .plan import current
from .ranges import Range
from .truths import truth

Make = Callable[["Gathered"], Callable[[Any], None]]
_FEW = 8  # items whose conditions the data may choose, one by one
_UNROLLED = 160  # operations, as in `runtime`
_LISTED = (min, max, sorted, list, tuple, set)


class Gathered:
    """What becomes of the items: ``take`` of each. ``names``, ``reads`` and ``put`` are of what it
    changes, as a loop or branch has them, ``lists`` and ``touched`` besides; ``goes`` says whether
    it wants more."""

    def __init__(
        self, take: Callable[[Any], None], lists: Sequence[Any] = (), touched: Any = (),
        held: list[Any] | None = None, goes: Callable[[], Any] | None = None,
    ) -> None:  # fmt: skip
        self.take, self.lists, self.touched, self.goes = take, lists, touched, goes
        self.state: Any = ((), (), None)
        if held is not None:
            self.state = (("what is gathered",), (lambda: held[0],), partial(_refill, held))
        self.is_native = self.is_asked = self.is_seen = False

    def append(self, value: Any) -> None:
        """One more item."""
        self.is_seen = True
        self.is_asked = self.is_asked or holds_traced(value)
        self.take(value)

    def where(self, test: Any, then: Callable[[], None]) -> None:
        """``then()``, which appends, if ``test`` holds."""
        test, self.is_seen = truth(test), True
        if not is_traced(test):
            if test:
                then()
            return
        self.is_asked = True
        if self.is_native:
            from .runtime import if_

            if_(test, then, lambda: None, *self.state, (False, False), *self.touched)
        elif bool(test):
            then()

    def through(self, source: Any, make: Make, cost: int) -> None:
        """What ``make`` says is done with each item of a source in a source."""
        body, is_native = make(self), self.is_native
        left = gather(source, body, self, cost, has_tests=True)
        self.is_native = is_native
        for item in left or ():
            body(item)

    def loop(self, source: Any, body: Callable[[Any], None], cost: int) -> None:
        """``body`` of each item, natively if that can be."""
        from .runtime import for_

        for_(source, body, *self.state, self.goes, self.lists, cost, *self.touched)


def _refill(held: list[Any], values: list[Any]) -> None:
    held[:] = values[:1]


def gather(
    source: Any, body: Callable[[Any], None], to: Gathered, cost: int, has_tests: bool
) -> Iterator[Any] | None:
    """``body`` of each item of ``source``; those that are left to Python where nothing traced
    comes into it."""
    if CURRENT.get() is None:
        return iter(source)
    source = table_of(source) or known(source)
    refuse_taking(source)
    if walk_of(source) is not None or is_open(source):
        to.is_native = True
        to.loop(source, body, cost)
        return None
    items = items_of(source)
    is_long = False
    if items is not None and len(items.shape) == 1:
        is_long, count = items.size * cost * repeats() > _UNROLLED, items.size
    elif isinstance(source, (list, tuple)):
        count = len(source)
    else:
        return iter(source)
    left = current().rooms_left
    if not count or not (is_long or has_tests and count > min(_FEW, left)):
        return iter(source)
    from .runtime import repeating

    at = source.__getitem__ if items is None else items.at
    rest = builtins.range(1, count)
    to.is_native = True
    with repeating(count):
        body(at(0))
        is_asked = to.is_asked or not to.is_seen  # what an empty source has not shown
        if is_asked and not is_long:
            for n in rest:
                body(at(n))
    if isinstance(source, Items):
        source.end()
    if not is_asked:
        to.is_native = False
        return (at(n) for n in rest)
    if is_long:
        to.loop(rest, lambda n: body(at(n)), cost)
    return None


def is_open(source: Any) -> bool:
    """Whether ``source`` is a range whose bounds are traced, where data cannot choose them."""
    return isinstance(source, Range) and not current().has_room


def comprehended_where(
    source: Iterable[Any], make: Make, cost: int, names: Sequence[str], reads: Sequence[Any]
) -> list[Any]:
    """``[... for item in source if ...]``, where ``make`` says what is done to gather an item."""
    made = Growing() if CURRENT.get() is not None else []
    _list_of(made, source, make, cost, names, reads, True)
    if isinstance(made, Growing) and not made.is_native:
        return made.items()
    return made


def _list_of(
    made: list[Any], source: Any, make: Make, cost: int, names: Sequence[str], reads: Sequence[Any],
    has_tests: bool,
) -> None:  # fmt: skip
    touched = (("the list", *names), (lambda: made, *reads), 0)
    to = Gathered(made.append, (lambda: made,), touched)
    body = make(to)
    for item in gather(source, body, to, cost, has_tests) or ():
        body(item)


def consumed(
    function: Any, source: Any, plain: Callable[[Any], Any], make: Make, cost: int,
    names: Sequence[str], reads: Sequence[Any], has_tests: bool,
) -> Callable[..., Any]:  # fmt: skip
    """What to call with the other arguments in the place of ``function``, which has a generator as
    its first one: ``plain(source)``. ``make`` says what is done to gather an item of it."""
    is_ours = CURRENT.get() is not None and isinstance(function, type | type(len))
    touched = (tuple(names), tuple(reads), 0)

    def added(start: Any = 0) -> Any:
        held = [start]

        def add(value: Any) -> None:
            held[0] = held[0] + value

        to = Gathered(add, (), touched, held)
        left = gather(source, make(to), to, cost, has_tests)
        return held[0] if left is None else call(sum)(plain(left), held[0])

    def quantified() -> Any:
        held: list[Any] = [function is all]

        def join(value: Any) -> None:
            held[0] = (or_ if function is any else and_)(truth(held[0]), lambda: _bool(value))

        goes = (lambda: not_(held[0])) if function is any else lambda: held[0]
        to = Gathered(join, (), touched, held, goes)
        left = gather(source, make(to), to, cost, has_tests)
        if left is None or not is_traced(held[0]) and bool(held[0]) is (function is any):
            return held[0]
        return call(function)(plain(left))

    def of_list(*rest: Any, **options: Any) -> Any:
        made = Growing()
        _list_of(made, source, make, cost, names, reads, has_tests)
        if function is list:
            return made if made.is_native else made.items()
        return call(function)(made if made.is_native else made.items(), *rest, **options)

    if is_ours and function is sum:
        return added
    if is_ours and function in (any, all):
        return quantified
    if is_ours and function in _LISTED:
        return of_list
    return partial(call(function), plain(source))


def _bool(value: Any) -> Any:
    value = truth(value)
    return call(bool)(value) if isinstance(value, Tracer) else bool(value)
