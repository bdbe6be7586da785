"""Sets that traced code changes: Python's until data decide about an element, then tables in
arrays. In which order Python goes through a set hangs on how it is stored there, so that nothing
here may ask for it.

::

    if (i, j) not in seen:
        seen.add((i, j))
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from ..ops.op import CURRENT
from ..tracer import tree
from ..tracer.grown import is_arrays
from ..tracer.tracer import Tracer
from .forms import native_if
from .list_loops import gathered
from .list_steps import nothing_held, raise_where
from .plan import NothingThereError, NotNative
from .tables import NO_KEY, Table, as_python, is_chosen

_ORDER = (
    "a set that data decide about is gone through in the order of Python's hash table, which "
    "compiled code does not keep; go through sorted(s), or hold what is in it in a dict or a list"
)


class TableSet(Table, set[Any]):  # type: ignore[misc]
    """A set."""

    base = set
    value_list: None

    def items_now(self) -> Any:
        return set(set.__iter__(self))

    def become(self, items: Any) -> None:
        self.is_native = False
        set.clear(self)
        set.update(self, items)

    # One element

    def add(self, element: Any) -> None:
        """As the method of a set."""
        if self.is_ready(element, True):
            self.put_in(element)
        else:
            set.add(self, element)

    def discard(self, element: Any) -> None:
        """As the method of a set."""
        if not (self.is_ready(element) or self.is_ready(NO_KEY, True)):
            set.discard(self, element)
            return
        place, row = self.find(element)
        self.take_out(place, np.maximum(row, 0), row >= 0, in_order=False)

    def remove(self, element: Any) -> None:
        """As the method of a set."""
        if not (self.is_ready(element) or self.is_ready(NO_KEY, True)):
            set.remove(self, element)
            return
        error = KeyError(element if not is_chosen(element) else "an element that data decide about")
        if self.key_list.kind is None:
            raise NothingThereError(*error.args, kind=KeyError)
        raise_where(np.logical_not(self.has(element)), error)
        self.discard(element)

    def pop(self) -> Any:
        """As the method of a set."""
        if self.is_ready(NO_KEY, True):
            raise NotNative(f"pop() takes any element of a set: {_ORDER}")
        return set.pop(self)

    # All of them

    def clear(self) -> None:
        """As the method of a set."""
        if self.is_ready(NO_KEY, True):
            self.empty()
        else:
            set.clear(self)

    def update(self, *others: Any) -> None:
        """As the method of a set."""
        for other in others:
            if not self.is_native and _asks(other):
                if not self.is_ready(NO_KEY, True):
                    self.hold_as()
            if self.is_ready(NO_KEY, not is_arrays(other) and _holds_some(other)):
                gathered(elements_of(other), self.put_in)
            else:
                set.update(self, other)

    def difference_update(self, *others: Any) -> None:
        """As the method of a set."""
        for other in others:
            if other is self:
                self.clear()
            elif self.is_native or _asks(other) or self.is_ready(NO_KEY, _holds_some(other)):
                gathered(elements_of(other), self.discard)
            else:
                set.difference_update(self, other)

    def copy(self) -> Any:
        """As the method of a set."""
        made = TableSet(() if self.is_native else self.items_now()).begin()
        made.update(self)
        return made

    def union(self, *others: Any) -> Any:
        """As the method of a set."""
        made = self.copy()
        made.update(*others)
        return made

    def _chosen(self, test: Callable[[Any], Any]) -> Any:
        """The elements for which ``test`` holds."""
        made = TableSet().begin()
        made.hold_as()

        def look(element: Any) -> None:
            state = nothing_held()
            state.is_branch = True
            native_if(test(element), lambda: made.put_in(element), lambda: None, state)

        gathered(elements_of(self), look)
        return made

    def intersection(self, *others: Any) -> Any:
        """As the method of a set."""
        return self._without(others, "intersection", lambda table, one: table.has(one))

    def difference(self, *others: Any) -> Any:
        """As the method of a set."""
        return self._without(
            others, "difference", lambda table, one: np.logical_not(table.has(one))
        )

    def _without(self, others: Any, name: str, test: Callable[[Any, Any], Any]) -> Any:
        if not (self.is_native or any(map(_asks, others))):
            return TableSet(getattr(set, name)(self, *others)).begin()
        found: Any = table_of(self)
        for other in others:
            table = table_of(other)
            found = found._chosen(partial(test, table))
        return found.copy() if found is self else found

    def symmetric_difference(self, other: Any) -> Any:
        """As the method of a set."""
        if not (self.is_native or _asks(other)):
            return TableSet(set.symmetric_difference(self, other)).begin()
        return self.difference(other) | table_of(other).difference(self)

    def isdisjoint(self, other: Any) -> Any:
        """As the method of a set."""
        if not (self.is_native or _asks(other)):
            return set.isdisjoint(self, other)
        return as_python(self.intersection(other).length() == 0)

    def issubset(self, other: Any) -> Any:
        """As the method of a set."""
        if not (self.is_native or _asks(other)):
            return set.issubset(self, other)
        return as_python(self.difference(other).length() == 0)

    def issuperset(self, other: Any) -> Any:
        """As the method of a set."""
        if not (self.is_native or _asks(other)):
            return set.issuperset(self, other)
        return as_python(table_of(other).difference(self).length() == 0)

    def __or__(self, other: Any) -> Any:
        return self.union(other)

    def __ror__(self, other: Any) -> Any:
        return table_of(other).union(self)

    def __and__(self, other: Any) -> Any:
        return self.intersection(other)

    def __rand__(self, other: Any) -> Any:
        return self.intersection(other)

    def __sub__(self, other: Any) -> Any:
        return self.difference(other)

    def __rsub__(self, other: Any) -> Any:
        return table_of(other).difference(self)

    def __xor__(self, other: Any) -> Any:
        return self.symmetric_difference(other)

    def __rxor__(self, other: Any) -> Any:
        return self.symmetric_difference(other)

    def __le__(self, other: Any) -> Any:
        return self.issubset(other)

    def __ge__(self, other: Any) -> Any:
        return self.issuperset(other)

    def __ior__(self, other: Any) -> Any:  # type: ignore[misc]
        self.update(other)
        return self

    def __iand__(self, other: Any) -> Any:  # type: ignore[misc]
        return self._in_place(other, set.__iand__)

    def __isub__(self, other: Any) -> Any:  # type: ignore[misc]
        self.difference_update(other)
        return self

    def __ixor__(self, other: Any) -> Any:  # type: ignore[misc]
        return self._in_place(other, set.__ixor__)

    def _in_place(self, other: Any, plain: Any) -> Any:
        if self.is_native or _asks(other):
            raise NotNative(
                "&=, -= and ^= of a set that data decide about; write s = s & other instead"
            )
        return plain(self, other)

    def __len__(self) -> int:
        return len(self.key_list) if self.is_native else set.__len__(self)

    def __bool__(self) -> bool:
        return bool(self.length() > 0) if self.is_native else bool(set.__len__(self))

    def __iter__(self) -> Iterator[Any]:
        if self.is_native:
            raise NotNative(_ORDER)
        return set.__iter__(self)

    def walk(self) -> Any:
        """How a loop goes through the elements, in what order it may."""
        raise NotNative(_ORDER)

    def __contains__(self, element: object) -> bool:
        if not self.is_ready(element):
            return set.__contains__(self, element)
        return bool(self.has(element))

    def __eq__(self, other: object) -> Any:
        if not (self.is_native or is_arrays(other)):
            return set.__eq__(self, other)
        if not isinstance(other, (set, frozenset)):
            return False
        is_long = self.length() == table_of(other).length()
        return as_python(np.logical_and(is_long, self.issubset(other)))

    def __ne__(self, other: object) -> Any:
        if not (self.is_native or is_arrays(other)):
            return set.__ne__(self, other)
        return as_python(np.logical_not(self == other))

    __hash__ = None  # type: ignore[assignment]

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise NotNative("a set that traced code changes is copied; write s.copy() or set(s)")

    @classmethod
    def of(cls, options: Any, items: Any) -> Any:
        """A table that holds ``items``."""
        return cls(items)

    @classmethod
    def plain(cls, options: Any) -> Callable[[Any], Any]:
        """What makes Python's own one."""
        return set


def elements_of(other: Any) -> Any:
    """What goes through ``other``, in whatever order where that is a set."""
    return other.key_list if is_arrays(other) and isinstance(other, TableSet) else other


def _asks(other: Any) -> bool:
    """Whether data decide what is in ``other``."""
    from .folding import is_asked

    return is_asked(other)


def table_of(other: Any) -> Any:
    """``other`` as a set that is arrays."""
    if isinstance(other, TableSet) and other.is_native:
        return other
    made = TableSet().begin()
    made.hold_as()
    gathered(elements_of(other), made.put_in)
    return made


def _whole(marks: Any, children: Any) -> Any:
    _, elements, _ = marks
    if elements is not None:
        return set(elements) if CURRENT.get() is None else TableSet(elements).begin()
    made = TableSet().begin()
    made.is_native = True
    made.key_list, made.value_list, made.index = children
    return made


def _holds_some(source: Any) -> bool:
    """Whether ``source`` has elements; a traced array has no truth of its own."""
    return len(source) > 0 if isinstance(source, Tracer) else bool(source)


tree.register(TableSet, lambda table: table.parts(), _whole)
