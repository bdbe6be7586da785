"""Searches: which candidates of a space to try next, given how those so far did."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ...errors import ArgumentError

if TYPE_CHECKING:
    from ..space import Space
    from .search import Search

NAMES = ("evolutionary", "random", "greedy", "grid")


def search_named(name: str, space: Space, seed: int, model: Any = None) -> Search:
    """The search called ``name`` over ``space``. Raises :class:`ArgumentError` for another name."""
    if name not in NAMES:
        raise ArgumentError(f"unknown search {name!r}; expected one of {', '.join(NAMES)}")
    module = import_module(f"{__name__}.{name}")
    made: Search = getattr(module, name.capitalize())(space, seed, model)
    return made
