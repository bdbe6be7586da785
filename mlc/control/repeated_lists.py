"""``[k] * n`` in native loops, where data decide how often: a list that is held in arrays.

::

    out.extend([i] * (j - i))      ->      for _ in range(j - i): out.append(i)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ops.moving import is_inside_loop
from ..tracer.tracer import Tracer
from .forms import is_traced
from .list_loops import listed
from .list_steps import Walk


class Times:
    """How often a list is repeated, a number that only the running loop knows."""

    def __init__(self, count: Tracer) -> None:
        self.count = count

    def __rmul__(self, items: Sequence[Any]) -> Any:
        item = items[0] if isinstance(items, list) and len(items) == 1 else []
        if isinstance(item, (list, dict, set)):  # which would be one in several places
            return items * self.count  # type: ignore[operator]
        return listed(Walk(lambda: np.maximum(self.count, 0), lambda place: item, lambda: items))

    __mul__ = __rmul__


def times(count: Any) -> Any:
    """``count``, or what stands for it in a native loop."""
    is_number = isinstance(count, Tracer) and is_traced(count) and not count.shape
    return Times(count) if is_number and count.dtype.kind in "iu" and is_inside_loop() else count
