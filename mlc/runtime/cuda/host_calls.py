"""Steps that the processor takes between kernels: functions of libraries that no card has."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from mlc.backends.cuda.device import Argument, HostArray, HostCall

Array = np.ndarray[Any, Any]
Address = Callable[[Argument], int]


def call_here(call: HostCall, address: Address) -> None:
    """``call`` over memory of the host, which ``address`` tells for each argument."""

    def view(array: HostArray) -> Array:
        if array.argument is None:
            return np.empty(array.shape, array.dtype)
        return _viewed(array, address(array.argument))

    call.run(list(map(view, call.given)), list(map(view, call.results)))


def call_between(
    call: HostCall,
    address: Address,
    download: Callable[[int, Array], None],
    upload: Callable[[Array, int], None],
) -> None:
    """``call`` over memory elsewhere: ``download(from, to)`` and ``upload(from, to)`` copy bytes,
    and are done when they return."""
    given = []
    for array in call.given:
        assert array.argument is not None, "what is read has been written"
        low, high, first = _span(array)
        memory = np.empty(high - low, np.uint8)
        download(address(array.argument) + low, memory)
        given.append(_viewed(array, memory.ctypes.data + first).copy())  # memory is let go
    results = [np.empty(array.shape, array.dtype) for array in call.results]
    call.run(given, results)
    for array, made in zip(call.results, results, strict=True):
        if array.argument is not None:
            upload(made.reshape(-1).view(np.uint8), address(array.argument))


def _viewed(array: HostArray, address: int) -> Array:
    """The array whose first element is at ``address``."""
    if 0 in array.shape:
        return np.empty(array.shape, array.dtype)
    size = array.dtype.itemsize
    first = np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address)).view(array.dtype)
    return np.lib.stride_tricks.as_strided(first, array.shape, _steps(array))


def _steps(array: HostArray) -> tuple[int, ...]:
    size = array.dtype.itemsize
    if array.strides is not None:
        return tuple(stride * size for stride in array.strides)
    steps: list[int] = []
    for extent in reversed(array.shape):
        steps.insert(0, size)
        size *= extent
    return tuple(steps)


def _span(array: HostArray) -> tuple[int, int, int]:
    """The bytes of an array from its first element on: the lowest, the end, and the first element
    seen from the lowest."""
    if 0 in array.shape:
        return 0, 0, 0
    ways = [(n - 1) * step for n, step in zip(array.shape, _steps(array), strict=True)]
    low = sum(way for way in ways if way < 0)
    return low, sum(way for way in ways if way > 0) + array.dtype.itemsize, -low
