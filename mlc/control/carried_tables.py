"""Dicts and sets that variables of a loop or branch hold, as what is carried of them."""

from __future__ import annotations

from typing import Any

from ..tracer.grown import Grown, Tabled
from .item_kinds import joined
from .list_rows import Wanted, _widen
from .plan import NotNative


def as_carried(end: Tabled, entry: Any, listed: list[Any]) -> Tabled:
    """``end``, a table that a variable holds at the end of a body which was ``entry`` before it,
    as one of the same kind. ``listed`` gets all such tables."""
    if not isinstance(entry, Tabled) or entry.rigid or end.rigid:
        return end
    if any(end is other for other in listed):
        raise NotNative(
            f"a {end.base.__name__} that data decide about gets a second name in a loop or branch; "
            f"make a copy, .copy()"
        )
    listed.append(end)
    if not (end.is_native or entry.is_native):
        return end
    if not entry.is_native:
        raise Wanted(entry, None)
    if not end.is_native:
        end.hold_as()
    for mine, theirs in (
        (end.key_list, entry.key_list), (end.value_list, entry.value_list),
    ):  # fmt: skip
        if isinstance(mine, Grown) and isinstance(theirs, Grown):
            fit(mine, theirs)
    return end


def fit(end: Grown, entry: Grown) -> None:
    """Let the list ``end`` be of the kind of ``entry``; Wanted where that must be another."""
    kind = joined(entry.kind, end.kind)
    if kind != entry.kind:
        raise Wanted(entry, kind)
    _widen(end, kind)
