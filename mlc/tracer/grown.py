"""Lists whose length the data decide: their items are rows of arrays, between two traced numbers.

::

    stack = [(2, 3), (5, 7)]          columns  [2, 5, ...] and [3, 7, ...], each with some room,
                                ->    of which the rows from `head` to `tail` count

The arrays, and both numbers, are cells as those of any array are: native loops and branches carry
them, in functions that they call, too, and the list stays one object for all who hold it. Where
the room is too small, the call begins again with more of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from ..dtypes import DType
from ..errors import UnsupportedError
from ..records import dataclass
from . import tree
from .storage import next_cell
from .tracer import Tracer
from .ways import Showing, in_way

_ROOMS = 1 << 12, 1 << 17, 1 << 21, 1 << 26  # rows, at each level
LEVEL: ContextVar[int] = ContextVar("level of room in lists", default=0)
TABLES: ContextVar[bool] = ContextVar("whether dicts may become tables", default=True)
# Whether those of texts may; None where nobody has asked for it.
NAMED: ContextVar[bool | None] = ContextVar("whether dicts of texts may become some", default=None)
# Whether lists in lists are rows that change, and whether the last trace had some that might.
ROWS: ContextVar[bool] = ContextVar("rows", default=False)
ROWED: ContextVar[bool] = ContextVar("whether the last trace had lists in lists", default=False)
NO_ROWS: ContextVar[bool] = ContextVar("whether rows were tried in vain", default=False)
TABLED: ContextVar[bool] = ContextVar("whether the last trace had some", default=False)


class ListsFullError(Exception):
    """Raised at a call: lists have got more items than there is room for at ``level``."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.level = level


class RoomWanted(BaseException):
    """Raised while tracing: at this level of room nobody knows how long a list is. Nothing that
    users write should catch it."""


class RowsWanted(BaseException):
    """Raised while tracing: data choose one of the lists in a list. Nothing that users write should
    catch it."""


class NamedTablesWanted(BaseException):
    """Raised while tracing: data choose among texts as keys of a dict or set that has such already.
    Nothing that users write should catch it."""


def named_tables_wanted() -> None:
    """NamedTablesWanted, where dicts and sets of texts might be tables, which they are not yet."""
    if TABLES.get() and NAMED.get() is None:
        raise NamedTablesWanted


def rows_wanted(items: Sequence[Any]) -> None:
    """RowsWanted, where ``items`` are lists that might be rows, which they are not yet."""
    is_known = not ROWED.get() or ROWS.get() or NO_ROWS.get()
    if not is_known and any(isinstance(item, list) for item in items):
        raise RowsWanted


def room_now(least: int = 0) -> int:
    """How many rows a list gets in the trace that goes on: ``least``, if there is such room."""
    levels = _ROOMS[LEVEL.get() :]
    return next((rows for rows in levels if rows >= least), levels[-1])


@contextmanager
def with_room(level: int) -> Iterator[None]:
    """Inside, lists get the room of ``level``; MemoryError where there is no such level."""
    if level >= len(_ROOMS):
        raise MemoryError(f"a list gets more than {_ROOMS[-1]} items in compiled code")
    token = LEVEL.set(level)
    TABLED.set(False)
    ROWED.set(False)
    try:
        yield
    finally:
        LEVEL.reset(token)


def with_rows(error: Exception, again: Callable[[], Any]) -> Any:
    """What tracing ``again`` gives where lists in lists are rows of one array. Raises ``error``, if
    that was tried already, fails as well, or there were none."""
    if not ROWED.get() or ROWS.get() or NO_ROWS.get():
        raise error
    token = ROWS.set(True)
    try:
        return again()
    except Exception:
        raise error from error.__cause__
    finally:
        ROWS.reset(token)


def with_rows_first(again: Callable[[], Any]) -> Any:
    """What tracing ``again`` gives where lists in lists are rows of one array; where that fails,
    what it gives where they are lists."""
    token = ROWS.set(True)
    try:
        return again()
    except Exception as error:
        first = error
    finally:
        ROWS.reset(token)
    token = NO_ROWS.set(True)
    try:
        return again()
    except Exception as last:
        raise (first if isinstance(first, UnsupportedError) else last) from None
    finally:
        NO_ROWS.reset(token)


def with_named_tables(again: Callable[[], Any]) -> Any:
    """What tracing ``again`` gives where dicts and sets of texts may become tables, too; where that
    fails, what it gives where they do not."""
    token = NAMED.set(True)
    try:
        return again()
    except Exception as error:
        first = error
    finally:
        NAMED.reset(token)
    token = NAMED.set(False)
    try:
        return again()
    except Exception:
        raise first from first.__cause__
    finally:
        NAMED.reset(token)


def without_tables(error: Exception, again: Callable[[], Any]) -> Any:
    """What tracing ``again`` gives where dicts and sets stay what they are. Raises ``error``, if
    that was tried already, fails as well, or there were none."""
    if not (TABLED.get() and TABLES.get()):
        raise error
    token = TABLES.set(False)
    try:
        return again()
    except Exception:
        raise error from error.__cause__
    finally:
        TABLES.reset(token)


@dataclass(frozen=True)
class Leaf:
    """What one leaf of all items is held as. ``forms`` are the dtypes that they have, and whether
    they are Python numbers: where there are several, an array beside says which."""

    shape: tuple[int, ...]
    dtype: DType
    forms: tuple[tuple[DType, bool], ...]
    is_array: bool

    @property
    def weak(self) -> bool:
        """Whether what is read promotes as a Python number does."""
        return all(weak for _, weak in self.forms)


@dataclass(frozen=True)
class Kind:
    """What the items of a list have in common: a tree, and its leaves."""

    structure: Any
    leaves: tuple[Leaf, ...]
    pool: Any = None  # where they are rows of it


class Grown(Showing, list[Any]):
    """A list that can be held in arrays; ``is_native`` says that it is. One that is ``rigid`` never
    will be."""

    def __init__(self, items: Sequence[Any] = (), is_deque: bool = False) -> None:
        super().__init__(items)
        self.is_deque = is_deque
        self.is_native = self.rigid = False
        self.is_given = False  # whether it is an argument, or an array's
        self.frozen = ""  # why nobody may change it
        self.serial = next_cell()
        self.kind: Kind | None = None
        self.room = 0
        self.pool: Any = None  # what it is a row of
        self.columns: list[Tracer] = []
        self.tags: list[Tracer | None] = []
        self.head: Any = None
        self.tail: Any = None
        self.began: list[Any] = []  # what the arrays held when it became them

    def items(self) -> list[Any]:
        """What the list holds, while that is no arrays."""
        return list.__getitem__(self, slice(None))

    def _text(self, how: str) -> str:
        """What shows the list."""
        if not self.is_native:
            return in_way(deque(self.items()) if self.is_deque else self.items(), how)
        tail: Tracer = self.tail
        return tail._trace.show("traced list", tail._tensor, self, how)

    def become(self, items: Sequence[Any]) -> None:
        """Hold ``items`` as lists do."""
        self.is_native = False
        list.__setitem__(self, slice(None), items)

    def settle(self) -> int:
        """Become a list of Python's, as long as the data have made it; how long that is."""
        raise NotImplementedError

    def array(self) -> Any:
        """What np.array makes of the list, while that is arrays."""
        raise NotImplementedError

    def cells(self) -> list[Any]:
        """All arrays and numbers that the list is, while it is arrays."""
        return [self.head, self.tail, *self.columns, *(tag for tag in self.tags if tag is not None)]

    def begin(self) -> None:
        """Remember what the list holds, which has become arrays."""
        self.began = [(held._cell, held._cell.tensor) for held in self.cells()]

    def has_changed(self) -> bool:
        """Whether the list may hold something else than when it became arrays."""
        now = [held._cell for held in self.cells()]
        return len(now) != len(self.began) or any(
            cell is not old or cell.tensor is not tensor
            for cell, (old, tensor) in zip(now, self.began)
        )

    def parts(self) -> tuple[list[Any], Any]:
        """The list as a tree: what it holds, and what tells it from other lists."""
        if not self.is_native:
            return self.items(), self.is_deque
        tags = [tag for tag in self.tags if tag is not None]
        return [*self.columns, *tags, self.head, self.tail], (self.kind, self.room, self.is_deque)


class Following:
    """The items of ``owner`` one after the other, ``step`` 1 or -1, as Python's iterators of lists:
    also where it becomes arrays on the way, and is a list again then."""

    def __init__(self, owner: Grown, step: int = 1) -> None:
        self.owner: Grown | None = owner
        self.step = step
        self.place = 0 if step > 0 else list.__len__(owner) - 1

    def __iter__(self) -> Following:
        return self

    def __next__(self) -> Any:
        if self.owner is not None:
            if self.owner.is_native:
                self.owner.settle()
            if 0 <= self.place < list.__len__(self.owner):
                self.place += self.step
                return list.__getitem__(self.owner, self.place - self.step)
            self.owner = None  # it stays at its end, whatever the list gets
        raise StopIteration

    def __length_hint__(self) -> int:
        if self.owner is None or self.owner.is_native:
            return 0
        return max(list.__len__(self.owner) - self.place if self.step > 0 else self.place + 1, 0)


class Tabled(Showing):
    """A dict or a set that can be held in arrays, as a list can; see `mlc.control.tables`. ``base``
    is Python's class of which it is one, too."""

    base: Any
    is_native = False
    rigid = False
    reason = ""  # why it is rigid
    key_list: Any
    value_list: Any

    def _text(self, how: str) -> str:
        """What shows the table."""
        if not self.is_native:
            held = self.items_now()
            items = held.items() if isinstance(held, dict) else held
            return in_way(self.plain(self.options())(items), how)
        tail: Tracer = self.key_list.tail
        return tail._trace.show(f"traced {self.base.__name__}", tail._tensor, self, how)

    def begin(self) -> Any:
        """The table, new."""
        self.serial = next_cell()
        return self

    def is_ready(self, key: Any = None, changes: bool = False) -> bool:
        """Whether the table is arrays, which it may become now."""
        return self.is_native

    def hold_as(self) -> None:
        """Be arrays."""
        raise NotImplementedError

    def items_now(self) -> Any:
        """What the table holds, as a plain dict or set, while that is no arrays."""
        raise NotImplementedError

    def become(self, items: Any) -> None:
        """Hold ``items`` as Python does."""
        raise NotImplementedError

    def options(self) -> Any:
        """What else makes it."""
        return None

    @classmethod
    def plain(cls, options: Any) -> Callable[[Any], Any]:
        """What makes Python's own one, of keys or pairs."""
        raise NotImplementedError


def is_arrays(value: Any) -> bool:
    """Whether ``value`` is a list, a dict or a set that is held in arrays."""
    return isinstance(value, (Grown, Tabled)) and value.is_native


def as_python(value: Any) -> Any:
    """``value`` with Python's own lists, dicts and sets in place of those that stand for them and
    are no arrays."""
    if isinstance(value, Grown) and not value.is_native:
        return (deque if value.is_deque else list)(map(as_python, value.items()))
    if isinstance(value, Tabled) and not value.is_native:
        held = value.items_now()
        is_dict = isinstance(held, dict)
        items = [(k, as_python(v)) for k, v in held.items()] if is_dict else held
        return value.plain(value.options())(items)
    if type(value) in (list, tuple):
        items = list(map(as_python, value))
        return value if all(a is b for a, b in zip(items, value)) else type(value)(items)
    if type(value) is dict:
        found = {k: as_python(v) for k, v in value.items()}
        return value if all(found[k] is value[k] for k in value) else found
    return value


@dataclass(frozen=True)
class ListResult:
    """A list among the results: the numbers of outputs."""

    head: int
    tail: int
    columns: tuple[tuple[int, int | None, Leaf], ...]
    structure: Any
    is_deque: bool

    def items(self, computed: Sequence[Any]) -> Any:
        """The list, as the function would have made it."""
        low, high = (int(np.asarray(computed[n]).reshape(())) for n in (self.head, self.tail))
        found = self.between(computed, low, high)
        return deque(found) if self.is_deque else found

    def between(self, computed: Sequence[Any], low: int, high: int) -> list[Any]:
        """The items in the rows from ``low`` to ``high``."""
        columns: list[list[Any]] = []
        for place, tag, leaf in self.columns:
            marks = None if tag is None else computed[tag][low:high]
            columns.append(_values(np.asarray(computed[place])[low:high], marks, leaf))
        found: list[Any] = []
        if self.structure is not None and not columns:
            found = [tree.unflatten(self.structure, ()) for _ in range(low, high)]  # all are None
        elif self.structure is not None and tree.is_single(self.structure):
            found = columns[0]
        elif (
            self.structure is not None
            and self.structure.type is tuple
            and tree.is_flat(self.structure)
        ):
            found = list(zip(*columns))
        else:
            found = [tree.unflatten(self.structure, row) for row in zip(*columns)]
        return found


@dataclass(frozen=True)
class RowsResult:
    """A list of lists among the results: the list of the numbers of rows, or the number of one,
    the outputs that hold where rows begin and end, and the items of all of them. ``place`` is the
    number of one that is known, ``kept`` what stands for the first rows."""

    numbers: ListResult | int | None
    first: int
    end: int
    store: ListResult
    place: int | None = None
    kept: tuple[Any, ...] = ()

    def items(self, computed: Sequence[Any]) -> Any:
        """The list, as the function would have made it."""
        first, end = (np.asarray(computed[n]) for n in (self.first, self.end))
        if not isinstance(self.numbers, ListResult):
            row = self.place
            if self.numbers is not None:
                row = int(np.asarray(computed[self.numbers]).reshape(()))
            return self.store.between(computed, int(first[row]), int(end[row]))
        low, high = (
            int(np.asarray(computed[n]).reshape(())) for n in (self.numbers.head, self.numbers.tail)
        )
        rows = np.asarray(computed[self.numbers.columns[0][0]])[low:high].tolist()
        known = dict(enumerate(self.kept))
        fresh = {*rows}.difference(known)
        lists = {n: self.store.between(computed, int(first[n]), int(end[n])) for n in fresh} | known
        return [lists[n] for n in rows]


@dataclass(frozen=True)
class TableResult:
    """A dict or a set among the results: the lists of its keys and values, and what makes it."""

    keys: ListResult
    values: ListResult | RowsResult | None
    make: Callable[[Any], Any]

    def items(self, computed: Sequence[Any]) -> Any:
        """The dict or set, as the function would have made it."""
        keys = self.keys.items(computed)
        return self.make(keys if self.values is None else zip(keys, self.values.items(computed)))


def _values(column: Any, marks: Any, leaf: Leaf) -> list[Any]:
    """The items of one column as Python has them."""
    if leaf.shape or leaf.is_array:
        return [np.array(row) for row in column]
    if marks is None:
        return column.tolist() if leaf.weak else list(column)  # type: ignore[no-any-return]
    makers = [d.numpy.type if not weak else {"b": bool, "i": int}.get(d.kind, float)
              for d, weak in leaf.forms]  # fmt: skip
    return [makers[mark](value) for mark, value in zip(marks.tolist(), column)]
