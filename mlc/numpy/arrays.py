"""The functions of `mlc.numpy` that make and convert arrays."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ..ops import create
from ..ops.op import CURRENT, leaves_of
from ..tracer import dispatch
from ..tracer.complex.calls import has_complex
from ..tracer.complex.value import Complex, from_known
from ..tracer.creation import make
from ..tracer.trace import as_array, frozen_copy
from ..tracer.tracer import Tracer
from . import wrapping
from .inspection import check_device

CREATION = ("arange", "zeros", "ones", "full", "empty", "eye", "identity", "tri")


def asarray(
    obj: Any, /, dtype: Any = None, order: Any = None, *, device: Any = None, copy: Any = None
) -> Any:
    """``obj`` as an array: traced values as they are, lists that hold some stacked.

    ``order`` and ``copy`` make no difference to a traced value; the only device is ``"cpu"``.
    """
    check_device(device)
    if isinstance(obj, (Tracer, Complex)):
        return obj if dtype is None else obj.astype(dtype)
    if isinstance(obj, (list, tuple)) and any(map(_is_traced, leaves_of(obj))):
        parts = [asarray(item, dtype) for item in obj]
        return dispatch.call_function(np.stack, (parts,), {})
    trace = CURRENT.get()
    if trace is None:
        if hasattr(obj, "__dlpack__") and not hasattr(obj, "__array__"):
            obj = as_array(obj)
        return np.asarray(obj, dtype, order, copy=copy)
    known = as_array(np.asarray(obj, dtype))
    assert known is not None
    if known.dtype.kind == "c":
        return from_known(known.copy())
    return trace.wrap(trace.lift(frozen_copy(known)))  # type: ignore[attr-defined]


def _is_traced(value: Any) -> bool:
    return isinstance(value, (Tracer, Complex))


def array(object: Any, dtype: Any = None, *, copy: Any = True, order: Any = None) -> Any:
    """A new array with the content of ``object``; see `asarray`."""
    return asarray(object, dtype, order, copy=copy)


def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
    """``x`` converted to ``dtype``; without ``copy`` it may be ``x`` itself."""
    check_device(device)
    if isinstance(x, (Tracer, Complex)):
        return x.astype(dtype)
    return np.asarray(x).astype(dtype, copy=copy)


def from_dlpack(x: Any, /, *, device: Any = None, copy: Any = None) -> Any:
    """The array behind any object with ``__dlpack__`` whose memory the CPU can read."""
    if isinstance(x, (Tracer, Complex)):
        return asarray(x)
    return np.from_dlpack(x, device=device, copy=copy)


@functools.cache
def creation(name: str) -> Any:
    """A function that makes an array from numbers: traced inside, NumPy's outside."""
    traced, plain = getattr(create, name), getattr(np, name)

    def call(*args: Any, **kwargs: Any) -> Any:
        if CURRENT.get() is None:
            return plain(*args, **kwargs)
        if "device" in kwargs:
            check_device(kwargs.pop("device"))
        kwargs.pop("order", None)
        dtype = kwargs.get("dtype")
        if has_complex([*args, *kwargs.values()]) or isinstance(dtype, str) and "complex" in dtype:
            return make(name, args, kwargs)
        return traced(*args, **kwargs)

    return wrapping.named(call, name, __package__, plain)


for _function in (asarray, array, astype, from_dlpack):
    _function.__module__ = __package__
