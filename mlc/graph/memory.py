"""plan_memory: places in one workspace for what kernels hand each other."""

from __future__ import annotations

from collections.abc import Sequence

from ..te.tensor import Tensor
from .kernel import Kernel

ALIGNMENT = 64


def plan_memory(kernels: Sequence[Kernel], kept: set[Tensor]) -> tuple[dict[Tensor, int], int]:
    """Byte offsets for the kernels' outputs that are not in ``kept``, and the size of the workspace.

    Two tensors share memory only if one is dead before the other is made. The largest are placed first,
    each into the lowest gap that is free for as long as it lives.
    """
    lives: dict[Tensor, tuple[int, int]] = {}
    for n, kernel in enumerate(kernels):
        for tensor in kernel.outputs:
            if tensor not in kept:
                lives[tensor] = (n, n)
        for tensor in kernel.inputs:
            if tensor in lives:
                lives[tensor] = (lives[tensor][0], n)
    offsets: dict[Tensor, int] = {}
    order = sorted(lives, key=lambda t: (-nbytes(t), lives[t]))
    for tensor in order:
        start, stop = lives[tensor]
        busy = sorted(
            (offsets[t], offsets[t] + nbytes(t))
            for t in offsets
            if lives[t][0] <= stop and start <= lives[t][1]
        )
        place = 0
        for low, high in busy:
            if place + nbytes(tensor) <= low:
                break
            place = max(place, high)
        offsets[tensor] = place
    return offsets, max((offsets[t] + nbytes(t) for t in offsets), default=0)


def nbytes(tensor: Tensor) -> int:
    """Bytes of a tensor, rounded up to whole cache lines."""
    size = tensor.size * tensor.dtype.itemsize
    return -(-size // ALIGNMENT) * ALIGNMENT
