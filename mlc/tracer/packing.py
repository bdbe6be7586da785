"""Lists of many numbers among the arguments: one array for each type of them, not a leaf for each.

::

    [[1, 2], [0.5, 4]]     ->     int64[3] and float64[1], and the form list[2] of list[2]

The form says which number stands where; it is part of a signature as the structure of other trees
is. Inside the function there is a list again, whose items are read from the arrays when they are
asked for: see `mlc.tracer.rows`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np

from ..ops.op import CURRENT
from . import tree
from .rows import rows_of

_LEAST = 32  # numbers in a list or tuple, from which on they are packed
_MOST_LOOSE = 1000  # numbers that may be passed one by one where an array of them does not serve
_BOXES = (list, tuple)
_ROWS = {list, tuple}
_DTYPES: dict[type, Any] = {float: np.float64, int: np.int64, bool: np.bool_} | {
    kind: kind
    for kind in (
        np.float64, np.float32, np.int64, np.int32, np.int16, np.int8, np.uint64, np.uint32,
        np.uint16, np.uint8, np.bool_,
    )
}  # fmt: skip
_SHOWN = 4  # lists of several lengths that a text names


_FORM = object()  # asks for a form, in the place of an array


class Form:
    """Lists and tuples of numbers: their ``structure``, the types of the numbers, and for each
    number which of ``kinds`` it has (nothing where all have one). It is hashed once."""

    __slots__ = ("_hash", "kinds", "structure", "which")

    def __init__(self, structure: Any, kinds: tuple[type, ...], which: bytes) -> None:
        self.structure, self.kinds, self.which = structure, kinds, which
        self._hash = hash((structure, kinds, which))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, Form)
            and self._hash == other._hash
            and (self.kinds, self.which) == (other.kinds, other.which)
            and bool(self.structure == other.structure)
        )

    def __repr__(self) -> str:
        return _text(self.structure)

    def places(self) -> Iterator[tuple[int, int]]:
        """For each number: its array, and its place there."""
        counts = [0] * len(self.kinds)
        for kind in self.which or bytes(self.structure.num_leaves):
            yield kind, counts[kind]
            counts[kind] += 1


class Nest:
    """What stands for lists and tuples of numbers in a tree of arguments."""

    __slots__ = ("arrays", "form")

    def __init__(self, form: Form, arrays: Sequence[Any]) -> None:
        self.form, self.arrays = form, list(arrays)


def packed(value: Any) -> Any:
    """``value``, an argument, with a `Nest` in the place of each list or tuple of many numbers."""
    if type(value) not in _BOXES and type(value) is not dict:
        return value
    leaves, structure = _taken_apart(value)
    if len(leaves) < _LEAST:
        return value
    kinds = dict.fromkeys(map(type, leaves))
    if kinds.keys().isdisjoint(_DTYPES):
        return value
    if kinds.keys() <= _DTYPES.keys():
        structure = tree.flatten(value)[1] if structure is None else structure
        made = _nest(leaves, structure, tuple(kinds)) if _is_plain(structure) else None
        return value if made is None else made
    if type(value) is dict:
        return {key: packed(item) for key, item in value.items()}
    return type(value)(map(packed, value))


def _taken_apart(value: Any) -> tuple[Any, Any]:
    """The leaves of an argument, and its structure where it is known from calls before; lists of
    numbers, and lists of such, are taken apart without asking for each number what it is."""
    kind: Any = type(value)
    if kind is dict or not value:
        return tree.flatten(value)
    inner = {*map(type, value)}
    if inner <= _DTYPES.keys():
        return value, _known_structure(kind, len(value), ())
    if len(inner) == 1 and inner <= _ROWS:
        row: Any = inner.pop()
        leaves = [*chain.from_iterable(value)]
        if {*map(type, leaves)} <= _DTYPES.keys():
            return leaves, _known_structure(kind, row, (*map(len, value),))
    return tree.flatten(value)


@lru_cache(256)
def _known_structure(kind: Any, row: Any, lengths: tuple[int, ...]) -> Any:
    """The structure of a ``kind`` of ``row`` numbers, or of one ``row`` of each of ``lengths``."""
    like = [0] * row if isinstance(row, int) else [row([0] * n) for n in lengths]
    return tree.flatten(kind(like))[1]


def _nest(leaves: list[Any], structure: Any, kinds: tuple[type, ...]) -> Nest | None:
    """None where Python's ints do not fit, which is said of each on its own."""
    try:
        if len(kinds) == 1:
            return Nest(_form(structure, kinds, b""), [np.array(leaves, _DTYPES[kinds[0]])])
        which = bytes(map({kind: n for n, kind in enumerate(kinds)}.__getitem__, map(type, leaves)))
        arrays = [
            np.array([leaf for leaf, k in zip(leaves, which) if k == n], _DTYPES[kind])
            for n, kind in enumerate(kinds)
        ]
        return Nest(_form(structure, kinds, which), arrays)
    except OverflowError:
        return None


@lru_cache(256)
def _form(structure: Any, kinds: tuple[type, ...], which: bytes) -> Form:
    return Form(structure, kinds, which)


def flattened(value: Any) -> tuple[list[Any], Any]:
    """`tree.flatten` of what :func:`packed` gave."""
    return (value.arrays, _structure_of(value.form)) if type(value) is Nest else tree.flatten(value)


@lru_cache(256)
def _structure_of(form: Form) -> Any:
    return tree.flatten(Nest(form, [0] * len(form.kinds)))[1]


def form_of(structure: Any) -> Form | None:
    """The form of what stands for lists of numbers, by its structure; None of other trees."""
    if structure.type is not Nest:
        return None
    found: Form = tree.unflatten(structure, [_FORM] * structure.num_leaves)
    return found


@lru_cache(256)
def _is_plain(structure: Any) -> bool:
    """Whether it is one of lists and tuples alone."""
    pending = [structure]
    while pending:
        part = pending.pop()
        if not part.is_leaf():
            if part.type not in _BOXES:
                return False
            pending += part.children()
    return True


@lru_cache(256)
def holds_nest(structure: Any) -> bool:
    """Whether some argument of this structure was packed."""
    pending = [structure]
    while pending:
        part = pending.pop()
        if part.type is Nest:
            return True
        pending += part.children()
    return False


def is_loosened(key: Any) -> bool:
    """Whether an argument with this key was packed, and may as well not be: it has few numbers."""
    if key[0] == "static" or isinstance(key[0], (np.dtype, type)) or not holds_nest(key[0]):
        return False
    return sum(leaf[1][0] for leaf in key[1:] if len(leaf) > 1 and len(leaf[1]) == 1) <= _MOST_LOOSE


def leaves_by(structure: Any, value: Any) -> list[Any]:
    """The leaves of an argument whose key has this structure."""
    return tree.flatten(packed(value) if holds_nest(structure) else value)[0]


def _text(structure: Any) -> str:
    """``list[2] of list[3]``."""
    if structure.is_leaf():
        return ""
    children = structure.children()
    text = f"{structure.type.__name__}[{len(children)}]"
    kinds = list(dict.fromkeys(children))
    if not kinds or len(kinds) == 1 and kinds[0].is_leaf():
        return text
    names = [_text(kind) or "number" for kind in kinds[:_SHOWN]]
    return f"{text} of {', '.join(names)}{', ...' if len(kinds) > _SHOWN else ''}"


def _unpacked(form: Form, arrays: Any) -> Any:
    """The lists and tuples, whose numbers are read from traced ``arrays``."""
    if any(array is _FORM for array in arrays):
        return form
    trace = CURRENT.get()
    columns = [
        rows_of(trace, array._tensor, array.shape[0], weak=kind in (float, int, bool))
        for kind, array in zip(form.kinds, arrays)
    ]
    if len(columns) == 1:
        return tree.unflatten(form.structure, columns[0])
    return tree.unflatten(form.structure, [columns[k][n] for k, n in form.places()])


tree.register(Nest, lambda nest: (nest.arrays, nest.form), _unpacked)
