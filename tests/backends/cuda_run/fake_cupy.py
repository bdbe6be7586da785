"""A stand-in for CuPy and the driver: arrays live in host memory, and a launch is recorded, its
parameters read from memory as a driver would, and run by the emulator."""

from __future__ import annotations

import ctypes
import dataclasses
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np

from mlc.backends.cuda.device import Argument, DeviceModule, TensorMap
from mlc.runtime.cuda import emulate, tensor_maps


class Problem(RuntimeError):
    """What CuPy raises: a text and a status."""

    def __init__(self, text: str, status: int = 1) -> None:
        super().__init__(text)
        self.status = status


@dataclasses.dataclass
class Launch:
    kernel: str
    grid: tuple[int, ...]
    block: tuple[int, ...]
    shared: int
    stream: int
    device: int


class ndarray:
    """An array "on a card"."""

    def __init__(self, held: np.ndarray[Any, Any], device: int) -> None:
        self.held = held
        self.device = SimpleNamespace(id=device)
        self.data = SimpleNamespace(ptr=held.ctypes.data, device_id=device)
        self.shape, self.dtype, self.strides = held.shape, held.dtype, held.strides
        self.flags = SimpleNamespace(c_contiguous=held.flags.c_contiguous)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return dict(self.held.__array_interface__)

    def __getitem__(self, key: Any) -> ndarray:
        return ndarray(self.held[key], self.device.id)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.held[key] = value.held if isinstance(value, ndarray) else value

    def copy(self, order: str = "C") -> ndarray:
        return ndarray(_aligned(self.held), self.device.id)

    def reshape(self, *shape: int) -> ndarray:
        return ndarray(self.held.reshape(*shape), self.device.id)

    def view(self, dtype: Any) -> ndarray:
        return ndarray(self.held.view(dtype), self.device.id)

    def get(self) -> np.ndarray[Any, Any]:
        return self.held.copy()


ndarray.__module__ = "cupy"


class Event:
    """A moment on a stream, whose work is done when a call returns."""

    when = 0.0
    done = True

    def __init__(self, disable_timing: bool = False) -> None:
        pass

    def record(self) -> None:
        self.when = time.perf_counter()

    def synchronize(self) -> None:
        assert self.when


def _aligned(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    array = np.asarray(array)
    memory = np.empty(array.nbytes + 256, np.uint8)
    start = -memory.ctypes.data % 256
    copy = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


class FakeCuPy:
    """``cupy``, as far as it is used, with two cards."""

    def __init__(self) -> None:
        self.launches: list[Launch] = []
        self.loaded: list[str] = []
        self.shared_asked: dict[str, int] = {}
        self.allocated: list[int] = []
        self.allocated_on: list[int] = []  # streams
        self.compiled: list[tuple[str, str]] = []
        self.capturing = False
        self.fail: dict[str, Exception] = {}
        self.waited: list[int] = []  # streams
        self.encoded: list[int] = []  # addresses of arrays that were described
        self.is_old = True  # before version 14, which knows bfloat16
        self.capabilities, self.processors = ["90", "80"], [132, 108]
        self.current = 0
        self.streams = threading.local()
        self._modules: dict[bytes, DeviceModule] = {}
        self._handles: list[Any] = [None]
        self.ndarray = ndarray
        self.cuda = SimpleNamespace(
            driver=SimpleNamespace(
                moduleLoadData=self._load, moduleGetFunction=self._function,
                funcSetAttribute=self._attribute, launchKernel=self._launch,
            ),
            runtime=SimpleNamespace(
                getDevice=lambda: self.current, getDeviceCount=lambda: 2, free=self._free,
                getDeviceProperties=lambda number: {"name": f"stand-in {number}".encode()},
                streamIsCapturing=lambda stream: self.capturing,
                memcpyAsync=self._copy, streamSynchronize=self.waited.append,
                deviceSynchronize=lambda: self.waited.append(-1),
                driverGetVersion=lambda: 13020,
                deviceGetAttribute=lambda what, number: {16: self.processors[number]}[what],
            ),
            Device=self._device, ExternalStream=self._on_stream, alloc=self._alloc,
            Stream=SimpleNamespace(),
            get_current_stream=self._stream, Event=Event,
            get_elapsed_time=lambda first, last: (last.when - first.when) * 1e3,
        )  # fmt: skip

    def _raise(self, what: str) -> None:
        if what in self.fail:
            raise self.fail[what]

    # ---- what the compiler and the driver do

    def compile(self, module: DeviceModule, arch: str) -> bytes:
        self.compiled.append((module.name, arch))
        cubin = f"{module.name} {arch} {len(self._modules)}".encode()
        self._modules[cubin] = module
        return cubin

    def _handle(self, value: Any) -> int:
        self._handles.append(value)
        return len(self._handles) - 1

    def _load(self, cubin: bytes) -> int:
        self._raise("load")
        self.loaded.append(cubin.decode())
        return self._handle((self._modules[cubin], self.current))

    def _function(self, module: int, name: str) -> int:
        return self._handle((*self._handles[module], name))

    def _attribute(self, function: int, attribute: int, value: int) -> None:
        assert attribute == 8
        self._raise("attribute")
        self.shared_asked[self._handles[function][2]] = value

    def _free(self, address: int) -> None:
        self.streams.has_context = True  # of this thread

    def _launch(self, function: int, *rest: int) -> None:
        self._raise("launch")
        if not getattr(self.streams, "has_context", False):
            raise Problem("CUDA_ERROR_INVALID_CONTEXT: invalid device context", 201)
        gx, gy, gz, bx, by, bz, shared, stream, parameters, extra = rest
        module, device, kernel = self._handles[function]
        assert device == self.current and extra == 0
        found = next(x for x in module.launches if x.kernel == kernel)
        count = len(found.arguments)
        places = (ctypes.c_void_p * count).from_address(parameters)
        values = [ctypes.c_uint64.from_address(place).value for place in places]
        passed: list[Argument | TensorMap] = []
        for n, (argument, place) in enumerate(zip(found.arguments, places)):
            passed.append(Argument("array", n))
            if isinstance(
                argument, TensorMap
            ):  # begins with the address, as the encoder below says
                assert place % 64 == 0
                content = ctypes.string_at(place, tensor_maps.MAP_BYTES)
                assert content == tensor_maps.emulated_map(argument, values[n])
                passed[n] = dataclasses.replace(argument, array=Argument("array", n))
        self.launches.append(Launch(kernel, (gx, gy, gz), (bx, by, bz), shared, stream, device))
        one = dataclasses.replace(
            found, grid=(gx, gy, gz), block=(bx, by, bz), shared_bytes=shared,
            arguments=tuple(passed),
        )  # fmt: skip
        emulate.load(DeviceModule(module.name, module.source, (one,), 0))(values)

    def encode(
        self, to: int, dtype: int, rank: int, address: int, shape: int, strides: int, box: int,
        steps: int, interleave: int, swizzle: int, promotion: int, fill: int,
    ) -> int:  # fmt: skip
        """cuTensorMapEncodeTiled, through the emulator's way to write it down."""
        if "encode" in self.fail:
            return 1
        self.encoded.append(address)
        assert (interleave, swizzle, promotion, fill) == (0, 3, 3, 0) and to % 64 == 0

        def read(kind: Any, count: int, start: int) -> tuple[int, ...]:
            return tuple((kind * count).from_address(start))

        assert read(ctypes.c_uint32, rank, steps) == (1,) * rank
        made = TensorMap(
            Argument("array", 0), {6: "float16", 9: "bfloat16"}[dtype],
            read(ctypes.c_uint64, rank, shape), read(ctypes.c_uint64, rank - 1, strides),
            read(ctypes.c_uint32, rank, box),
        )  # fmt: skip
        ctypes.memmove(to, tensor_maps.emulated_map(made, address), tensor_maps.MAP_BYTES)
        return 0

    # ---- memory, streams, cards

    def _alloc(self, size: int) -> Any:
        self._raise("alloc")
        self.allocated.append(size)
        self.allocated_on.append(self._stream().ptr)
        held = _aligned(np.full(size, 0xFF, np.uint8))
        return SimpleNamespace(ptr=held.ctypes.data, held=held)

    def _copy(self, to: int, start: int, size: int, way: int, stream: int) -> None:
        assert way == 4
        self._raise("copy")
        ctypes.memmove(to, start, size)

    def _stream(self) -> Any:
        number = getattr(self.streams, "number", 0)
        return SimpleNamespace(ptr=number, synchronize=lambda: None)

    def _on_stream(self, stream: int) -> AbstractContextManager[None]:
        """As before CuPy 14, which warns of it."""

        @contextmanager
        def within() -> Iterator[None]:
            before, self.streams.number = getattr(self.streams, "number", 0), stream
            yield
            self.streams.number = before

        return within()

    def _device(self, number: int) -> Any:
        cupy = self

        class Device:
            compute_capability = cupy.capabilities[number]

            def __enter__(self) -> None:
                self.before, cupy.current = cupy.current, number

            def __exit__(self, *_: object) -> None:
                cupy.current = self.before

        return Device()

    def empty(self, shape: tuple[int, ...], dtype: Any) -> ndarray:
        self._raise("alloc")
        return ndarray(_aligned(np.zeros(shape, dtype)), self.current)

    def asarray(self, value: Any) -> ndarray:
        if self.is_old and getattr(value, "dtype", np.dtype(bool)).name == "bfloat16":
            raise ValueError("Unsupported dtype bfloat16")
        held = value.held if isinstance(value, ndarray) else value
        return ndarray(_aligned(held), self.current)

    @staticmethod
    def asnumpy(value: ndarray) -> np.ndarray[Any, Any]:
        return value.held.copy()
