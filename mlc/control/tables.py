"""Tables of keys that data choose: what dicts and sets are while native code changes them.

::

    counts[label] += 1                 keys    [7, 3, ...]     in the order in which they came
                               ->      values  [2, 1, ...]
                                       index   [0, 2, 0, 1]    which of them, from 1 on; 0 for none

A key is looked for from the place on that its hash names, one place after the other up to a free
one. Keys and values are lists held in arrays, with the room that these have; the index has twice
as many places, so that some are always free.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from .. import te
from ..dtypes import float64, int32
from ..ops.op import CURRENT
from ..tracer import tree
from ..tracer.chosen import Chosen, coded, holds_constant, is_constant
from ..tracer.concrete import known
from ..tracer.grown import NAMED, Leaf, Tabled
from ..tracer.number import copied_number
from ..tracer.tracer import Tracer, mark_weak
from .forms import is_traced, native_while
from .item_kinds import kind_of
from .list_rows import (
    REGION,
    Wanted,
    _load,
    _store,
    hold,
    move_row,
    number,
    put,
    read_row,
    value_of,
    write_row,
)
from .list_steps import equal, note_full, nothing_held, run
from .lists import Growing, _whole
from .perhaps import Perhaps
from .plan import NotNative, current
from .spec import Spec
from .values import tensor_of

_MIX = 0x9E3779B97F4A7C15  # 2 ** 64 over the golden ratio: Knuth, volume 3, section 6.4
_PLACE = Leaf((), int32, ((int32, False),), False)
NO_KEY: Any = object()
_NUMBERS = (bool, int, float, np.number, np.bool)


class Column(Growing):
    """The keys or the values of a table. They stay arrays where code goes through all of them that
    is compiled for their number: what loops go through then is a copy."""

    def settle(self) -> int:
        return self.size()

    def __iter__(self) -> Iterator[Any]:
        return iter(self.copy() if self.is_native else self.items())

    def __reversed__(self) -> Iterator[Any]:
        return reversed(self.copy() if self.is_native else self.items())


class Table(Tabled):
    """What dicts and sets have in common."""

    key_list: Column
    value_list: Column | None
    index: Tracer

    # When a table becomes arrays

    def is_ready(self, key: Any = NO_KEY, changes: bool = False) -> bool:
        """Whether the table is arrays, which it becomes where data decide about ``key``, or a
        native loop or branch ``changes`` it."""
        if self.is_native:
            return True
        if CURRENT.get() is None:
            return False
        if self.rigid:
            if self.reason and key is not NO_KEY and is_chosen(key) and not current().has_room:
                raise NotNative(self.reason)
            return False
        is_inner = self.serial < REGION.get()
        is_asked = key is not NO_KEY and is_chosen(key)
        if is_inner and (is_asked or changes and self._is_new(key)):
            raise Wanted(self, None)
        if not is_asked:
            return False
        try:
            self.hold_as()
        except NotNative as error:
            self.rigid, self.reason = True, error.args[0]
            return False
        return True

    def _is_new(self, key: Any) -> bool:
        """Whether ``key``, which is known, changes which keys there are."""
        return key is NO_KEY or may_be_held([key]) and not self.base.__contains__(self, key)

    def hold_as(self) -> None:
        """Be arrays; NotNative, and what it was, where that cannot be."""
        items = self.items_now()
        keys = Column(list(items))
        values = Column(list(items.values())) if isinstance(items, dict) else None
        for key in items:
            if not is_numeric(key):
                raise NotNative(
                    f"a {self.base.__name__} that data decide about has the key {key!r}; its keys "
                    f"can be numbers, and tuples of them"
                )
        hold(keys, None)
        if values is not None:
            hold(values, None)
        self.key_list, self.value_list = keys, values
        shape = (2 * keys.room,)
        trace = current()
        self.index = Tracer(tensor_of(trace, np.int32(0), Spec((), int32)), trace)
        made = te.compute(shape, lambda _: self.index._tensor[()], name="index", op="list_rows")
        self.index = Tracer(made, trace)
        self.base.clear(self)
        self.is_native = True
        if items:
            first = value_of(keys.head)
            run(0, len(items), lambda n: self._enter(read_row(keys, first + n), n))

    # What is in it

    def length(self) -> Any:
        """How many keys there are: a traced number."""
        return self.key_list.length()

    def has(self, key: Any) -> Any:
        """``key in self``, a traced bool."""
        if type(key) is Perhaps:
            from .logic import and_

            return and_(key._mlc_bound, lambda: self.has(key._mlc_value))
        return False if key is None else as_python(self.find(key)[1] >= 0)

    def find(self, key: Any) -> tuple[Any, Any]:
        """The place of ``key`` in the index, and its row; where it is not there, a free place, and
        -1."""
        key = plain_key(key)
        at = number(self.home(key))
        if self.key_list.kind is None or not self._is_alike(key):
            return value_of(at), value_of(number(-1))

        def goes() -> Any:
            row = self.row_at(value_of(at))
            is_other = np.logical_not(equal(self.key_at(np.maximum(row, 0)), key))
            return (row >= 0) & is_other

        native_while(goes, lambda: put(at, self.next(value_of(at))), nothing_held())
        place = value_of(at)
        return place, self.row_at(place)

    def _is_alike(self, key: Any) -> bool:
        """Whether ``key`` can be one of those that there are."""
        kind = self.key_list.kind
        return kind is not None and kind.structure == kind_of(key).structure

    def row_at(self, place: Any) -> Any:
        """The row that the index names there; -1 for none."""
        return _load(self.index, place, _PLACE).astype(np.int64) - 1

    def key_at(self, row: Any) -> Any:
        return read_row(self.key_list, row)

    def next(self, place: Any) -> Any:
        """The place after ``place``."""
        return (place + 1) & (2 * self.key_list.room - 1)

    def home(self, key: Any) -> Any:
        """Where ``key`` is looked for first."""
        trace, found = current(), None
        for leaf in tree.flatten(key)[0]:
            if np.shape(leaf):
                raise TypeError("unhashable type: 'numpy.ndarray'")
            bits = _bits(trace, leaf)
            found = bits if found is None else (found ^ (found >> np.uint64(32))) + bits
            found = found * np.uint64(_MIX)
        assert found is not None
        width = (2 * self.key_list.room).bit_length() - 1
        return (found >> np.uint64(64 - width)).astype(np.int64)

    # How it changes

    def _enter(self, key: Any, row: Any) -> None:
        """Let the index name ``row`` for ``key``, or no other than it does already."""
        place, _ = self.find(key)
        self.name(place, row)

    def name(self, place: Any, row: Any) -> None:
        """Let the index name ``row`` there."""
        trace = current()
        _store(self.index, place, tensor_of(trace, row + 1, Spec((), int32)))

    def put_in(self, key: Any, *value: Any, keep: bool = False) -> Any:
        """Put ``key`` in, with a value; with ``keep`` the one that it may have stays. The row."""
        key = plain_key(key)
        keys, values = self.key_list, self.value_list
        place, row = self.find(key)
        is_there, count = row >= 0, value_of(keys.tail)
        last = keys.room - 1  # a row that nobody reads
        note_full(np.logical_not(is_there) & (count >= last))
        count = np.minimum(count, last - 1)
        row = np.where(is_there, row, count)
        fresh = np.where(is_there, last, count)
        write_row(keys, fresh, key)
        if values is not None:
            write_row(values, fresh if keep else row, *value)
        self.name(place, row)
        tail = np.where(is_there, value_of(keys.tail), count + 1)
        put(keys.tail, tail)
        if values is not None:
            put(values.tail, tail)
        return row

    def take_out(self, place: Any, row: Any, is_there: Any, in_order: bool) -> None:
        """Take ``row`` out, which the index names at ``place``, where ``is_there`` holds. The rows
        after it move up ``in_order``, or the last one takes its place."""
        keys, values = self.key_list, self.value_list
        if keys.kind is None:  # nothing was put in so far as tracing has come
            return
        self._leave(place, is_there)
        count = value_of(keys.tail)
        first = np.where(is_there, row + 1, count)
        if not in_order:
            first = np.maximum(first, count - 1)

        def move(n: Any) -> None:
            target = n - 1 if in_order else row
            found = self.find(self.key_at(n))[0]
            self.name(found, target)
            for part in (keys, values):
                if part is not None:
                    move_row(part, n, target)

        run(first, count, move)
        for part in (keys, values):
            if part is not None:
                put(part.tail, np.where(is_there, count - 1, count))

    def _leave(self, place: Any, is_there: Any) -> None:
        """Free ``place``, and move what stands behind it there if that is looked for from there
        on: Knuth, volume 3, section 6.4, algorithm R."""
        free, at = number(place), number(self.next(place))
        mask = 2 * self.key_list.room - 1

        def goes() -> Any:
            return is_there & (self.row_at(value_of(at)) >= 0)

        def step() -> None:
            here, hole = value_of(at), value_of(free)
            row = self.row_at(here)
            home = self.home(self.key_at(np.maximum(row, 0)))
            moves = ((here - home) & mask) >= ((here - hole) & mask)
            self.name(hole, np.where(moves, row, self.row_at(hole)))
            put(free, np.where(moves, here, hole))
            put(at, self.next(here))

        native_while(goes, step, nothing_held())
        hole = value_of(free)
        self.name(hole, np.where(is_there, np.int64(-1), self.row_at(hole)))

    def empty(self) -> None:
        """Take everything out."""
        trace = current()
        zero = tensor_of(trace, np.int32(0), Spec((), int32))
        made = te.compute(self.index.shape, lambda _: zero[()], name="index", op="list_rows")
        self.index._cell.write(made)
        for part in (self.key_list, self.value_list):
            if part is not None:
                part.clear()

    # As what it is carried

    def parts(self) -> tuple[list[Any], Any]:
        """The table as a tree: what it holds, and what tells it from others."""
        if not self.is_native:
            found = self.known_items()
            if isinstance(found, dict):
                return list(found.values()), (type(self), tuple(found), self.options())
            return [], (type(self), frozenset(found), self.options())
        return [self.key_list, self.value_list, self.index], (type(self), None, self.options())

    def known_items(self) -> Any:
        """What it holds, with keys that the data chose as what they are."""
        keyed = getattr(CURRENT.get(), "keyed", None)
        items = self.items_now()
        if keyed is None:
            return items
        is_dict = isinstance(items, dict)
        return keyed(items) if is_dict else set(keyed(dict.fromkeys(items)))


def is_numeric(key: Any) -> bool:
    """Whether ``key`` is a number, what is carried as one, or a tuple of some."""
    if type(key) is tuple:
        return bool(key) and all(map(is_numeric, key))
    if type(key) is Perhaps:
        return is_numeric(key._mlc_value)
    if isinstance(key, _NUMBERS) or is_constant(key) or type(key) is Chosen:
        return True
    return isinstance(key, Tracer) and not key.shape


def may_be_held(keys: Iterable[Any]) -> bool:
    """Whether a dict or set of ``keys`` may become a table: one of texts, as records are, only
    where data were found to choose among them."""
    keys = list(keys)
    return all(map(is_numeric, keys)) and (bool(NAMED.get()) or not any(map(holds_constant, keys)))


def is_chosen(key: Any) -> bool:
    """Whether data decide about ``key``."""
    if type(key) is tuple:
        return any(map(is_chosen, key))
    if type(key) is Perhaps:
        return is_chosen((key._mlc_bound, key._mlc_value))
    return is_traced(key._number if type(key) is Chosen else key)


def plain_key(key: Any) -> Any:
    """``key`` with NumPy's scalars in the place of traced ones that are known, and numbers in that
    of constants."""
    if type(key) is tuple:
        return tuple(map(plain_key, key))
    if key is None:
        raise NotNative(
            "None is a key of a dict or set that data decide about; its keys can be numbers, texts "
            "and tuples of them: use a number that stands for none, -1"
        )
    if type(key) is Perhaps:
        return plain_key(key._mlc_certain())
    if is_constant(key):
        return coded(key)
    found = known(key)
    return found[()] if found is not key else key


def _bits(trace: Any, leaf: Any) -> Any:
    """The bits of a number as a float64, alike for equal ones of all kinds."""
    value: Any = Tracer(tensor_of(trace, leaf, Spec((), float64)), trace)
    return np.where(value == 0.0, 0.0, value).view(np.uint64)  # of both zeros


def as_python(value: Any) -> Any:
    """``value`` as a Python number."""
    return mark_weak(copied_number(value))


def _column(marks: Any, children: Any) -> Any:
    made = _whole(marks, children)
    if isinstance(made, Growing):
        made.__class__ = Column
    return made


def _refused(self: Column, *_: Any) -> Any:
    raise NotNative(
        "the keys or values of a dict that data decide about are compared or copied as a whole; "
        "make a list of them, list(d.values())"
    )


for _name in ("lt", "le", "gt", "ge", "reduce_ex"):
    setattr(Column, f"__{_name}__", _refused)

tree.register(Column, Column.parts, _column)
