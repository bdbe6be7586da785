"""Which class a traced value would be of: ``isinstance(x[0], float)``, ``type(x)``."""

from __future__ import annotations

import builtins
import types
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


INSTEAD: dict[Any, Any] = {
    builtins.isinstance: isinstance_,
    builtins.type: type_,
}  # what to call in the place of Python's functions
