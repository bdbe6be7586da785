"""Where the tensors that cross kernels live: one workspace, planned by liveness."""

from __future__ import annotations

from collections.abc import Sequence

from ..te.tensor import Tensor
from .kernel import Kernel, Slot

ALIGNMENT = 64  # bytes: a cache line, and the widest vector


def plan_memory(
    inputs: Sequence[Tensor],
    constants: Sequence[Tensor],
    outputs: Sequence[Tensor],
    kernels: Sequence[Kernel],
) -> tuple[dict[Tensor, Slot], int]:
    """A slot for every tensor that crosses kernels, and the bytes of workspace they need.

    A tensor lives from the kernel that writes it to the last one that reads it. Each takes the
    smallest gap that holds it among those that live at the same time (best fit), larger tensors
    first.
    """
    slots: dict[Tensor, Slot] = {}
    for number, tensor in enumerate(inputs):
        slots[tensor] = Slot("input", number, exact_nbytes(tensor))
    for number, tensor in enumerate(constants):
        slots[tensor] = Slot("constant", number, exact_nbytes(tensor))
    for number, tensor in enumerate(outputs):
        slots[tensor] = Slot("output", number, exact_nbytes(tensor))
    placed: list[tuple[int, int, int, int]] = []  # offset, end, first kernel, last kernel
    total = 0
    lives = [item for item in lifetimes(kernels).items() if item[0] not in slots]
    for tensor, (start, stop) in sorted(lives, key=lambda item: (-nbytes(item[0]), item[1])):
        size = nbytes(tensor)
        taken = sorted((p[0], p[1]) for p in placed if p[2] <= stop and start <= p[3])
        offset = _best_gap(taken, size)
        placed.append((offset, offset + size, start, stop))
        slots[tensor] = Slot("workspace", offset, exact_nbytes(tensor))
        total = max(total, offset + size)
    return slots, total


def lifetimes(kernels: Sequence[Kernel]) -> dict[Tensor, tuple[int, int]]:
    """For every tensor that a kernel hands on: the numbers of its kernel and of its last reader."""
    lives: dict[Tensor, tuple[int, int]] = {}
    for number, kernel in enumerate(kernels):
        for tensor in kernel.outputs:
            lives[tensor] = (number, number)
        for tensor in kernel.inputs:
            if tensor in lives:
                lives[tensor] = (lives[tensor][0], number)
    return lives


def exact_nbytes(tensor: Tensor) -> int:
    """The bytes of the elements."""
    return tensor.size * tensor.dtype.itemsize


def nbytes(tensor: Tensor) -> int:
    """The bytes that a tensor takes in the workspace: whole cache lines."""
    return -(-exact_nbytes(tensor) // ALIGNMENT) * ALIGNMENT


def _best_gap(taken: Sequence[tuple[int, int]], size: int) -> int:
    """Where the smallest gap between the ``taken`` intervals (sorted) is that holds ``size``."""
    best: tuple[int, int] | None = None
    end = 0
    for low, high in taken:
        gap = low - end
        if gap >= size and (best is None or gap < best[0]):
            best = (gap, end)
        end = max(end, high)
    return end if best is None else best[1]
