"""What Python does with lists that are held in arrays: loops over them, sums, heaps."""

from __future__ import annotations

import builtins
import heapq
import operator
from collections.abc import Callable, Sequence
from functools import partial, wraps
from typing import Any

import numpy as np

from ..ops.moving import is_inside_loop
from ..ops.op import CURRENT
from ..te.extent import Extent
from ..tracer.grown import ROWS, Tabled, is_arrays, rows_wanted
from ..tracer.masked import Masked
from ..tracer.number import copied_number, item_of
from ..tracer.open_lengths import number_of
from ..tracer.tracer import Tracer, mark_weak
from .forms import is_traced, native_if, native_while
from .item_kinds import kind_of
from .list_rows import (
    REGION,
    Wanted,
    hold,
    move_row,
    number,
    put,
    read_row,
    value_of,
    with_lists,
    write_row,
)
from .list_steps import Walk, each, equal, nothing_held, raise_where, run
from .lists import Growing
from .plan import NothingThereError, NotNative, State, current
from .ranges import Range
from .tries import is_tried

_FEW = 8  # items of a list that are gone through one by one


def steady(body: Callable[[Any], None], lists: Sequence[Any]) -> Callable[[Any], None]:
    """``body`` of a loop over as many items as ``lists`` hold when it begins; NotNative where it
    makes one longer or shorter."""

    def ends() -> list[Any]:
        held = [cell for box in lists if is_arrays(box) for cell in (box.head, box.tail)]
        counts = [len(box) for box in lists if not is_arrays(box)]
        return [*(cell._cell.tensor for cell in held), *counts]

    @wraps(body)
    def run(item: Any) -> None:
        before = ends()
        body(item)
        if before != ends():
            raise NotNative("a loop over a list makes it longer or shorter")

    return run if lists else body


def walk_of(source: Any) -> Walk | None:
    """How to go through ``source``, where it is, or stands for, a list that is arrays, or an array
    whose length only the running loop knows."""
    if isinstance(source, Walk):
        return source
    if isinstance(source, (Masked, Tracer)):
        rows = open_rows_of(source)
        if rows is None:
            return None
        return Walk(partial(_count_of, rows), _item_at(rows), lambda: rows)
    if not is_arrays(source):
        return None
    if isinstance(source, Tabled):
        return source.walk()  # type: ignore[attr-defined,no-any-return]

    def at(place: Any) -> Any:
        row = value_of(source.head) + place
        return read_row(source, np.minimum(row, source.room - 1))

    return Walk(source.length, at, lambda: source, lambda: source.kind is None)


def open_rows_of(source: Any) -> Any:
    """``source`` as an array, where it is one whose length only the running loop knows; else
    None."""
    if isinstance(source, Masked):
        source = source.solid() if is_inside_loop() else None
    is_array = isinstance(source, Tracer) and source.shape
    return source if is_array and isinstance(source.shape[0], Extent) else None


def numbers_of(rows: Tracer) -> Walk:
    """What goes through the elements of ``rows``, 1-d, as Python numbers."""
    row = _item_at(rows)
    return Walk(partial(_count_of, rows), lambda place: item_of(row(place)), lambda: rows)


def _count_of(rows: Tracer) -> Any:
    return number_of(rows.shape[0], rows._trace)  # type: ignore[arg-type]


def walk(
    source: Walk, body: Callable[[Any], None], state: Callable[[], State],
    test: Callable[[], Any] | None, join: Callable[..., Any],
) -> None:  # fmt: skip
    """``for item in source: body(item)``, as long as ``test`` holds; the list may change."""
    if source.is_empty():
        return
    place = number(0)

    def more() -> Any:
        return value_of(place) < source.length()

    def step() -> None:
        here = value_of(place)
        put(place, here + 1)
        body(source.at(here))

    check = more if test is None else lambda: join(test(), more)
    native_while(check, step, state())


def is_table(source: Any) -> bool:
    """Whether ``source`` is a list of lists among the arguments, and not arrays."""
    if not isinstance(source, Growing) or not source.is_given or source.is_native or source.rigid:
        return False
    items = source.items()
    return bool(items) and all(isinstance(item, list) for item in items)


def walk_rows(source: Growing, native: Callable[[Walk], None], plain: Callable[[], None]) -> None:
    """``native`` along ``source``, where the lists in it are rows of one array; where that cannot
    be, ``plain()``."""
    rows_wanted(source.items())

    def run() -> None:
        along = walk_of(source)
        if along is not None:
            native(along)
            return
        if ROWS.get() and not source.rigid:
            raise Wanted(source, None)
        plain()

    with_lists(run)


def enumerated(source: Any, start: Any) -> Walk | None:
    """``enumerate(source, start)`` of a list that is arrays."""
    found = _along(source) or walk_of(source)
    if found is None:
        return None
    part = found

    def at(place: Any) -> Any:
        return mark_weak(copied_number(place + start)), part.at(place)

    return Walk(part.length, at, lambda: builtins.enumerate(part.of(), start), part.is_empty)


def zipped(sources: tuple[Any, ...]) -> Walk | None:
    """``zip(*sources)``, one of which is a list that is arrays."""
    found = [_along(source) or walk_of(source) for source in sources]
    if not any(found):
        return None
    lengths: list[Callable[[], Any]] = []
    empty: list[Callable[[], bool]] = []
    ats: list[Callable[[Any], Any]] = []
    for part, source in zip(found, sources):
        if part is None and isinstance(source, (list, tuple)):
            held = Growing(list(source))
            hold(held, None)
            part = walk_of(held)
        if part is not None:
            lengths.append(part.length)
            ats.append(part.at)
            empty.append(part.is_empty)
        elif isinstance(source, builtins.range) or (isinstance(source, Tracer) and source.shape):
            lengths.append(partial(len, source))
            ats.append(_item_at(source))
        else:
            return None

    def length() -> Any:
        least = lengths[0]()
        for other in lengths[1:]:
            least = np.minimum(least, other())
        return least

    return Walk(
        length, lambda place: tuple(at(place) for at in ats), lambda: builtins.zip(*sources),
        lambda: any(is_empty() for is_empty in empty),
    )  # fmt: skip


def _along(source: Any) -> Walk | None:
    """How to go through a range with a traced bound where the data cannot choose that bound."""
    if not isinstance(source, Range) or current().has_room:
        return None
    at, step = source.at, source.step
    start, stop = source.start, source.stop

    def item(place: Any) -> Any:
        number = mark_weak(copied_number(place * step + start))
        return number if at is None else at(number)

    def length() -> Any:
        away = stop - start if step > 0 else start - stop
        return np.maximum((away + (abs(step) - 1)) // abs(step), 0)

    return Walk(length, item, lambda: source)


def _item_at(source: Any) -> Callable[[Any], Any]:
    if isinstance(source, Tracer):
        last = int(source.shape[0]) - 1  # of all that there may be
        return lambda place: source[np.minimum(place, last)]
    return lambda place: mark_weak(copied_number(place * source.step + source.start))


def reversed_(source: Any) -> Any:
    """``reversed(source)`` of a list that is arrays."""
    found = walk_of(source)
    assert found is not None
    part, count = found, found.length()
    return Walk(
        lambda: count, lambda place: part.at(count - 1 - place),
        lambda: builtins.reversed(part.of()), part.is_empty,
    )  # fmt: skip


def listed(source: Any) -> Growing:
    """``list(source)`` of a list that is arrays, or of what goes through one."""
    if isinstance(source, Growing):
        made = source._part(slice(None))
        made.is_deque = False
        return made
    made = Growing()
    gathered(source, made.append)
    return made


def gathered(source: Any, body: Callable[[Any], None]) -> None:
    """``body`` of each item of ``source``, a loop that changes arrays and lists alone."""
    if type(source) is list and len(source) > _FEW and any(map(is_traced, source)):
        held = Growing(list(source))
        hold(held, None)
        source = held
    found = walk_of(source)
    if found is None:
        each(source, body)
    else:
        walk(found, body, nothing_held, None, np.logical_and)


def total(values: Any, start: Any) -> Any:
    """``sum(values, start)``: one item after the other."""
    return fold(values, operator.add, start)


def fold(values: Any, join: Callable[[Any, Any], Any], start: Any) -> Any:
    """``functools.reduce(join, values, start)`` of what is, or goes through, a list in arrays."""
    held = [start]

    def put_all(found: list[Any]) -> None:
        held[:] = found

    def add(item: Any) -> None:
        held[0] = join(held[0], item)

    state = State(("the sum",), lambda: list(held), put_all, "the sum")
    found = walk_of(values)
    assert found is not None
    walk(found, add, lambda: state, None, np.logical_and)
    return held[0]


def extreme(values: Any, key: Any, is_max: bool, is_needed: bool) -> Any:
    """``max`` or ``min``: the first item that no other one is beyond. An error of the call if
    there is no item and one ``is_needed``."""
    found = walk_of(values)
    assert found is not None
    count = found.length()
    name = "max" if is_max else "min"
    if is_needed:
        error = ValueError(f"{name}() arg is an empty sequence")
        if found.is_empty():
            is_early = is_inside_loop() and not is_tried()
            raise NothingThereError(*error.args, kind=ValueError) if is_early else error
        raise_where(count <= 0, error)
    best = found.at(np.int64(0) + value_of(number(0)))
    held = [best, best if key is None else key(best)]

    def put_all(values: list[Any]) -> None:
        held[:] = values

    def look(item: Any) -> None:
        mark = item if key is None else key(item)
        is_beyond = less(held[1], mark) if is_max else less(mark, held[1])
        from .forms import native_if

        def take() -> None:
            held[:] = [item, mark]

        native_if(is_beyond, take, lambda: None, _branch(held, put_all))

    state = State(("the item", "its key"), lambda: list(held), put_all, "the loop")
    walk(found, look, lambda: state, None, np.logical_and)
    return held[0]


def _branch(held: list[Any], put_all: Callable[[list[Any]], None]) -> State:
    state = State(("the item", "its key"), lambda: list(held), put_all, "the comparison")
    state.is_branch = True
    return state


def less(a: Any, b: Any) -> Any:
    """``a < b`` for numbers and tuples of them."""
    if not isinstance(a, (tuple, list)):
        if np.shape(a) or np.shape(b):
            raise NotNative("arrays in a list that data decide about are ordered; order numbers")
        return np.less(a, b)
    found: Any = np.False_
    for p, q in reversed(list(zip(a, b))):
        found = np.logical_or(less(p, q), np.logical_and(equal(p, q), found))
    return found


# Heaps, as Python's heapq keeps them


def _of_heap(heap: Any, function: Any, *added: Any) -> Any:
    """The list, as arrays, which it becomes where data decide about an item, or about what is
    ``added`` to others; None where Python's own function does."""
    if CURRENT.get() is None or not isinstance(heap, Growing) or heap.rigid:
        return None
    if not heap.is_native:
        if heap.serial < REGION.get():
            raise Wanted(heap, None)
        items = heap.items()
        parts = [*items, *added] if items else []
        if not any(is_traced(leaf) for item in parts for leaf in _leaves(item)):
            return None
        hold(heap, kind_of(added[0]) if added else None)
    return heap


def _leaves(item: Any) -> list[Any]:
    from ..tracer import tree

    return tree.flatten(item)[0]


def heappush(heap: Any, item: Any) -> None:
    """``heapq.heappush``."""
    held = _of_heap(heap, heapq.heappush, item)
    if held is None:
        heapq.heappush(heap, item)
        return
    held.append(item)
    _down(held, value_of(number(0)), held.length() - 1)


def heappop(heap: Any) -> Any:
    """``heapq.heappop``."""
    held = _of_heap(heap, heapq.heappop)
    if held is None:
        return heapq.heappop(heap)
    held.pop()
    head = value_of(held.head)
    found = read_row(held, head)
    move_row(held, np.minimum(value_of(held.tail), held.room - 1), head)
    _up(held)
    return found


def heapreplace(heap: Any, item: Any) -> Any:
    """``heapq.heapreplace``."""
    held = _of_heap(heap, heapq.heapreplace, item)
    if held is None:
        return heapq.heapreplace(heap, item)
    found = held[0]
    held[0] = item
    _up(held)
    return found


def heappushpop(heap: Any, item: Any) -> Any:
    """``heapq.heappushpop``."""
    from .logic import if_expression

    held = _of_heap(heap, heapq.heappushpop, item)
    if held is None:
        return heapq.heappushpop(heap, item)
    if held.kind is None:  # nothing was pushed so far as tracing has come
        return item
    first = read_row(held, np.minimum(value_of(held.head), held.room - 1))
    takes = mark_weak(copied_number((held.length() > 0) & less(first, item)))
    found = if_expression(takes, lambda: first, lambda: item)

    def put_in() -> None:
        write_row(held, value_of(held.head), item)
        _up(held)

    native_if(takes, put_in, lambda: None, nothing_held())
    return found


def heapify(heap: Any) -> None:
    """``heapq.heapify``."""
    if _of_heap(heap, heapq.heapify) is None:
        heapq.heapify(heap)
        return
    half = heap.length() // 2
    run(0, half, lambda n: _up(heap, half - 1 - n))


def _down(heap: Growing, start: Any, place: Any) -> None:
    """Let the item at ``place`` go down to where it belongs."""
    head = value_of(heap.head)
    item, at = read_row(heap, head + place), number(place)

    def parent() -> Any:
        return head + ((value_of(at) - 1) >> 1)

    def goes() -> Any:
        above = np.maximum(parent(), head)
        return (value_of(at) > start) & less(item, read_row(heap, above))

    def step() -> None:
        above = parent()
        move_row(heap, above, head + value_of(at))
        put(at, above - head)

    native_while(goes, step, nothing_held())
    write_row(heap, head + value_of(at), item)


def _up(heap: Growing, start: Any = 0) -> None:
    """Let the item at ``start`` go up to a leaf, along the smaller children, and down again."""
    head, count = value_of(heap.head), heap.length()
    at = number(start)
    item = read_row(heap, head + start)

    def step() -> None:
        here = value_of(at)
        child = here * 2 + 1
        right = np.minimum(child + 1, count - 1)
        is_right = np.logical_not(less(read_row(heap, head + child), read_row(heap, head + right)))
        child = np.where((child + 1 < count) & is_right, right, child)
        move_row(heap, head + child, head + here)
        put(at, child)

    native_while(lambda: value_of(at) * 2 + 1 < count, step, nothing_held())
    end = value_of(at)
    write_row(heap, head + end, item)
    _down(heap, value_of(number(start)), end)


HEAPS: dict[Any, Any] = {
    heapq.heappush: heappush, heapq.heappop: heappop, heapq.heapify: heapify,
    heapq.heapreplace: heapreplace, heapq.heappushpop: heappushpop,
}  # fmt: skip
