"""NumPy's functions of lists: where these hold traced numbers, NumPy asks nobody else; and of
constants, the arrays of which are a traced function's own.

``np.dot([a, b], [c, d])`` of traced numbers would have NumPy make arrays of the lists, which cannot
hold such numbers. While a function is traced, lists become traced arrays before NumPy sees them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..ops.op import CURRENT, is_held, leaves_of
from .concrete import all_known, made_of_constants, plain
from .grown import Grown
from .implementations import signature_of

KINDS = (type(np.sum),)  # of the functions that hand calls over to the class of an argument
_OF_ARRAYS = frozenset({
    "concatenate", "concat", "stack", "vstack", "row_stack", "hstack", "dstack", "column_stack",
    "multi_dot", "lexsort", "choose", "select", "piecewise", "einsum", "meshgrid",
})  # fmt: skip
_SIZES = frozenset({"shape", "newshape", "new_shape", "window_shape", "dims", "reps"})


@functools.cache
def taking_lists(function: Any) -> Callable[..., Any]:
    """``function`` of NumPy, for lists that hold traced values too; see `making`."""
    convert = _each if function.__name__ in _OF_ARRAYS else whole
    convert = _in_tuple if function.__name__ == "lexsort" else convert

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if (
            function is np.block
            or CURRENT.get() is None
            or not any(map(holds_traced, (*args, *kwargs.values())))
        ):
            return made_of_constants(function(*args, **kwargs), args, kwargs)
        kept = _kept_by(function)
        named = {k: v if k in kept else convert(v) for k, v in kwargs.items()}
        return function(*(v if n in kept else convert(v) for n, v in enumerate(args)), **named)

    return call


@functools.cache
def _kept_by(function: Any) -> frozenset[Any]:
    """The names and places of the arguments that stay what they are: those of sizes, each of which
    is asked for on its own, and the array that takes the result."""
    if function.__name__ in _OF_ARRAYS:  # which take no sizes
        return frozenset({"out"})
    try:
        names = [*signature_of(function).parameters]
    except ValueError:  # some of NumPy's are written in C
        names = []
    sizes = ((place, name) for place, name in enumerate(names) if name in _SIZES)
    return frozenset({"out", *(key for pair in sizes for key in pair)})


@functools.cache
def making(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` of NumPy that hands no call over, as most that make arrays of numbers."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if CURRENT.get() is None:
            return function(*args, **kwargs)
        if all_known([*args, *kwargs.values()]):
            args, kwargs = plain(args), plain(kwargs)
        return made_of_constants(function(*args, **kwargs), args, kwargs)

    return call


def holds_traced(value: Any) -> bool:
    """Whether ``value`` is a list or tuple with traced values in it."""
    if isinstance(value, Grown):
        return value.is_native or holds_traced(value.items())
    return type(value) in (list, tuple) and any(
        hasattr(type(leaf), "__mlc_lift__") or is_held(leaf) for leaf in leaves_of(value)
    )


def whole(value: Any) -> Any:
    """A list that holds traced values as an array."""
    from .operators import from_sequence

    if isinstance(value, Grown):
        return value.array() if value.is_native else whole(value.items())
    return from_sequence(value) if holds_traced(value) else value


def _each(value: Any) -> Any:
    """A list of arrays, some of which may be lists."""
    if isinstance(value, Grown):
        return list(map(whole, value))
    return type(value)(map(_array, value)) if holds_traced(value) else value


def _array(item: Any) -> Any:
    """A list among arrays: an array, too, whether it holds traced values or not."""
    is_plain = type(item) in (list, tuple) and not holds_traced(item)
    return np.array(item) if is_plain else whole(item)


def _in_tuple(value: Any) -> Any:
    """The same as a tuple, where NumPy hands a call over for the items of tuples alone."""
    return tuple(map(whole, value)) if holds_traced(value) else value
