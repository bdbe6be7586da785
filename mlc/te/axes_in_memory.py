"""The order in which the axes of an array lie in memory."""

from __future__ import annotations

import math
from collections.abc import Sequence


def axes_in_order(shape: Sequence[int], steps: Sequence[int]) -> tuple[int, ...]:
    """The axes of an array by their steps in memory, the largest first; of as large ones that which
    has more than one element, as that of the others means nothing."""
    return tuple(sorted(range(len(shape)), key=lambda axis: (-steps[axis], shape[axis] == 1)))


def places_of(axes: Sequence[int]) -> tuple[int, ...]:
    """The place of each axis in ``axes``."""
    return tuple(map(axes.index, range(len(axes))))


def dense_steps(shape: Sequence[int], axes: Sequence[int]) -> tuple[int, ...]:
    """The strides, in elements, of an array without gaps whose axes lie in this order."""
    inner = [math.prod(shape[axis] for axis in axes[place + 1 :]) for place in range(len(axes))]
    return tuple(inner[place] for place in places_of(axes))
