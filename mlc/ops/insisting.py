"""Values that end the call where what was computed beside them is wrong."""

from __future__ import annotations

from typing import Any

from ..ir.expr import cast
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
