"""What a compiled function depends on: the key of a call, and why two calls differ.

The key of an argument is a tuple::

    (dtype, shape)                      a C-contiguous, aligned array
    (dtype, (), "scalar")               a NumPy scalar
    (dtype, shape, strides, aligned)    any other array; strides in elements
    (float,) | (int,) | (bool,) | (complex,)
                                        a Python number: traced, and weak in promotion
    ("static", type, value)             a static argument
    (structure, key, key, ...)          a tree of arguments
"""

from __future__ import annotations

import types
from collections.abc import Collection, Iterable
from enum import Enum
from functools import partial
from typing import Any

import numpy as np

from .. import te
from ..dtypes import as_dtype
from ..errors import ArgumentError, DTypeError
from ..te.tensor import Tensor
from . import tree
from .content import Identity as Identity
from .content import content_key
from .trace import as_array, shown

Key = tuple[Any, ...]
_SCALAR = "scalar"
_PYTHON = {float: "float64", int: "int64", bool: "bool"}
_WHOLE = 0x101  # NumPy's flags for C-contiguous and aligned
_SETTINGS = (
    str, type, np.dtype, np.ufunc, np.vectorize, slice, range, Enum, types.FunctionType,
    types.BuiltinFunctionType, types.MethodType, types.ModuleType, partial,
    type(np.sum),
)  # fmt: skip


def array_key(array: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], Key]:
    """``array`` and its key; copied only if its strides are no whole number of elements."""
    if array.dtype.kind == "c":
        return _complex_key(array)
    if array.flags.num & _WHOLE == _WHOLE:
        return array, (array.dtype, array.shape)
    return _strided_key(array)


def _complex_key(array: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], Key]:
    """The key of a complex array, and its memory as real numbers with a last axis of 2."""
    from .complex.value import REAL, pair_view

    if array.flags.num & _WHOLE == _WHOLE:
        key: Key = (array.dtype, array.shape)
    else:
        array, key = _strided_key(array)
    return pair_view(array) if array.dtype in REAL and array.dtype.isnative else array, key


def _strided_key(array: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], Key]:
    size = array.dtype.itemsize
    if not size or any(n > 1 and s % size for n, s in zip(array.shape, array.strides)):
        array = np.array(array, order="C")
        return array, (array.dtype, array.shape)
    if array.flags.c_contiguous:
        return array, (array.dtype, array.shape, None, False)
    # The strides of axes of size 1 mean nothing: they are taken as those of a contiguous array.
    steps, contiguous = list(array.strides), size
    for axis in range(array.ndim - 1, -1, -1):
        if array.shape[axis] == 1:
            steps[axis] = contiguous
        contiguous *= max(array.shape[axis], 1)
    strides = tuple(step // size for step in steps)
    return array, (array.dtype, array.shape, strides, array.flags.aligned)


def leaf_key(value: Any, name: str, function: str) -> tuple[np.ndarray[Any, Any], Key]:
    """The array to pass for a leaf, and its key; ArgumentError if it is neither array nor
    number.
    """
    kind = type(value)
    if kind is np.ndarray:
        return array_key(value)
    if kind is float:
        return np.array(value), (float,)
    if kind is bool:
        return np.array(value), (bool,)
    if kind is int:
        try:
            return np.array(value, np.int64), (int,)
        except OverflowError:
            raise ArgumentError(
                f"argument {name} of {function} is {value}, which does not fit int64; pass a NumPy "
                f"scalar of a wider dtype, or name it in static_argnames"
            ) from None
    if kind is complex:
        return np.array([value.real, value.imag]), (complex,)
    lift = getattr(kind, "__mlc_lift__", None)
    if lift is not None:
        lift(value, None)  # a traced value where nothing is traced: it leaked, and says so
    array = as_array(value)
    if array is None and isinstance(value, (float, int)):
        return leaf_key(float(value) if isinstance(value, float) else int(value), name, function)
    if array is None:
        raise ArgumentError(
            f"argument {name} of {function} is {_a(value)} {shown(value)}, neither an array nor a "
            f"number; "
            f"name it in static_argnames={name.split('.')[0].split('[')[0]!r} if it is a setting, "
            f"or "
            f"register its class with optree if it holds arrays"
        )
    found, key = array_key(array)
    return found, (*key, _SCALAR) if isinstance(value, np.generic) else key


def is_setting(value: Any) -> bool:
    """Whether ``value`` can be nothing but static: a text, a type, a function, a slice."""
    return isinstance(value, _SETTINGS)


def static_key(value: Any, name: str, function: str) -> Key:
    """The key of a static argument: its type and value (lists, tuples, dicts and slices by
    content, functions by `mlc.tracer.content`).
    """
    key = ("static", type(value), content_key(value))
    try:
        hash(key)
    except TypeError:
        raise ArgumentError(
            f"static argument {name} of {function} is {_a(value)}, which cannot be hashed; pass a "
            f"number, a "
            f"string or a tuple, or do not name it in static_argnames"
        ) from None
    return key


def placeholder(name: str, key: Key, function: str) -> tuple[Tensor, bool]:
    """The te placeholder for a leaf with this key, and whether it is weak."""
    if len(key) == 1:
        if key[0] is complex:
            return te.placeholder((2,), "float64", name), False
        return te.placeholder((), _PYTHON[key[0]], name), True
    dtype, shape = key[:2]
    strides, aligned = key[2:] if len(key) == 4 else (None, True)
    if dtype.char in "FD" and dtype.isnative:
        if strides is not None:
            strides = (*(2 * step for step in strides), 1)
        return te.placeholder((*shape, 2), dtype.type(0).real.dtype, name, strides, aligned), False
    try:
        known = as_dtype(dtype)
    except DTypeError as error:
        raise DTypeError(f"argument {name} of {function}: {error.message}") from None
    return te.placeholder(shape, known, name, strides, aligned), False


def is_complex_key(key: Key) -> bool:
    """Whether this is the key of a complex array or number."""
    return key[0] is complex or isinstance(key[0], np.dtype) and key[0].kind == "c"


def is_scalar_key(key: Key) -> bool:
    """Whether this is the key of a number: Python's, or a NumPy scalar."""
    return len(key) == 1 or key[2:] == (_SCALAR,)


def key_text(key: Key) -> str:
    """A key for people: ``float32[3, 4]``."""
    match key:
        case ("static", _, value):
            is_number = isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], type)
            return f"={value[1]}" if is_number else f"={value!r}"
        case (type() as kind,):
            return kind.__name__
        case (np.dtype() as dtype, shape):
            return f"{dtype.name}{list(shape)}"
        case (np.dtype() as dtype, _, _):
            return f"{dtype.name} scalar"
        case (np.dtype() as dtype, shape, strides, aligned):
            extra = "" if strides is None else f" strides {list(strides)}"
            return f"{dtype.name}{list(shape)}{extra}{'' if aligned else ' unaligned'}"
        case (_, *keys):
            return f"({', '.join(map(key_text, keys))})"
    return str(key)


def call_text(names: Iterable[str], keys: Iterable[Key]) -> str:
    """A call for people: ``x: float32[3, 4], axis=1``."""
    parts = zip(names, map(key_text, keys))
    return ", ".join(n + (text if text[:1] == "=" else f": {text}") for n, text in parts)


def differences(names: Iterable[str], old: Key, new: Key) -> list[str]:
    """How the arguments ``new`` differ from ``old``, argument by argument, as parts of a
    sentence.
    """
    found: list[str] = []
    for name, before, after in zip(names, old, new):
        if before != after:
            found.append(_difference(name, before, after))
    return found


def why_new(
    known: Collection[Any], keys: tuple[Key, ...], labels: list[str], names: Any, debug: bool
) -> str:
    """Why no signature in ``known``, (keys, names, debug), fitted: told by the nearest one."""
    nearest: list[str] | None = None
    is_first = True
    for known_keys, known_names, known_debug in known:
        is_first = False
        if known_names != names or len(known_keys) != len(keys):
            continue
        found = differences(labels, known_keys, keys)
        if known_debug != debug:
            found.append(f"debug: {known_debug} -> {debug}")
        if nearest is None or len(found) < len(nearest):
            nearest = found
    if is_first:
        return "first call"
    return _other_arguments(known, labels, names) if nearest is None else ", ".join(nearest)


def _other_arguments(known: Iterable[Any], labels: list[str], names: tuple[str, ...]) -> str:
    """Which arguments a call has, or has not, unlike the one of ``known`` that is nearest."""
    by_place = len(labels) - len(names)
    nearest: list[str] | None = None
    for known_keys, known_names, _ in known:
        known_by_place = len(known_keys) - len(known_names)
        before = {*labels[: min(known_by_place, by_place)], *known_names}
        found = [f"{label} is passed" for label in labels if label not in before]
        found += [f"{name} is left out" for name in known_names if name not in labels]
        if known_by_place > by_place:
            found.append(f"fewer arguments by position: {known_by_place} -> {by_place}")
        if nearest is None or len(found) <= len(nearest):
            nearest = found
    return ", ".join(nearest or ("number or names of the arguments",))


def _difference(name: str, old: Key, new: Key) -> str:
    arrays = [isinstance(k[0], np.dtype) for k in (old, new)]
    if all(arrays):
        what = [word for i, word in enumerate(("dtype", "shape")) if old[i] != new[i]] or [
            "strides" if old[2:3] != new[2:3] else "alignment"
        ]
        text = f"{' and '.join(what)} of {name}: {key_text(old)} -> {key_text(new)}"
        if "shape" in what and len(old[1]) == len(new[1]):
            axes = [str(d) for d, (m, n) in enumerate(zip(old[1], new[1])) if m != n]
            text += f" (ax{'i' if len(axes) == 1 else 'e'}s {' and '.join(axes)})"
        return text
    if old[0] == new[0] == "static":
        return f"static value of {name}: {key_text(old)[1:]} -> {key_text(new)[1:]}"
    both_trees = not any(arrays) and len(old) > 1 and len(new) > 1
    if both_trees and "static" not in (old[0], new[0]):
        if old[0] != new[0]:
            return f"structure of {name}: {old[0]} -> {new[0]}"
        names = tree.leaf_names(name, old[0])
        return ", ".join(differences(names, old[1:], new[1:]))
    return f"kind of {name}: {key_text(old)} -> {key_text(new)}"


def _a(value: Any) -> str:
    name = type(value).__name__
    return f"an {name}" if name[0].lower() in "aeiou" else f"a {name}"
