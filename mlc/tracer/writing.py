"""Writes to traced arrays: ``x[key] = value``, ``x += y``, ``out=`` and ``where=``.

A write makes a new tensor and puts it into the cell that the array and its views share.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..errors import ArgumentError, DTypeError, ShapeError
from ..ops.op import CURRENT, is_held, leaves_of
from .concrete import all_known, are_rows_numbers, known, plain
from .masked import mask_in
from .masked_stores import store
from .storage import ReadOnlyError

if TYPE_CHECKING:
    from .tracer import Tracer

Casting = Literal["no", "equiv", "safe", "same_kind", "unsafe"]


def assign(target: Tracer, key: Any, value: Any) -> None:
    """``target[key] = value``, with NumPy's casting (unsafe) and broadcasting."""
    from ..ops.index import getitem, parse_key
    from ..ops.update import fitted, setitem

    check_writable(target)
    if isinstance(value, str):  # the number that it says, or NumPy's ValueError
        value = np.full((), value, np.dtype(target.dtype))[()]
    key, is_array = plain(key), hasattr(value, "dtype")
    if isinstance(value, (list, tuple)) and names_element(target, key) and not bools_as_axes(key):
        value = _as_element(value, target.dtype)
    value = plain(as_operand(each_as(value, target.dtype)))
    if isinstance(value, complex) or getattr(getattr(value, "dtype", None), "kind", "") == "c":
        raise DTypeError(
            f"a complex value cannot be stored in a {target.dtype.name} array, which would lose "
            f"its imaginary part; store value.real, or make the array with dtype=complex"
        )
    array = known(target)
    if array is not target and all_known([key, value]):
        array[key] = value
        target._cell.touch()
        return
    if array is not target:
        target._cell.forget_elements(target._trace)
    bools = bools_as_axes(key)
    if bools is not None:
        target[bools[0]][bools[1]] = value
        return
    key = key_of_arrays(key)
    if names_element(target, key) and np.ndim(value) and not are_rows_numbers():
        parse_key(target.shape, key)  # an index that is outside comes first
        if not is_array or target.dtype != bool or np.size(value) != 1:
            raise ValueError("setting an array element with a sequence.")
        value = np.reshape(value, ())  # whose truth NumPy asks for
    if mask_in(key):
        store(target, key, value)
        return
    _, arrays = parse_key(target.shape, key)
    if any(np.shape(array) for array in arrays):
        target._write(setitem(target._tensor, lifted(key), lifted(value)))
        return
    place = getitem(target, key)
    if place._is_same(value):  # the end of x[key] += y
        return
    place._write(spread(fitted(lifted(value), place.shape, place._seen[1].dtype), place._seen[1]))


def names_element(target: Tracer, key: Any) -> bool:
    """Whether ``key`` is a whole number for each axis."""
    parts = key if type(key) is tuple else (key,)
    return len(parts) == target.ndim and all(
        isinstance(part, int)
        or getattr(part, "shape", None) == ()
        and getattr(part.dtype, "kind", "") in ("i", "u")
        for part in parts
    )


def check_element(part: Tracer, key: Any, value: Any) -> None:
    """NumPy's error for several values where ``key`` names one element of a complex array, of
    which ``part`` is the real one."""
    from ..ops.index import parse_key
    from .masked import Masked

    if isinstance(value, Masked):  # goes through a mask, and asks for nothing that makes it solid
        return
    if np.ndim(value) and names_element(part, key):
        parse_key(part.shape, key)  # an index that is outside comes first
        raise TypeError("only 0-dimensional arrays can be converted to Python scalars")


def _as_element(value: Any, dtype: np.dtype[Any]) -> Any:
    """What one element of ``dtype`` becomes of a list or a tuple: its truth, or NumPy's error."""
    if dtype.kind == "b":
        return bool(value)
    if dtype.kind in "iu":
        name = "list" if isinstance(value, list) else "tuple"
        raise TypeError(
            f"int() argument must be a string, a bytes-like object or a real number, not {name!r}"
        )
    raise ValueError("setting an array element with a sequence.")


def each_as(value: Any, dtype: np.dtype[Any]) -> Any:
    """``value``, traced integers in lists as ``dtype``: NumPy converts each by itself, and raises
    OverflowError for Python's that do not fit, ValueError for NaN that is to be an integer."""
    kind: Any = list if isinstance(value, list) and not is_held(value) else type(value)
    if kind in (list, tuple):
        return kind(each_as(item, dtype) for item in value)
    if type(value) in (int, float) and dtype.kind in "iu":
        return int(dtype.type(int(value)))
    is_traced = hasattr(type(value), "__mlc_lift__") and known(value) is value
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    return value.astype(dtype) if is_traced and kind in "iu" and dtype.kind in "iuf" else value


def key_of_arrays(key: Any) -> Any:
    """``key`` with lists and tuples of traced numbers in it as the index arrays that they are."""
    from .lists import whole

    if isinstance(key, list):
        return whole(key)
    if type(key) is tuple and any(isinstance(part, (list, tuple)) for part in key):
        return tuple(map(whole, key))
    return key


def bools_as_axes(key: Any) -> tuple[Any, Any] | None:
    """A key with single bools in it as two keys, one after the other: the first makes an axis of
    size 1 for each of them, the second reads it at one place or, for False, at none."""
    parts = key if isinstance(key, tuple) else (key,)
    if not any(map(_is_bool, parts)):
        return None
    axes: list[Any] = []
    places: list[Any] = []
    for part in parts:
        if _is_bool(part):
            axes.append(None)
            places.append(np.zeros(int(bool(known(part))), np.int64))
            continue
        places.append(part)
        if part is None:
            continue
        mask = getattr(getattr(part, "dtype", None), "kind", "") == "b"
        axes += [Ellipsis] if part is Ellipsis else [slice(None)] * (np.ndim(part) if mask else 1)
    return tuple(axes), tuple(places)


def _is_bool(part: Any) -> bool:
    """Whether a part of a key is one bool, known while tracing."""
    part = known(part)
    if isinstance(part, np.ndarray):
        return part.dtype == bool and not part.ndim
    return isinstance(part, bool | np.bool_)


def check_writable(target: Tracer) -> None:
    """ReadOnlyError for views that NumPy does not let be written to, ArgumentError for scalars."""
    if not target.shape and not target._cell.is_array:  # views of scalars, too
        raise ArgumentError(
            f"{target!r} is a scalar, as NumPy's sums and elements are: it never changes; make "
            f"another one, or write into the array it came from"
        )
    if target._is_read_only():
        raise ReadOnlyError("assignment destination is read-only")


def lifted(value: Any) -> Any:
    """Traced values as tensors, in lists, tuples and slices too; all else as it is."""
    trace: Any = CURRENT.get()
    value = known(value)
    if isinstance(value, (tuple, list)):
        return type(value)(lifted(item) for item in value)
    return trace.lift(value) if hasattr(type(value), "__mlc_lift__") else value


def one_element(value: Any) -> Any:
    """``value``, unless it is no number, as one element has to be."""
    if isinstance(value, list | tuple):
        raise ArgumentError(f"fill: the value must be a number, got a {type(value).__name__}")
    if np.ndim(value):
        raise ShapeError(f"fill: the value must be a number, got an array of {np.shape(value)}")
    return value


def as_operand(value: Any) -> Any:
    """Lists as the arrays that NumPy makes of them."""
    from .operators import from_sequence

    return from_sequence(value) if isinstance(value, (list, tuple)) else value


def spread(value: Any, like: Any) -> Any:
    """``value``, of the dtype of the tensor ``like``, as a tensor of its shape."""
    from ..ops.create import filled
    from ..ops.op import Op
    from ..ops.shape import spread as broadcast

    trace: Any = CURRENT.get()
    made: Op = broadcast
    if not hasattr(value, "shape"):
        return filled.tensors(trace, (value,), {"shape": like.shape, "dtype": like.dtype})
    return made.tensors(trace, (trace.lift(value),), {"shape": like.shape})


def write_result(name: str, target: Any, result: Any, casting: Casting = "same_kind",
                 where: Any = True) -> Any:  # fmt: skip
    """Put ``result`` of the function called ``name`` into ``target``, as ``out=target`` does."""
    from ..ops.broadcast import broadcast_shape
    from ..ops.elementwise import astype, select_where

    check_writable(target)
    trace: Any = CURRENT.get()
    dtype, shape = target.dtype, target.shape
    value = trace.lift(result)
    if not hasattr(value, "shape"):
        value = spread(value, target._seen[1])
    if not np.can_cast(value.dtype.numpy, dtype, casting):
        raise DTypeError(
            f"Cannot cast {name} output from {value.dtype.numpy!r} to {dtype!r} with casting rule "
            f"{casting!r}; write x = x.astype({value.dtype.name!r}) first, or make a new array "
            f"instead of changing this one"
        )
    try:
        fits = broadcast_shape(name, value.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(
            f"{name}: non-broadcastable output operand with shape {shape} doesn't match the "
            f"broadcast shape {value.shape}"
        )
    value = astype(value, dtype=target._seen[1].dtype)
    if where is not True:
        value = select_where(trace.lift(where), value, target._tensor)
    target._write(spread(value, target._seen[1]))
    return target


def has_traced(values: Any) -> bool:
    """Whether a traced value is among ``values``."""
    return any(hasattr(type(leaf), "__mlc_lift__") for leaf in leaves_of(values))
