"""CUDA kernels on a card: compiled for it by NVRTC, launched in order on one stream.

Nothing here waits for the card: what a kernel does wrong shows when its results are read.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlc.backends.cuda.device import DeviceModule, HostCall, TensorMap
from mlc.errors import MlcError, UnsupportedError
from mlc.runtime.cuda.card import Card, Loaded, card
from mlc.runtime.cuda.host_calls import call_between
from mlc.runtime.cuda.nvrtc import compile_module
from mlc.runtime.cuda.tensor_maps import MAP_BYTES, aligned_map, driver_map


class Launched:
    """The kernels of a module, ready to be launched on the current card.

    ``run(pointers, workspace, stream, device)``: ``pointers`` are addresses on the card of the
    arrays that launches name by number; without a ``workspace`` one comes from CuPy's pool; without
    a ``stream`` CuPy's current one is taken, without a ``device`` CuPy is asked for it. While a
    graph is captured, what it needs is kept for as long as this object.
    """

    def __init__(self, module: DeviceModule, on: Card) -> None:
        self.module = module
        self._card = on
        self._launch = on.launch
        # What each launch passes to the driver before the stream, by card.
        self._functions: dict[int, list[tuple[int, ...]]] = {}
        self._loaded: dict[int, Loaded] = {}
        self._lock = threading.Lock()
        self._frames = _Frames()
        self._workspace_bytes, self._host_calls = module.workspace_bytes, module.host_calls
        self._captured: list[Any] = []

    def __call__(
        self,
        pointers: Sequence[int],
        workspace: int = 0,
        stream: int | None = None,
        device: int | None = None,
    ) -> None:
        functions = self._functions.get(self._card.device() if device is None else device)
        if stream is None:
            stream = self._card.stream()
        if functions is None:
            if self._card.is_capturing(stream):
                raise UnsupportedError(
                    f"{self.module.name} has not run on card {self._card.device()} yet: the first "
                    "call loads its kernels, which a CUDA graph cannot capture; call it once "
                    "before the capture"
                )
            functions = self._load()
        held = None
        if self._workspace_bytes and not workspace:
            held = self._allocate(stream)
            workspace = int(held.ptr)
        frame = self._frames.frame
        if frame is None:
            self._card.bind()
            frame = self._frames.frame = _Frame(self.module)
        frame.fill(pointers, workspace)
        if frame.maps:
            frame.describe(self._card.error)
        if not self._host_calls:
            self._launch_all(functions, frame.parameters, stream, 0)
            return
        done = 0
        for call in self._host_calls:
            some = slice(done, call.before)
            self._launch_all(functions[some], frame.parameters[some], stream, done)
            done = call.before
            self._call(call, pointers, workspace, stream)
        self._launch_all(functions[done:], frame.parameters[done:], stream, done)

    def prepare(self) -> None:
        """Compile and load the kernels for the current card now, not at the first launch."""
        if self._card.device() not in self._functions:
            self._card.bind()
            self._load()

    def _launch_all(
        self,
        functions: Sequence[tuple[int, ...]],
        parameters: Sequence[int],
        stream: int,
        number: int,
    ) -> None:
        """Launch what comes from launch ``number`` on."""
        start = self._launch
        try:
            for function, places in zip(functions, parameters):
                start(*function, stream, places, 0)
                number += 1
        except Exception as error:
            launch = self.module.launches[number]
            x, y, z = launch.block
            doing = (
                f"launching the kernel {launch.kernel} (grid {launch.grid}, {x * y * z} "
                f"threads and {launch.shared_bytes} bytes of shared memory a block)"
            )
            raise self._card.error(error, doing) from error

    def _call(self, call: HostCall, pointers: Sequence[int], workspace: int, stream: int) -> None:
        """A step of the processor, unless a kernel has refused its data before: its arrays are
        copied there, for which it waits, and back."""
        on, module = self._card, self.module
        if on.is_capturing(stream):
            raise UnsupportedError(
                f"{call.name} is computed by a library of the processor, which a CUDA graph cannot "
                "capture; call it outside of the capture"
            )

        def download(address: int, memory: Any) -> None:
            on.copy(memory.ctypes.data, address, memory.nbytes, stream)

        def upload(memory: Any, address: int) -> None:
            on.copy(address, memory.ctypes.data, memory.nbytes, stream)

        try:
            if module.checks:
                record = np.empty(16, np.uint8)
                download(workspace + module.record, record)
                module.raise_failed(record)
            place = lambda argument: argument.address(pointers, workspace)
            call_between(call, place, download, upload)
        except (MlcError, ValueError):  # LinAlgError among them: the data is refused
            raise
        except Exception as error:
            raise on.error(error, f"copying what {call.name} reads and writes") from error

    def _allocate(self, stream: int) -> Any:
        try:
            held = self._card.allocate(self.module.workspace_bytes, stream)
            if self._card.is_capturing(stream):
                self._captured.append(held)
        except Exception as error:
            doing = f"allocating a workspace of {self.module.workspace_bytes} bytes for {self}"
            raise self._card.error(error, doing) from error
        return held

    def _load(self) -> list[tuple[int, ...]]:
        with self._lock:
            device = self._card.device()
            found = self._functions.get(device)
            if found is not None:
                return found
            arch, needs = self._card.arch(device), self.module.architecture
            if needs and arch != needs:
                raise UnsupportedError(
                    f"{self.module.name} was made for {needs} alone, and card {device} is {arch}; "
                    f"set mlc.config.cuda_architecture to None before it is compiled"
                )
            key = device, self.module.source
            loaded = self._card.loaded.get(key)
            cubin = b"" if loaded is not None else compile_module(self.module, arch)
            shared: dict[str, int] = {}  # a kernel may be launched with more and with less
            for launch in self.module.launches:
                shared[launch.kernel] = max(shared.get(launch.kernel, 0), launch.shared_bytes)
            doing = f"loading the kernels of {self.module.name}"
            try:
                if loaded is None:
                    loaded = self._card.loaded[key] = Loaded(self._card.load(cubin))
                self._loaded[device] = loaded
                functions = {}
                for name, size in shared.items():
                    each = f"each block of the kernel {name}"
                    doing = f"asking for {size} bytes of shared memory for {each}"
                    functions[name] = self._card.function(loaded.handle, name, size)
            except MlcError:
                raise
            except Exception as error:
                raise self._card.error(error, doing) from error
            found = [
                (functions[launch.kernel], *launch.grid, *launch.block, launch.shared_bytes)
                for launch in self.module.launches
            ]
            self._functions[device] = found
            return found

    def __repr__(self) -> str:
        return f"<CUDA module {self.module.name}>"


class _Frames(threading.local):
    """The frame of each thread, once it has one."""

    frame: _Frame | None = None


class _Frame:
    """The parameters of all launches in memory, as the driver reads them: for each launch the
    addresses of its values. One for each thread, filled anew for each call."""

    def __init__(self, module: DeviceModule) -> None:
        given = [argument for launch in module.launches for argument in launch.arguments]
        arguments = [a.array if isinstance(a, TensorMap) else a for a in given]
        self._arrays = [
            (n, argument.number) for n, argument in enumerate(arguments) if argument.kind == "array"
        ]
        self._pieces = [
            (n, argument.number) for n, argument in enumerate(arguments) if argument.kind != "array"
        ]
        count = max(len(arguments), 1)
        self._values = (ctypes.c_uint64 * count)()
        base = ctypes.addressof(self._values)
        self._addresses = (ctypes.c_void_p * count)(*(base + 8 * n for n in range(count)))
        self.maps = [(n, a) for n, a in enumerate(given) if isinstance(a, TensorMap)]
        self._described: dict[int, int] = {}  # the address that a map was made for
        self._memory = {n: aligned_map(bytes(MAP_BYTES)) for n, _ in self.maps}
        for n, memory in self._memory.items():
            self._addresses[n] = memory.ctypes.data
        first = ctypes.addressof(self._addresses)
        self.parameters = []
        for launch in module.launches:
            self.parameters.append(first)
            first += 8 * len(launch.arguments)

    def fill(self, pointers: Sequence[int], workspace: int) -> None:
        values = self._values
        for place, number in self._arrays:
            values[place] = pointers[number]
        for place, offset in self._pieces:
            values[place] = workspace + offset

    def describe(self, failed: Callable[[BaseException, str], Exception]) -> None:
        """Maps of the arrays at the addresses that were filled in."""
        for n, each in self.maps:
            address = self._values[n]
            if self._described.get(n) == address:
                continue
            try:
                content = driver_map(each, address)
            except RuntimeError as error:
                raise failed(error, "describing an array to the driver") from error
            self._memory[n][:] = np.frombuffer(content, np.uint8)
            self._described[n] = address


def load(module: DeviceModule) -> Launched:
    """The kernels of ``module``, compiled when they are launched for the first time on a card.

    Raises UnsupportedError where there is no CuPy, no driver or no card.
    """
    return Launched(module, card())
