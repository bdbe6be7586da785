"""Python ints among the arguments that decide what must be known while tracing.

A Python int is traced, as a float is, so that one compilation serves all values. Where the function
wants its value after all (a shape, an axis, a setting of a library function), the trace begins anew
with that argument static: compiled once for each of its values from then on.
"""

from __future__ import annotations

from typing import Any

from ..te.key import topological
from ..te.tensor import Placeholder, Tensor
from .signature import Key


def deciding_arguments(tensor: Tensor, trace: Any) -> set[str]:
    """The names of the arguments, all of them Python ints, that ``tensor`` is computed from; empty
    if anything else goes into it."""
    names = set()
    for source in topological([tensor]):
        if not isinstance(source.op, Placeholder):
            continue
        if source not in trace.weak or source.dtype.kind != "i":
            return set()
        names.add(source.name)
    return names


def static_after(error: Exception, names: list[str], keys: tuple[Key, ...]) -> set[str]:
    """Which arguments, called ``names`` and with ``keys``, to make static so that tracing may get
    over ``error``: those whose values were wanted, or else all Python ints that are left."""
    ints = {name for name, key in zip(names, keys, strict=True) if key == (int,)}
    return getattr(error, "wanted", set()) & ints or ints
