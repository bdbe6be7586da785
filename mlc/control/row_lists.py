"""Lists in lists whose items data decide about: rows in one store, told apart by their numbers.

::

    g = [[2], [], [0, 1]]         numbers  [0, 1, 2]                 what the list holds
    g[u].append(v)           ->   first    [0, 1, 1]   end [1, 1, 3]
                                  store    [2, 0, 1]

A row that is full moves to the end of the store, where it gets twice its room. So many names as
there are may call a row: they all hold its number.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..dtypes import int64
from ..te.unset import unset
from ..tracer import tree
from ..tracer.concrete import known
from ..tracer.grown import Grown, Kind, Leaf, RoomWanted, room_now
from ..tracer.storage import next_cell
from ..tracer.tracer import Tracer
from .forms import is_traced
from .guarding import INSIDE, freeze
from .item_kinds import is_one_array, joined, kind_of
from .list_rows import (
    REGION,
    End,
    Wanted,
    _begin,
    _fill,
    _load,
    _store,
    _widen,
    columns_of,
    copy_element,
    number,
    put,
    value_of,
)
from .list_steps import note_full, rows_of, run
from .lists import Growing
from .plan import NotNative, current
from .shared_arrays import names_of
from .spec import Spec
from .values import tensor_of

_NUMBER = Leaf((), int64, ((int64, False),), False)
_LEAST = 4  # items that a row has room for once it grows
_STACKED = 512  # traced items that rows may begin with


class Pool:
    """Rows, where each begins, ends, and has room up to, and the store with their items."""

    def __init__(self, rows: Sequence[Sequence[Any]]) -> None:
        trace, lengths = current(), [len(row) for row in rows]
        ends = np.cumsum(lengths, dtype=np.int64)
        if len(rows) >= room_now() or sum(lengths) > room_now():
            raise RoomWanted
        self.store, self.serial = Growing(), next_cell()
        items = [item for row in rows for item in row]
        self.first, self.end, self.limit = (
            Tracer(unset((room_now(),), int64), trace) for _ in range(3)
        )
        if rows:
            _begin(self.first, 0, ends - lengths, len(rows))
            _begin(self.end, 0, ends, len(rows))
            _begin(self.limit, 0, ends, len(rows))
        self.count = number(len(rows))
        self.width = lengths[0] if len(set(lengths)) == 1 else None
        self.began = [held._cell.tensor for held in (self.first, self.end)]
        _hold_store(self.store, items)

    def wide(self) -> int | None:
        """How long each row is, if all were as long and none was made, or changed its length, since
        then: row n begins at n times that."""
        now = [held._cell.tensor for held in (self.first, self.end)]
        return self.width if all(map(operator.is_, now, self.began)) else None

    def new(self, items: Any) -> Any:
        """The number of a new row that holds ``items``."""
        count, tail = value_of(self.count), value_of(self.store.tail)
        note_full(count >= self.store.room)
        made = np.minimum(count, self.store.room - 1)
        for column in (self.first, self.end, self.limit):
            store(column, made, tail)
        put(self.count, made + 1)
        row = row_of(self, made)
        row.extend(items)
        return made


def store(column: Tracer, place: Any, value: Any) -> None:
    _store(column, place, tensor_of(current(), value, Spec((), int64)))


class _End(End):
    """Where row ``number`` begins or ends."""

    def __init__(self, pool: Pool, number: Any, is_last: bool) -> None:
        self.pool, self.number, self.is_last = pool, number, is_last
        self.column = pool.end if is_last else pool.first

    def value(self) -> Any:
        width = self.pool.wide()
        if width is None:
            return _load(self.column, self.number, _NUMBER)
        return self.number * np.int64(width) + np.int64(width if self.is_last else 0)

    def put(self, value: Any) -> None:
        store(self.column, self.number, value)


class RowList(Growing):
    """A list that is a row."""

    pool: Pool
    number: Any
    place: int | None  # its number, where that is known

    # fmt: off
    @property
    def kind(self) -> Any: return self.pool.store.kind  # type: ignore[override]
    @property
    def room(self) -> int: return self.pool.store.room  # type: ignore[override]
    @property
    def columns(self) -> Any: return self.pool.store.columns  # type: ignore[override]
    @property
    def tags(self) -> Any: return self.pool.store.tags  # type: ignore[override]
    @property
    def head(self) -> Any: return _End(self.pool, self.number, False)
    @property
    def tail(self) -> Any: return _End(self.pool, self.number, True)
    # fmt: on

    def least_length(self) -> float:
        return self.pool.wide() or 0

    def cells(self) -> list[Any]:
        return [self.pool.first, self.pool.end, *columns_of(self.pool.store)]

    def _widen_room(self) -> None:
        """Have room for one more item."""
        pool, rows = self.pool, self.pool.store
        first, end = value_of(self.head), value_of(self.tail)
        is_full = end >= _load(pool.limit, self.number, _NUMBER)
        target, size = value_of(rows.tail), end - first
        room = np.maximum(size * 2, _LEAST)
        note_full(is_full & (target + room > rows.room))
        target = np.minimum(target, rows.room - room)

        def move(n: Any) -> None:
            for column in columns_of(rows):
                copy_element(column, first + n, column, target + n)

        run(0, np.where(is_full, size, 0), move)
        store(pool.first, self.number, np.where(is_full, target, first))
        store(pool.end, self.number, np.where(is_full, target + size, end))
        limit = _load(pool.limit, self.number, _NUMBER)
        store(pool.limit, self.number, np.where(is_full, target + room, limit))
        put(rows.tail, np.where(is_full, target + room, value_of(rows.tail)))

    def append(self, value: Any) -> None:
        self._widen_room()
        super().append(value)

    def insert(self, index: Any, value: Any) -> None:  # type: ignore[override]
        self._widen_room()
        super().insert(index, value)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.copy())

    def __reversed__(self) -> Iterator[Any]:
        return reversed(self.copy())

    def settle(self) -> int:
        return self.size()

    def become(self, items: Sequence[Any]) -> None:
        raise AssertionError("a row stays one")

    def be_plain(self, items: Sequence[Any]) -> None:
        """Be a list of its own again, of ``items``."""
        outer = self.__dict__.get("outer")
        self.__class__ = Growing  # type: ignore[assignment]
        self.__dict__.clear()
        Growing.__init__(self, items)
        self.__dict__["outer"] = outer


def row_of(pool: Pool, number: Any) -> RowList:
    """The row with that ``number``, a traced one."""
    made = RowList.__new__(RowList)
    if isinstance(number, Tracer):
        number._cell.is_array = False
    made.__dict__.update(
        is_deque=False, is_native=True, rigid=False, frozen="", serial=-1, pool=pool, number=number,
        place=None, began=[], is_given=False,
    )  # fmt: skip
    return made


def _hold_store(owner: Growing, items: Sequence[Any]) -> None:
    """Have ``items`` in arrays: many, where all are known."""
    kind = None
    leaves: dict[Any, Any] = {}
    for item in items:  # those of one class are of one kind
        mark = type(item) if isinstance(item, (bool, int, float)) else id(item)
        if mark not in leaves:
            leaves[mark] = item
            kind = joined(kind, kind_of(item))
    owner.is_native, owner.room, owner.kind = True, room_now(), None
    owner.head, owner.tail = number(0), number(len(items))
    _widen(owner, kind)
    if not items:
        return
    assert kind is not None
    is_plain = len(kind.leaves) == 1 and len(kind.leaves[0].forms) == 1
    if is_plain and not any(map(is_traced, items)) and tree.is_single(kind.structure):
        values = np.array([known(item) for item in items], kind.leaves[0].dtype.numpy)
        if (values == values[0]).all():
            values = np.broadcast_to(values[:1], values.shape)
        _begin(owner.columns[0], 0, values, len(items))
        return
    if len(items) > _STACKED and not is_one_array(items):
        raise NotNative(
            f"a list of lists begins with {len(items)} traced items, more than {_STACKED}; make an "
            f"array of two axes"
        )
    _fill(owner, 0, items)


def hold_rows(owner: Grown) -> None:
    """Have ``owner``, a list of lists, as rows."""
    items = owner.items()
    if owner.is_deque or not all(isinstance(item, list) for item in items):
        raise NotNative("a list that data decide about holds lists, and what is none")
    if len(set(map(id, items))) < len(items):
        raise NotNative(
            "a list that data decide about holds the same list twice; make a list for each place, "
            "[[0] * n for _ in range(m)]"
        )
    if any(isinstance(item, Grown) and (item.is_native or item.rigid) for item in items):
        raise NotNative("a list that data decide about holds lists that are arrays already")
    if any(type(item) is list and len(names_of(item)) > 1 for item in items):
        raise NotNative(INSIDE)
    rows = [list.__getitem__(item, slice(None)) for item in items]
    pool = Pool(rows)
    trace = current()
    for n, item in enumerate(items):
        if isinstance(item, Growing):
            item.__class__ = RowList
            at = Tracer(tensor_of(trace, n, Spec((), int64)), trace)
            for name in ("kind", "room", "columns", "tags", "head", "tail"):
                item.__dict__.pop(name, None)
            item.__dict__.update(pool=pool, number=at, place=n, is_native=True)
            item.begin()
            list.clear(item)
    kind = kind_of(row_of(pool, number(0)))
    list.__setitem__(owner, slice(None), ())
    owner.is_native, owner.room, owner.kind = True, room_now(), None
    owner.columns, owner.tags = [], []
    owner.head, owner.tail = number(0), number(len(items))
    _widen(owner, kind)
    if items:
        _begin(owner.columns[0], 0, np.arange(len(items)), len(items))
    owner.begin()


def as_row(owner: Grown, item: Any) -> Any:
    """``item``, a list, as a row of the pool that ``owner`` holds rows of."""
    if isinstance(item, RowList):
        return item
    if owner.kind is None and not isinstance(owner, RowList):
        if owner.serial < REGION.get():
            raise Wanted(owner, kind_of(row_of(Pool(()), number(0))))
        _widen(owner, kind_of(row_of(Pool(()), number(0))))
    pool = None if owner.kind is None else owner.kind.pool
    if pool is None:
        return item
    found = row_of(pool, pool.new(item))
    if isinstance(item, Growing) and not item.is_native:
        freeze(item, INSIDE)
    return found


def empty(pool: Pool) -> Growing:
    """A list for rows of ``pool``."""
    made = Growing()
    made.is_native, made.room, made.kind = True, room_now(), None
    made.head, made.tail = number(0), number(0)
    _widen(made, kind_of(row_of(pool, number(0))))
    made.begin()
    return made


def moved(owner: Any, kind: Kind) -> Growing:
    """``owner``, a list of rows of one store, as one of rows of the store of ``kind``: copies."""
    pool, made = kind.pool, empty(kind.pool)
    if not owner.is_native:
        for n, item in enumerate(owner.items()):
            store(made.columns[0], number(n), pool.new(item))
        put(made.tail, len(owner.items()))
        return made
    source, first = owner.kind.pool, value_of(owner.head)

    def copy(n: Any) -> None:
        row = row_of(source, _load(owner.columns[0], first + n, _NUMBER))
        store(made.columns[0], n, pool.new(row))

    run(0, owner.length(), copy)
    put(made.tail, owner.length())
    return made


def adopted(made: Growing) -> Growing:
    """``made``, whose lists know that they are in it."""
    items = made.items()
    if any(type(item) is list for item in items):
        once = {id(item): Growing(item) for item in items if type(item) is list}
        list.__setitem__(made, slice(None), [once.get(id(item), item) for item in items])
    for item in made.items():
        if isinstance(item, Growing):
            item.__dict__["outer"] = made
    return made


def array_of(owner: Growing) -> Any:
    """``np.array`` of a list of rows."""
    assert owner.kind is not None
    pool, size, trace = owner.kind.pool, owner.size(), current()
    kind = pool.store.kind
    if kind is None or not size or not tree.is_single(kind.structure):
        return np.zeros((size, 0)) if kind is None else None
    numbers = Tracer(rows_of(owner.columns[0], value_of(owner.head), size), trace)
    first = np.take(value_of(pool.first), numbers)
    lengths = np.take(value_of(pool.end), numbers) - first
    least, most = trace.room(lambda: np.min(lengths)), trace.room(lambda: np.max(lengths))
    if least is None:
        raise NotNative("a list of lists becomes an array inside of a native loop")
    if least != most:
        raise ValueError("a list of lists of several lengths is no array")
    return np.take(value_of(pool.store.columns[0]), first[:, None] + np.arange(most))


tree.register(
    RowList, lambda row: ([row.number], row.pool), lambda pool, parts: row_of(pool, *parts)
)
