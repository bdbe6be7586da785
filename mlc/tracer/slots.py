"""The attributes of objects whose class has ``__slots__``, as a dict of them would be."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any
from weakref import WeakKeyDictionary

_KNOWN: WeakKeyDictionary[type, frozenset[str]] = WeakKeyDictionary()


def slots_of(kind: type) -> frozenset[str]:
    """The attributes that instances of ``kind`` hold outside of a ``__dict__``."""
    known = _KNOWN.get(kind)
    if known is not None:
        return known
    found: set[str] = set()
    for base in kind.__mro__:
        names = base.__dict__.get("__slots__", ())
        for name in (names,) if isinstance(names, str) else names:
            is_private = name.startswith("__") and not name.endswith("__")
            found.add(f"_{base.__name__.lstrip('_')}{name}" if is_private else name)
    known = _KNOWN[kind] = frozenset(found - {"__dict__", "__weakref__"})
    return known


class Slots(MutableMapping[str, Any]):
    """What the slots of ``owner`` hold. Two of the same owner are one holder: see `holder_id`."""

    __slots__ = ("owner",)

    def __init__(self, owner: Any) -> None:
        self.owner = owner

    def __getitem__(self, name: str) -> Any:
        if name in slots_of(type(self.owner)):
            try:
                return getattr(self.owner, name)
            except AttributeError:  # nothing was put there
                pass
        raise KeyError(name)

    def __setitem__(self, name: str, value: Any) -> None:
        object.__setattr__(self.owner, name, value)

    def __delitem__(self, name: str) -> None:
        object.__delattr__(self.owner, name)

    def __iter__(self) -> Iterator[str]:
        return (name for name in sorted(slots_of(type(self.owner))) if hasattr(self.owner, name))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def copy(self) -> dict[str, Any]:
        """A dict of what is there now."""
        return dict(self)


def holder_id(holder: Any) -> int:
    """Tells holders apart, as ``id`` does for lists and dicts."""
    return id(holder.owner) if type(holder) is Slots else id(holder)
