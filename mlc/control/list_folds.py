"""NumPy's sums, means and extremes of a list that is held in arrays: one item after the other, so
that nobody asks how long the list is.

::

    np.mean(rows[j], axis=0)      ->     total = 0
                                         for item in rows[j]: total = total + item
                                         total / len(rows[j])
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..tracer import tree
from ..tracer.grown import Leaf
from ..tracer.lists import taking_lists
from .list_loops import fold, walk_of
from .list_rows import number, value_of
from .list_steps import Walk, raise_where
from .lists import Growing

_NO_IDENTITY = "zero-size array to reduction operation %simum which has no identity"
Fold = Callable[[Growing, Leaf], Any]
_WIDE = {"b": np.int64, "i": np.int64, "u": np.uint64, "f": np.float64}  # what sums are held in
_NO_SHAPE = ", which has no arrays whose shape the result could be of; ask before, if items:"


def _folding(function: Any, folded: Fold, of_none: bool, is_spread: bool = False) -> Any:
    """``function`` of NumPy, which is ``folded`` of a list in arrays; of an empty list of numbers
    only if ``of_none``. One that ``is_spread`` of all elements is none of those of each item."""
    plain, name = taking_lists(function), function.__name__

    def call(values: Any, *args: Any, **kwargs: Any) -> Any:
        leaf = _leaf_of(values, args, kwargs)
        axes = [*args, *kwargs.values()]
        is_whole = leaf is not None and bool(leaf.shape) and axes in ([], [None])
        if leaf is None or is_whole and is_spread:
            return plain(values, *args, **kwargs)
        if leaf.shape or not of_none:
            text = f"np.{name} of an empty list{_NO_SHAPE}" if leaf.shape else _NO_IDENTITY % name
            raise_where(values.length() <= 0, ValueError(text))
        found = folded(values, leaf)
        return function(found) if is_whole else found

    return call


def _leaf_of(values: Any, args: Any, kwargs: Any) -> Leaf | None:
    """What the items of ``values`` are held as, where they are folded one after the other."""
    if not isinstance(values, Growing) or not values.is_native:
        return None
    axes = [*args, *kwargs.values()]
    if len(axes) > 1 or not {*kwargs} <= {"axis"} or not all(a is None or a == 0 for a in axes):
        return None
    kind = values.kind
    if kind is None or kind.pool is not None or not tree.is_single(kind.structure):
        return None
    leaf = kind.leaves[0]
    return leaf if leaf.dtype.numpy.kind in _WIDE else None


def _sum_of(values: Growing, leaf: Leaf, of: Callable[[Any], Any], wide: Any) -> Any:
    """The sum of ``of`` each item, as ``wide``."""
    found = walk_of(values)
    assert found is not None
    part = found
    each = Walk(part.length, lambda place: of(part.at(place)).astype(wide), part.of)
    return fold(each, np.add, np.zeros(leaf.shape, wide)[()])


def _sum(values: Growing, leaf: Leaf) -> Any:
    dtype = leaf.dtype.numpy
    wide = _WIDE[dtype.kind]
    found = _sum_of(values, leaf, lambda item: item, wide)
    return found.astype(dtype) if dtype.kind == "f" else found


def _mean_of(values: Growing, leaf: Leaf, of: Callable[[Any], Any]) -> Any:
    dtype = leaf.dtype.numpy
    found = _sum_of(values, leaf, of, np.float64) / values.length()
    return found.astype(dtype) if dtype.kind == "f" else found


def _mean(values: Growing, leaf: Leaf) -> Any:
    return _mean_of(values, leaf, lambda item: item)


def _var(values: Growing, leaf: Leaf) -> Any:
    middle = _sum_of(values, leaf, lambda item: item, np.float64) / values.length()
    return _mean_of(values, leaf, lambda item: np.square(item - middle))


def _std(values: Growing, leaf: Leaf) -> Any:
    return np.sqrt(_var(values, leaf))


def _extreme(join: Any) -> Fold:
    def folded(values: Growing, leaf: Leaf) -> Any:
        found = walk_of(values)
        assert found is not None
        part = found
        dtype = leaf.dtype.numpy  # that of Python's numbers is none of NumPy's
        each = Walk(part.length, lambda place: part.at(place).astype(dtype), part.of)
        return fold(each, join, each.at(value_of(number(0))))

    return folded


_FOLDS = [
    _folding(np.sum, _sum, True), _folding(np.mean, _mean, True),
    _folding(np.var, _var, True, is_spread=True), _folding(np.std, _std, True, is_spread=True),
    _folding(np.max, _extreme(np.maximum), False), _folding(np.min, _extreme(np.minimum), False),
]  # fmt: skip
INSTEAD: dict[Any, Any] = {
    key: made
    for function, made in zip((np.sum, np.mean, np.var, np.std, np.max, np.min), _FOLDS)
    for key in (function, taking_lists(function))
}  # what to call in the place of NumPy's functions
