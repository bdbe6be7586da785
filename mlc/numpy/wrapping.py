"""The functions of `mlc.numpy`: each of NumPy's, for traced values and for plain arrays."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from ..jit import jit
from ..ops.op import CURRENT
from ..tracer import dispatch, implementations, ufuncs
from . import eager
from .inspection import check_device

_PREDICATES = ("allclose", "array_equal", "array_equiv")  # their results are Python's bool
_METHODS = ("reduce", "accumulate", "outer", "at", "reduceat")


def attribute(source: Any, name: str, here: str) -> Any:
    """What the module ``here`` has under the name that NumPy's module ``source`` has it under."""
    value = getattr(source, name, None)
    if name.startswith("_") or not hasattr(source, name):
        from ..synonyms import hint

        near = hint(here, name, dir(source), f"{here}.")
        raise AttributeError(f"{here} has no {name!r}, and NumPy has none either{near}")
    is_type = isinstance(value, (type, types.ModuleType))
    if is_type or not callable(value) or name in ("errstate", "set_printoptions", "vectorize"):
        return value
    own = getattr(value, "__name__", name)
    return wrapped(value, own if getattr(source, own, None) is value else name, here)


@functools.cache
def wrapped(source: Any, name: str, here: str) -> Callable[..., Any]:
    """NumPy's function ``source``: traced, compiled and run at once, or NumPy's own."""
    if isinstance(source, np.ufunc):
        return _with_methods(_ufunc(source, here), source)
    return _function(source, name, here)


def named(call: Any, name: str, here: str, source: Any) -> Any:
    """``call`` under the name by which a pickle finds it."""
    call.__name__ = call.__qualname__ = name
    call.__module__ = here
    call.__doc__ = (
        f"{implementations.name_of(source)}, traced or compiled and run at once.\n\n"
        f"{getattr(source, '__doc__', None) or ''}"
    )
    call.__wrapped__ = source
    return call


def _function(source: Any, name: str, here: str) -> Callable[..., Any]:
    def traced(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if "device" in kwargs:
            kwargs = dict(kwargs)
            check_device(kwargs.pop("device"))
        return dispatch.call_function(source, args, kwargs)

    is_numpys = eager.is_numpy_only(source, name)
    is_data_sized = name in eager.DATA_SIZED
    run = eager.Eager(source, implementations.name_of(source), traced, is_ufunc=False)

    def plain(*args: Any, **kwargs: Any) -> Any:
        if CURRENT.get() is not None and eager.has_traced(args, kwargs):
            return traced(args, kwargs)
        return source(*args, **kwargs)

    def data_sized(*args: Any, **kwargs: Any) -> Any:
        return call(*args, **kwargs) if "size" in kwargs else plain(*args, **kwargs)

    answers = name in _PREDICATES

    def call(*args: Any, **kwargs: Any) -> Any:
        if CURRENT.get() is not None:
            return traced(args, kwargs)
        found = run(args, kwargs)
        return bool(found) if answers else found

    chosen = plain if is_numpys else data_sized if is_data_sized else call
    return named(chosen, name, here, source)


def _ufunc(source: np.ufunc, here: str) -> Callable[..., Any]:
    """A ufunc; calls with arrays and floats alone, the most frequent, take a short way."""

    def traced(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return ufuncs.call_ufunc(source, "__call__", args, kwargs)

    def direct(*args: Any) -> Any:
        return ufuncs.call_ufunc(source, "__call__", args, {})

    name = source.__name__
    run = eager.Eager(source, implementations.name_of(source), traced, is_ufunc=True)
    direct.__name__ = name
    direct.__module__ = __name__
    if eager.is_numpy_only(source, name):
        compiled: Any = None
    else:
        compiled = jit(direct)
    array, known, refusals = np.ndarray, eager.COMPILED, eager.REFUSALS

    def call(*args: Any, **kwargs: Any) -> Any:
        if CURRENT.get() is not None:
            return traced(args, kwargs)
        if compiled is None:
            return source(*args, **kwargs)
        if not kwargs and args and type(args[0]) is array:
            for arg in args:
                kind = type(arg)
                if kind is array:
                    if arg.dtype not in known:
                        break
                elif kind is not float and not (kind is int and 0 <= arg < 128):
                    break
            else:
                try:
                    return compiled(*args)
                except refusals:
                    pass
        return run(args, kwargs)

    return named(call, name, here, source)


def _with_methods(call: Any, source: np.ufunc) -> Any:
    """The ufunc's methods and properties as attributes of the function that stands for it."""
    for name in ("nin", "nout", "nargs", "identity", "types", "signature", "ntypes"):
        setattr(call, name, getattr(source, name))
    for method in _METHODS:
        setattr(call, method, _method(source, method))
    return call


def _method(source: np.ufunc, method: str) -> Callable[..., Any]:
    bound = getattr(source, method)

    def traced(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return ufuncs.call_ufunc(source, method, args, kwargs)

    run = eager.Eager(bound, f"np.{source.__name__}.{method}", traced, is_ufunc=False)
    is_compiled = method in ("reduce", "accumulate", "outer")

    def call(*args: Any, **kwargs: Any) -> Any:
        if CURRENT.get() is not None and eager.has_traced(args, kwargs):
            return traced(args, kwargs)
        return run(args, kwargs) if is_compiled else bound(*args, **kwargs)

    call.__name__ = method
    return call
