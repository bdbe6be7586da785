"""What a loop runs over, by place: ``enumerate``, ``zip``, ``itertools.product`` and ``repeat``,
``np.ndindex``, ``np.ndenumerate`` and ``x.flat``.

::

    for i, row in enumerate(x): ...     the item at k is (k, x[k]): k may be a traced number, and
                                        the loop a native one
    for i, j in np.ndindex(3, 4): ...   the item at (i, j) is (i, j): two native loops
"""

from __future__ import annotations

import builtins
import functools
import itertools
import math
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from ..ops.op import CURRENT, is_held
from ..te.extent import is_open
from .changing import Flat, flattened
from .complex.value import as_part, from_constant
from .concrete import known
from .rows import column, is_row
from .tracer import Tracer, mark_weak

At = Callable[..., Any]
MANY = 24  # integers that are taken for data
_MOST_CHOICES = 1 << 14  # rows of a table of choices
# How many known numbers of Python's are taken for data, by type, and what they are as an array.
_KNOWN = {int: (MANY, np.int64), float: (12, np.float64), complex: (12, np.complex128)}
_OUTSIDE = (
    "a part of a NumPy array that was not made in the function would be written to, which its "
    "owner would not see; pass the array as an argument, or write to a .copy()"
)


class Items:
    """An iterator over the items at all places of ``shape``, the last axis first; a loop that finds
    it not begun may ask for the items ``at`` traced places instead."""

    def __init__(
        self, shape: tuple[int, ...], at: At, plain: Callable[[], Any], lists: Any = ()
    ) -> None:
        self.shape, self.at = shape, at
        self.lists = lists  # Python's lists that they are items of
        self.is_begun = False
        self._plain = plain
        self._rest: Iterator[Any] = iter(())

    def __iter__(self) -> Items:
        return self

    def __next__(self) -> Any:
        if not self.is_begun:
            self.is_begun, self._rest = True, iter(self._plain())
        return next(self._rest)

    def end(self) -> None:
        """Let there be no more items: a loop has had them all."""
        self.is_begun = True

    @property
    def size(self) -> int:
        """How many items there are."""
        return math.prod(self.shape)

    def number(self, place: tuple[Any, ...]) -> Any:
        """How many items come before the one at ``place``."""
        return functools.reduce(lambda n, part: n * part[0] + part[1], zip(self.shape, place), 0)


def items_of(source: Any) -> Items | None:
    """The items of an array, its ``flat``, a range, or of what stands for an iterator."""
    if isinstance(source, Flat):
        source = elements(source._owner)
    if isinstance(source, Items):
        return None if source.is_begun else source
    if isinstance(source, builtins.range):
        return Items((len(source),), lambda i: source.start + i * source.step, lambda: source)
    if isinstance(source, Tracer) and known(source) is source and source.shape:
        if not is_open(source.shape):
            return Items((source.shape[0],), lambda i: source[i], lambda: source)
    return table_of(source)


def table_of(source: Any) -> Items | None:
    """The elements of a 1-d array of numbers that are known while tracing, or the rows of one of
    more axes, for loops that need not know them; None for other values. Few integers stay known:
    they may be sizes."""
    if isinstance(source, (list, tuple)):
        return _packed(source)
    array = known(source)
    if type(array) is not np.ndarray or not array.ndim or CURRENT.get() is None:
        return None
    if array.dtype.char not in "efdFD":
        counts = "iu" if array.ndim == 1 else "iub"
        if array.dtype.kind not in counts or len(array) < MANY:
            return None

    def at(i: Any) -> Any:
        return source[i] if array is not source else held(array)[i]

    # The face of an array that was made here sees what is written to rows, and to what comes later.
    return Items(array.shape[:1], at, lambda: source)


def rows_of(source: Any) -> Any:
    """``source``; an iterator over the rows of a known array that was made here, each as it is by
    then."""
    array = known(source)
    return iter(source) if isinstance(array, np.ndarray) and array is not source else array


def is_known(items: Sequence[Any]) -> bool:
    """Whether the first of ``items`` is a known number of Python's, or a tuple of such."""
    return bool(items) and type(_first_number(items[0])) in _KNOWN


def _packed(source: list[Any] | tuple[Any, ...]) -> Items | None:
    """The items of a list of numbers, or of tuples of them, that were passed as arrays, or are
    known and many."""
    if is_held(source) or not source:
        return None
    first = _first_number(source[0])
    least, _ = _KNOWN.get(type(first), (MANY, None))
    if len(source) < least or not (type(first) in _KNOWN or is_row(first)):
        return None
    items = _columns(source)
    if items is None:
        return None
    now = list(source)

    def at(place: Any) -> Any:
        if is_held(source):
            return source[place]
        if len(now) != len(source) or any(a is not b for a, b in zip(now, source)):
            raise UnsupportedError("a loop over a list of known numbers changes the list")
        return _item(items, place)

    lists = (source,) if isinstance(source, list) else ()
    return Items((len(source),), at, lambda: source, lists)


def _first_number(item: Any) -> Any:
    while type(item) is tuple and item:
        item = item[0]
    return item


def _columns(items: Any) -> Any:
    """What all of ``items`` hold: an array, or a tuple of such; None where they are not alike."""
    kind = type(items[0])
    if kind in _KNOWN:
        least, dtype = _KNOWN[kind]
        if len(items) < least or any(type(item) is not kind for item in items):
            return None
        try:
            return held(np.array(items, dtype)), True
        except OverflowError:
            return None
    if kind is not tuple:
        found = column(items)
        return None if found is None else (found, items[0]._cell.weak)
    if not all(type(item) is tuple and len(item) == len(items[0]) for item in items):
        return None
    parts = [_columns(part) for part in zip(*items)]
    return None if None in parts else parts


def _item(columns: Any, place: Any) -> Any:
    if isinstance(columns, list):
        return tuple(_item(part, place) for part in columns)
    array, weak = columns
    item = array[place]
    for part in getattr(item, "_parts", (item,)) if weak else ():
        mark_weak(part)
    return item


def held(array: np.ndarray[Any, Any] | np.generic) -> Any:
    """What NumPy holds as a traced value, of which no part can be written to."""
    table: Any = as_part(array) if array.dtype.kind != "c" else from_constant(array)
    for part in getattr(table, "_parts", (table,)):
        part._cell.frozen = _OUTSIDE
    return table


def enumerate_(iterable: Any, start: Any = 0) -> Any:
    """``enumerate(iterable, start)``."""
    found = items_of(iterable) if CURRENT.get() is not None else None
    if found is None or not isinstance(start, int):
        return builtins.enumerate(iterable, operator.index(known(start)))
    items = found
    return Items(
        items.shape,
        lambda *at: (items.number(at) + start, items.at(*at)),
        lambda: builtins.enumerate(iterable, start),
        items.lists,
    )


def zip_(*iterables: Any, strict: bool = False) -> Any:
    """``zip(*iterables, strict=strict)``."""
    found = [items_of(part) for part in iterables] if CURRENT.get() is not None else []
    parts = [part for part in found if part is not None and len(part.shape) == 1]
    counts = {part.shape for part in parts}
    # Where iterators end at different places, Python says where the longer ones are left.
    uneven = len(counts) > 1 and (strict or any(isinstance(p, Items) for p in iterables))
    if not parts or len(parts) < len(iterables) or uneven:
        return builtins.zip(*iterables, strict=strict)
    return Items(
        min(counts),
        lambda i: tuple(part.at(i) for part in parts),
        lambda: builtins.zip(*iterables, strict=strict),
        [box for part in parts for box in part.lists],
    )


def product(*iterables: Any, repeat: Any = 1) -> Any:
    """``itertools.product(*iterables, repeat=repeat)``: of ranges, by place; what else there is may
    be written to after its items were taken."""
    if CURRENT.get() is None or not all(type(part) is builtins.range for part in iterables):
        return itertools.product(*iterables, repeat=repeat)
    ranges = iterables * operator.index(known(repeat))
    return Items(
        tuple(map(len, ranges)),
        lambda *at: tuple(part.start + i * part.step for part, i in zip(ranges, at)),
        lambda: itertools.product(*ranges),
    )


def choices(kind: Any) -> Callable[..., Any]:
    """``itertools.combinations`` and its kin, of ranges: many places are rows of a table."""

    def run(iterable: Any, *counts: Any, **options: Any) -> Any:
        made = kind(iterable, *counts, **options)
        if CURRENT.get() is None or type(iterable) is not builtins.range:
            return made
        first = list(itertools.islice(made, _MOST_CHOICES))
        packed = _packed(first) if len(first) < _MOST_CHOICES else None
        if packed is None:
            return itertools.chain(first, made)
        return Items(packed.shape, packed.at, lambda: first)

    return run


def repeat(item: Any, *times: Any, **options: Any) -> Any:
    """``itertools.repeat(item, times)``."""
    counts = (*times, *options.values())
    if CURRENT.get() is None or len(counts) != 1 or not options.keys() <= {"times"}:
        return itertools.repeat(item, *times, **options)
    count = max(operator.index(known(counts[0])), 0)
    return Items((count,), lambda i: item, lambda: itertools.repeat(item, count))


def ndindex(*shape: Any) -> Any:
    """np.ndindex, whose places may be traced in a loop."""
    if CURRENT.get() is None:
        return np.ndindex(*shape)
    np.ndindex(*shape)  # refuses what is no shape
    sizes = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple) else shape
    return Items(tuple(map(operator.index, sizes)), lambda *at: at, lambda: np.ndindex(*shape))


def ndenumerate(array: Any) -> Items:
    """np.ndenumerate of a traced array."""
    return Items(tuple(array.shape), lambda *at: (at, array[at]), lambda: _pairs(array))


def _pairs(array: Any) -> Iterator[tuple[tuple[int, ...], Any]]:
    for place in np.ndindex(array.shape):
        yield place, array[place]


def elements(array: Any) -> Items:
    """The elements of a traced array in C order, each read when it is asked for."""
    return Items(tuple(array.shape), lambda *at: array[at], lambda: flattened(array))
