"""What the user's code is about to call a value: read from the bytecode that will store it."""

from __future__ import annotations

import dis
from bisect import bisect_right
from functools import lru_cache
from types import CodeType, FrameType

_STORES = ("STORE_FAST", "STORE_NAME", "STORE_DEREF", "STORE_GLOBAL")
_PAIRS = ("STORE_FAST_STORE_FAST", "STORE_FAST_LOAD_FAST")


def assigned_names(frame: FrameType | None, count: int) -> list[str]:
    """The names that the instruction ``frame`` waits for is assigned to, ``count`` of them.

    For ``vi, vj = T.remap(...)`` and ``for i, j in T.grid(...)`` those on the left. An empty list
    where the code does something else with the value.
    """
    if frame is None:
        return []
    instructions, offsets = _instructions(frame.f_code)
    position = bisect_right(offsets, frame.f_lasti)  # the offset may be that of an inline cache
    wanted = 1
    if count > 1:
        if position >= len(instructions):
            return []
        unpack = instructions[position]
        if unpack.opname != "UNPACK_SEQUENCE" or unpack.argval != count:
            return []
        position, wanted = position + 1, count
    found: list[str] = []
    while len(found) < wanted and position < len(instructions):
        step = instructions[position]
        if step.opname in _STORES:
            found.append(step.argval)
        elif step.opname in _PAIRS:
            both = step.opname == "STORE_FAST_STORE_FAST"
            found.extend(step.argval if both else step.argval[:1])
        else:
            return []
        position += 1
    return found if len(found) == wanted else []


@lru_cache(maxsize=256)
def _instructions(code: CodeType) -> tuple[list[dis.Instruction], list[int]]:
    found = [step for step in dis.get_instructions(code) if step.opname != "CACHE"]
    return found, [step.offset for step in found]
