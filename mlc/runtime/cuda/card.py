"""The driver as far as launches need it, through CuPy: the only file that knows CuPy's names of it.

What fails raises :class:`mlc.errors.DeviceError`, out of memory :class:`DeviceMemoryError`.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any
from weakref import WeakValueDictionary

from mlc.errors import DeviceError, DeviceMemoryError, UnsupportedError
from mlc.runtime.cuda.toolkit import INSTALL

_MAX_DYNAMIC_SHARED = 8  # CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
_PROCESSORS = 16  # cudaDevAttrMultiProcessorCount
_OPT_IN = 48 << 10  # bytes of shared memory above which a kernel has to ask
_OUT_OF_MEMORY = 2
# CUDA's numbers of errors: what a kernel did wrong earlier, which ends the use of the card, and
# what a block asks for that the card has not.
_WRONG_KERNEL = frozenset({700, 714, 715, 716, 717, 718, 719})
_TOO_MUCH = 701
_NOT_LOADED = frozenset({200, 209, 218, 222})  # code that the driver does not understand
_ANY_WAY = 4  # cudaMemcpyDefault: the addresses tell what is where


class Loaded:
    """A module on a card; others of the same text share it as long as there is one of them."""

    def __init__(self, handle: int) -> None:
        self.handle = handle


class _Foreign:
    """A stream of others, by its handle, as CUDA's protocol for streams has it."""

    def __init__(self, handle: int) -> None:
        self.handle = handle

    def __cuda_stream__(self) -> tuple[int, int]:
        return 0, self.handle


class Card:
    """The current card of this thread, its current stream and its memory. ``loaded`` holds the
    modules that there are, by the card and the text."""

    def __init__(self, cupy: Any) -> None:
        self.cupy = cupy
        self._driver = cupy.cuda.driver
        self._runtime = cupy.cuda.runtime
        self.loaded: WeakValueDictionary[tuple[int, str], Loaded] = WeakValueDictionary()
        # What `mlc.runtime.cuda.trial` found, and whether kernels rely on the cards since.
        self.trial: Any = None
        self.is_trusted: bool | None = None
        self._threads = threading.local()

    def device(self) -> int:
        return int(self._runtime.getDevice())

    def count(self) -> int:
        """How many cards there are."""
        return int(self._runtime.getDeviceCount())

    def use(self, device: int) -> Any:
        """A context in which ``device`` is the current one."""
        return self.cupy.cuda.Device(device)

    def arch(self, device: int) -> str:
        """What to compile for: with what is only there, where there is such a thing."""
        capability = str(self.cupy.cuda.Device(device).compute_capability)
        return f"sm_{capability}{'a' if int(capability) >= 90 else ''}"

    def common_arch(self) -> str:
        """:meth:`arch` of all cards that there are; "" where they differ: what is made for one kind
        alone does not run on the others."""
        found = {self.arch(number) for number in range(self.count())}
        return found.pop() if len(found) == 1 else ""

    def processors(self) -> int:
        """How many processors each card has, at least."""
        ask = self._runtime.deviceGetAttribute
        return min(int(ask(_PROCESSORS, number)) for number in range(self.count()))

    def driver(self) -> int:
        """The version of CUDA that the driver is for: 13020 is 13.2."""
        return int(self._runtime.driverGetVersion())

    def name(self, device: int) -> str:
        """What the driver calls a card."""
        name = self._runtime.getDeviceProperties(device)["name"]
        return name.decode() if isinstance(name, bytes) else str(name)

    def stream(self) -> int:
        """CuPy's current stream on the current card."""
        return int(self.cupy.cuda.get_current_stream().ptr)

    def is_capturing(self, stream: int) -> bool:
        return bool(self._runtime.streamIsCapturing(stream))

    def allocate(self, size: int, stream: int) -> Any:
        """Bytes of CuPy's pool, in the order of ``stream``; ``ptr`` of it is the address."""
        cuda = self.cupy.cuda
        if stream == self.stream():
            return cuda.alloc(size)
        taken = getattr(cuda.Stream, "from_external", None)  # from CuPy 14 on
        with cuda.ExternalStream(stream) if taken is None else taken(_Foreign(stream)):
            return cuda.alloc(size)

    def copy(self, to: int, start: int, size: int, stream: int) -> None:
        """Copy bytes between the card and the host, in the order of ``stream``, and wait."""
        self._runtime.memcpyAsync(to, start, size, _ANY_WAY, stream)
        self._runtime.streamSynchronize(stream)

    def wait(self, device: int) -> None:
        """Until all is done that was given to ``device``."""
        with self.use(device):
            self._runtime.deviceSynchronize()

    def event(self) -> Any:
        """Whether all that CuPy's current stream was given before is done: ``done`` of it."""
        made = self.cupy.cuda.Event(disable_timing=True)
        made.record()
        return made

    def seconds(self, call: Callable[[], Any], count: int) -> float:
        """How long the current card takes from the begin of the first of ``count`` calls to the end
        of the last one's work, by its own clock; waits for that."""
        events = self.cupy.cuda
        first, last = events.Event(), events.Event()
        first.record()
        for _ in range(count):
            call()
        last.record()
        last.synchronize()
        return float(events.get_elapsed_time(first, last)) / 1e3

    def bind(self) -> None:
        """Let this thread launch: the driver wants a context of its own in each of them, and memory
        of a pool is had without one."""
        if not getattr(self._threads, "is_bound", False):
            self._runtime.free(0)
            self._threads.is_bound = True

    def load(self, cubin: bytes) -> int:
        self._runtime.free(0)  # makes the context of the card, if nobody has yet
        return int(self._driver.moduleLoadData(cubin))

    def function(self, module: int, name: str, shared_bytes: int) -> int:
        found = int(self._driver.moduleGetFunction(module, name))
        if shared_bytes > _OPT_IN:
            self._driver.funcSetAttribute(found, _MAX_DYNAMIC_SHARED, shared_bytes)
        return found

    @property
    def launch(self) -> Callable[..., Any]:
        """``launch(function, gx, gy, gz, bx, by, bz, shared_bytes, stream, parameters, 0)``."""
        launch: Callable[..., Any] = self._driver.launchKernel
        return launch

    def error(self, reason: BaseException, doing: str) -> Exception:
        """What to raise for an exception of CuPy's."""
        said = str(reason) or type(reason).__name__
        status = getattr(reason, "status", None)
        if isinstance(reason, MemoryError) or status == _OUT_OF_MEMORY:
            return DeviceMemoryError(
                f"{doing} ran out of memory on the card: {said}; free what is held "
                "(cupy.get_default_memory_pool().free_all_blocks()), or use smaller arrays"
            )
        if status in _WRONG_KERNEL:
            return DeviceError(
                f"{doing} failed: {said}; a kernel that was launched before, maybe this one, did "
                "wrong, and this process cannot use the card any more: begin anew, and call the "
                "function with target='cuda-emulated', which says which access was wrong"
            )
        advice = "python -m mlc doctor says what is installed here"
        if status == _TOO_MUCH:
            advice = (
                "a block of it asks for more registers or threads than this card has; bind fewer "
                "threads in its schedule"
            )
        elif status in _NOT_LOADED:
            version = self.driver()
            advice = (
                f"the driver is for CUDA {version // 1000}.{version % 1000 // 10}, and NVRTC may "
                f"be newer: {INSTALL}"
            )
        return DeviceError(f"{doing} failed: {said}; {advice}")


@functools.cache
def card() -> Card:
    """The driver through CuPy. UnsupportedError, which says what to do, where there is no CuPy, no
    driver or no card."""
    if find_spec("cupy") is None:
        raise UnsupportedError(
            f"target 'cuda' launches kernels through CuPy, which is not installed; {INSTALL}, or "
            "use target='cuda-emulated' to run them on the processor"
        )
    try:
        import cupy
    except ImportError as error:
        reason: BaseException = error
        while reason.__cause__ is not None:  # CuPy's own text is a page, which ends with this
            reason = reason.__cause__
        raise UnsupportedError(
            f"target 'cuda' launches kernels through CuPy, which is installed and cannot be "
            f"imported: {str(reason).strip()}; install it anew, and only one of its packages: "
            f"{INSTALL}"
        ) from error
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except Exception as error:
        raise UnsupportedError(
            f"target 'cuda' needs a card and its driver: {error}; install NVIDIA's driver (see "
            "nvidia-smi; pip install 'mlc[cuda12]' if it is older than version 580), or use "
            "target='cuda-emulated' to run kernels on the processor"
        ) from None
    if not count:
        raise UnsupportedError(
            "target 'cuda' needs a card, and the driver has none to show (CUDA_VISIBLE_DEVICES may "
            "hide it); use target='cuda-emulated' to run kernels on the processor"
        )
    return Card(cupy)
