"""A compiled signature on cards: its kernels, and what they are launched with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .errors import MlcError, UnsupportedError
from .runtime.cuda.arrays import CUPY, TORCH, DeviceArray, Library
from .runtime.cuda.card import card
from .runtime.cuda.launch import Launched, load
from .te.tensor import Constant

Array = np.ndarray[Any, Any]
_KNOWN_SCALARS = 1024
_ATTRIBUTE = "_device_entries"


class Plan:
    """A compiled signature on cards: its kernels, and the constants they read, by card."""

    def __init__(self, compiled: Any) -> None:
        self.launched: Launched = load(compiled.device_module)
        self.outputs = [(tuple(t.shape), t.dtype.numpy) for t in compiled.outputs]
        self.host_constants = constants_of(compiled)
        self.constants: dict[int, list[Any]] = {}
        self.common: int = getattr(compiled, "common", 0)  # the last constants, of all sizes
        self.shared: dict[tuple[int, int], Any] = getattr(compiled, "uploaded", {})
        self.scalars: dict[tuple[Any, ...], Any] = {}
        self.captured: dict[int, Any] = {}  # numbers that CUDA graphs read, by address

    def launch(self, pointers: Sequence[int], library: Library, device: int) -> Any:
        """Launch the kernels on the current card, ``device``, and the current stream of
        ``library``. Gives the workspace where `raise_failed` has something to look at."""
        module, space = self.launched.module, None
        try:
            if module.checks or (module.workspace_bytes and library is TORCH):
                space = library.workspace(module.workspace_bytes, device)
        except Exception as error:
            raise card().error(error, f"allocating a workspace for {module.name}") from error
        workspace = 0 if space is None else library.pointer(space)
        stream = library.stream(device)
        if module.checks:
            self.refuse_capture("may refuse its data, for which its call waits", stream)
        self.launched(pointers, workspace, stream)
        return space if module.checks else None

    def raise_failed(self, space: Any, library: Library) -> None:
        """Raise what the function refuses its data for, for which it waits. ``space`` is what
        `launch` gave."""
        if space is not None:
            module = self.launched.module
            module.raise_failed(self.download(space, library, module.record, module.record + 16))

    def run(
        self, inputs: Sequence[DeviceArray | Array], places: Sequence[Any], library: Library,
        device: int,
    ) -> tuple[list[Any], Any]:  # fmt: skip
        """The outputs over ``inputs``, of which those of the host are copied, and what `launch`
        gives; ``places`` are arrays to write to, None for new ones."""
        try:
            held = [
                library.empty(shape, dtype, device) if place is None else place
                for (shape, dtype), place in zip(self.outputs, places, strict=True)
            ]
            numbers = [
                None if isinstance(a, DeviceArray) else self.scalar(a, device) for a in inputs
            ]
            self._keep_captured(numbers, library, device)
            constants = self.held_constants(device)
        except MlcError:
            raise
        except Exception as error:
            doing = f"allocating what {self.launched.module.name} needs"
            raise card().error(error, doing) from error
        pointers = [
            a.pointer if isinstance(a, DeviceArray) else CUPY.pointer(number)
            for a, number in zip(inputs, numbers, strict=True)
        ]
        pointers += [CUPY.pointer(array) for array in constants]
        pointers += [library.pointer(array) for array in held]
        return held, self.launch(pointers, library, device)

    def download(self, array: Any, library: Library, start: int, end: int) -> Array:
        """Elements of a vector on the card, for which it waits."""
        try:
            return library.download(array, start, end)
        except Exception as error:
            raise card().error(error, f"running {self.launched.module.name}") from error

    def refuse_capture(self, why: str, stream: int) -> None:
        """Raise if a CUDA graph captures ``stream``, which it cannot do: ``why``."""
        if card().is_capturing(stream):
            raise UnsupportedError(
                f"{self.launched.module.name} {why}, which a CUDA graph cannot capture; call it "
                f"outside of the capture"
            )

    def held_constants(self, device: int) -> list[Any]:
        """The constants on the current card, ``device``; copied there once."""
        found = self.constants.get(device)
        if found is None:
            if self.host_constants:
                self._refuse_copy()
            found = [self._uploaded(n, device) for n in range(len(self.host_constants))]
            card().cupy.cuda.get_current_stream().synchronize()  # later calls use other streams
            self.constants[device] = found
        return found

    def _uploaded(self, number: int, device: int) -> Any:
        """A constant on the current card: that of other sizes where they have the same."""
        shared = number - (len(self.host_constants) - self.common)
        held = self.shared.get((device, shared)) if shared >= 0 else None
        if held is None:
            held = card().cupy.asarray(_bytes_of(self.host_constants[number]))
            if shared >= 0:
                self.shared[device, shared] = held
        return held

    def _keep_captured(self, numbers: Sequence[Any], library: Library, device: int) -> None:
        """Numbers that a CUDA graph will read stay on the card, however many others come."""
        found = [number for number in numbers if number is not None]
        if found and card().is_capturing(library.stream(device)):
            self.captured.update((CUPY.pointer(number), number) for number in found)

    def _refuse_copy(self) -> None:
        why = "copies numbers or arrays of the host to the card when it first meets them"
        self.refuse_capture(why, card().stream())

    def scalar(self, value: Array, device: int) -> Any:
        """A number on the current card, ``device``; the same one is copied there once."""
        key = device, value.dtype, value.shape, value.tobytes()
        found = self.scalars.get(key)
        if found is None:
            self._refuse_copy()
            if len(self.scalars) >= _KNOWN_SCALARS:
                self.scalars.clear()
            found = self.scalars[key] = card().cupy.asarray(_bytes_of(value))
            card().cupy.cuda.get_current_stream().synchronize()
        return found


def _bytes_of(array: Array) -> Array:
    """An array as kernels read it: there are dtypes that CuPy does not know."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


def constants_of(compiled: Any) -> list[Array]:
    """The constants that kernels read, C-contiguous, in the order of their numbers."""
    if hasattr(compiled, "constants"):
        return [np.ascontiguousarray(array) for array in compiled.constants]
    found = []
    for tensor in compiled.module.constants:
        assert isinstance(tensor.op, Constant)
        found.append(np.require(tensor.op.array, requirements=("C", "A")))
    return found


def plan_of(compiled: Any) -> Plan:
    """What a compiled graph is launched with, made once."""
    found: Plan | None = compiled.__dict__.get(_ATTRIBUTE)
    if found is None:
        found = compiled.__dict__[_ATTRIBUTE] = Plan(compiled)
    return found
