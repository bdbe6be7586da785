"""NumPy's names: traced inside a jitted function, compiled and run at once outside.

``np.zeros(3)`` inside a jitted function makes a plain array while tracing; ``mlc.numpy.zeros(3)``
makes a traced one. Everything that can be traced has its name here; types and constants are NumPy's
own.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

import numpy as _np

from .ops import create as _create
from .ops.op import CURRENT, leaves_of
from .tracer import dispatch as _dispatch
from .tracer.trace import as_array, frozen_copy
from .tracer.tracer import Tracer

_CREATION = {
    name: getattr(_create, name)
    for name in ("arange", "zeros", "ones", "full", "empty", "eye", "identity", "tri")
    if hasattr(_create, name)
}
_ASKING = [
    "can_cast",
    "result_type",
    "promote_types",
    "finfo",
    "iinfo",
    "isscalar",
    "issubdtype",
    "broadcast_shapes",
    "dtype",
    "errstate",
    "set_printoptions",
]


def asarray(a: Any, dtype: Any = None, order: Any = None, *, copy: Any = None) -> Any:
    """``a`` as an array: traced values as they are, lists that hold some stacked.

    ``order`` and ``copy`` make no difference to a traced value.
    """
    if isinstance(a, Tracer):
        return a if dtype is None else a.astype(dtype)
    if isinstance(a, (list, tuple)) and any(isinstance(leaf, Tracer) for leaf in leaves_of(a)):
        parts = [asarray(item, dtype) for item in a]
        return _dispatch.call_function(_np.stack, (parts,), {})
    array = _np.asarray(a, dtype)
    trace = CURRENT.get()
    if trace is None:
        return _np.array(array) if copy else array
    known = as_array(array)
    assert known is not None
    return trace.wrap(trace.lift(frozen_copy(known)))


def array(object: Any, dtype: Any = None, *, copy: Any = True) -> Any:
    """A new array with the content of ``object``; see `asarray`."""
    return asarray(object, dtype, copy=copy)


class _Namespace(types.ModuleType):
    """A part of NumPy such as ``linalg``: the names in it that can be traced."""

    def __init__(self, name: str, source: Any) -> None:
        super().__init__(f"{__name__}.{name}", f"np.{name}: what of it can be traced.")
        self._source = source

    def __getattr__(self, name: str) -> Any:
        return _named(self._source, name, self.__name__)

    def __dir__(self) -> list[str]:
        return [n for n in dir(self._source) if _dispatch.is_supported(getattr(self._source, n))]


@functools.cache
def _wrapped(function: Any) -> Callable[..., Any]:
    """A NumPy function by what stands for it, for traced values and plain arrays alike."""
    if isinstance(function, _np.ufunc):

        def call(*args: Any, **kwargs: Any) -> Any:
            return _dispatch.call_ufunc(function, "__call__", args, kwargs)

    else:

        def call(*args: Any, **kwargs: Any) -> Any:
            return _dispatch.call_function(function, args, kwargs)

    call.__name__ = call.__qualname__ = function.__name__
    call.__doc__ = f"{_dispatch.name_of(function)}, traced or compiled and run at once."
    call.__wrapped__ = function  # type: ignore[attr-defined]
    return call


def _named(source: Any, name: str, here: str) -> Any:
    value = getattr(source, name, None)
    if name.startswith("_") or not hasattr(source, name):
        raise AttributeError(f"{here} has no {name!r}, and NumPy has none either")
    if isinstance(value, type) or not callable(value) and not isinstance(value, types.ModuleType):
        return value
    if name in _ASKING:
        return value
    if isinstance(value, types.ModuleType):
        return _Namespace(name, value)
    if _dispatch.is_supported(value):
        return _wrapped(value)
    error = _dispatch.unsupported(_dispatch.name_of(value), name)
    raise AttributeError(f"{here} has no {name!r}: {error.message}") from None


def __getattr__(name: str) -> Any:
    if name in _CREATION:
        return _CREATION[name]
    return _named(_np, name, __name__)


def __dir__() -> list[str]:
    found = {name for name in dir(_np) if _dispatch.is_supported(getattr(_np, name))}
    return sorted(found | _CREATION.keys() | {"array", "asarray"})
