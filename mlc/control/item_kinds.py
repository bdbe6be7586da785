"""What the items of a list in arrays have in common, and the arrays of what is the same in all."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NoReturn

import numpy as np

from ..dtypes import DType, boolean, float64, int64
from ..ops.op import leaves_of
from ..tracer import tree
from ..tracer.chosen import coded, group_of, is_constant
from ..tracer.grown import ROWED, Grown, Kind, Leaf
from ..tracer.rows import column, is_row
from ..tracer.tracer import Tracer
from .guarding import INSIDE, freeze
from .perhaps import Perhaps, bare
from .plan import NotNative, current
from .spec import Spec
from .values import is_value, spec_of, tensor_of

_FLAG = Leaf((), boolean, ((boolean, True),), False)


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
    if not (leaves or item is None) or not all(map(is_value, leaves)):
        raise NotNative(
            f"a list that data decide about holds a {type(item).__name__}; its items can be "
            f"numbers, arrays of one shape, None, and tuples of them"
        )
    pool = item.pool if isinstance(item, Grown) else None
    kind = Kind(structure, tuple(map(_leaf, leaves)), pool)
    if may_hold_none(structure):
        return Kind(structure, tuple(tree.flatten(_marked(form_of(kind)))[0]))
    return kind


def _marked(form: Any) -> Any:
    """``form``, whose marks are alike in all forms."""
    if type(form) is Perhaps:
        return Perhaps(_marked(form._mlc_value), _FLAG, True)
    return type(form)(map(_marked, form)) if type(form) in (tuple, list) else form


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
    if is_constant(item) or group_of(item) is not None:
        return coded(item)
    match item:
        case tuple() if type(item) is tuple:
            return tuple(map(plain_of, item))
        case Perhaps():
            return Perhaps(plain_of(item._mlc_value), item._mlc_bound, True)
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
        case Perhaps():
            keep(item._mlc_value)
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
    if a.structure == b.structure:
        return Kind(a.structure, tuple(map(_joined, a.leaves, b.leaves)), a.pool)
    if a.pool is not None or b.pool is not None:
        _refuse(a.structure, b.structure)
    leaves, structure = tree.flatten(_either(form_of(a), form_of(b)))
    return Kind(structure, tuple(leaves))


def _refuse(a: Any, b: Any) -> NoReturn:
    one, other = map(tree.structure_text, (a, b))
    raise NotNative(
        f"a list that data decide about holds items that differ in what they are made of, "
        f"{one} and {other} (a star is a number or an array); let all be alike"
    )


def form_of(kind: Kind) -> Any:
    """What items of ``kind`` are made of: a tree of what its leaves are held as."""
    return tree.unflatten(kind.structure, kind.leaves)


def _either(a: Any, b: Any) -> Any:
    """The form of what is as ``a``, or as ``b``: what only one of them has may be None."""
    if a is None and b is None:
        return None
    if a is None or b is None or type(a) is Perhaps or type(b) is Perhaps:
        first, second = bare(a), bare(b)
        form = first if second is None else second if first is None else _either(first, second)
        return Perhaps(form, _FLAG, True)
    if type(a) is type(b) in (tuple, list) and len(a) == len(b):
        return type(a)(map(_either, a, b))
    (ours, structure), (theirs, other) = tree.flatten(a), tree.flatten(b)
    if structure != other:
        _refuse(structure, other)
    return tree.unflatten(structure, list(map(_joined, ours, theirs)))


def fitted(kind: Kind, item: Any) -> Any:
    """``item`` as one of ``kind``, with a mark at what may be None."""
    return _fitted(form_of(kind), item) if may_hold_none(kind.structure) else item


def _fitted(form: Any, item: Any) -> Any:
    if type(form) is Perhaps:
        if item is None:
            return Perhaps(_nothing(form._mlc_value), False, True)
        is_bound = item._mlc_bound if type(item) is Perhaps else True
        return Perhaps(_fitted(form._mlc_value, bare(item)), is_bound, True)
    return type(item)(map(_fitted, form, item)) if type(form) in (tuple, list) else item


def _nothing(form: Any) -> Any:
    leaves, structure = tree.flatten(form)
    blanks = [np.zeros(leaf.shape, leaf.dtype.numpy)[()] for leaf in leaves]
    return tree.unflatten(structure, blanks)


@cache
def may_hold_none(structure: Any) -> bool:
    """Whether something in items of that ``structure`` may be None."""
    is_part = structure.type is Perhaps
    return is_part or any(map(may_hold_none, structure.children()))


def origins(old: Kind, new: Kind) -> list[int | bool | None]:
    """Which leaf of ``old`` each leaf of ``new``, which is as old ones and others, is in what there
    is: its number, True or False for a mark that all have, or None where there is nothing."""
    if old.structure == new.structure:
        return [*range(len(old.leaves))]
    found: list[int | bool | None] = []
    _trace(tree.unflatten(old.structure, [*range(len(old.leaves))]), form_of(new), found)
    return found


def _trace(old: Any, new: Any, found: list[int | bool | None]) -> None:
    if type(new) is Perhaps:
        if old is None:
            found += [False, *[None] * len(tree.flatten(new._mlc_value)[0])]
            return
        found.append(old._mlc_bound if type(old) is Perhaps else True)
        old, new = bare(old), new._mlc_value
    if type(new) in (tuple, list):
        for mine, theirs in zip(old, new):
            _trace(mine, theirs, found)
        return
    found += tree.flatten(old)[0]


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
