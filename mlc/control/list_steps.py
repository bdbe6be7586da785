"""Small steps that methods of lists in arrays are made of."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import te
from ..ops.moving import is_inside_loop
from ..tracer.chosen import Chosen
from ..tracer.concrete import known
from ..tracer.grown import LEVEL, Grown, ListsFullError, Tabled, is_arrays
from ..tracer.masked import Masked
from ..tracer.open_lengths import sizes_of
from ..tracer.tracer import Tracer
from .failing import note
from .forms import is_traced, native_for
from .list_rows import columns_of, copy_element, read_row, value_of
from .perhaps import Perhaps, value_in
from .plan import NotNative, State, current
from .tries import caught, is_tried


class Walk:
    """What a loop goes through: the items at places from 0 on, as long as there are more.
    ``is_empty`` says whether nothing was appended so far as tracing has come: there is no item to
    trace a loop with."""

    def __init__(
        self, length: Callable[[], Any], at: Callable[[Any], Any], of: Any,
        is_empty: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        self.length, self.at, self.of, self.is_empty = length, at, of, is_empty

    def __iter__(self) -> Any:
        return iter(self.of())


def nothing_held() -> State:
    """The state of a loop that changes arrays alone."""
    return State((), lambda: [], lambda values: None, "the loop")


def raise_where(test: Any, error: Exception) -> None:
    """Let the call raise ``error`` if ``test`` holds."""
    if is_tried():
        raise NotNative(caught(error))
    note((type(error), str(error)), error, test)


def note_full(test: Any) -> None:
    """Let the call begin again with more room where ``test`` holds."""
    note((ListsFullError,), ListsFullError(LEVEL.get()), test)


def whole_number(value: Any) -> Any:
    """``value`` as an index: a Python int, or a traced number."""
    value = known(value_in(value))
    if isinstance(value, Tracer):
        if value.shape or value.dtype.kind not in "iu":
            raise TypeError(
                f"list indices must be integers or slices, not {value.dtype}{list(value.shape)}"
            )
        return value.astype(np.int64)
    return value.__index__()


def adds_to_items(value: Any) -> bool:
    """Whether ``items + value`` adds ``value`` to each of ``items``, as NumPy's arrays do."""
    if isinstance(value, (np.ndarray, np.generic)):
        return True
    is_array = hasattr(type(value), "__array_function__") and not isinstance(value, list)
    return is_array and not (isinstance(value, Tracer) and value._is_weak)


def rows_of(column: Tracer, first: Any, size: int) -> Any:
    """The ``size`` rows from ``first`` on, as an array."""
    source, start = column._cell.current(current()), first._tensor
    return te.compute(
        (size, *source.shape[1:]),
        lambda *at: source[(start[()] + at[0],) + at[1:]], name="rows", op="list_rows",
    )  # fmt: skip


def copy_row(source: Grown, at: Any, target: Grown, to: Any) -> None:
    for mine, theirs in zip(columns_of(target), columns_of(source), strict=True):
        copy_element(theirs, at, mine, to)


def run(start: Any, stop: Any, body: Callable[[Any], None]) -> None:
    """``for n in range(start, stop): body(n)``, which changes arrays alone, natively."""
    native_for(start, stop, 1, body, nothing_held())


def sort_known(items: Grown, **options: Any) -> None:
    """``items.sort(**options)`` of a list that is no arrays, by keys that may be traced."""
    from .folding import sorted_

    items.become(sorted_(items.items(), **options))


def each(values: Any, body: Callable[[Any], None]) -> None:
    """``body`` of each of ``values``."""
    if isinstance(values, Masked) and is_inside_loop():
        values = values.solid()
    if isinstance(values, Tabled) and values.is_native:
        each(values.walk().of(), body)  # type: ignore[attr-defined]
    elif isinstance(values, Walk):
        if not values.is_empty():
            run(0, values.length(), lambda n: body(values.at(n)))
    elif is_arrays(values):
        if values.kind is None:  # nothing was appended so far as tracing has come
            return
        first = value_of(values.head)
        run(0, values.length(), lambda n: body(read_row(values, first + n)))
    elif isinstance(values, Tracer) and is_traced(values) and values.shape:
        count, last = sizes_of(values)[0], int(values._seen[1].shape[0]) - 1
        run(0, count, lambda n: body(values[n if type(count) is int else np.minimum(n, last)]))
    else:
        for value in values:
            body(value)


def _sequence_of(value: Any) -> type | None:
    """The class of sequences of which those with the same items are equal to ``value``."""
    if isinstance(value, list):
        return deque if isinstance(value, Grown) and value.is_deque else list
    return tuple if isinstance(value, tuple) else None


def equal(a: Any, b: Any) -> Any:
    """``a == b`` for numbers and tuples of them."""
    if type(b) is Perhaps or b is None:
        a, b = b, a
    if type(a) is Perhaps:
        return np.equal(a == b, True)
    if a is None or b is None:
        return np.bool(a is b)
    if isinstance(a, (tuple, list)) or isinstance(b, (tuple, list)):
        if is_arrays(a) or is_arrays(b):
            return np.equal(a == b, True)
        if _sequence_of(a) is not _sequence_of(b) or len(a) != len(b):
            return np.False_
        found: Any = np.True_
        for p, q in zip(a, b):
            found = np.logical_and(found, equal(p, q))
        return found
    if type(a) is Chosen or type(b) is Chosen:
        return np.equal(a == b, True)
    if np.shape(a) or np.shape(b):
        raise NotNative("arrays in a list that data decide about are compared; compare elements")
    return np.equal(a, b)
