"""Arrays in memory that parent and child share: one file, mapped by both.

::

    | guard | ..canary [array] canary | guard | ..canary [array] canary | guard |

Each array ends close to the end of its pages. In the child, guard pages cannot be touched at all
and inputs cannot be written: a candidate that leaves its buffers is stopped by the processor. What
it writes into the few bytes between an output and the guard is seen by :meth:`Arena.damage`.

Arrays for timing are roomy: the page behind them can be read. A masked vector that ends beyond an
array reads nothing there, but where that page must not be touched the processor takes a hundred
times as long to find out, and schedules with masks would seem slow.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import shutil
import sys
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...dtypes import as_dtype

Array = np.ndarray[Any, Any]
PAGE = max(mmap.PAGESIZE, 4096)
_ALIGNMENT = 64
_CANARY = 0xC5


@dataclass(frozen=True)
class Place:
    """An array's place in the file. ``strides`` are in bytes; ``first`` is where the element with
    all indices 0 lies, ``span`` where all of them do, ``pages`` what is mapped for them."""

    shape: tuple[int, ...]
    dtype: str
    strides: tuple[int, ...]
    first: int
    span: tuple[int, int]
    pages: tuple[int, int]
    writable: bool

    def to_data(self) -> list[Any]:
        """The place as plain data."""
        return [
            self.shape, self.dtype, self.strides, self.first, self.span, self.pages, self.writable,
        ]  # fmt: skip

    @staticmethod
    def from_data(data: Sequence[Any]) -> Place:
        """What :meth:`to_data` gave."""
        shape, dtype, strides, first, span, pages, writable = data
        return Place(
            tuple(shape), dtype, tuple(strides), first, tuple(span), tuple(pages), writable
        )


def lay_out(
    buffers: Sequence[tuple[Any, bool]], roomy: Collection[int] = ()
) -> tuple[list[Place], int]:
    """Places for buffers (an `ir.program.Buffer`, whether it is written), and the file's size. The
    ``roomy`` ones, by number, have a page of their own behind them."""
    at, places = PAGE, []
    for number, (buffer, writable) in enumerate(buffers):
        size = buffer.dtype.itemsize
        strides = tuple(s * size for s in buffer.element_strides)
        empty = 0 in buffer.shape
        steps = [] if empty else [(n - 1) * s for n, s in zip(buffer.shape, strides)]
        low = sum(min(s, 0) for s in steps)
        high = 0 if empty else sum(max(s, 0) for s in steps) + size
        span = high - low
        end = at + max(1, -(-(span + _ALIGNMENT) // PAGE)) * PAGE
        pages = (at, end + PAGE if number in roomy else end)
        start = (end - span) // _ALIGNMENT * _ALIGNMENT
        places.append(
            Place(
                buffer.shape,
                buffer.dtype.name,
                strides,
                start - low,
                (start, start + span),
                pages,
                writable,
            )
        )
        at = pages[1] + PAGE
    return places, at


class Arena:
    """The file, its places, and the arrays in them. It is passed on as ``descriptor``."""

    def __init__(self, descriptor: int, places: Sequence[Place], size: int) -> None:
        self.places = list(places)
        self.size = size
        self.descriptor = descriptor
        self._map = mmap.mmap(descriptor, size)
        self.arrays = [self._array(place) for place in self.places]

    @staticmethod
    def create(buffers: Sequence[tuple[Any, bool]], roomy: Collection[int] = ()) -> Arena:
        """A new file, in memory where the system has a place for that, with the places of
        :func:`lay_out`. OSError if it is full.

        It has no name: when the last process that has it open ends, however it ends, it is gone.
        """
        places, size = lay_out(buffers, roomy)
        with tempfile.TemporaryFile(dir=_memory_folder(size)) as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)  # a full disk is no SIGBUS later
            else:
                file.truncate(size)
            arena = Arena(os.dup(file.fileno()), places, size)
        for place in places:
            arena._bytes(*place.pages)[:] = _CANARY
        return arena

    def damage(self) -> str | None:
        """Which output was written outside its elements, as a sentence; None if none was."""
        for number, place in enumerate(self.places):
            if not place.writable:
                continue
            before = self._bytes(max(place.pages[0], place.span[0] - _ALIGNMENT), place.span[0])
            after = self._bytes(place.span[1], place.pages[1])
            if (before != _CANARY).any() or (after != _CANARY).any():
                before[:], after[:] = _CANARY, _CANARY
                return f"it wrote outside its output {number}"
        return None

    def protect(self) -> None:
        """In the child: guard pages and inputs are kept by the processor, where it can."""
        if sys.platform == "win32":
            return
        base = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        protect = ctypes.CDLL(None)["mprotect"]
        protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        last = 0
        for place in self.places:
            protect(base + last, place.pages[0] - last, 0)
            if not place.writable:
                protect(base + place.pages[0], place.pages[1] - place.pages[0], mmap.PROT_READ)
            last = place.pages[1]
        protect(base + last, self.size - last, 0)

    def touch(self) -> None:
        """In the child: every page is there from now on. Vectors whose lanes are all masked read
        nothing, and so never bring a page in, but take as long as if they looked for it."""
        for place in self.places:
            self._bytes(*place.pages)[::PAGE].max()

    def addresses(self) -> list[int]:
        """Where the first element of each array lies in this process."""
        base = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        return [base + place.first for place in self.places]

    def close(self) -> None:
        """Let go of the file."""
        if self.descriptor < 0:
            return
        self.arrays = []
        with contextlib.suppress(BufferError):
            self._map.close()
        os.close(self.descriptor)
        self.descriptor = -1

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self.close()

    def _array(self, place: Place) -> Array:
        dtype = as_dtype(place.dtype).numpy
        return np.ndarray(place.shape, dtype, self._map, place.first, place.strides)

    def _bytes(self, start: int, end: int) -> Array:
        return np.ndarray((end - start,), np.uint8, self._map, start)


def _memory_folder(size: int) -> str | None:
    folder = "/dev/shm"
    try:
        return folder if shutil.disk_usage(folder).free > 2 * size else None
    except OSError:
        return None
