"""Comparisons of tuples and lists with traced numbers in them, part by part as Python's.

::

    (i, j) == (h - 1, w - 1)      i == h - 1 and j == w - 1
    (a, i) < (b, j)               a < b if a != b else i < j
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..tracer.chosen import Chosen
from ..tracer.grown import Grown, is_arrays
from ..tracer.number import python_number
from ..tracer.tracer import Tracer
from .forms import is_traced
from .perhaps import Perhaps

_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "Eq": operator.eq, "NotEq": operator.ne, "Lt": operator.lt, "LtE": operator.le,
    "Gt": operator.gt, "GtE": operator.ge,
}  # fmt: skip
_MIRRORED = {"Eq": "Eq", "NotEq": "NotEq", "Lt": "Gt", "LtE": "GtE", "Gt": "Lt", "GtE": "LtE"}
_SEQUENCES = (tuple, list)


def compared(a: Any, b: Any, name: str) -> Any:
    """``a == b``, or what the operator with that ``name`` asks."""
    if type(b) is Perhaps:  # which is asked first
        return _OPERATORS[_MIRRORED[name]](b, a)
    if isinstance(a, _SEQUENCES) and isinstance(b, _SEQUENCES) and is_by_parts(a, b):
        if name in ("Eq", "NotEq"):
            found = equal(a, b)
            return found if name == "Eq" else _not(found)
        return _ordered(a, b, name)
    if _is_number_and_sequence(a, b) or _is_number_and_sequence(b, a):
        a, b = (0 if is_traced(side) else side for side in (a, b))
    return _OPERATORS[name](a, b)


def is_same(a: Any, b: Any) -> Any:
    """``a is b``: Python has one True, one False, and one of each small int."""
    if type(a) is Chosen or type(b) is Chosen:
        return a == b
    if a is b or not (is_traced(a) or is_traced(b)):
        return a is b
    kinds = {_number_kind(side) for side in (a, b)}
    if kinds == {"b"}:
        return _OPERATORS["Eq"](a, b)
    if kinds == {"i"}:
        traced = a if is_traced(a) else b
        return _OPERATORS["Eq"](a, b) & (traced >= -5) & (traced <= 256)
    return False


def _number_kind(value: Any) -> str:
    """ "b" or "i" for Python's bools and ints, traced or not."""
    if isinstance(value, Tracer):
        return value.dtype.kind if value._is_weak and not value.shape else ""
    return {bool: "b", int: "i"}.get(type(value), "")


def _is_number_and_sequence(a: Any, b: Any) -> bool:
    """Whether ``a``, a number of Python's that is traced, and a sequence are compared."""
    return isinstance(b, _SEQUENCES) and isinstance(a, Tracer) and is_traced(a) and a._is_weak


def is_by_parts(a: Any, b: Any) -> bool:
    """Whether two sequences are of one kind, with something traced in one of them."""
    if is_arrays(a) or is_arrays(b):
        return False
    return _kind(a) is _kind(b) is not None and (holds_traced(a) or holds_traced(b))


def _kind(value: Any) -> type | None:
    """Which of Python's sequences ``value`` is compared as."""
    kind = type(value)
    base = tuple if isinstance(value, tuple) else list
    is_own = kind.__eq__ is not base.__eq__ or kind.__lt__ is not base.__lt__
    return None if is_own and not isinstance(value, Grown) else base


def holds_traced(value: Any) -> bool:
    """Whether ``value`` is traced, or a tuple or list that holds what is."""
    if isinstance(value, _SEQUENCES) and not is_arrays(value):
        return any(map(holds_traced, value))
    return type(value) in (Chosen, Perhaps) or is_traced(value)


def equal(a: Any, b: Any) -> Any:
    """``a is b or a == b``, as Python compares what is in sequences."""
    if a is b:
        return True
    if type(b) is Perhaps:
        a, b = b, a
    if not (isinstance(a, _SEQUENCES) and isinstance(b, _SEQUENCES) and is_by_parts(a, b)):
        return _truth(a == b)
    if len(a) != len(b):
        return False
    found: Any = True
    for p, q in zip(a, b):
        part = equal(p, q)
        if part is False:
            return False
        if part is not True:
            found = part if found is True else np.logical_and(found, part)
    return _python_bool(found)


def _ordered(a: Any, b: Any, name: str) -> Any:
    """The first parts that differ decide; where none do, the lengths."""
    found: Any = _OPERATORS[name](len(a), len(b))
    pairs = []
    for p, q in zip(a, b):
        is_same = equal(p, q)
        if is_same is not True:
            pairs.append((p, q, is_same))
        if is_same is False:
            break
    is_python = not pairs
    for p, q, is_same in reversed(pairs):
        beyond = _truth(compared(p, q, name))
        is_python = is_python or _is_python(beyond)
        found = beyond if is_same is False else np.where(is_same, found, beyond)[()]
    return _python_bool(found) if is_python else found


def _is_python(value: Any) -> bool:
    return value._is_weak if isinstance(value, Tracer) else isinstance(value, bool)


def _truth(value: Any) -> Any:
    """``bool(value)``, a traced one where that is."""
    if not is_traced(value):
        return bool(value)
    if value.size != 1:
        raise ValueError(
            "The truth value of an array with more than one element is ambiguous. Use a.any() or "
            "a.all()"
        )
    return value.reshape(()) if value.shape else value


def _not(value: Any) -> Any:
    return _python_bool(np.logical_not(value)) if is_traced(value) else not value


def _python_bool(value: Any) -> Any:
    return python_number(value, bool) if is_traced(value) else bool(value)
