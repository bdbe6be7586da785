"""Arguments and results as trees: lists, tuples, dicts, dataclasses and what optree knows
besides.
"""

from __future__ import annotations

from typing import Any

import numpy as np

NAMESPACE = "mlc"
_tree_flatten: Any = None  # optree's, imported when the first tree is met
_LEAVES = (np.ndarray, np.generic, bool, int, float, str, bytes)


def is_plain(value: Any) -> bool:
    """Whether ``value`` is a leaf for certain, so that nobody has to ask optree."""
    return isinstance(value, _LEAVES)


def flatten(value: Any) -> tuple[list[Any], Any]:
    """(leaves, structure). None has no leaves; dict entries come in the order of their keys.

    Classes of one's own take part once registered: ``optree.register_pytree_node`` or
    ``optree.dataclasses.dataclass``, in the namespace ``"mlc"`` or in the global one.
    """
    global _tree_flatten
    if _tree_flatten is None:
        import optree

        _tree_flatten = optree.tree_flatten
    return _tree_flatten(value, namespace=NAMESPACE)


def is_leaf(value: Any) -> bool:
    """Whether ``value`` is no tree: an array, a number, or an object nobody registered."""
    if is_plain(value):
        return True
    import optree

    return bool(optree.tree_is_leaf(value, namespace=NAMESPACE))


def unflatten(structure: Any, leaves: Any) -> Any:
    """The tree of ``structure`` with other leaves."""
    import optree

    return optree.tree_unflatten(structure, leaves)


def leaf_names(name: str, structure: Any) -> list[str]:
    """What each leaf is called in a message, ``layers[0]['w']``, for a tree called ``name``."""
    return [accessor.codify(name) for accessor in structure.accessors()]
