"""Which class a traced value would be of: ``isinstance(x[0], float)``, ``type(x)``,
``x.__class__``, and the function that ``functools.singledispatch`` has for it."""

from __future__ import annotations

import builtins
import functools
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from ..tracer.creation import AnyArray
from .forms import is_traced

_PYTHON: dict[str, type] = {"b": bool, "i": int, "u": int, "f": float, "c": complex}


def class_of(value: Any) -> type:
    """The class that the traced ``value`` has in NumPy."""
    if getattr(value, "_is_weak", False):
        return _PYTHON[value.dtype.kind]
    is_scalar = not value.shape and value._is_scalar()
    return value.dtype.type if is_scalar else np.ndarray  # type: ignore[no-any-return]


def isinstance_(value: Any, kinds: Any) -> bool:
    """``isinstance(value, kinds)``."""
    if not is_traced(value):
        return builtins.isinstance(value, kinds)
    found, parts = class_of(value), [kinds]
    while parts:
        kind = parts.pop()
        if builtins.isinstance(kind, (tuple, types.UnionType)):
            parts += kind if builtins.isinstance(kind, tuple) else kind.__args__
        elif issubclass(found, np.ndarray if kind is AnyArray else kind):
            return True
    return False


def type_(*args: Any, **options: Any) -> Any:
    """``type(value)``."""
    if len(args) != 1 or options or not is_traced(args[0]):
        return builtins.type(*args, **options)
    found = class_of(args[0])
    return AnyArray if found is np.ndarray else found


def issubclass_(kind: Any, kinds: Any) -> bool:
    """``issubclass(kind, kinds)``, where either may be what stands for ``np.ndarray``."""
    return builtins.issubclass(_plain(kind), _plain(kinds))


def _plain(kinds: Any) -> Any:
    if builtins.isinstance(kinds, tuple):
        return tuple(map(_plain, kinds))
    return np.ndarray if kinds is AnyArray else kinds


def class_(value: Any) -> Any:
    """``value.__class__``."""
    return type_(value) if is_traced(value) else value.__class__


def by_class(function: types.FunctionType) -> Callable[..., Any] | None:
    """What runs the function that ``function``, of ``functools.singledispatch`` or a method of
    ``singledispatchmethod``, has for the class of its first argument; None of other functions."""
    if function.__code__.co_filename != functools.__file__:
        return None
    generic = getattr(getattr(function, "register", None), "__self__", None)
    dispatch: Any = getattr(function, "dispatch", None)
    owner: tuple[Any, ...] = ()
    if isinstance(generic, functools.singledispatchmethod):
        cells = dict(zip(function.__code__.co_freevars, function.__closure__ or ()))
        owner = cells["obj"].cell_contents, cells["cls"].cell_contents
        dispatch = generic.dispatcher.dispatch
    if dispatch is None:
        return None

    def run(*args: Any, **kwargs: Any) -> Any:
        if not args or not is_traced(args[0]):
            return function(*args, **kwargs)
        from .calls import call

        found = dispatch(class_of(args[0]))
        return call(found.__get__(*owner) if owner else found)(*args, **kwargs)

    return run


INSTEAD: dict[Any, Any] = {
    builtins.isinstance: isinstance_,
    builtins.issubclass: issubclass_,
    builtins.type: type_,
}  # what to call in the place of Python's functions
