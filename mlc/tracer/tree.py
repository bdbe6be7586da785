"""Arguments and results as trees: lists, tuples, dicts, dataclasses and what optree knows
besides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

import numpy as np

from ..ops.op import CURRENT

NAMESPACE = "mlc"
_tree_flatten: Any = None  # optree's, imported when the first tree is met
_nodes: list[Any] = []  # classes to be registered then
JOINING: ContextVar[bool] = ContextVar("joining", default=False)
_LEAVES = (np.ndarray, np.generic, bool, int, float, str, bytes)


def is_plain(value: Any) -> bool:
    """Whether ``value`` is a leaf for certain, so that nobody has to ask optree."""
    return isinstance(value, _LEAVES)


def flatten(value: Any, is_leaf: Callable[[Any], bool] | None = None) -> tuple[list[Any], Any]:
    """(leaves, structure). None has no leaves; dict entries come in the order of their keys.
    What ``is_leaf`` says to be one is a leaf, too.

    Classes of one's own take part once registered: ``optree.register_pytree_node`` or
    ``optree.dataclasses.dataclass``, in the namespace ``"mlc"`` or in the global one.
    """
    keyed = getattr(CURRENT.get(), "keyed", None)
    if keyed is not None:  # optree compares keys, and cannot bear that this fails
        value = keyed(value)
    if _tree_flatten is None:
        _load()
    return _tree_flatten(value, is_leaf, namespace=NAMESPACE)


def _load() -> Any:
    """optree, with the classes of our own registered."""
    global _tree_flatten
    import optree

    while _nodes:
        entry = _unnamed(optree)
        optree.register_pytree_node(*_nodes.pop(), path_entry_type=entry, namespace=NAMESPACE)
    _tree_flatten = optree.tree_flatten
    return optree


@cache
def _unnamed(optree: Any) -> type:
    """How children of our own nodes are called: as what they are a part of."""

    class Unnamed(optree.PyTreeEntry):  # type: ignore[misc]
        def codify(self, /, node: str = "") -> str:
            return node

    return Unnamed


def register(kind: type, parts: Any, whole: Any) -> None:
    """Let instances of ``kind`` be trees: ``parts(x)`` is (children, what else there is), and
    ``whole(else, children)`` makes them again."""
    _nodes.append((kind, parts, whole))
    if _tree_flatten is not None:
        _load()


@contextmanager
def joining() -> Iterator[None]:
    """In the block complex arrays are one leaf, real and with a last axis of 2, not two parts."""
    token = JOINING.set(True)
    try:
        yield
    finally:
        JOINING.reset(token)


def is_leaf(value: Any) -> bool:
    """Whether ``value`` is no tree: an array, a number, or an object nobody registered."""
    if is_plain(value):
        return True
    optree = _load()
    return bool(optree.tree_is_leaf(value, namespace=NAMESPACE))


def is_single(structure: Any) -> bool:
    """Whether ``structure`` is that of a leaf alone."""
    return structure.num_nodes == 1 and structure.num_leaves == 1  # type: ignore[no-any-return]


def is_flat(structure: Any) -> bool:
    """Whether ``structure`` is that of a tuple or list of leaves."""
    is_one = structure.num_nodes == structure.num_leaves + 1
    return is_one and structure.type in (tuple, list)


def unflatten(structure: Any, leaves: Any) -> Any:
    """The tree of ``structure`` with other leaves."""
    optree = _load()
    return optree.tree_unflatten(structure, leaves)


def leaf_names(name: str, structure: Any) -> list[str]:
    """What each leaf is called in a message, ``layers[0]['w']``, for a tree called ``name``."""
    return [accessor.codify(name) for accessor in structure.accessors()]


def structure_text(structure: Any) -> str:
    """How messages say a structure: ``(*, [*, *])``, each leaf a star."""
    text = str(structure).removeprefix("PyTreeSpec(").removesuffix(")")
    return text.split(", namespace=")[0].removesuffix(", NoneIsLeaf")
