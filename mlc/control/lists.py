"""Lists, stacks and queues that traced code changes: Python's lists until data decide what is in
them, then arrays with Python's own behaviour.

::

    while stack:                   while tail > head:
        i = stack.pop()        ->      tail = tail - 1; i = rows[tail]
        stack.append(i // 2)           rows[tail] = i // 2; tail = tail + 1
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from typing import Any

import numpy as np

from ..errors import MlcError
from ..ops.moving import number_range
from ..ops.op import CURRENT
from ..tracer import tree
from ..tracer.creation import make
from ..tracer.grown import Following, Grown, ListsFullError, RoomWanted, is_arrays, rows_wanted
from ..tracer.lists import holds_traced
from ..tracer.number import copied_number
from ..tracer.tracer import Tracer, mark_weak
from .forms import is_traced, native_while
from .item_kinds import kind_added
from .list_rows import (
    REGION,
    Wanted,
    hold,
    move_row,
    number,
    put,
    read_row,
    value_of,
    write_row,
)
from .list_steps import (
    adds_to_items,
    each,
    equal,
    note_full,
    nothing_held,
    raise_where,
    rows_of,
    run,
    sort_known,
    whole_number,
)
from .plan import NothingThereError, NotNative, current

_BY_PLACE = frozenset({"__getitem__", "__setitem__"})
_BY_DATA = _BY_PLACE | {"remove", "index", "count"}
_ADDING = frozenset({"append", "appendleft"})
_FULL = -2  # the length of a list that did not fit


def _method(name: str, is_change: bool = True) -> Callable[[Any], Any]:
    """A method that Python's own does as long as the list is none of arrays."""
    plain: Any = getattr(list, name, None) or getattr(deque, name)
    plain = sort_known if name == "sort" else plain

    def decorate(native: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(native)
        def method(self: Growing, *args: Any, **kwargs: Any) -> Any:
            if self.frozen and is_change:
                raise NotNative(self.frozen)
            if self.is_native:
                return native(self, *args, **kwargs)
            is_asked = name in _BY_DATA and not self.rigid and self._is_asked(name, args)
            if is_asked or is_change and not self.rigid and name not in _BY_DATA:
                outer = self.__dict__.get("outer") or self
                if is_asked and self.is_given:
                    rows_wanted(self.items())
                if outer.serial < REGION.get():
                    is_added = outer is self and name in _ADDING
                    kind = kind_added(args[0]) if is_added else None
                    raise Wanted(outer, kind, is_asked=is_asked)
                if is_asked and outer._can_hold():
                    return getattr(self, name)(*args, **kwargs)  # it may be a row now
                if is_asked:
                    rows_wanted(outer.items())
            elif self.rigid and name in _BY_PLACE and is_traced(args[0]) and current().has_room:
                rows_wanted(self.items())
            if not hasattr(list, name):
                held = deque(self.items())
                found = plain(held, *args, **kwargs)
                self.become(list(held))
                return found
            found = plain(self, *args, **kwargs)
            is_part = name == "copy" or name == "__getitem__" and isinstance(args[0], slice)
            return Growing(found) if is_part and type(found) is list else found

        return method

    return decorate


class Growing(Grown):
    """A list that becomes arrays where a native loop or branch changes it."""

    def _is_asked(self, name: str, args: tuple[Any, ...]) -> bool:
        """Whether data decide which item is meant."""
        if CURRENT.get() is None:
            return False
        if name in _BY_PLACE:
            return is_traced(args[0])
        found = name == "remove" and self.serial < REGION.get()
        return found or holds_traced([*args, *self.items()])

    def _can_hold(self) -> bool:
        """Whether the list is arrays from now on."""
        items = self.items()
        try:
            hold(self, None)
        except (MlcError, ValueError, TypeError):
            self.become(items)
            return False
        return True

    def length(self) -> Any:
        """How many items there are: a traced number."""
        return value_of(self.tail) - value_of(self.head)

    def least_length(self) -> float:
        """How many items there are for certain."""
        return number_range(self.length()._tensor)[0]

    def _check(self, error: str) -> None:
        """Raise Python's error where nothing was appended so far as tracing has come."""
        if self.kind is None:
            raise NothingThereError(error)

    def _row(self, index: Any, error: str) -> Tracer:
        """The row of item ``index``; the call raises an IndexError if there is none."""
        self._check(error)
        index = whole_number(index)
        head, tail = value_of(self.head), value_of(self.tail)
        least, most = (index, index) if isinstance(index, int) else number_range(index._tensor)
        if least >= 0 and most < self.least_length():
            return head + index  # type: ignore[no-any-return]
        count = self.length()
        if isinstance(index, int):
            row = head + index if index >= 0 else tail + index
            is_outside = count <= index if index >= 0 else count < -index
        else:
            row = np.where(index < 0, tail, head) + index
            is_outside = (row < head) | (row >= tail)
        raise_where(is_outside, IndexError(error))
        return np.minimum(np.maximum(row, 0), self.room - 1)  # type: ignore[no-any-return]

    @_method("__getitem__", False)
    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            return self._part(key)
        return read_row(self, self._row(key, "list index out of range"))

    @_method("__setitem__")
    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(key, slice):
            self._replace(key, value, "assigned to; set its items in a loop")
            return
        write_row(self, self._row(key, "list assignment index out of range"), value)

    @_method("__delitem__")
    def __delitem__(self, key: Any) -> None:
        if isinstance(key, slice):
            self._replace(key, (), "deleted; delete items with pop()")
            return
        self._taken(key, "list assignment index out of range", is_read=False)

    @_method("append")
    def append(self, value: Any) -> None:
        tail = value_of(self.tail)
        note_full(tail >= self.room)
        place = np.minimum(tail, self.room - 1)
        write_row(self, place, value)
        put(self.tail, place + 1)

    @_method("appendleft")
    def appendleft(self, value: Any) -> None:
        """As the method of a deque."""
        head = value_of(self.head)
        note_full(head <= 0)
        place = np.maximum(head - 1, 0)
        write_row(self, place, value)
        put(self.head, place)

    @_method("extend")
    def extend(self, values: Iterable[Any]) -> None:
        each(values, self.append)

    def __iadd__(self, values: Any) -> Any:  # type: ignore[override,misc]
        if adds_to_items(values):
            return self + values
        self.extend(values)
        return self

    @_method("extendleft")
    def extendleft(self, values: Iterable[Any]) -> None:
        """As the method of a deque."""
        each(values, self.appendleft)

    def _error(self) -> str:
        return "pop from an empty deque" if self.is_deque else "pop from empty list"

    @_method("pop")
    def pop(self, index: Any = -1) -> Any:  # type: ignore[override]
        is_last = not is_traced(index) and index == -1
        if not is_last and (is_traced(index) or index != 0):
            return self._taken(index, "pop index out of range", is_read=True)
        self._check(self._error())
        head, tail = value_of(self.head), value_of(self.tail)
        raise_where(tail <= head, IndexError(self._error()))
        if not is_last:
            return self._first(head, tail)
        place = np.maximum(tail - 1, head)
        found = read_row(self, np.maximum(tail - 1, 0))
        put(self.tail, place)
        return found

    @_method("popleft")
    def popleft(self) -> Any:
        """As the method of a deque."""
        self._check(self._error())
        head, tail = value_of(self.head), value_of(self.tail)
        raise_where(tail <= head, IndexError(self._error()))
        return self._first(head, tail)

    def _first(self, head: Any, tail: Any) -> Any:
        found = read_row(self, np.minimum(head, self.room - 1))
        put(self.head, np.minimum(head + 1, tail))
        return found

    def _taken(self, index: Any, error: str, is_read: bool) -> Any:
        """Take item ``index`` out."""
        row = self._row(index, error)
        found = read_row(self, row) if is_read else None
        last: Any = value_of(self.tail) - 1
        run(row, last, lambda at: move_row(self, at + 1, at))
        put(self.tail, np.maximum(last, value_of(self.head)))
        return found

    @_method("insert")
    def insert(self, index: Any, value: Any) -> None:  # type: ignore[override]
        index, count = whole_number(index), self.length()
        head, tail = value_of(self.head), value_of(self.tail)
        place = head + np.clip(np.where(index < 0, index + count, index), 0, count)
        note_full(tail >= self.room)
        end = np.minimum(tail, self.room - 1)
        run(0, end - place, lambda n: move_row(self, end - 1 - n, end - n))
        write_row(self, np.minimum(place, self.room - 1), value)
        put(self.tail, end + 1)

    @_method("remove")
    def remove(self, value: Any) -> None:
        place = self._found(value)
        raise_where(place < 0, ValueError("list.remove(x): x not in list"))
        self._taken(np.maximum(place, 0), "list index out of range", is_read=False)

    @_method("index", False)
    def index(self, value: Any) -> Any:  # type: ignore[override]
        place = self._found(value)
        raise_where(place < 0, ValueError(f"{value!r} is not in list"))
        return place

    def _found(self, value: Any) -> Any:
        """The number of the first item that equals ``value``; -1 if none does."""
        at, head, tail = number(0), value_of(self.head), value_of(self.tail)
        count = tail - head
        if self.kind is None:
            return _python(value_of(at) - 1)

        def goes() -> Any:
            here = value_of(at)
            row = np.minimum(head + here, self.room - 1)
            return (here < count) & np.logical_not(equal(read_row(self, row), value))

        native_while(goes, lambda: put(at, value_of(at) + 1), nothing_held())
        end = value_of(at)
        return _python(np.where(end < count, end, -1))

    @_method("count", False)
    def count(self, value: Any) -> Any:  # type: ignore[override]
        many = number(0)
        each(self, lambda item: put(many, value_of(many) + np.where(equal(item, value), 1, 0)))
        return _python(value_of(many))

    def has(self, value: Any) -> Any:
        """``value in self``, a traced bool."""
        return _python(self._found(value) >= 0)

    def __contains__(self, value: Any) -> bool:
        return bool(self.has(value)) if self.is_native else list.__contains__(self, value)

    @_method("clear")
    def clear(self) -> None:
        put(self.tail, value_of(self.head))

    @_method("reverse")
    def reverse(self) -> None:
        self._turn(value_of(self.head), value_of(self.tail))

    @_method("rotate")
    def rotate(self, n: Any = 1) -> None:
        """As the method of a deque."""
        head, tail = value_of(self.head), value_of(self.tail)
        middle = head + np.mod(whole_number(n), np.maximum(tail - head, 1))
        for first, end in ((head, tail), (head, middle), (middle, tail)):
            self._turn(first, end)

    def _turn(self, first: Any, end: Any) -> None:
        """Let the rows from ``first`` on, before ``end``, stand the other way round."""
        if self.kind is None:
            return

        def swap(n: Any) -> None:
            low, high = first + n, end - 1 - n
            held = read_row(self, low)
            move_row(self, high, low)
            write_row(self, high, held)

        run(0, (end - first) // 2, swap)

    @_method("sort")
    def sort(self, *, key: Any = None, reverse: Any = False) -> None:
        from .calls import call
        from .list_sorting import sort

        sort(self, key and call(key), bool(reverse))

    @_method("copy", False)
    def copy(self) -> Any:
        return self._part(slice(None))

    def _part(self, key: slice) -> Growing:
        """The items that a slice names, as a list of its own."""
        from .list_slices import part_of

        made = Growing(is_deque=self.is_deque)
        part_of(self, key, made)
        return made

    def _replace(self, key: slice, values: Iterable[Any], what: str) -> None:
        """Let ``values`` be in the place of the items that a slice names."""
        from .list_slices import replaced

        replaced(self, key, values, Growing(), what)

    def __add__(self, other: Any) -> Any:
        if adds_to_items(other):
            return np.add(make("array", (self,), {}), other)
        if not self.is_native and not is_arrays(other):
            return Growing(list.__add__(self, other))
        made = self.copy()
        made = made if isinstance(made, Growing) else Growing(made)
        made.extend(other)
        return made

    def __radd__(self, other: Any) -> Any:
        made = Growing(other)
        made += self
        return made

    def __len__(self) -> int:
        if not self.is_native:
            return list.__len__(self)
        return self.settle()

    def __bool__(self) -> bool:
        return bool(self.length() > 0) if self.is_native else list.__len__(self) > 0

    def __iter__(self) -> Iterator[Any]:
        if self.is_native:
            self.settle()
        return Following(self)

    def __reversed__(self) -> Iterator[Any]:
        if self.is_native:
            self.settle()
        return Following(self, -1)

    def __eq__(self, other: object) -> Any:
        if not self.is_native:
            return list.__eq__(self, other)
        if isinstance(other, list) and not is_arrays(other) and not len(other):
            return _python(self.length() <= 0)
        raise NotNative("a list that data decide about is compared with another; compare items")

    def __ne__(self, other: object) -> Any:
        if not self.is_native:
            return list.__ne__(self, other)
        return _python(np.logical_not(self == other))

    __hash__ = None  # type: ignore[assignment]

    def settle(self) -> int:
        from ..tracer.rows import row

        size, trace = self.size(), current()
        first, kind, held = value_of(self.head), self.kind, self.columns
        if any(tag is not None for tag in self.tags):
            raise NotNative(
                "a list that holds Python's numbers beside NumPy's, or int beside float, is gone "
                "through; go through it in a loop, or let all be alike"
            )
        columns = []
        if kind is not None and size:
            for column, leaf in zip(held, kind.leaves):
                part = rows_of(column, first, size)
                columns.append([row(trace, part, n, leaf.weak, leaf.is_array) for n in range(size)])
        items = [tree.unflatten(kind.structure, parts) for parts in zip(*columns)] if kind else []
        self.become(items)
        return size

    def size(self) -> int:
        """How many items the data have chosen, for code that is compiled for that number."""
        found = self.size_or_none()
        if found is None:
            raise NotNative(
                "a list that data decide about is taken as a whole, item by item, inside of a "
                "native loop; go through it in a loop of its own, for item in items"
            )
        return found

    def size_or_none(self) -> int | None:
        """The same; None in native loops, where only the running loop knows."""
        trace = current()
        count = self.length()
        if (size := trace.size_at_hand(count)) is not None:  # nothing was appended or taken
            return size
        full = trace.errors.get((ListsFullError,))
        if trace.failure is not None:  # what else came of it is of no account
            count = np.where(np.equal(trace.failure[0], 0), count, -1)
            if full is not None:
                count = np.where(np.equal(trace.failure[0], full[0]), _FULL, count)
        found = trace.room(lambda: count)
        if found == _FULL:
            raise RoomWanted
        return None if found is None else max(found, 0)

    def array(self) -> Any:
        """``np.array(self)``."""
        if self.kind is not None and self.kind.pool is not None:
            from .row_lists import array_of

            return array_of(self)
        from .list_arrays import array_of as items_of

        return items_of(self, self.size_or_none(), self.length())


def _settled(name: str) -> Callable[..., Any]:
    """A method that takes the list as a whole."""
    plain = getattr(list, name)

    def method(self: Growing, *args: Any, **kwargs: Any) -> Any:
        if self.is_native:
            self.settle()
        return plain(self, *args, **kwargs)

    return method


for _name in ("mul", "rmul", "imul", "lt", "le", "gt", "ge", "reduce_ex"):
    setattr(Growing, f"__{_name}__", _settled(f"__{_name}__"))


def _python(value: Any) -> Any:
    """``value`` as a Python number."""
    return mark_weak(copied_number(value))


def _parts(value: Any) -> Any:
    return value.parts()


def _whole(marks: Any, children: Any) -> Any:
    if not isinstance(marks, tuple):
        if CURRENT.get() is None:
            return deque(children) if marks else list(children)
        return Growing(list(children), marks)
    kind, room, is_deque = marks
    held = Growing(is_deque=is_deque)
    held.is_native, held.kind, held.room = True, kind, room
    rest = list(children)
    width = len(kind.leaves) if kind is not None else 0
    held.columns, rest = rest[:width], rest[width:]
    forms = [leaf.forms for leaf in kind.leaves] if kind is not None else []
    held.tags = [rest.pop(0) if len(form) > 1 else None for form in forms]
    held.head, held.tail = rest
    return held


tree.register(Growing, _parts, _whole)
