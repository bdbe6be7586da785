"""The child's part for cards: kernels run on copies of the shared arrays, and are timed there."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from ...backends.cuda.device import DeviceModule
from ...errors import CompileError, DeviceMemoryError, MlcError
from .arena import Arena, Place
from .device import device_module_of, is_for_device
from .frames import Header
from .running import Session, _Loaded


class _Kernels(Protocol):
    """A candidate's kernels, ready to run on the data set of a number."""

    def run(self, number: int) -> float:
        """The seconds of one run on fresh copies of the inputs; results are in the shared arrays
        when it returns."""

    def sample(self, number: int, loops: int) -> float:
        """Seconds per call of so many calls in a row."""


class DeviceSession(Session):
    """A session in which images of :func:`mlc.tune.measure.device.built_for_device` run on a card,
    or emulated; others, which are references, on the processor.

    What a kernel does wrong becomes the reply; after what ends the use of a card, ``gone`` in it
    says that this process is to be replaced."""

    def open(self, header: Header, repeat: bytes) -> tuple[Header, list[bytes]]:
        """Map the arrays, and find the card, or the emulator, that ``device`` names."""
        reply = super().open(header, repeat)
        places = [Place.from_data(data) for data in header["places"]]
        where = header["device"]
        self.room: _Card | _Emulator
        if where["target"] == "cuda-emulated":
            self.room = _Emulator(self.arena, places, header["sets"])
        else:
            self.room = _Card(self.arena, places, header["sets"], where["number"])
        return reply

    def answer(self, header: Header, blobs: list[bytes]) -> tuple[Header, list[bytes]]:
        """The reply to a request, be it that a kernel failed."""
        try:
            return super().answer(header, blobs)
        except DeviceMemoryError as error:
            return {"status": "out of memory", "detail": error.message}, []
        except CompileError as error:
            return {"status": "build failed", "detail": error.message.partition("\n")[0]}, []
        except (MlcError, ValueError) as error:  # ValueErrors are data that a kernel refuses
            detail = str(getattr(error, "message", error)).partition("\n")[0]
            return {"status": "crashed", "detail": detail, "gone": self.room.may_be_lost}, []

    def load(self, header: Header, image: bytes) -> tuple[Header, list[bytes]]:
        """Load an image under a number."""
        if not is_for_device(image):
            return super().load(header, image)
        kernels = self.room.load(device_module_of(image))
        self.images[header["key"]] = _Loaded(0, 0, kernels, 0)
        return {"status": "ok"}, []

    def run(self, header: Header) -> tuple[Header, list[bytes]]:
        """Call an image once."""
        kernels = self._kernels(header["key"])
        if kernels is None:
            return super().run(header)
        return {"status": "ok", "code": 0, "seconds": kernels.run(header["set"])}, []

    def _kernels(self, key: int) -> _Kernels | None:
        found = self.images[key].image
        return found if isinstance(found, (_OnEmulator, _OnCard)) else None

    def _sample(self, key: int, loops: int) -> float:
        kernels = self._kernels(key)
        if kernels is None:
            return super()._sample(key, loops)
        return kernels.sample(len(self.sets) - 1, loops)

    def _flush(self) -> None:
        self.room.flush()


class _Emulator:
    """Where emulated kernels run: the shared arrays themselves."""

    may_be_lost = False

    def __init__(
        self, arena: Arena, places: Sequence[Place], sets: Sequence[Sequence[int]]
    ) -> None:
        first = arena.addresses()
        self.addresses = [[first[n] for n in numbers] for numbers in sets]
        self.bytes = [[places[n].span[1] - places[n].span[0] for n in numbers] for numbers in sets]
        # Where the first element is not the lowest one, the emulator is not told how far to look.
        self.is_plain = [all(places[n].first == places[n].span[0] for n in each) for each in sets]

    def load(self, module: DeviceModule) -> _OnEmulator:
        from ...runtime.cuda.emulate import load

        return _OnEmulator(self, load(module))

    def flush(self) -> None:
        """There are no caches: its times are no card's, warm or cold."""


class _OnEmulator:
    def __init__(self, room: _Emulator, kernels: Any) -> None:
        self.room = room
        self.kernels = kernels

    def run(self, number: int) -> float:
        start = time.perf_counter()
        self._call(number)
        return time.perf_counter() - start

    def sample(self, number: int, loops: int) -> float:
        start = time.perf_counter()
        for _ in range(loops):
            self._call(number)
        return (time.perf_counter() - start) / loops

    def _call(self, number: int) -> None:
        room, module = self.room, self.kernels.module
        memory = np.full(module.workspace_bytes + 1024, 0xFF, np.uint8)
        workspace = (memory.ctypes.data + 1023) & ~1023
        sizes = room.bytes[number] if room.is_plain[number] else ()
        self.kernels(room.addresses[number], workspace, sizes)
        if module.checks:
            start = workspace + module.record
            module.raise_failed(bytes((ctypes.c_uint8 * 16).from_address(start)))


class _Card:
    """Where kernels of a card run: copies of the shared arrays there."""

    may_be_lost = True

    def __init__(
        self, arena: Arena, places: Sequence[Place], sets: Sequence[Sequence[int]], number: int
    ) -> None:
        from ...runtime.cuda.card import card

        self.on, self.number = card(), number
        self.on.use(number).__enter__()  # of this process, to its end
        self.stream = self.on.stream()
        self.places, self.sets = places, sets
        base = [a - p.first for a, p in zip(arena.addresses(), places, strict=True)]
        self.host = [b + p.span[0] for b, p in zip(base, places, strict=True)]
        self.sizes = [p.span[1] - p.span[0] for p in places]
        self.memory: dict[int, Any] = {}
        self.flusher: Any = None

    def load(self, module: DeviceModule) -> _OnCard:
        from ...runtime.cuda.launch import load

        return _OnCard(self, load(module))

    def pointers(self, number: int) -> list[int]:
        """The addresses on the card of the arrays of a set."""
        return [
            self._at(n) + self.places[n].first - self.places[n].span[0] for n in self.sets[number]
        ]

    def upload(self, number: int) -> None:
        """What the arrays of a set hold, to the card."""
        for n in self.sets[number]:
            if self.sizes[n]:
                self.on.copy(self._at(n), self.host[n], self.sizes[n], self.stream)

    def download(self, number: int) -> None:
        """What was written, from the card."""
        for n in self.sets[number]:
            if self.sizes[n] and self.places[n].writable:
                self.on.copy(self.host[n], self._at(n), self.sizes[n], self.stream)

    def _at(self, place: int) -> int:
        if place not in self.memory:
            self.memory[place] = self.on.allocate(max(self.sizes[place], 1), self.stream)
        return int(self.memory[place].ptr)

    def flush(self) -> None:
        """Write more than any card caches."""
        from ...runtime.timing import card_flusher

        if self.flusher is None:
            self.flusher = card_flusher(lambda: self.on.wait(self.number))
        self.flusher()


class _OnCard:
    def __init__(self, room: _Card, launched: Any) -> None:
        self.room = room
        self.launched = launched
        launched.prepare()  # no run is to be charged for that
        self.uploaded: set[int] = set()
        size = launched.module.workspace_bytes
        self.held = room.on.allocate(size, room.stream) if size else None
        self.workspace = 0 if self.held is None else int(self.held.ptr)

    def run(self, number: int) -> float:
        self.room.upload(number)
        seconds = self._timed(number, 1)
        self._look()
        self.room.download(number)
        return seconds

    def sample(self, number: int, loops: int) -> float:
        if number not in self.uploaded:
            self.room.upload(number)
            self.uploaded.add(number)
        return self._timed(number, loops) / loops

    def _timed(self, number: int, loops: int) -> float:
        room, launched = self.room, self.launched
        pointers = room.pointers(number)

        def call() -> None:
            launched(pointers, self.workspace, room.stream, room.number)

        try:
            return float(room.on.seconds(call, loops))
        except MlcError:
            raise
        except Exception as error:
            raise room.on.error(error, f"running {launched.module.name}") from error

    def _look(self) -> None:
        """Raise what the kernels refuse their data for."""
        module = self.launched.module
        if module.checks:
            record = np.empty(16, np.uint8)
            start = self.workspace + module.record
            self.room.on.copy(record.ctypes.data, start, 16, self.room.stream)
            module.raise_failed(record)
