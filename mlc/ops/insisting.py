"""Values that end the call where what was computed beside them is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import int64
from ..errors import refused
from ..ir.expr import cast, const, select
from .broadcast import as_tensor
from .op import op
from .programs import Writer, nested


@op
def insisted(x: Any, bad: Any, *, error: str, sentence: str) -> Any:
    """``x``, unless an element of ``bad`` holds: then the call ends with ``error``."""
    x, bad = as_tensor(x), as_tensor(bad)
    w = Writer("insist")
    source, flags = w.input("x", x.shape, x.dtype), w.input("bad", bad.shape, bad.dtype)
    out = w.output("out", x.shape, x.dtype)
    guard = w.guard(error, sentence)
    with nested(w, bad.shape) as at:
        w.insist(guard, ~cast(flags[tuple(at)], "bool"))
    with nested(w, x.shape) as at:
        w.store(out, at, source[tuple(at)])
    return w.call(x, bad)


def inside(x: Any, low: int, high: int, error: str, sentence: str) -> Any:
    """``x``, integers, unless one of them is not in ``range(low, high)``: then the call ends with
    ``error`` and ``sentence``, in which ``{index}`` is that one. Known ones are looked at now."""
    if hasattr(type(x), "__mlc_lift__"):
        return seen_inside(x, low=low, high=high, error=error, sentence=sentence)
    for value in np.ravel(x).tolist():
        if not low <= value < high:
            raise refused(error, sentence, value, None)
    return x


@op
def seen_inside(x: Any, *, low: int, high: int, error: str, sentence: str) -> Any:
    """The same for traced ones."""
    x = as_tensor(x)
    w = Writer("inside")
    source, out = w.input("x", x.shape, x.dtype), w.output("out", x.shape, x.dtype)
    guard = w.guard(error, sentence)
    with nested(w, x.shape) as at:
        value = cast(source[tuple(at)], int64)
        fits = (value >= low) & (value < high)
        w.store(guard, (select(fits, const(0), value),), 0)
        w.store(out, at, source[tuple(at)])
    return w.call(x)
