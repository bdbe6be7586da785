"""What may leave a function that is traced: nothing that only tracing knows of.

A text that shows a traced value says where it comes from, not what it is. That serves for
``print``; in what the function returns it would pass for the text that Python makes.
"""

from __future__ import annotations

from collections.abc import (
    AsyncIterator,
    Coroutine,
    ItemsView,
    Iterable,
    Iterator,
    KeysView,
    ValuesView,
)
from typing import Any

import numpy as np

from ..errors import UnsupportedError
from . import tree
from .deciding import deciding_arguments

_RUNS_LATER = (Iterator, AsyncIterator, Coroutine)
_HOLDING = (list, tuple, set, frozenset, dict, KeysView, ValuesView, ItemsView)


def refuse_leak(leaf: Any, trace: Any) -> None:
    """Raise UnsupportedError if a leaf of what a function returns is, or holds, something that only
    tracing knows of."""
    kind = type(leaf)
    if trace.shown:
        for text in _texts((leaf, *getattr(leaf, "__dict__", {}).values())):
            refuse_text(text, trace)
    if tree.is_plain(leaf):
        return
    if isinstance(leaf, _RUNS_LATER):
        if isinstance(leaf, Coroutine):
            leaf.close()  # else Python warns that nobody awaited it
        raise UnsupportedError(
            f"{trace.name} returns a {kind.__name__}, which would run after tracing has ended; "
            f"return a list or an array"
        )
    if isinstance(leaf, _HOLDING) and any(map(_is_traced, _parts((leaf,)))):
        raise UnsupportedError(
            f"{trace.name} returns a {kind.__name__} that holds traced values, and that cannot be "
            f"made again at each call; return a list, a tuple or a dict of them"
        )
    if kind.__module__ == "builtins":
        return
    if _is_traced(leaf):
        leaf.__mlc_lift__(trace)  # which raises where the size is not known
        raise UnsupportedError(
            f"{trace.name} returns a {kind.__name__} of a traced array, which is no array; return "
            f"an array made of it, such as x.ravel() for x.flat"
        )
    held = getattr(leaf, "__dict__", {}).items()
    name = next((n for n, value in held if _is_traced(value)), None)
    if name is not None:
        raise UnsupportedError(
            f"{trace.name} returns a {kind.__name__} whose {name} is a traced value, and objects "
            f"of that class cannot be made again at each call; return the array, or register "
            f"{kind.__name__} with optree"
        )


def shown_in(text: str | bytes, trace: Any) -> tuple[str, Any] | None:
    """A description of a traced value that stands in ``text``, with what it describes."""
    for shown, tensor in trace.shown.items():
        if (shown.encode() if isinstance(text, bytes) else shown) in text:
            return shown, tensor
    return None


def refuse_text(text: str | bytes, trace: Any) -> None:
    """Raise UnsupportedError if ``text``, which leaves a function, shows a traced value; where that
    is computed from numbers among the arguments, with those as wanted."""
    found = shown_in(text, trace)
    if found is not None:
        trace.wanted |= deciding_arguments(found[1], trace)
        raise UnsupportedError(
            f"{trace.name} returns or keeps a text made of {found[0]}, whose elements are "
            f"not known while the text is made; return the value, and make the text of what the "
            f"call gives"
        )


def _is_traced(value: Any) -> bool:
    return hasattr(type(value), "__mlc_lift__")


def _parts(values: Iterable[Any]) -> Iterator[Any]:
    """What stands in ``values``, also in the containers among them."""
    left = list(values)
    met: set[int] = set()
    while left:
        value = left.pop()
        if not isinstance(value, _HOLDING):
            yield value
        elif id(value) not in met:
            met.add(id(value))
            left += (
                [part for item in value.items() for part in item]
                if isinstance(value, dict)
                else value
            )


def _texts(values: Iterable[Any]) -> Iterator[str | bytes]:
    for part in _parts(values):
        if isinstance(part, (str, bytes)):
            yield part
        elif isinstance(part, np.ndarray) and part.dtype.kind in "USTO":
            yield from (item for item in part.ravel().tolist() if isinstance(item, (str, bytes)))
