"""One compiled function for many sizes: ``mlc.dim`` and ``jit(dynamic=...)``.

A new size is traced, which takes milliseconds, and its graph is compared with the compiled one
(`template`): what differs must be extents that grow with the size, and numbers, which the compiled
code takes as arguments. So branches, loops and shapes of the function are always those of the size
at hand. The code itself (`chunks`, `stages`) works on a fixed number of rows at a time and is run
over the array (`running`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any


def families_for(dynamic: Any, function: Callable[..., Any]) -> Any:
    """What compiles for many sizes, if ``dynamic`` or the annotation of a parameter asks for it."""
    notes = getattr(function, "__annotations__", None)
    if not dynamic and not (notes and "mlc.dynamic.dims" in sys.modules):
        return None
    from .families import families_of

    return families_of(dynamic, function)
