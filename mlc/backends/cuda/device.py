"""What the CUDA backend hands to whatever runs it: kernels as text, and how they are launched."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Argument:
    """A pointer that a kernel gets: the ``number``-th array of the caller's (inputs, constants,
    then outputs), or the workspace from byte ``number`` on."""

    kind: str  # "array" or "workspace"
    number: int


@dataclass(frozen=True)
class Launch:
    """One kernel over a grid of blocks of threads; extents are x, y, z."""

    kernel: str
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    shared_bytes: int
    arguments: tuple[Argument, ...]


@dataclass(frozen=True)
class DeviceModule:
    """Kernels of one function and their launches, in order, on one stream.

    ``source`` is CUDA C over the names of the prelude, which is put in front of it: it compiles for
    a card and, with another prelude, for the processor.
    """

    name: str
    source: str
    launches: tuple[Launch, ...]
    workspace_bytes: int
