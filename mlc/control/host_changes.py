"""What code changes beside arrays and its own variables: counters, lists, attributes of others.

::

    def f(x):                    A branch is traced whether it is taken or not, and more than once.
        calls = 0                What it counts in a variable of another function, in a list or an
        def g(v):                object, is found by comparing what can be reached from it before
            nonlocal calls       and after; then it is put back.
            calls += 1
            return v * v
        return g(x[0]) if x[0] > 0 else 0.0, calls
"""

from __future__ import annotations

import dis
import os
import sys
import types
from array import array
from collections import deque
from collections.abc import Collection, Iterable
from functools import lru_cache, partial
from typing import Any

from ..errors import UnsupportedError
from ..tracer.drawing import streams
from ..tracer.grown import Grown, Tabled, is_arrays
from ..tracer.slots import Slots
from ..tracer.streams import Stream
from ..tracer.tracer import Tracer
from .iterators import is_iterator, progress, within

OURS = frozenset({"numpy", "mlc", "optree", "ml_dtypes", "scipy", "builtins"})
_MOST = 100_000  # lists, objects and functions that are looked at
_PLAIN = (bool, int, float, complex, str, bytes, type(None), type, Tracer, types.ModuleType)
_EQUAL = (bool, int, float, complex, str, bytes)
# Code of libraries keeps tables of its own, which mean nothing to whoever calls it.
_LIBRARIES = os.path.dirname(os.__file__), sys.prefix + "/lib"
_STORES = frozenset({"STORE_DEREF", "DELETE_DEREF"})
_GLOBAL_STORES = frozenset({"STORE_GLOBAL", "DELETE_GLOBAL"})


class _Undefined:
    """A variable without a value."""

    def __repr__(self) -> str:
        return "undefined"


UNDEFINED: Any = _Undefined()


# The code of what loops and branches became: their variables are those of the function around.
PARTS: set[types.CodeType] = set()


@lru_cache(4096)
def _names(code: types.CodeType) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """What code, with the functions in it, stores in variables around and in globals, and the
    names that it may read as globals."""
    around: set[str] = set()
    stored: set[str] = set()
    for step in dis.get_instructions(code):
        if step.opname in _STORES:
            around.add(step.argval)
        elif step.opname in _GLOBAL_STORES:
            stored.add(step.argval)
    read = set(code.co_names)
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            inner = _names(const)
            around |= inner[0]
            stored |= inner[1]
            read |= inner[2]
    return frozenset(around & set(code.co_freevars)), frozenset(stored), frozenset(read)


class HostState:
    """What the functions and objects that ``roots`` reach hold now."""

    def __init__(self, *roots: Any) -> None:
        self._held: list[tuple[str, Any, Any]] = []  # what it is in words, the box, its contents
        self._iterators: list[tuple[Any, Any]] = []  # and how far they have come
        self._seen: set[int] = set()
        self._stack: list[Any] = [*roots, *streams()]
        self._alive: list[Any] = []  # so that no number of an object is given away again
        while self._stack:
            value = self._stack.pop()
            if not isinstance(value, _PLAIN) and id(value) not in self._seen:
                self._seen.add(id(value))
                self._alive.append(value)
                self._look(value)
            if len(self._seen) > _MOST:
                raise UnsupportedError(
                    f"a loop or branch over traced values reaches more than {_MOST} lists, dicts, "
                    f"objects and functions, too many to know which of them it changes; hold what "
                    f"it needs in arrays, or compute the rest outside of the jitted function"
                )

    def _look(self, value: Any) -> None:
        match value:
            case types.FunctionType():
                self._look_at_function(value)
            case types.MethodType():
                self._stack += [value.__func__, value.__self__]
            case partial():
                self._stack += [value.func, *value.args, *value.keywords.values()]
            case _ if is_iterator(value):
                self._iterators.append((value, progress(value)))
                self._stack += within(value)
                if isinstance(value, types.GeneratorType) and value.gi_frame is not None:
                    self._stack += value.gi_frame.f_locals.values()
            case Stream():
                self._held.append(("a random generator", value, dict(vars(value))))
            case tuple() | frozenset():
                self._stack += value
            case _ if is_arrays(value):
                pass
            case Tabled():
                held = value.items_now()
                self._held.append((f"a {value.base.__name__}", value, held))
                self._stack += held.values() if isinstance(held, dict) else []
            case list() | deque():
                held = content_of(value)
                self._held.append((f"a {_name(value)}", value, held))
                self._stack.extend(item for item in held or () if not isinstance(item, _PLAIN))
            case set():
                self._held.append(("a set", value, set(value)))
            case array() | bytearray():
                self._held.append((f"a {_name(value)}", value, list(value)))
            case dict():
                self._held.append(("a dict", value, dict(value)))
                self._stack += value.values()
            case _:
                self._look_at_object(value)

    def _look_at_function(self, function: types.FunctionType) -> None:
        file = function.__code__.co_filename
        if file.startswith(_LIBRARIES) or "site-packages" in file:
            return
        around, stored, read = _names(function.__code__)
        is_ours = str(function.__module__).partition(".")[0] == "mlc"
        is_part = function.__code__ in PARTS
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
            content = _content(cell)
            if is_ours and not callable(content):
                continue
            if name in around and not is_part and not is_ours:
                self._held.append((f"the variable {name}", cell, content))
            self._stack.append(content)
        if is_ours:
            return
        self._stack += [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
        space = function.__globals__
        for name in stored:
            self._held.append((f"the global {name}", (space, name), space.get(name, UNDEFINED)))
        self._stack += [space[name] for name in read if name in space]

    def _look_at_object(self, value: Any) -> None:
        kind = type(value)
        if kind.__module__.partition(".")[0] in OURS:
            return
        items = attributes_of(value)
        contents = {key: items.get(key, UNDEFINED) for key in items}
        self._held.append((f"an object of {kind.__name__}", value, contents))
        self._stack += contents.values()
        for part in kind.__mro__:
            if part.__module__.partition(".")[0] not in OURS:
                self._stack += [f for f in vars(part).values() if type(f) is types.FunctionType]

    @property
    def iterators(self) -> list[Any]:
        """The iterators among them."""
        return [iterator for iterator, _ in self._iterators]

    def took(self) -> Any:
        """An iterator of which items were taken since then, if there is one."""
        for iterator, old in self._iterators:
            if progress(iterator) != old:
                return iterator
        return None

    def changes(self) -> list[tuple[str, Any]]:
        """What holds something else by now, in words, and the box."""
        return [(what, box) for what, box, old in self._held if not _is_same(content_of(box), old)]

    def boxes(self) -> list[tuple[str, Any]]:
        """All that may hold something else later, in words, and the box."""
        return [(what, box) for what, box, _ in self._held]

    def gained(self) -> bool:
        """Whether something that changed holds traced values now."""
        return any(
            isinstance(item, Tracer)
            for _, box, old in self._held
            if not _is_same(now := content_of(box), old)
            for item in _items(now)
        )

    def grown(self) -> list[tuple[list[Any], list[Any], list[Any]]]:
        """The lists that have got more items at their ends: each with what it held, and what it
        got. Nothing where lists, dicts or sets have changed in other ways."""
        found = []
        for _, box, old in self._held:
            if is_arrays(box) or _is_same(content_of(box), old):
                continue
            if isinstance(box, list) and len(box) > len(old) and all(map(_is_one, box, old)):
                found.append((box, old, list(box)[len(old) :]))
            elif isinstance(box, (list, dict, set, deque)):
                return []
        return found

    def undo(self, keys: Collection[Any] | None = None) -> None:
        """All of it holds what it held; or only what is one of ``keys``, see :func:`key_of`."""
        for _, box, old in self._held:
            if keys is not None and key_of(box) not in keys:
                continue
            if not _is_same(content_of(box), old):
                put_back(box, old)


def key_of(box: Any) -> Any:
    """What tells a box from others: a list, an object, a variable, a global."""
    return (id(box[0]), box[1]) if type(box) is tuple else id(box)


def _name(value: Any) -> str:
    return "list" if isinstance(value, list) else type(value).__name__


def attributes_of(value: Any) -> Any:
    """The attributes of an object: all together, or those of its slots where it has no dict."""
    own = getattr(value, "__dict__", None)
    return own if isinstance(own, dict) else Slots(value)


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return UNDEFINED


def content_of(box: Any) -> Any:
    """What ``box`` holds now; UNDEFINED for a variable without a value."""
    match box:
        case types.CellType():
            return _content(box)
        case Tabled():
            return {} if box.is_native else box.items_now()
        case Grown() if box.pool is not None:  # a row, which it was not before
            return None
        case Grown():
            return [] if box.is_native else box.items()
        case (dict() as space, str() as name):  # after what would be asked for its length
            return space.get(name, UNDEFINED)
        case list() | deque() | array() | bytearray():
            return list(box)
        case dict() | set():
            return box
    items = attributes_of(box)
    return {key: items.get(key, UNDEFINED) for key in items}


def _items(value: Any) -> Iterable[Any]:
    match value:
        case dict():
            return value.values()
        case list() | set():
            return value
    return (value,)


def _is_same(now: Any, old: Any) -> bool:
    if is_arrays(now) or is_arrays(old):  # whose items only the data tell
        return now is old
    match now, old:
        case (list(), list()):
            return len(now) == len(old) and all(map(_is_one, now, old))
        case (dict(), dict()):
            return len(now) == len(old) and all(
                key in now and _is_one(now[key], value) for key, value in old.items()
            )
        case (set(), set()):
            return now == old
    return _is_one(now, old)


def _is_one(a: Any, b: Any) -> bool:
    return a is b or (type(a) is type(b) and isinstance(a, _EQUAL) and a == b)


def left_in(box: Any) -> Any:
    """What ``box`` holds, and what the lists and dicts in it hold, as it is now."""
    return _copied(content_of(box))


def is_left(now: Any, old: Any) -> bool:
    """Whether two of what :func:`left_in` gave are the same."""
    match now, old:
        case (list(), list()):
            return len(now) == len(old) and all(map(is_left, now, old))
        case (dict(), dict()):
            return now.keys() == old.keys() and all(is_left(now[k], old[k]) for k in old)
        case (set(), set()):
            return now == old
    return _is_one(now, old)


def _copied(value: Any) -> Any:
    match value:
        case Tabled() | Grown():
            return _contents_copied(content_of(value))
        case list() | deque() | dict() | set():
            return _contents_copied(value)
    return value


def _contents_copied(value: Any) -> Any:
    def plain(item: Any) -> Any:
        return content_of(item) if isinstance(item, (Tabled, list, deque)) else item

    match value:
        case dict():
            return {key: plain(item) for key, item in value.items()}
        case set():
            return set(value)
        case list() | deque():
            return [plain(item) for item in value]
    return value


def put_back(box: Any, old: Any) -> None:
    """Let ``box`` hold what :func:`content_of` gave."""
    match box:
        case types.CellType():
            if old is UNDEFINED:
                del box.cell_contents
            else:
                box.cell_contents = old
        case Grown() if box.pool is not None:
            box.be_plain(old)  # type: ignore[attr-defined]
        case Grown() | Tabled():
            box.become(old)
        case (dict() as space, str() as name):
            if old is UNDEFINED:
                space.pop(name, None)
            else:
                space[name] = old
        case list() | bytearray():
            box[:] = old
        case array():
            box[:] = array(box.typecode, old)
        case deque() | dict() | set():
            box.clear()
            (box.extend if isinstance(box, deque) else box.update)(old)
        case _:
            items: dict[str, Any] | Slots = attributes_of(box)
            for key in [key for key in items if key not in old]:
                del items[key]
            items.update({k: v for k, v in old.items() if v is not UNDEFINED})
