"""The child's part: images are loaded, run on shared arrays, and timed."""

from __future__ import annotations

import ctypes
import signal
import time
from typing import Any

import numpy as np

from ...errors import CompileError
from ...records import dataclass
from .arena import Arena, Place
from .frames import Header

_MAIN = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p)
_REPEAT = ctypes.CFUNCTYPE(
    ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64
)
_MOST_LOOPS = 1 << 20

# The loop around short kernels is native: a call from Python costs as much as they do.
REPEAT_IR = """
define i32 @mlc_repeat(ptr %function, ptr %buffers, ptr %workspace, i64 %count) {
entry:
  br label %again
again:
  %i = phi i64 [ 0, %entry ], [ %next, %again ]
  %any = phi i32 [ 0, %entry ], [ %all, %again ]
  %code = call i32 %function(ptr %buffers, ptr %workspace)
  %all = or i32 %any, %code
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %count
  br i1 %more, label %again, label %done
done:
  ret i32 %all
}
"""


@dataclass(frozen=True)
class _Loaded:
    address: int
    workspace: int
    image: Any
    ahead: int  # the address of what is called once before, or 0


class Session:
    """One workload in the child: its arrays, and the images loaded so far, by number.

    Requests: ``open`` maps the arrays, ``load`` and ``drop`` an image, ``run`` calls it once on a
    data set, ``time`` takes samples of two images in turn.
    """

    def __init__(self) -> None:
        self.images: dict[int, _Loaded] = {}
        self.sets: list[Any] = []
        self.block = np.empty(64, np.uint8)
        self.flush: Any = None
        self.prepared: tuple[int, int] | None = None  # whose constants are in the workspace

    def answer(self, header: Header, blobs: list[bytes]) -> tuple[Header, list[bytes]]:
        """The reply to a request."""
        match header["do"]:
            case "open":
                return self.open(header, blobs[0])
            case "load":
                return self.load(header, blobs[0])
            case "drop":
                self.images.pop(header["key"], None)
                return {"status": "ok"}, []
            case "run":
                return self.run(header)
            case "time":
                return self.time(header)
            case "trial":
                return self.trial(header, blobs)
        raise ValueError(f"there is no request {header['do']!r}")

    def open(self, header: Header, repeat: bytes) -> tuple[Header, list[bytes]]:
        """Map the arrays; ``sets`` names the places of the buffers of each data set, the last one
        those for timing."""
        from ...runtime.image import load_image
        from ...runtime.symbols import resolve

        places = [Place.from_data(data) for data in header["places"]]
        self.arena = Arena(header["descriptor"], places, header["size"])
        self.arena.protect()
        self.arena.touch()
        addresses = self.arena.addresses()
        for numbers in header["sets"]:
            self.sets.append((ctypes.c_void_p * max(len(numbers), 1))(
                *(addresses[n] for n in numbers)
            ))  # fmt: skip
        self.repeat = _REPEAT(load_image(repeat, resolve).address("mlc_repeat"))
        return {"status": "ok"}, []

    def load(self, header: Header, image: bytes) -> tuple[Header, list[bytes]]:
        """Load an image under a number. Its workspace is there from now on."""
        from ...runtime.image import load_image
        from ...runtime.symbols import resolve

        try:
            loaded = load_image(image, resolve)
        except CompileError as error:
            return {"status": "build failed", "detail": error.message}, []
        size = header["workspace"]
        if size + 64 > self.block.size:
            try:
                self.block = np.empty(size + 64, np.uint8)
            except MemoryError:
                detail = f"it wants {size / 2**20:.4g} MiB of scratch memory"
                return {"status": "out of memory", "detail": detail}, []
        ahead = loaded.exports.get("mlc_ahead", 0)
        self.images[header["key"]] = _Loaded(loaded.address("mlc_main"), size, loaded, ahead)
        self.prepared = None
        return {"status": "ok"}, []

    def run(self, header: Header) -> tuple[Header, list[bytes]]:
        """Call an image once, on a workspace whose bytes are no numbers."""
        loaded = self.images[header["key"]]
        self.block[: loaded.workspace + 64] = 0xFF
        self.prepared = None
        self._prepare(header["key"], header["set"])
        start = time.perf_counter()
        code = _MAIN(loaded.address)(self.sets[header["set"]], self._workspace())
        seconds = time.perf_counter() - start
        return {"status": "ok", "code": code, "seconds": seconds}, []

    def trial(self, header: Header, blobs: list[bytes]) -> tuple[Header, list[bytes]]:
        """All that a new candidate goes through, in one request: load, run, time.

        It runs on the first of ``sets``; what took longer than ``give_up`` seconds is left at that.
        After one round of timing, the same holds for ``hopeless``. The rest are the other sets,
        before that if they take no more than ``short`` seconds, and ``rounds``.
        """
        if blobs:
            reply, _ = self.load(header, blobs[0])
            if reply["status"] != "ok":
                return reply, []
        waiting, seconds = list(header["sets"]), []
        samples: list[list[float]] = [[], []]
        loops: list[int | None] = [None, header["rival_loops"]]

        def run_on_sets(count: int) -> int:
            for number in waiting[:count]:
                self._limit(header["run_limit"])
                reply, _ = self.run({"key": header["key"], "set": number})
                if reply["code"]:
                    return int(reply["code"])
                seconds.append(reply["seconds"])
            del waiting[:count]
            self._limit(header["limit"])
            return 0

        def time_rounds(count: int) -> None:
            done = {"rounds": count, "first": len(samples[0]), "loops": loops}
            reply, _ = self.time({**header, **done})
            loops[:] = reply["loops"]
            for side, more in zip(samples, reply["samples"]):
                side.extend(more)

        def go() -> int:
            if code := run_on_sets(1):
                return code
            if seconds[0] > header["give_up"]:
                return 0
            if seconds[0] <= header["short"] and (code := run_on_sets(len(waiting))):
                return code
            loops[0] = 1 if header["cold"] or seconds[0] > 2 * header["sample"] else None
            time_rounds(1)
            if samples[0][0] > header["hopeless"]:
                return 0
            if code := run_on_sets(len(waiting)):
                return code
            time_rounds(header["rounds"] - 1)
            return 0

        if code := go():
            return {"status": "crashed", "detail": f"the kernel reported error {code}"}, []
        return {
            "status": "ok", "seconds": seconds, "ran": len(seconds), "samples": samples,
            "loops": loops,
        }, []  # fmt: skip

    def _limit(self, seconds: float) -> None:
        """The system ends this process after ``seconds``; its parent knows that signal."""
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, seconds)

    def time(self, header: Header) -> tuple[Header, list[bytes]]:
        """Samples, in seconds per call, of ``key`` and ``rival``: who goes first changes."""
        keys = [header["key"], header["rival"]]
        cold = header["cold"]
        loops = [
            known or (1 if cold else self._loops(key, header["sample"]))
            for key, known in zip(keys, header["loops"])
        ]
        samples: list[list[float]] = [[], []]
        for number in range(header["rounds"]):
            first = (number + header["first"]) % 2
            for side in (first, 1 - first):
                if cold:
                    self._prepare(keys[side], len(self.sets) - 1)
                    self._flush()
                elif loops[side] > 1:
                    self._sample(keys[side], 1)  # it finds the other's data in the caches
                samples[side].append(self._sample(keys[side], loops[side]))
        return {"status": "ok", "samples": samples, "loops": loops}, []

    def _sample(self, key: int, loops: int) -> float:
        address, workspace = self.images[key].address, self._workspace()
        self._prepare(key, len(self.sets) - 1)
        start = time.perf_counter()
        self.repeat(address, self.sets[-1], workspace, loops)
        return (time.perf_counter() - start) / loops

    def _prepare(self, key: int, number: int) -> None:
        """What depends on constants alone is in the workspace, which all images share."""
        if self.prepared != (key, number):
            self.prepared = (key, number)
            if ahead := self.images[key].ahead:
                _MAIN(ahead)(self.sets[number], self._workspace())

    def _loops(self, key: int, seconds: float) -> int:
        self._sample(key, 1)
        loops = 1
        while loops < _MOST_LOOPS:
            total = self._sample(key, loops) * loops
            if total >= seconds:
                break
            loops = min(_MOST_LOOPS, 10 * loops, int(loops * 1.2 * seconds / max(total, 1e-9)) + 1)
        return loops

    def _workspace(self) -> int:
        address: int = self.block.ctypes.data
        return (address + 63) & ~63

    def _flush(self) -> None:
        if self.flush is None:
            from ...backends.llvm.target import host_target

            size = min(max(2 * host_target().l3_bytes, 64 << 20), 512 << 20)
            self.flush = np.zeros(size // 8, np.int64)
        np.add(self.flush, 1, out=self.flush)
