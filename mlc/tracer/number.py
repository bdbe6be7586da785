"""Python numbers of traced values: ``x.item()``, ``float(x)``, ``int(x)``, as weak values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import te
from ..config import config
from ..errors import user_location
from ..ops.caught import check_whole, is_caught
from .noting import note_error
from .rows import rows_of
from .tracer import Tracer, mark_weak

_DTYPES = {int: "int64", float: "float64", bool: "bool"}
_KINDS = {"b": bool, "i": int, "u": int, "f": float}
_LISTED = 1 << 16  # numbers in a list that is made of an array
_READ_LATER = 8  # numbers from which each is read when it is asked for
_CHECKED = 256  # numbers in a list, where each may be too large for a Python number


def python_number(value: Tracer, kind: type) -> Tracer:
    """``kind(value)`` for ``value`` of one element: a value of its own that promotes as a Python
    number does."""
    if value.size != 1 and kind is bool:
        count = "an array with more than one element" if value.size else "an empty array"
        raise ValueError(f"the truth value of {count} is ambiguous; use .any() or .all()")
    if value.size != 1:
        raise TypeError("only length-1 arrays can be converted to Python scalars")
    value = value.reshape(()) if value.shape else value
    if kind is int:
        _check_int(value)
    made = value.astype(_DTYPES[kind])
    return made.item() if isinstance(made, np.generic) else mark_weak(copied_number(made))


def _check_int(value: Tracer) -> None:
    """The errors of ``int(value)``, and one for what is no int64, in which Python's ints are
    computed: of floats in debug mode alone, since asking costs much beside the conversion."""
    if value.dtype.kind == "f":
        check_whole(value)
    is_caught_here = is_caught(ValueError) or is_caught(OverflowError)
    is_float = config.debug and value.dtype.kind == "f" and not is_caught_here
    if not is_float and value.dtype != np.uint64:
        return
    where = user_location()
    at = "" if where is None else f"\n  at {where}"
    if is_float:
        note_error(np.isnan(value), ValueError(f"cannot convert float NaN to integer{at}"))
        infinite = OverflowError(f"cannot convert float infinity to integer{at}")
        note_error(np.isinf(value), infinite)
    is_large = np.greater_equal(value, np.uint64(2**63))
    if is_float:
        wide = value.astype(np.float64)
        is_large = np.greater_equal(wide, 2.0**63) | np.less(wide, -(2.0**63))
    note_error(is_large, OverflowError(
        f"int() of {value.dtype} gives a number that is no int64, and compiled code computes "
        f"Python's integers as int64; compute with the array's elements themselves{at}"
    ))  # fmt: skip


def copied_number(value: Tracer) -> Tracer:
    """The same number as another tensor, which may be weak where the first is not."""
    tensor = value._tensor
    return Tracer(te.compute((), lambda: tensor[()], name="number", op="number"), value._trace)


def item_of(value: Tracer, *where: Any) -> Any:
    """``value.item(*where)``: the only element, or that of a place in C order or by axes."""
    if len(where) == 1 and isinstance(where[0], tuple):
        where = where[0]
    if not where:
        if value.size != 1:
            raise ValueError("can only convert an array of size 1 to a Python scalar")
        one = value
    elif len(where) == 1:
        one = value.reshape(-1)[where[0]]
    elif len(where) == value.ndim:
        one = value[where]
    else:
        raise ValueError("incorrect number of indices for array")
    return python_number(one, _KINDS.get(np.dtype(one.dtype).kind, float))  # of bfloat16, too


def list_of(value: Tracer) -> Any:
    """``value.tolist()``: nested lists of numbers, read from the array when they are asked for."""
    from ..errors import UnsupportedError

    kind = _KINDS.get(np.dtype(value.dtype).kind, float)
    is_checked = value.dtype == np.uint64  # element by element
    count = math.prod(value.shape)
    if count > (_CHECKED if is_checked else _LISTED):
        raise UnsupportedError(
            f"a list of the {count} elements of a traced array would be that many values of their "
            f"own; work on the array, or return it and call .tolist() on the result"
        )
    if not value.shape:
        return item_of(value)
    if is_checked or count < _READ_LATER:
        return [list_of(value[i]) for i in range(value.shape[0])]
    numbers = value.astype(_DTYPES[kind]).reshape(-1)
    return _nested(rows_of(value._trace, numbers._tensor, count, weak=True), value.shape)


def _nested(items: list[Any], shape: tuple[int, ...]) -> list[Any]:
    if len(shape) == 1:
        return items
    width = math.prod(shape[1:])
    return [_nested(items[n * width : (n + 1) * width], shape[1:]) for n in range(shape[0])]


def number_method(value: Tracer, name: str) -> Any:
    """Python's and NumPy's method ``name`` of a number; None where it has none."""
    kind, is_python = value.dtype.kind, value._is_weak
    if value.shape or not (is_python or value._is_scalar()):
        return None
    if name == "is_integer" and kind in "iuf":
        return lambda: python_number(_is_integer(value), bool)
    if name == "bit_count" and kind in "iu":
        return lambda: _counted(value, is_python)
    if name == "bit_length" and kind == "i" and is_python:
        return lambda: _counted(_smeared(value), True)
    return None


def _is_integer(value: Tracer) -> Any:
    if value.dtype.kind != "f":
        return np.equal(value, value)
    return np.isfinite(value) & np.equal(np.trunc(value), value)


def _counted(value: Any, is_python: bool) -> Any:
    found = np.bitwise_count(value)
    return python_number(found, int) if is_python else found


def _smeared(value: Tracer) -> Any:
    """The magnitude with all bits set below its highest one."""
    bits = np.abs(value).astype(np.uint64)
    for step in (1, 2, 4, 8, 16, 32):
        bits = bits | bits >> np.uint64(step)
    return bits
