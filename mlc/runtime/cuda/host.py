"""Kernels on a card over arrays of the host: copied there, and back when all is done."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlc.backends.cuda.device import DeviceModule
from mlc.errors import MlcError
from mlc.records import cached_property
from mlc.runtime.cuda.card import card
from mlc.runtime.cuda.launch import Launched, load

Array = np.ndarray[Any, Any]


class OnCard:
    """``run(inputs, outputs)`` copies all arrays to the current card (what is written may be read
    as well), launches the kernels, and copies the outputs back, for which it waits."""

    def __init__(self, make: Callable[[], DeviceModule]) -> None:
        self._make = make

    @cached_property
    def launched(self) -> Launched:
        """The kernels on their own, for arrays that are on the card."""
        return load(self._make())

    def run(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        on = card()
        try:
            spans = [_span(array) for array in (*inputs, *outputs)]
            held = [on.cupy.asarray(memory) for memory, _ in spans]
            pointers = [int(a.data.ptr) + first for a, (_, first) in zip(held, spans, strict=True)]
            module, space = self.launched.module, None
            if module.checks:
                space = on.cupy.empty(module.workspace_bytes, np.uint8)
            self.launched(pointers, 0 if space is None else int(space.data.ptr))
            if space is not None:
                module.raise_failed(on.cupy.asnumpy(space[module.record : module.record + 16]))
            for (memory, _), there in list(zip(spans, held, strict=True))[len(inputs) :]:
                memory[...] = on.cupy.asnumpy(there)
        except MlcError:
            raise
        except Exception as error:
            raise on.error(error, f"running {self.launched.module.name}") from error


def _span(array: Array) -> tuple[Array, int]:
    """The memory of an array from its lowest byte to its highest, and where in it the first element
    is."""
    low, high = np.lib.array_utils.byte_bounds(array)
    memory = (ctypes.c_uint8 * (high - low)).from_address(low)
    return np.ctypeslib.as_array(memory), array.ctypes.data - low
