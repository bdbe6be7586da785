"""What the CUDA backend hands to whatever runs it: kernels as text, and how they are launched."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...errors import SourceLocation, refused

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Argument:
    """A pointer that a kernel gets: the ``number``-th array of the caller's (inputs, constants,
    then outputs), or the workspace from byte ``number`` on."""

    kind: str  # "array" or "workspace"
    number: int

    def address(self, pointers: Sequence[int], workspace: int) -> int:
        """Where it is, if arrays are at ``pointers``."""
        return pointers[self.number] if self.kind == "array" else workspace + self.number


@dataclass(frozen=True)
class TensorMap:
    """A description of an array that a kernel gets by value, 128 bytes, to load boxes of it, of
    "float16" or "bfloat16". The first dimension is that of neighbours; ``strides``, in bytes, are
    those of the others. Rows of a box have 128 bytes, and lie mixed as products of boxes read
    them."""

    array: Argument
    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    box: tuple[int, ...]


@dataclass(frozen=True)
class Launch:
    """One kernel over a grid of blocks of threads; extents are x, y, z. ``grid_for`` gives the
    blocks that are needed where sizes are told at the call. ``cluster`` blocks along x, as the
    text of the kernel says as well, run at once and reach each other's shared memory."""

    kernel: str
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    shared_bytes: int
    arguments: tuple[Argument | TensorMap, ...]
    grid_for: Callable[[Sequence[int]], tuple[int, int, int]] | None = field(
        default=None, repr=False, compare=False
    )
    cluster: int = 1


@dataclass(frozen=True)
class HostArray:
    """An array that the processor reads or fills, and where it lies: nowhere if nobody reads it.
    ``strides`` are in elements, None for C-contiguous."""

    argument: Argument | None
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    strides: tuple[int, ...] | None = None


@dataclass(frozen=True)
class HostCall:
    """A step that the processor takes, before launch number ``before``: ``run(given, results)``
    fills the arrays of ``results``. All of these are memory of the host."""

    name: str
    before: int
    given: tuple[HostArray, ...]
    results: tuple[HostArray, ...]
    run: Callable[[Sequence[Array], Sequence[Array]], None]


@dataclass(frozen=True)
class Check:
    """What it means that a kernel ends early: the error, its sentence (with ``{index}``), and the
    line of the user's; see `ir.program.Program`."""

    error: str
    sentence: str
    location: SourceLocation | None = None


@dataclass(frozen=True)
class DeviceModule:
    """Kernels of one function and their launches, in order, on one stream.

    ``source`` is CUDA C over the names of the prelude, which is put in front of it: it compiles for
    a card and, with another prelude, for the processor. ``host_calls`` are for libraries that cards
    do not have. ``architecture`` is the only one whose cards can run it, "" for any.

    Where there are ``checks``, two int64 lie in the workspace from byte ``record`` on, set by the
    kernels themselves: the number of the check that failed first, counted from 1, or 0; and the
    index that it saw.
    """

    name: str
    source: str
    launches: tuple[Launch, ...]
    workspace_bytes: int
    checks: tuple[Check, ...] = ()
    record: int = 0
    host_calls: tuple[HostCall, ...] = ()
    architecture: str = ""

    def steps(self) -> Iterator[HostCall | int]:
        """What runs, in order: calls of the processor, and the numbers of launches."""
        for number in range(len(self.launches) + 1):
            yield from (call for call in self.host_calls if call.before == number)
            if number < len(self.launches):
                yield number

    def raise_failed(self, record: Any) -> None:
        """Raises what ``record``, the 16 bytes of it, says of a check that failed."""
        number, index = struct.unpack("qq", bytes(record))
        if number:
            check = self.checks[number - 1]
            raise refused(check.error, check.sentence, index, check.location)
