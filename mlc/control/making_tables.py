"""What stands for dicts and sets that traced code makes: such as may become tables in arrays."""

from __future__ import annotations

import builtins
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import wraps
from typing import Any

from ..ops.op import CURRENT
from ..tracer import grown
from ..tracer.grown import Tabled, is_arrays
from ..tracer.tracer import Tracer
from .dicts import TableCounter, TableDefault, TableDict, dict_items
from .forms import is_traced
from .list_loops import gathered, walk_of
from .list_rows import hold
from .list_steps import Walk
from .lists import Growing
from .plan import NotNative
from .sets import TableSet
from .tables import is_chosen, may_be_held

_FEW = 8  # items that are put in one by one


def _may_be() -> bool:
    """Whether what is made now may become a table."""
    return CURRENT.get() is not None and grown.TABLES.get()


def _is_gone_through(source: Any) -> bool:
    """Whether ``source`` is traced, or held in arrays."""
    return (
        is_arrays(source)
        or walk_of(source) is not None
        or isinstance(source, Tracer)
        and is_traced(source)
    )


def dict_(value: dict[Any, Any]) -> Any:
    """What stands for ``value``, a dict that traced code has just made of known keys."""
    if not (_may_be() and type(value) is dict and may_be_held(value)):
        return value
    grown.TABLED.set(True)
    return TableDict(value).begin()


def dict_of(pairs: Any) -> Any:
    """A dict of ``pairs``, which it goes through."""
    if not _may_be():
        return dict(pairs)
    made = TableDict().begin()
    grown.TABLED.set(True)
    return _filled(made, pairs)


def set_of(elements: Any) -> Any:
    """A set of ``elements``, which it goes through."""
    if not _may_be():
        return set(elements)
    if _is_gone_through(elements):
        grown.TABLED.set(True)
        made = TableSet().begin()
        made.update(elements)
        return made
    found = list(elements)
    if not may_be_held(found):
        return set(found)
    grown.TABLED.set(True)
    made = TableSet().begin()
    gathered(_held(found, found), made.add)
    return made


def _held(items: list[Any], keys: list[Any]) -> Any:
    """``items`` as arrays, so that a native loop goes through them, where they are many, and data
    decide about their ``keys``."""
    if len(items) <= _FEW or not any(map(is_chosen, keys)):
        return items
    made = Growing(items)
    try:
        hold(made, None)
    except NotNative:
        return items
    is_alike = all(tag is None for tag in made.tags)  # no ints beside floats
    return made if is_alike else items


def _filled(made: Any, pairs: Any) -> Any:
    if _is_gone_through(pairs):
        made.hold_as()
        gathered(pairs, lambda pair: made.put_in(pair[0], pair[1]))
        return made
    found = [(key, value) for key, value in pairs]
    if not may_be_held(key for key, _ in found):
        return made.plain(made.options())(found)
    pairs = _held(found, [key for key, _ in found])
    gathered(pairs, lambda pair: made.__setitem__(*pair))
    return made


def _dict(*args: Any, **named: Any) -> Any:
    if not _may_be() or named or len(args) > 1:
        if any(map(is_arrays, args)):
            raise NotNative("dict() of a dict that data decide about, and names; write them apart")
        return dict(*args, **named)
    source = dict_items(args[0]) if args else ()
    if args and isinstance(args[0], dict) and not is_arrays(args[0]):
        source = args[0].items()
    return dict_of(source)


def _set(*args: Any) -> Any:
    return set_of(args[0] if args else ()) if len(args) < 2 else set(*args)


def _frozenset(*args: Any) -> Any:
    if any(map(is_arrays, args)):
        raise NotNative("frozenset() of what data decide about; hold it in a set")
    return frozenset(*args)


def _default(*args: Any, **named: Any) -> Any:
    if not _may_be() or named or len(args) > 1:
        return defaultdict(*args, **named)
    grown.TABLED.set(True)
    return TableDefault(*args).begin()


def _counter(*args: Any, **named: Any) -> Any:
    if not _may_be() or named or len(args) > 1:
        return Counter(*args, **named)
    source = args[0] if args else None
    is_dict = isinstance(source, dict)
    if source is not None and not _is_gone_through(source):
        source = dict(source) if is_dict else list(source)
        if not may_be_held(source):
            return Counter(source)
    grown.TABLED.set(True)
    made = TableCounter().begin()
    if source is not None and _is_gone_through(source):
        made.hold_as()
    made.update(source)
    return made


def of_plain(function: Any) -> Callable[..., Any]:
    """``function``, a method of one of Python's own dicts and sets, which would read of another
    what is in it behind our back."""

    @wraps(function)
    def run(*args: Any, **named: Any) -> Any:
        if any(is_arrays(arg) and isinstance(arg, Tabled) for arg in args):
            kind = type(function.__self__).__name__
            raise NotNative(
                f"{function.__name__}() of a {kind} that was made outside, or has other keys than "
                f"numbers, and of what data decide about; make the {kind} in the function"
            )
        return function(*map(_known, args), **named)

    return run


def _known(value: Any) -> Any:
    return list(value) if isinstance(value, Walk) else value


INSTEAD: dict[Any, Any] = {
    builtins.dict: _dict, builtins.set: _set, builtins.frozenset: _frozenset,
    defaultdict: _default, Counter: _counter,
}  # fmt: skip
