"""Values as Python source: numbers, arrays in their layouts, containers, dtypes and so on."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from .comparing import same_layout

LONGEST = 400  # elements that are written out; more are drawn again from a generator
_PLAIN = (type(None), bool, int, str, bytes, range, type(...))


class UnwrittenError(Exception):
    """A value that no source is known for."""


def literal(value: Any, named: Callable[[Any], str] | None = None) -> str:
    """``value`` as Python source with ``np``; ``named`` says how functions, classes and objects are
    written. UnwrittenError where there is no way."""
    inner = lambda item: literal(item, named)
    match value:
        case list() | tuple() | set() | frozenset() if type(value).__module__ == "builtins":
            return _container(value, ", ".join(map(inner, value)))
        case dict() if type(value) is dict:
            return "{" + ", ".join(f"{inner(k)}: {inner(v)}" for k, v in value.items()) + "}"
        case np.ndarray() if value.dtype.kind in "biufcV" and value.dtype.names is None:
            return _array(value)
        case enum.Enum() if named is not None:
            return f"{named(type(value))}.{value.name}"
        case float() | complex() if type(value) in (float, complex):
            return _number(value)
        case np.generic() if value.dtype.kind in "biufcV" and value.dtype.names is None:
            if value.dtype.name == "bfloat16":
                return f"np.array({_number(float(value))}, 'bfloat16')[()]"
            return f"np.{value.dtype.name}({_number(value.item())})"
        case np.dtype():
            return f"np.dtype({value.name!r})"
        case slice():
            return f"slice({', '.join(map(inner, (value.start, value.stop, value.step)))})"
        case type() if value.__module__ == "builtins":
            return value.__name__
        case type(__name__=name) if getattr(np, name, None) is value:
            return f"np.{name}"
        case tuple() if hasattr(value, "_fields") and named is not None:
            return f"{named(type(value))}({', '.join(map(inner, value))})"
    if type(value) in _PLAIN:
        return repr(value)
    if named is None:
        raise UnwrittenError(repr(value))
    return named(value)


def _container(value: Any, inner: str) -> str:
    match value:
        case list():
            return f"[{inner}]"
        case tuple():
            return f"({inner},)" if len(value) == 1 else f"({inner})"
        case set() if value:
            return f"{{{inner}}}"
    return f"{type(value).__name__}([{inner}])"


def _number(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_number, value))}]"
    if isinstance(value, complex):
        parts = value.real, value.imag
        if all(np.isfinite(p) and (p or not np.signbit(p)) for p in parts):
            return repr(value)
        return f"complex({', '.join(map(_number, parts))})"
    return re.sub(r"\b(nan|inf)\b", r"np.\1", repr(value))


def _array(value: np.ndarray[Any, Any]) -> str:
    if not value.flags.writeable:  # as are views that broadcast, of arrays that may have changed
        once = tuple(slice(0, 1 if s == 0 else None) for s in value.strides)
        return f"np.broadcast_to({_array(same_layout(value[once]))}, {value.shape})"
    if value.size > LONGEST:
        return _long(value)
    if value.size == 0:
        return f"np.array({_number(value.tolist())}, {_dtype(value.dtype)}).reshape({value.shape})"
    if value.ndim > 1 and value.flags.f_contiguous and not value.flags.c_contiguous:
        return f"np.asfortranarray({_in_order(value)})"
    order = sorted(range(value.ndim), key=lambda axis: -abs(value.strides[axis]))
    text = _in_order(value.transpose(order))
    if order != list(range(value.ndim)):
        text += f".transpose({', '.join(str(order.index(axis)) for axis in range(value.ndim))})"
    return text


def _in_order(value: np.ndarray[Any, Any]) -> str:
    """An array whose axes are in the order of memory, with the gaps and directions that it has."""
    if value.flags.c_contiguous or value.flags.f_contiguous:
        return f"np.array({_number(value.tolist())}, {_dtype(value.dtype)})"
    steps, inside = [1] * value.ndim, value.itemsize
    for axis in reversed(range(value.ndim)):
        size, stride = value.shape[axis], value.strides[axis]
        if size > 1 and stride and stride % inside == 0:
            steps[axis] = stride // inside
            inside = abs(stride) * size
        else:
            inside *= size
    flipped = value[tuple(slice(None, None, -1 if s < 0 else 1) for s in steps)]
    text = f"np.array({_number(flipped.tolist())}, {_dtype(value.dtype)})"
    for axis, step in enumerate(steps):
        if abs(step) > 1:
            text += f".repeat({abs(step)}, axis={axis - value.ndim if axis else 0})"
    parts = ["::" + (str(step) if step != 1 else "") for step in steps]
    parts = [":" if part == "::" else part for part in parts]
    while len(parts) > 1 and parts[0] == ":":
        parts.pop(0)
    lead = "..., " if len(parts) < value.ndim else ""
    return text if set(parts) == {":"} else f"{text}[{lead}{', '.join(parts)}]"


def _long(value: np.ndarray[Any, Any]) -> str:
    flat, dtype, shape = value.ravel(), _dtype(value.dtype), value.shape
    if value.dtype.kind != "V" and np.array_equal(flat, np.full_like(flat, flat[0])):
        return f"np.full({shape}, {_number(flat[0].item())}, {dtype})"
    if value.dtype.kind in "iuf":
        first, step = flat[0].item(), flat[1].item() - flat[0].item()
        is_small = abs(first) + abs(step) * flat.size < 2**53  # and no NaN
        if is_small and np.array_equal(flat, first + step * np.arange(flat.size)):
            text = f"np.arange({flat.size})"
            text = text if step == 1 else f"{text} * {_number(step)}"
            text = text if not first else f"{text} + {_number(first)}"
            return f"({text}).astype({dtype}).reshape({shape})"
    drawn = f"np.random.default_rng(0).normal(size={shape})"
    if value.dtype.kind in "iu":
        low, high = int(flat.min()), int(flat.max())
        drawn = f"np.random.default_rng(0).integers({low}, {high}, {shape}, endpoint=True)"
        drawn = drawn if low >= -(2**63) and high < 2**63 else drawn[:-1] + ", dtype=np.uint64)"
    if value.dtype.kind == "b":
        drawn = f"(np.random.default_rng(0).random({shape}) < 0.5)"
    return f"{drawn}.astype({dtype})  # too long to write out: {value.dtype}{list(shape)}"


def _dtype(dtype: np.dtype[Any]) -> str:
    if dtype.name == "bfloat16":
        return repr(dtype.name)
    return f"np.{'bool_' if dtype.kind == 'b' else dtype.name}"
