"""A loaded kernel with all it needs: its table for the native entry, and the call from Python."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlc.errors import ArgumentError, CompileError
from mlc.runtime.entry import NO_MEMORY, ArraySpec, EntrySpec
from mlc.runtime.image import LoadedImage, load_image
from mlc.runtime.native_call import is_native
from mlc.runtime.signature import Signature, workspace_alignment
from mlc.runtime.symbols import ALIGNED, LARGE, resolver, when_many_results

_MAIN = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p)


class Executable:
    """One compiled kernel of one signature, ready to run in this process.

    ``image`` defines ``int32_t mlc_main(void **buffers, void *workspace)``: the params' buffers,
    the constants, the outputs; 0 for success. ``constants`` are C-contiguous arrays, ``statics``
    the objects that the static params must be, and ``held`` what else must be the same at each call
    (see `Signature`). ``on_error(code)`` raises for any other code, and
    ``unflatten(*outputs)`` makes the result if the spec says so. Keep the executable as long as its
    signature is installed: until then, nothing else keeps the constants.
    """

    __slots__ = ("_fail", "_main", "_unflatten", "constants", "image", "signature", "spec")

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
        held: Sequence[tuple[Any, str, object]] = (),
    ) -> None:
        if len(constants) != spec.n_constants or len(statics) != spec.n_statics:
            raise ValueError(
                f"expected {spec.n_constants} constants and {spec.n_statics} static values, got "
                f"{len(constants)} and {len(statics)}"
            )
        if not all(c.flags.c_contiguous and c.flags.aligned for c in constants):
            raise ValueError("constants must be C-contiguous and aligned")
        if spec.returns == "call" and unflatten is None:
            raise ValueError("to return what `unflatten` makes, pass it")
        self.spec = spec
        self.constants = tuple(constants)
        self.image: LoadedImage = load_image(image, resolver(symbols))
        address = self.image.address("mlc_main")
        self._main = _MAIN(address)
        self._fail = _raiser(spec, on_error)
        if is_native():
            _prepare(max((output.nbytes for output in spec.outputs), default=0))
        self._unflatten = unflatten
        self.signature = self.called(spec, statics, held)

    def called(
        self,
        spec: EntrySpec,
        statics: Sequence[object],
        held: Sequence[tuple[Any, str, object]] = (),
    ) -> Signature:
        """A table for calls of this kernel by other params, as ``spec`` says, with the same buffers
        in the same order; ``held`` is what such a call depends on besides."""
        address, constants = self.image.address("mlc_main"), map(address_of, self.constants)
        return Signature(
            spec, address, [*constants], statics, self._fail, self._unflatten,
            held if is_native() else (),
        )  # fmt: skip

    def run_ahead(self, workspace_bytes: int) -> None:
        """Let ``int32_t mlc_ahead(void **buffers, void *workspace)`` of the image fill those of the
        constants that are its results."""
        unknown: list[int | None] = [None] * len(self.spec.buffers)
        buffers = [*unknown, *map(address_of, self.constants)]
        block = np.empty(workspace_bytes + 64, np.uint8)
        code = _MAIN(self.image.address("mlc_ahead"))(
            (ctypes.c_void_p * len(buffers))(*buffers), (address_of(block) + 63) & ~63
        )
        if code:
            self._fail(code)

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
        self.run_known(inputs, outputs)

    def run_known(
        self, inputs: Sequence[np.ndarray[Any, Any]], outputs: Sequence[np.ndarray[Any, Any]]
    ) -> None:
        """The same for arrays that are known to fit."""
        arrays = (*inputs, *self.constants, *outputs)
        self.enter((ctypes.c_void_p * max(len(arrays), 1))(*map(address_of, arrays)))

    def enter(self, buffers: Any) -> None:
        """Run the kernel on addresses: inputs, constants, outputs. Nothing is checked."""
        block, workspace = self._workspace()
        code = self._main(buffers, workspace)
        del block
        if code:
            self._fail(code)

    def enter_many(
        self, buffers: Any, steps: Any, swaps: Any, start: int, rows: int, times: int
    ) -> None:
        """Run the kernel ``times`` times: see `mlc.runtime.rows`."""
        from mlc.runtime.rows import rows_driver

        block, workspace = self._workspace()
        code = rows_driver()(
            self.image.address("mlc_main"), buffers, workspace, steps, len(steps), swaps,
            len(swaps) // 2, start, rows, times,
        )  # fmt: skip
        del block
        if code:
            self._fail(code)

    def _workspace(self) -> tuple[Any, int | None]:
        """Memory for a call, and the address in it to pass."""
        if not self.spec.workspace_bytes:
            return None, None
        low = workspace_alignment(self.spec.workspace_bytes) - 1
        block = np.empty(self.spec.workspace_bytes + low, np.uint8)
        return block, (address_of(block) + low) & ~low


def _prepare(most_bytes: int) -> None:
    """Let the memory of results come from `result_memory`: of large ones at once, of others when
    there were many, as loading that takes a millisecond."""
    if most_bytes >= LARGE:
        _switch_on()
    elif most_bytes >= ALIGNED and not when_many_results.value:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(_switch_on))  # calls may outlive this module
        when_many_results.value = id(_switch_on)


def _switch_on() -> None:
    from mlc.runtime.result_memory import switch_on

    switch_on()


def _raiser(spec: EntrySpec, on_error: Callable[[int], object] | None) -> Callable[[int], object]:
    def fail(code: int) -> None:
        if code == NO_MEMORY:
            raise MemoryError(f"no memory for a workspace of {spec.workspace_bytes} bytes")
        if on_error is not None:
            on_error(code)
        raise CompileError(f"a compiled kernel reported the unknown error {code}")

    return fail


def address_of(array: np.ndarray[Any, Any]) -> int:
    """The address of an array's first element."""
    if is_native():  # `array.ctypes.data` takes microseconds
        return ctypes.c_void_p.from_address(id(array) + 16).value or 0
    return int(array.ctypes.data)
