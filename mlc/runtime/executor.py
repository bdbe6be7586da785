"""A loaded kernel with everything it needs: native entry, constants, and the call from Python."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlc.errors import ArgumentError, CompileError
from mlc.runtime.entry import ArraySpec, EntrySpec
from mlc.runtime.entry_ir import NO_MEMORY
from mlc.runtime.image import LoadedImage, load_image
from mlc.runtime.native_call import is_native, slow_entry
from mlc.runtime.symbols import resolver

_RUN = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)


class Executable:
    """One compiled kernel of one signature, ready to run in this process.

    ``image`` comes from a module with `entry_ir`'s text. ``constants`` are C-contiguous arrays,
    ``statics`` the objects that the static params must be. ``on_error(code)`` raises for a code
    other than 0 that the kernel returned. Keep the executable as long as its entry is installed.
    """

    __slots__ = (
        "_kept", "_next", "_run", "constants", "entry_address", "image", "on_error", "spec",
    )  # fmt: skip

    def __init__(
        self,
        image: bytes,
        spec: EntrySpec,
        constants: Sequence[np.ndarray[Any, Any]] = (),
        *,
        statics: Sequence[object] = (),
        on_error: Callable[[int], object] | None = None,
        unflatten: Callable[..., object] | None = None,
        symbols: dict[str, int] | None = None,
    ) -> None:
        if len(constants) != spec.n_constants or len(statics) != spec.n_statics:
            raise ValueError(
                f"expected {spec.n_constants} constants and {spec.n_statics} static values, got "
                f"{len(constants)} and {len(statics)}"
            )
        if not all(c.flags.c_contiguous and c.flags.aligned for c in constants):
            raise ValueError("constants must be C-contiguous and aligned")
        self.spec = spec
        self.constants = tuple(constants)
        self.on_error = on_error
        self.image: LoadedImage = load_image(image, resolver(symbols))
        self._run = _RUN(self.image.address("mlc_run"))
        names = [sys.intern(name) for name in (*spec.keywords, "out")]
        self._kept = (names, tuple(statics), self._fail, unflatten)
        self._fill("mlc_constants", [address_of(c) for c in constants])
        self._fill("mlc_names", [id(name) for name in names])
        self._fill("mlc_statics", [id(value) for value in statics])
        self._fill("mlc_error", [id(self._kept[2])])
        self._fill("mlc_unflatten", [id(unflatten)])
        self._next = self.image.pointer("mlc_next")
        self._next.value = slow_entry()
        self.entry_address = self.image.address("mlc_entry") if is_native() else 0

    def set_next(self, address: int) -> None:
        """Where calls go that this signature does not match; at first, the slow path."""
        self._next.value = address

    def run(
        self, inputs: Sequence[np.ndarray[Any, Any]], outputs: Sequence[np.ndarray[Any, Any]]
    ) -> None:
        """Run the kernel from Python, with the GIL released.

        ``inputs`` holds an array for every param but static ones (0-d for scalars). Outputs must
        not share memory with inputs, or only as the spec allows. ArgumentError for an array that
        does not fit; otherwise what ``on_error`` raises.
        """
        spec = self.spec
        if (len(inputs), len(outputs)) != (len(spec.buffers), len(spec.outputs)):
            raise ArgumentError(
                f"expected {len(spec.buffers)} inputs and {len(spec.outputs)} outputs, got "
                f"{len(inputs)} and {len(outputs)}"
            )
        wanted = [s if isinstance(s, ArraySpec) else ArraySpec((), s.dtype) for s in spec.buffers]
        for what, array in zip((*wanted, *spec.outputs), (*inputs, *outputs)):
            reason = what.mismatch(array)
            if reason is not None:
                raise ArgumentError(reason)
        if not all(array.flags.writeable for array in outputs):
            raise ArgumentError("expected writeable outputs")
        addresses = [*map(address_of, inputs), *(0,) * spec.n_constants, *map(address_of, outputs)]
        code = self._run((ctypes.c_void_p * max(len(addresses), 1))(*addresses))
        if code:
            self._fail(code)

    def _fill(self, name: str, addresses: list[int]) -> None:
        at = self.image.address(name)
        for i, address in enumerate(addresses):
            ctypes.c_void_p.from_address(at + 8 * i).value = address

    def _fail(self, code: int) -> None:
        if code == NO_MEMORY:
            raise MemoryError(f"no memory for a workspace of {self.spec.workspace_bytes} bytes")
        if self.on_error is not None:
            self.on_error(code)
        raise CompileError(f"a compiled kernel reported the unknown error {code}")


def address_of(array: np.ndarray[Any, Any]) -> int:
    """The address of an array's first element."""
    if is_native():  # `array.ctypes.data` takes microseconds
        return ctypes.c_void_p.from_address(id(array) + 16).value or 0
    return int(array.ctypes.data)
