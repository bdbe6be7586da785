"""Lists, dicts and objects that a loop or branch may change: their items are part of its state.

::

    if x[0] > x[1]:               the items v[0] and v[1] are carried as variables are; the list
        v[0], v[1] = v[1], v[0]   stays the same object, which others may hold too
"""

from __future__ import annotations

import sys
import types
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import MlcError
from ..records import replace
from ..tracer.grown import Grown, Tabled, is_arrays
from ..tracer.places import Places
from ..tracer.slots import slots_of
from .host_changes import OURS, UNDEFINED, attributes_of, content_of, key_of, put_back

if TYPE_CHECKING:
    from .carry import State

_PLAIN = (types.FunctionType, types.MethodType, types.ModuleType, type)
_DEEP = 8  # levels of lists in lists


class Words(str):
    """What there is in a list and the like: no text of the user's."""

    __slots__ = ()


class Host:
    """A list, a dict, or an object with attributes; ``names`` are what its items are called."""

    def __init__(self, name: str, box: Any) -> None:
        self.box = box
        self.items: Any = box if isinstance(box, (list, dict)) else attributes_of(box)
        form = "{}[{!r}]" if isinstance(box, (list, dict)) else "{}.{}"
        self.keys: list[Any] = list(range(len(box)) if isinstance(box, list) else self.items)
        self.names = [f"the items of {name}", *(form.format(name, key) for key in self.keys)]

    def get(self) -> list[Any]:
        """What there is, in words, and the items."""
        items = self.items
        if is_arrays(items):  # whose cells are carried
            return [Words("arrays"), *(UNDEFINED for _ in self.keys)]
        if isinstance(items, list):
            values = [items[k] if k < len(items) else UNDEFINED for k in self.keys]
            return [Words(f"{len(items)} of them"), *values]
        is_same = list(items) == self.keys
        words = f"{len(items)} of them" if is_same else ", ".join(map(str, items))
        return [Words(words), *(items.get(key, UNDEFINED) for key in self.keys)]

    def put(self, values: Sequence[Any]) -> None:
        """Let it hold these ``values``, as :meth:`get` gave them, and nothing else."""
        if is_arrays(self.items):
            return
        kept = {k: v for k, v in zip(self.keys, values[1:], strict=True) if v is not UNDEFINED}
        if isinstance(self.items, list):
            self.items[:] = kept.values()
            return
        if isinstance(self.items, Tabled):
            self.items.become(kept)
            return
        for key in [key for key in self.items if key not in kept]:
            del self.items[key]
        if isinstance(self.items, dict) and list(self.items) != list(kept):
            self.items.clear()  # in the order that there was
        self.items.update(kept)


def hosts_in(names: Sequence[str], reads: Iterable[Callable[[], Any]]) -> list[Host]:
    """What the variables ``names`` hold, directly or in each other, that is no array or number."""
    found: dict[int, Host] = {}
    for name, read in zip(names, reads, strict=True):
        try:
            value = read()
        except (NameError, AttributeError, LookupError, MlcError):
            continue
        _collect(name, value, found, 0)
    return list(found.values())


def _collect(name: str, value: Any, found: dict[int, Host], depth: int) -> None:
    if id(value) in found or depth > _DEEP:
        return
    if isinstance(value, tuple):
        for n, item in enumerate(value):
            _collect(f"{name}[{n}]", item, found, depth + 1)
    elif type(value) in (list, dict) or _is_list(value) or _is_object(value):
        host = found[id(value)] = Host(name, value)
        for label, item in zip(host.names[1:], host.get()[1:], strict=True):
            _collect(label, item, found, depth + 1)


def _is_list(value: Any) -> bool:
    """Whether ``value`` is a list or dict that may become arrays, and is none yet."""
    return isinstance(value, (Grown, Tabled)) and not (value.is_native or isinstance(value, set))


def _is_object(value: Any) -> bool:
    """Whether ``value`` is an object of a class that was written in Python, by the user."""
    kind = type(value)
    if isinstance(value, _PLAIN):
        return False
    if kind is Places:
        return True
    if not isinstance(getattr(value, "__dict__", None), dict) and not slots_of(kind):
        return False
    top = kind.__module__.partition(".")[0]
    return top not in OURS and (top == "__main__" or top not in sys.stdlib_module_names)


class Variable:
    """A variable of another function, or a global."""

    def __init__(self, name: str, box: Any) -> None:
        self.box = box
        self.names = [name]

    def get(self) -> list[Any]:
        return [content_of(self.box)]

    def put(self, values: Sequence[Any]) -> None:
        put_back(self.box, values[0])


class Whole:
    """A set, a deque or an array of Python's own, which change in no native loop or branch."""

    def __init__(self, name: str, box: Any) -> None:
        self.box = box
        self.names = [f"the items of {name}"]

    def get(self) -> list[Any]:
        return [Words(f"{len(self.box)} of them")]

    def put(self, values: Sequence[Any]) -> None:
        pass


def host_of(name: str, box: Any) -> Host | Variable | Whole:
    """What :class:`HostState` found, as a part of a state."""
    match box:
        case Grown():
            return Host(name, box)
        case types.CellType() | (dict(), str()):
            return Variable(name, box)
        case set() | deque() | array() | bytearray():
            return Whole(name, box)
    return Host(name, box)


def keys_of(state: State) -> set[Any]:
    """The keys of what ``state`` has: the boxes, and the cells of its variables, which functions
    in the function change, too."""
    return {*map(key_of, state.boxes), *state.cells.values()}


def wider(state: State, changes: Sequence[tuple[str, Any]]) -> State:
    """``state`` with the boxes that a function changed which is called."""
    boxes = [host_of(what, box) for what, box in changes]
    names = [name for box in boxes for name in box.names]

    def get() -> list[Any]:
        return [*state.get(), *(value for box in boxes for value in box.get())]

    def put(values: list[Any]) -> None:
        at = len(state.names)
        state.put(values[:at])
        for box in boxes:
            box.put(values[at : at + len(box.names)])
            at += len(box.names)

    held = (*state.boxes, *(box.box for box in boxes))
    return replace(state, names=(*state.names, *names), get=get, put=put, is_wider=True, boxes=held,
                   hosts=state.hosts + len(names))  # fmt: skip
