"""What the items of a list in arrays have in common, and the arrays of what is the same in all."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from ..dtypes import DType, float64, int64
from ..ops.op import leaves_of
from ..tracer import tree
from ..tracer.chosen import coded, is_constant
from ..tracer.grown import ROWED, Grown, Kind, Leaf
from ..tracer.rows import column, is_row
from ..tracer.tracer import Tracer
from .guarding import INSIDE, freeze
from .plan import NotNative, current
from .spec import Spec
from .values import is_value, spec_of, tensor_of


def kind_of(item: Any) -> Kind:
    """The kind of ``item``; NotNative where it is no tree of numbers and arrays."""
    if is_row(item):
        spec = spec_of(current(), item)
        return _kind_of_rows(spec.shape, spec.dtype, spec.weak, item._cell.is_array)
    if isinstance(item, list):
        ROWED.set(True)
        if isinstance(item, Grown) and item.is_native and item.pool is None:
            raise NotNative(INSIDE)  # its arrays would be copied, and changes of it not be seen
    leaves, structure = tree.flatten(plain_of(item))
    if not leaves or not all(map(is_value, leaves)):
        raise NotNative(
            f"a list that data decide about holds a {type(item).__name__}; its items can be "
            f"numbers, arrays of one shape, and tuples of them"
        )
    pool = item.pool if isinstance(item, Grown) else None
    return Kind(structure, tuple(map(_leaf, leaves)), pool)


def kind_added(item: Any) -> Kind | None:
    """The kind of ``item``, which is put on a list; None where it cannot be told before that list
    is arrays, or is refused when it is stored."""
    if isinstance(item, list):
        return None
    try:
        return kind_of(item)
    except NotNative:
        return None


@cache
def _kind_of_rows(shape: tuple[int, ...], dtype: DType, weak: bool, is_array: bool) -> Kind:
    leaf = Leaf(shape, dtype, ((dtype, weak),), is_array or bool(shape))
    return Kind(tree.flatten(0)[1], (leaf,))


def plain_of(item: Any) -> Any:
    """``item`` with Python's own lists in it, whichever stand for them, and numbers in the place of
    its constants."""
    if is_constant(item):
        return coded(item)
    match item:
        case tuple() if type(item) is tuple:
            return tuple(map(plain_of, item))
        case Grown() if not item.is_native and not item.is_deque:
            return list(map(plain_of, item.items()))
        case list() if type(item) is list:
            return list(map(plain_of, item))
    return item


def keep(item: Any) -> None:
    """Let nobody change lists in ``item``, which is copied into arrays."""
    match item:
        case tuple():
            for part in item:
                keep(part)
        case Grown() if not item.is_native:
            freeze(item, INSIDE)
            for part in item.items():
                keep(part)


def _leaf(leaf: Any) -> Leaf:
    spec = spec_of(current(), leaf)
    is_array = isinstance(leaf, (Tracer, np.ndarray)) and bool(spec.shape)
    if isinstance(leaf, Tracer):
        is_array = is_array or leaf._cell.is_array
    return Leaf(spec.shape, spec.dtype, ((spec.dtype, spec.weak),), is_array)


def joined(a: Kind | None, b: Kind | None) -> Kind | None:
    """The kind of a list that holds items of both; NotNative where there is none."""
    if a is None or b is None or a == b:
        return b if a is None else a
    if a.structure != b.structure:
        one, other = (tree.structure_text(kind.structure) for kind in (a, b))
        raise NotNative(
            f"a list that data decide about holds items that differ in what they are made of, "
            f"{one} and {other} (a star is a number or an array); let all be alike"
        )
    return Kind(a.structure, tuple(map(_joined, a.leaves, b.leaves)), a.pool)


def _joined(a: Leaf, b: Leaf) -> Leaf:
    if a == b:
        return a
    if a.shape != b.shape or a.is_array != b.is_array:
        raise NotNative(
            f"a list that data decide about holds arrays of shapes {a.shape} and {b.shape}; let "
            f"all have one shape"
        )
    forms = tuple(sorted({*a.forms, *b.forms}, key=lambda form: (form[0].name, form[1])))
    dtypes = {dtype for dtype, _ in forms}
    if len(dtypes) == 1:
        return Leaf(a.shape, a.dtype, forms, a.is_array)
    is_plain = dtypes <= {float64, int64} and not a.is_array
    if not is_plain:
        names = " and ".join(sorted(dtype.name for dtype in dtypes))
        raise NotNative(f"a list that data decide about holds {names}; let all be of one dtype")
    return Leaf(a.shape, float64, forms, False)


def are_numbers(items: Sequence[Any]) -> bool:
    """Whether all of ``items`` are numbers of Python's, of one type."""
    kinds = set(map(type, items))
    return len(kinds) == 1 and kinds <= {bool, int, float}


def is_one_array(items: Sequence[Any]) -> bool:
    """Whether all of ``items`` are made of numbers that are read from arrays."""
    return all(map(is_row, leaves_of(items)))


def column_of(parts: Sequence[Any], leaf: Leaf) -> Any:
    """What all items hold as ``leaf``, as one array."""
    trace, spec = current(), Spec(leaf.shape, leaf.dtype)
    found = column(parts)
    if found is not None:
        return found
    if any(isinstance(part, Tracer) for part in parts):
        return np.stack([Tracer(tensor_of(trace, part, spec), trace) for part in parts])
    return np.array(parts, leaf.dtype.numpy)
