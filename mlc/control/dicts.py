"""Dicts that traced code changes: Python's until data decide about a key, then tables in arrays
with Python's own behaviour.

::

    counts[label] = counts.get(label, 0) + 1
"""

from __future__ import annotations

import builtins
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..tracer import tree
from ..tracer.grown import is_arrays
from .list_loops import gathered, walk_of, zipped
from .list_rows import read_row, value_of
from .list_steps import Walk, raise_where
from .perhaps import Perhaps, bare, is_bound, seen
from .plan import NothingThereError, NotNative
from .tables import NO_KEY, Column, Table, as_python, is_chosen, plain_key

_NONE: Any = object()


def key_of(key: Any, source: Any) -> Any:
    """The function ``key`` for the keys of ``source``: of ``max(d, key=d.get)`` there is a value
    for each."""
    if isinstance(source, _Dict) and source.is_native and key == source.get:
        return source.__getitem__
    return key


def dict_items(source: Any) -> Any:
    """What goes through the pairs of ``source``, a dict or pairs."""
    return source.items() if isinstance(source, dict) else source


class _Dict(Table):
    """What all dicts that may become arrays have in common."""

    value_list: Column

    def items_now(self) -> Any:
        return {key: self.base.__getitem__(self, key) for key in self.base.__iter__(self)}

    def become(self, items: Any) -> None:
        self.is_native = False
        self.base.clear(self)
        dict.update(self, items)  # type: ignore[arg-type]

    # One key

    def _found(self, key: Any) -> Any:
        """The row of ``key``; the call raises a KeyError if it is not there."""
        _, row = self.find(key)
        error = KeyError(key if not is_chosen(key) else "a key that data decide about")
        if self.value_list.kind is None:
            raise NothingThereError(*error.args, kind=KeyError)
        raise_where(row < 0, error)
        return np.maximum(row, 0)

    def __getitem__(self, key: Any) -> Any:
        if not self.is_ready(key):
            return self.base.__getitem__(self, key)
        return read_row(self.value_list, self._found(key))

    def __setitem__(self, key: Any, value: Any) -> None:
        if not self.is_ready(key, True):
            self.base.__setitem__(self, key, value)
            return
        self.put_in(key, value)

    def __delitem__(self, key: Any) -> None:
        self.pop(key)

    def get(self, key: Any, default: Any = None) -> Any:
        """As the method of a dict."""
        if not self.is_ready(key):
            return self.base.get(self, key, default)
        return self._either(self.find(key)[1], default)

    def _either(self, row: Any, default: Any) -> Any:
        """The value in ``row``, or the ``default`` if that is -1."""
        if self.value_list.kind is None:
            return default
        from .logic import and_, if_expression

        value, is_there = read_row(self.value_list, np.maximum(row, 0)), as_python(row >= 0)
        if default is not None:
            return if_expression(is_there, lambda: value, lambda: default)
        flag = and_(is_there, lambda: is_bound(value))
        return None if value is None else seen(Perhaps(bare(value), flag, or_none=True))

    def setdefault(self, key: Any, default: Any = None) -> Any:
        """As the method of a dict."""
        if not self.is_ready(key, True):
            return self.base.setdefault(self, key, default)
        row = self.put_in(key, default, keep=True)
        return read_row(self.value_list, row)

    def pop(self, key: Any, default: Any = _NONE) -> Any:
        """As the method of a dict."""
        if not (self.is_ready(key) or self._is_inner_change()):
            rest = () if default is _NONE else (default,)
            return self.base.pop(self, key, *rest)
        place, row = self.find(plain_key(key))
        if default is _NONE:
            self._found(key)
        found = None
        if self.value_list.kind is not None:
            found = read_row(self.value_list, np.maximum(row, 0))
        if default is not _NONE:
            found = self._either(row, default)
        self.take_out(place, np.maximum(row, 0), row >= 0, in_order=True)
        return found

    def _is_inner_change(self) -> bool:
        return self.is_ready(NO_KEY, True)

    def popitem(self) -> Any:
        """As the method of a dict."""
        if not self._is_inner_change():
            return self.base.popitem(self)
        error = KeyError("popitem(): dictionary is empty")
        if self.key_list.kind is None:
            raise NothingThereError(*error.args, kind=KeyError)
        count = value_of(self.key_list.tail)
        raise_where(count <= 0, error)
        row = np.maximum(count - 1, 0)
        key, value = self.key_at(row), read_row(self.value_list, row)
        self.take_out(self.find(key)[0], row, count > 0, in_order=False)
        return key, value

    # All of them

    def clear(self) -> None:
        """As the method of a dict."""
        if self._is_inner_change():
            self.empty()
        else:
            self.base.clear(self)

    def update(self, *others: Any, **named: Any) -> None:
        """As the method of a dict."""
        if not self.is_native and not named and len(others) == 1 and (
            is_arrays(others[0]) or walk_of(others[0]) is not None
        ):  # fmt: skip
            self._need()
        for other in (*others, *([named] if named else [])):
            fresh: Any = other if self.is_native or isinstance(other, dict) else dict(other)
            if self.is_native or any(self.is_ready(key, True) for key in fresh):
                gathered(dict_items(fresh), lambda pair: self.put_in(pair[0], pair[1]))
            else:
                dict.update(self, fresh)  # type: ignore[arg-type]

    def _need(self) -> None:
        """Be arrays."""
        if not self._is_inner_change():
            self.hold_as()

    def __ior__(self, other: Any) -> Any:
        self.update(other)
        return self

    def copy(self) -> Any:
        """As the method of a dict."""
        if not self.is_native:
            return self.of(self.options(), self.items_now()).begin()
        made = self.of(self.options(), {}).begin()
        made.hold_as()
        gathered(self.items(), lambda pair: made.put_in(pair[0], pair[1]))
        return made

    def __or__(self, other: Any) -> Any:
        made = self.copy()
        made.update(other)
        return made

    def keys(self) -> Any:
        """As the method of a dict."""
        return self.key_list if self.is_native else self.base.keys(self)

    def values(self) -> Any:
        """As the method of a dict."""
        return self.value_list if self.is_native else self.base.values(self)

    def items(self) -> Any:
        """As the method of a dict."""
        if not self.is_native:
            return self.base.items(self)
        return zipped((self.key_list, self.value_list))

    def walk(self) -> Walk:
        """How a loop goes through the keys."""
        found = walk_of(self.key_list)
        assert found is not None
        return found

    def __iter__(self) -> Iterator[Any]:
        return iter(self.key_list) if self.is_native else self.base.__iter__(self)

    def __reversed__(self) -> Iterator[Any]:
        return reversed(self.key_list) if self.is_native else self.base.__reversed__(self)

    def __len__(self) -> int:
        return len(self.key_list) if self.is_native else self.base.__len__(self)

    def __bool__(self) -> bool:
        return bool(self.length() > 0) if self.is_native else bool(self.base.__len__(self))

    def __contains__(self, key: object) -> bool:
        if not self.is_ready(key):
            return self.base.__contains__(self, key)  # type: ignore[no-any-return]
        return bool(self.has(key))

    def __eq__(self, other: object) -> Any:
        if not (self.is_native or is_arrays(other)):
            return self.base.__eq__(self, other)
        raise NotNative("a dict that data decide about is compared with another; compare its items")

    def __ne__(self, other: object) -> Any:
        return self.base.__ne__(self, other) if not self.is_native else not self == other

    __hash__ = None  # type: ignore[assignment]

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise NotNative("a dict that traced code changes is copied; write d.copy() or dict(d)")

    @classmethod
    def of(cls, options: Any, items: Any) -> Any:
        """A table that holds ``items``."""
        return cls(items)  # type: ignore[call-arg]

    @classmethod
    def plain(cls, options: Any) -> Callable[[Any], Any]:
        """What makes Python's own one of pairs."""
        return lambda pairs: cls.base(dict(pairs))


class TableDict(_Dict, dict[Any, Any]):  # type: ignore[misc]
    """A dict."""

    base = dict


class TableDefault(_Dict, defaultdict[Any, Any]):  # type: ignore[misc]
    """A defaultdict."""

    base = defaultdict

    def options(self) -> Any:
        return self.default_factory

    @classmethod
    def of(cls, options: Any, items: Any) -> Any:
        return cls(options, items)

    @classmethod
    def plain(cls, options: Any) -> Callable[[Any], Any]:
        return lambda pairs: defaultdict(options, pairs)

    def __getitem__(self, key: Any) -> Any:
        changes = not self.rigid and not is_chosen(key) and self.default_factory is not None
        if self.default_factory is None or not self.is_ready(key, changes):
            return super().__getitem__(key)
        from .calls import call

        row = self.put_in(key, call(self.default_factory)(), keep=True)
        return read_row(self.value_list, row)


class TableCounter(_Dict, Counter[Any]):  # type: ignore[misc]
    """A Counter."""

    base = Counter

    def __missing__(self, key: Any) -> int:
        return 0

    def __getitem__(self, key: Any) -> Any:
        return self.get(key, 0)

    def __delitem__(self, key: Any) -> None:
        self.pop(key, None)

    def update(self, *others: Any, **named: Any) -> None:
        """As the method of a Counter: counts are added."""
        self._add(others, named, 1)

    def subtract(self, *others: Any, **named: Any) -> None:
        """As the method of a Counter."""
        self._add(others, named, -1)

    def _add(self, others: Any, named: Any, sign: int) -> None:
        def add(key: Any, count: Any) -> None:
            self[key] = self.get(key, 0) + sign * count

        for other in (*others, named):
            if isinstance(other, dict):
                gathered(other.items(), lambda pair: add(pair[0], pair[1]))
            elif other is not None:
                gathered(other, lambda key: add(key, 1))

    def total(self) -> Any:
        """As the method of a Counter."""
        from .folding import sum_

        return sum_(self.values())

    def most_common(self, n: Any = None) -> Any:
        """As the method of a Counter."""
        if not self.is_native:
            return self.base.most_common(self, n)
        from .list_sorting import sorted_list

        found = sorted_list(self.items(), lambda pair: pair[1], True)
        return found if n is None else found[:n]

    def elements(self) -> Any:
        """As the method of a Counter."""
        if self.is_native:
            raise NotNative(
                "elements() of a Counter that data decide about; go through its items in a loop"
            )
        return self.base.elements(self)


def _whole(marks: Any, children: Any) -> Any:
    kind, keys, options = marks
    from ..ops.op import CURRENT

    children = list(children)
    if keys is not None:
        pairs = dict(builtins.zip(keys, children))
        if CURRENT.get() is None:
            return kind.plain(options)(pairs)
        return kind.of(options, pairs).begin()
    made = kind.of(options, {}).begin()
    made.is_native = True
    made.key_list, made.value_list, made.index = children
    return made


for _kind in (TableDict, TableDefault, TableCounter):
    tree.register(_kind, lambda table: table.parts(), _whole)
