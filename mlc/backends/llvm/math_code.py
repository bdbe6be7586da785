"""Calls of the C library's functions, lane by lane."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from ...dtypes import float32
from .builder import Builder
from .facts import MATH_CALLS
from .types import Value


def call_math(e: Builder, fn: str, args: Sequence[Value]) -> Value:
    """``fn`` of float32 or float64 arguments of equal lanes, by one call for each lane."""
    dtype, lanes = args[0].dtype, args[0].lanes
    name = MATH_CALLS[fn] + ("f" if dtype is float32 else "")
    kind = "float" if dtype is float32 else "double"
    e.declare(f"declare {kind} @{name}({', '.join([kind] * len(args))}) nounwind")

    if not lanes:
        return e.op(f"call {kind} @{name}({', '.join(map(repr, args))})", dtype)
    vector, each = f"<{lanes} x {kind}>", f"@mlc_{name}_of_{lanes}"
    e.declare(_lane_by_lane(each, name, kind, lanes, len(args)))
    return e.op(f"call {vector} {each}({', '.join(map(repr, args))})", dtype, lanes)


@functools.cache
def _lane_by_lane(each: str, name: str, kind: str, lanes: int, count: int) -> str:
    """A function of vectors that calls one of the C library for each lane.

    A function, since most of these calls stand where hardly any element goes, as a sine of large
    angles does: written there, they would be half of what a kernel with many sines has to have
    compiled.
    """
    vector = f"<{lanes} x {kind}>"
    params = ", ".join(f"{vector} %a{i}" for i in range(count))
    lines = [f"define internal {vector} {each}({params}) noinline #0 {{"]
    given = "poison"
    for lane in range(lanes):
        for i in range(count):
            lines.append(f"  %x{lane}_{i} = extractelement {vector} %a{i}, i64 {lane}")
        parts = ", ".join(f"{kind} %x{lane}_{i}" for i in range(count))
        lines.append(f"  %y{lane} = call {kind} @{name}({parts})")
        lines.append(f"  %v{lane} = insertelement {vector} {given}, {kind} %y{lane}, i64 {lane}")
        given = f"%v{lane}"
    return "\n".join([*lines, f"  ret {vector} {given}", "}"])
