"""Python's ``min``, ``max``, ``sum``, ``any``, ``all``, ``sorted`` and ``in`` over traced values.

::

    max(x)                      of a traced array: its largest element, without a loop
    min(v * v for v in xs)      one comparison for each element
    sorted(points, key=f)       the items in the order of their traced keys
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from ..ops.op import leaves_of
from ..tracer import tree
from ..tracer.chosen import Chosen
from ..tracer.dispatch import call_function
from ..tracer.grown import Grown, Tabled, is_arrays
from ..tracer.number import copied_number, python_number
from ..tracer.operators import _is_weak
from ..tracer.rows import column, joined, rows_of
from ..tracer.tracer import Tracer, mark_weak
from .carry import current
from .comparing import compared, equal, holds_traced
from .dicts import key_of
from .forms import is_traced
from .item_kinds import is_one_array
from .list_loops import extreme as of_list
from .list_loops import fold as of_items
from .list_loops import total, walk_of
from .list_rows import hold
from .lists import Growing
from .watching import items_while

_LISTED = 256  # elements in a list that is made of an array
_UNROLLED = 32  # elements that are added one by one
_NOTHING: Any = object()


def _is_array(value: Any) -> bool:
    """Whether ``value`` is a traced array with elements to go through."""
    return isinstance(value, Tracer) and is_traced(value) and bool(value.shape)


def _items(values: Any, key: Any) -> tuple[list[Any], list[Any], bool]:
    """The items, their keys, and whether any key is traced."""
    from .calls import call

    items = list(values)
    keys = items if key is None else [call(key)(item) for item in items]
    traced = any(is_traced(leaf) for k in keys for leaf in _parts(k))
    return items, keys, traced


def _parts(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (tuple, list)) else (value,)


def extreme(name: str, ufunc: Any) -> Callable[..., Any]:
    """``min`` or ``max``: the first item that no other one is beyond."""
    plain = getattr(builtins, name)

    def fold(*args: Any, key: Any = None, default: Any = _NOTHING) -> Any:
        values: Any = args[0] if len(args) == 1 else args
        values = values if key is not None else unordered(values)
        passed = None if key is not None else _as_column(values)
        if passed is not None:
            found = _of_elements(passed, name)
            return mark_weak(found) if values[0]._is_weak else found
        is_needed = default is _NOTHING and not _is_passed(values)
        values = _as_arrays(values)
        along = walk_of(values)
        if along is not None:
            from .calls import call

            if along.is_empty() and default is not _NOTHING:
                return default

            key = key_of(key, values)
            found = of_list(values, key and call(key), name == "max", is_needed)
            return found if is_needed else chosen(values.length() > 0, found, default, name)
        if key is None and _is_array(values) and len(values.shape) == 1 and len(values):
            return _of_elements(values, name)
        items, keys, traced = _items(values, key)
        if not traced or len(items) < 2:
            options = {} if default is _NOTHING or len(args) > 1 else {"default": default}
            found = plain(range(len(items)), key=lambda n: keys[n]) if items else None
            return plain(items, **options) if found is None else items[found]
        item, best = items[0], keys[0]
        for n in range(1, len(items)):
            for side in (keys[n], best):
                if not isinstance(side, (tuple, list)) and set(np.shape(side)) - {1}:
                    raise UnsupportedError(
                        f"{name}() of arrays has no meaning; use np.{ufunc.__name__}"
                    )
            is_beyond = compared(keys[n], best, "Gt" if name == "max" else "Lt")
            if is_traced(is_beyond) and np.shape(is_beyond):  # of arrays of one element
                is_beyond = np.reshape(is_beyond, ())
            if key is not None:
                item = chosen(is_beyond, items[n], item, name)
            best = chosen(is_beyond, keys[n], best, name)
        return best if key is None else item

    return fold


def _of_elements(values: Any, name: str) -> Any:
    """The extreme of a traced array of one axis; NaN is passed over as Python's comparisons do."""
    if values.dtype.kind != "f":
        return values.min() if name == "min" else values.max()
    fold = np.fmin if name == "min" else np.fmax
    return np.where(np.isnan(values[0]), values[0], fold.reduce(values))[()]


def chosen(test: Any, a: Any, b: Any, what: str) -> Any:
    """``a if test else b`` for numbers, arrays, and tuples or lists of them; outside of native
    loops the data choose between things of other kinds and shapes, too."""
    if a is b:
        return a
    if not is_traced(test):
        return a if test else b
    first, structure = tree.flatten(a)
    second, other = tree.flatten(b)
    is_alike = structure == other and all(map(_is_number, (*first, *second)))
    if not is_alike or any(np.shape(p) != np.shape(q) for p, q in zip(first, second)):
        choice = current().room(lambda: test)
        if choice is not None:
            return a if choice else b
    if not is_alike:
        raise UnsupportedError(
            f"{what}() with traced keys can choose among numbers, and tuples of them, but not "
            f"between {_named(a)} and {_named(b)}; let the items be their numbers in a list"
        )
    return tree.unflatten(structure, [_either(test, p, q) for p, q in zip(first, second)])


def _is_number(value: Any) -> bool:
    return is_traced(value) or isinstance(
        value, (bool, int, float, complex, np.generic, np.ndarray)
    )


def _named(value: Any) -> str:
    if is_traced(value):
        return f"a traced {value.dtype}"
    return f"{type(value).__name__}" if not isinstance(value, str) else repr(value)


def _either(test: Any, a: Any, b: Any) -> Any:
    if not is_traced(a) and not is_traced(b) and type(a) is type(b) and np.array_equal(a, b):
        return a
    if np.shape(a) != np.shape(b):
        raise UnsupportedError(
            f"what data choose in a native loop must have one shape, got {np.shape(a)} and "
            f"{np.shape(b)}; let the items be their numbers in a list"
        )
    made = np.where(test, a, b)
    if _is_weak(a) and _is_weak(b) and isinstance(made, Tracer):
        return mark_weak(made if np.shape(a) else made[()])
    return made if np.shape(a) else made[()]


def sum_(values: Iterable[Any], /, start: Any = 0) -> Any:
    """``sum(values, start)``."""
    values = unordered(values, "biu")
    passed = _as_column(values)
    if passed is not None and passed.dtype.kind in "bi":
        is_weak = next(iter(values))._is_weak and type(start) is int
        whole = start + np.sum(passed, dtype=np.int64)
        return mark_weak(whole) if is_weak else whole
    values = _as_arrays(values)
    if walk_of(values) is not None:
        return total(values, start)
    if not _is_array(values) or len(values) <= _UNROLLED:  # type: ignore[arg-type]
        return builtins.sum(values, start)
    dtype = values.dtype if values.dtype != bool else np.int64  # type: ignore[attr-defined]
    return start + np.sum(values, axis=0, dtype=dtype)  # type: ignore[call-overload]


def quantified(ends: bool) -> Callable[[Iterable[Any]], Any]:
    """``any`` (which a true item ends) or ``all`` (which a false one does)."""
    plain, join = (builtins.any, np.logical_or) if ends else (builtins.all, np.logical_and)

    def fold(values: Iterable[Any], /) -> Any:
        if walk_of(values) is not None:
            first = np.bool(not ends)
            return _python_bool(of_items(values, lambda a, b: join(a, _truth(b)), first))
        if isinstance(values, (list, tuple)) and len(values) > _UNROLLED:
            rows = joined(values)
            values = values if rows is None else rows
        if _is_array(values) and values.ndim == 1:  # type: ignore[attr-defined]
            whole = np.any(values) if ends else np.all(values)  # type: ignore[call-overload]
            return _python_bool(whole)
        found: Any = None

        def goes() -> Any:
            return found is None or (np.logical_not(found) if ends else found)

        for item in items_while(values, goes):
            if not is_traced(item):
                if bool(item) is ends:
                    return ends
                continue
            holds = _truth(item)
            found = holds if found is None else join(found, holds)
        return plain(()) if found is None else _python_bool(found)

    return fold


def _python_bool(value: Any) -> Any:
    return python_number(value, bool) if is_traced(value) else bool(value)


def _truth(value: Any) -> Any:
    if value.size != 1:
        raise ValueError(
            "The truth value of an array with more than one element is ambiguous. Use a.any() or "
            "a.all()"
        )
    one = value.reshape(()) if value.shape else value
    return one if one.dtype == bool else one != 0


def sorted_(values: Any, /, *, key: Any = None, reverse: Any = False) -> list[Any]:
    """``sorted``: a list of as many items, in an order that data decide."""
    values = _as_arrays(values if key is not None else unordered(values))
    if walk_of(values) is not None:
        from .calls import call
        from .list_sorting import sorted_list

        key = key_of(key, values)
        return sorted_list(values, key and call(key), bool(reverse))
    if _is_array(values) and len(values) > _LISTED:
        raise UnsupportedError(
            f"sorted() of the {len(values)} elements of a traced array would be that many values "
            f"of their own; use np.sort or np.argsort"
        )
    items, keys, traced = _items(values, key)
    if not traced or len(items) < 2:
        order = sorted(range(len(items)), key=lambda n: keys[n], reverse=reverse)
        return [items[n] for n in order]
    order_ = _order([_parts(k) for k in keys], bool(reverse))
    rows = [tree.flatten(item) for item in items]
    if any(row[1] != rows[0][1] for row in rows) or not all(
        map(_is_number, (leaf for row in rows for leaf in row[0]))
    ):
        raise UnsupportedError(
            f"sorted() with traced keys can order numbers, and tuples of them, but not items such "
            f"as {_named(items[0])}; sort their numbers, sorted(range(n), key=...)"
        )
    columns = []
    for parts in zip(*(row[0] for row in rows)):
        column = call_function(np.take, (np.stack(parts), order_), {"axis": 0})
        columns.append(_numbers_of(column, all(map(_is_weak, parts))))
    return [tree.unflatten(rows[0][1], list(parts)) for parts in zip(*columns)]


def _numbers_of(column: Any, is_weak: bool) -> list[Any]:
    """The elements of a traced array of numbers, which it is put together from again where a loop
    goes through them; ``is_weak`` ones are Python's."""
    if isinstance(column, Tracer) and column.ndim == 1:
        return list(rows_of(column._trace, column._tensor, len(column), is_weak))
    return [mark_weak(copied_number(part)) if is_weak else part for part in column]


def _order(keys: list[Sequence[Any]], reverse: bool) -> Any:
    """The numbers of the items, in order; equal ones stay as they are, reversed or not."""
    width = min(map(len, keys))
    if any(np.shape(part) for key in keys for part in key) or any(len(k) != width for k in keys):
        raise UnsupportedError("sorted() needs keys that are numbers, or tuples of as many numbers")
    columns: list[Any] = [np.stack([key[n] for key in keys]) for n in range(width)]
    if reverse:
        columns = [column[::-1] for column in columns]
    if width == 1:
        order = np.argsort(columns[0], kind="stable")
    else:
        order = np.lexsort(tuple(columns[::-1]))
    return len(keys) - 1 - order[::-1] if reverse else order


def _is_passed(values: Any) -> bool:
    """Whether ``values`` are a list or tuple of many numbers, or tuples of them, that was passed as
    arrays."""
    is_list = isinstance(values, (list, tuple)) and not is_arrays(values)
    is_long = is_list and len(values) > _UNROLLED and not isinstance(values[0], list)
    return is_long and is_one_array(values)


def _as_arrays(values: Any) -> Any:
    """``values``; if they were passed as arrays, a list that is arrays."""
    if not _is_passed(values):
        return values
    made = Growing(list(values))
    hold(made, None)
    return made


def _as_column(values: Any) -> Any:
    """The numbers of a list that was passed as an array; None for all else."""
    return column(values) if _is_passed(values) else None


def unordered(values: Any, kinds: str = "biuf") -> Any:
    """``values``, or what is in a set of numbers of those ``kinds``, for what does not ask for an
    order."""
    if not (is_arrays(values) and isinstance(values, Tabled) and isinstance(values, set)):
        return values
    kind = values.key_list.kind
    is_right = kind is None or all(leaf.dtype.kind in kinds for leaf in kind.leaves)
    return values.key_list if is_right else values


def is_asked(value: Any) -> bool:
    """Whether data decide what is in ``value``."""
    return is_arrays(value) or walk_of(value) is not None or _is_array(value)


def is_in(value: Any, where: Callable[[], Any]) -> Any:
    """``value in where()``."""
    container = where()
    if is_traced(container):
        if not container.shape:
            raise TypeError("argument of type 'numpy.float64' is not iterable")
        return _python_bool(np.any(np.equal(container, value)))
    kind = type(container)
    if is_arrays(container) or isinstance(container, Tabled) and container.is_ready(value):
        return container.has(value)
    if kind in (list, tuple) or isinstance(container, Grown):
        if not any(map(holds_traced, (value, *container))):
            return value in container
        return quantified(True)(equal(value, item) for item in container)
    if not holds_traced(value):
        return value in container
    if type(value) is Chosen:
        if kind is str:
            return value.constant() in container
        return quantified(True)(equal(value, item) for item in container)
    if kind in (set, frozenset, dict, type({}.keys())) and all(
        _is_number(leaf) for item in container for leaf in leaves_of(item)
    ):
        return quantified(True)(equal(value, item) for item in container)
    if kind is range and container:
        low, high = min(container[0], container[-1]), max(container[0], container[-1])
        inside = (value >= low) & (value <= high) & ((value - low) % abs(container.step) == 0)
        return _python_bool(inside)
    return value in container


INSTEAD: dict[Any, Any] = {
    builtins.min: extreme("min", np.minimum),
    builtins.max: extreme("max", np.maximum),
    builtins.sum: sum_,
    builtins.any: quantified(True),
    builtins.all: quantified(False),
    builtins.sorted: sorted_,
}  # what to call in the place of Python's functions
