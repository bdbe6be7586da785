"""Items of known lists and tuples at places that data decide.

::

    steps = [(0, 1), (1, 0)]               a = np.array([0, 1])[k]
    a, b = steps[k]                ->      b = np.array([1, 0])[k]

The items are numbers, arrays of one shape, and tuples and lists of them, all alike; what is picked
is a copy. The call raises Python's IndexError where there is no such item.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..dtypes import int64
from ..ops.op import CURRENT
from ..tracer import tree
from ..tracer.chosen import Chosen, is_constant
from ..tracer.grown import is_arrays
from ..tracer.tracer import Tracer
from .around import AROUND
from .forms import is_traced
from .guarding import freeze, guarded
from .item_kinds import column_of, fitted, joined, kind_of, plain_of
from .list_rows import _load
from .list_steps import raise_where
from .lists import Growing
from .perhaps import seen
from .plan import NotNative, current
from .spec import Spec
from .tries import is_tried
from .values import tensor_of

_FEW = 16  # iterations of a loop


def may_pick(items: Any, key: Any) -> bool:
    """Whether :func:`picked` may take ``items[key]``: ``key`` is a traced whole number, and there
    are items. What a handler may catch is left to the data, and so are arrays and lists where
    they can choose, which leaves them what they are."""
    if CURRENT.get() is None or not isinstance(key, Tracer) or not is_traced(key) or not items:
        return False
    if key.shape or key.dtype.kind not in "iu" or is_tried():
        return False
    return not current().has_room or all(_is_plain(item) for item in items)


def left_to_python(items: Any, key: Any) -> None:
    """NotNative where ``items`` are dicts, one for each iteration of a short loop which ``key``
    counts, and that may as well be unrolled: the dicts stay what they are then, so that the items
    of each may be of other shapes, and may be changed."""
    around = AROUND.get()
    if around.index is None or not around.unrolls or (around.trips or _FEW + 1) > _FEW:
        return
    is_counted = isinstance(key, Tracer) and key._cell.tensor is around.index
    if is_counted and isinstance(items, Growing) and not items.is_native:
        held = items.items()
        if held and all(isinstance(item, dict) and not is_arrays(item) for item in held):
            raise NotNative("each iteration of a short loop takes a dict of its own from a list")


def picked_of(values: dict[Any, Any], key: Chosen) -> Any:
    """``values[key]``, of a dict of Python's; the call raises its KeyError where there is none."""
    count = len(values)
    place: Any = Tracer(tensor_of(current(), np.int64(count), Spec((), int64)), current())
    for n, known in enumerate(values):
        same = key == known
        if same is not False:
            place = np.where(same, n, place)
    raise_where(place == count, KeyError("a text that data decide about"))
    if not values:
        raise NotNative("an item of a dict that is empty is asked for")
    return picked(list(values.values()), np.minimum(place, count - 1))


def _is_plain(item: Any) -> bool:
    if type(item) is tuple:
        return all(map(_is_plain, item))
    if is_constant(item) or isinstance(item, (int, float, np.number)):
        return True
    return isinstance(item, Tracer) and not item.shape


def picked(items: Sequence[Any], key: Tracer) -> Any:
    """``items[key]``; NotNative where the items are not alike."""
    count, index = len(items), key.astype(np.int64)
    name = "string" if isinstance(items, str) else "tuple" if isinstance(items, tuple) else "list"
    is_outside = (index < -count) | (index >= count)
    raise_where(is_outside, IndexError(f"{name} index out of range"))
    at = np.clip(np.where(index < 0, index + count, index), 0, count - 1)
    return taken(items, at)


def taken(items: Sequence[Any], at: Any) -> Any:
    """``items[at]``, a place that there is."""
    trace, kind, count = current(), None, len(items)
    for item in items:
        kind = joined(kind, kind_of(item))
    assert kind is not None
    rows = [tree.flatten(fitted(kind, plain_of(item)))[0] for item in items]
    leaves = []
    for leaf, parts in zip(kind.leaves, zip(*rows)):
        column = column_of(parts, leaf)
        whole = tensor_of(trace, column, Spec((count, *leaf.shape), leaf.dtype))
        for part in parts:
            if leaf.is_array and isinstance(part, Tracer):
                freeze(part._cell)
        leaves.append(_load(Tracer(whole, trace), at, leaf))
    found = tree.unflatten(kind.structure, leaves)
    return found if tree.is_single(kind.structure) else seen(guarded(found, Growing()))
