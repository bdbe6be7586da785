"""Strides of traced arrays, as NumPy's are, and np.lib.stride_tricks.as_strided."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ShapeError, UnsupportedError
from ..te.extent import Extent
from .concrete import known, plain
from .masked import solid
from .memory_order import layout
from .tracer import Tracer

_AS_STRIDED = "np.lib.stride_tricks.as_strided"


def strides_of(value: Any) -> tuple[int, ...]:
    """``value.strides``, in bytes; UnsupportedError where NumPy's order is not known."""
    found = known(value)
    if found is not value:
        return found.strides  # type: ignore[no-any-return]
    part, times = value, 1
    if not isinstance(value, Tracer):  # complex: real and imaginary parts in turn
        part = value._parts[0]
        times = 1 if value._pair is not None or _is_apart(part) else 2
        if times == 2 and getattr(part, "_view", None) is not None:
            raise _unknown(value)
    is_moving = any(isinstance(n, Extent) for n in value.shape) and value.ndim > 1
    if isinstance(part, Tracer) and not part.size and part._cell.place is not None:
        raise _unknown(value)  # functions are compiled for empty arrays of any strides
    memory = None if is_moving or not isinstance(part, Tracer) else layout(part)
    if memory is None:
        raise _unknown(value)
    return tuple(times * step for step in memory.strides)


def _is_apart(part: Any) -> bool:
    """Whether the strides of a real part, that of an array which was known at first, count the
    imaginary parts between its elements."""
    return isinstance(part, Tracer) and part._cell.is_joined and part._cell.strides is not None


def _unknown(value: Any) -> UnsupportedError:
    return UnsupportedError(
        f"the strides of {value!r} are not known while tracing: they depend on the order of its "
        f"elements in memory; take those of x.copy(), which has C's, or use "
        f"np.lib.stride_tricks.sliding_window_view"
    )


def as_strided(
    x: Any, shape: Any = None, strides: Any = None, subok: bool = False, writeable: bool = True
) -> Any:
    """np.lib.stride_tricks.as_strided of a traced array, as a view by index; ShapeError where it
    would leave the array, which NumPy does not check."""
    x = solid(x)
    if not hasattr(type(x), "__mlc_lift__"):
        return np.lib.stride_tricks.as_strided(x, plain(shape), plain(strides), subok, writeable)
    steps = _numbers(strides_of(x) if strides is None else strides)
    sizes = _numbers(x.shape if shape is None else shape)
    if len(steps) != len(sizes):
        raise ValueError("mismatch in length of strides and shape")
    return _view(x, sizes, steps, writeable)


def _numbers(value: Any) -> tuple[int, ...]:
    value = plain(value)
    return (
        tuple(map(operator.index, value))
        if isinstance(value, Sequence | np.ndarray)
        else (operator.index(value),)
    )


def _view(x: Any, sizes: tuple[int, ...], steps: tuple[int, ...], writeable: bool) -> Any:
    from ..ops.strided import is_inside, moves_of, strided, strided_to_read

    made, own = strided if writeable else strided_to_read, strides_of(x)
    moves, source = moves_of(steps, x.shape, own), x
    if moves is None or not is_inside(moves, sizes, x.shape):
        blank = np.lib.stride_tricks.as_strided(np.empty(1, x.dtype), x.shape, own)
        if blank.flags.c_contiguous:  # then its elements can be taken as one axis
            source = np.reshape(x, (-1,))
            moves = moves_of(steps, source.shape, (x.itemsize,))
    if moves is None or not is_inside(moves, sizes, source.shape):
        raise ShapeError(
            f"np.lib.stride_tricks.as_strided: shape {sizes} with strides {steps} cannot be "
            f"shown to stay within an array of shape {tuple(x.shape)} with strides {own}, and "
            f"NumPy would read whatever memory is there; make the array larger before, with np.pad"
        )
    if isinstance(x, Tracer):
        return made(source, shape=sizes, moves=moves)
    from .complex.value import Complex

    return Complex(*(made(part, shape=sizes, moves=moves) for part in source._parts))
