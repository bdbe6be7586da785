"""Objects of the user's classes that traced code makes: their ``__init__`` is transformed too."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

from .convert import converted

_POST = "__post_init__"


def constructor(kind: type) -> Callable[..., Any]:
    """What makes an object of ``kind`` in traced code: ``kind`` itself if nothing is to be done."""
    if type(kind).__call__ is not type.__call__ or not _is_told(kind, "__init__"):
        return kind

    def make(*args: Any, **kwargs: Any) -> Any:
        made = kind.__new__(kind, *args, **kwargs)
        if isinstance(made, kind):
            _begin(made, args, kwargs)
        return made

    return make


def _is_told(kind: type, name: str) -> bool:
    """Whether the method ``name`` of ``kind``, or what it calls of a data class, is transformed."""
    method = getattr(kind, name, None)
    if not isinstance(method, types.FunctionType):
        return False
    return converted(method) is not method or name != _POST and _is_told(kind, _POST)


def _begin(made: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """``made.__init__(*args, **kwargs)``, transformed. That of a data class, which has no source,
    finds its ``__post_init__`` in the object."""
    kind = type(made)
    held = hasattr(made, "__dict__") and _is_told(kind, _POST)
    if held:
        post = types.MethodType(converted(getattr(kind, _POST)), made)
        object.__setattr__(made, _POST, post)
    try:
        converted(kind.__init__)(made, *args, **kwargs)
    finally:
        if held:
            object.__delattr__(made, _POST)
