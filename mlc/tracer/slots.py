"""The attributes of objects whose class has ``__slots__``, and the variables of others that a
function sets, as a dict of them would be."""

from __future__ import annotations

import types
from collections.abc import Iterator, MutableMapping
from opcode import opmap
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


_SETS = {opmap["STORE_GLOBAL"]: "STORE_GLOBAL", opmap["STORE_DEREF"]: "STORE_DEREF"}


class Variables(MutableMapping[str, Any]):
    """What the variables ``names`` of ``owner`` hold: of a module, whose dict it is, or of the
    functions around one, which keep them in cells."""

    __slots__ = ("names", "owner")

    def __init__(self, owner: Any, names: tuple[str, ...]) -> None:
        self.owner, self.names = owner, names

    def __getitem__(self, name: str) -> Any:
        if name not in self.names:
            raise KeyError(name)
        if isinstance(self.owner, dict):
            return self.owner[name]
        try:
            return self._cell(name).cell_contents
        except ValueError:  # not bound yet
            raise KeyError(name) from None

    def __setitem__(self, name: str, value: Any) -> None:
        if isinstance(self.owner, dict):
            self.owner[name] = value
        else:
            self._cell(name).cell_contents = value

    def __delitem__(self, name: str) -> None:
        if isinstance(self.owner, dict):
            del self.owner[name]
        else:
            del self._cell(name).cell_contents

    def _cell(self, name: str) -> types.CellType:
        cell: types.CellType = self.owner.__closure__[self.owner.__code__.co_freevars.index(name)]
        return cell

    def __iter__(self) -> Iterator[str]:
        return (name for name in self.names if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def copy(self) -> dict[str, Any]:
        """A dict of what is there now."""
        return dict(self)


def set_by(function: types.FunctionType) -> list[tuple[str, Variables]]:
    """The variables of its module, and of functions around it, that ``function`` sets."""
    found: dict[str, dict[str, None]] = {name: {} for name in _SETS.values()}
    codes = [function.__code__]
    while codes:
        code = codes.pop()
        codes += [part for part in code.co_consts if isinstance(part, types.CodeType)]
        if _SETS.keys().isdisjoint(code.co_code[::2]):
            continue
        import dis

        for step in dis.get_instructions(code):
            if step.opname in found:
                found[step.opname][step.argval] = None
    outer = [name for name in function.__code__.co_freevars if name in found["STORE_DEREF"]]
    made = (
        Variables(function.__globals__, (*found["STORE_GLOBAL"],)),
        Variables(function, (*outer,)),
    )
    return [(name, each) for name, each in zip(("global", "nonlocal"), made) if each.names]


def holder_id(holder: Any) -> int:
    """Tells holders apart, as ``id`` does for lists and dicts."""
    return id(holder.owner) if type(holder) in (Slots, Variables) else id(holder)
