"""What the user's code is about to call a value: read from the bytecode that will store it."""

from __future__ import annotations

import dis
import sys
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType, FrameType

from ..tracer.asking import position

_SLOTS = ("STORE_FAST", "STORE_DEREF")
_GLOBALS = ("STORE_NAME", "STORE_GLOBAL")
_PAIRS = ("STORE_FAST_STORE_FAST", "STORE_FAST_LOAD_FAST")


def assigned_names(frame: FrameType | None, count: int) -> list[str]:
    """The names that the instruction ``frame`` waits for is assigned to, ``count`` of them.

    For ``vi, vj = T.remap(...)`` and ``for i, j in T.grid(...)`` those on the left. An empty list
    where the code does something else with the value.
    """
    if frame is None:
        return []
    code = frame.f_code
    steps = _instructions(code.co_code, position(frame))
    wanted = 1
    if count > 1:
        if next(steps, None) != ("UNPACK_SEQUENCE", count):
            return []
        wanted = count
    found: list[str] = []
    for name, argument in steps:
        if name in _SLOTS:
            found.append(_slot_names(code, name)[argument])
        elif name in _GLOBALS:
            found.append(code.co_names[argument])
        elif name in _PAIRS:
            slots = _slot_names(code, "STORE_FAST")
            found.append(slots[argument >> 4])
            if name == _PAIRS[0]:
                found.append(slots[argument & 15])
        else:
            return []
        if len(found) >= wanted:
            break
    return found if len(found) == wanted else []


def _instructions(code: bytes, after: int) -> Iterator[tuple[str, int]]:
    """The instructions behind the one at offset ``after``, with their arguments."""
    argument = 0
    for offset in range(after + 2, len(code), 2):
        name = dis.opname[code[offset]]
        if name == "CACHE":  # belongs to the instruction before
            continue
        argument = argument << 8 | code[offset + 1]
        if name != "EXTENDED_ARG":
            yield name, argument
            argument = 0


@lru_cache(maxsize=256)
def _slot_names(code: CodeType, store: str) -> tuple[str, ...]:
    """The names of the slots that ``store`` counts."""
    if sys.version_info < (3, 11):
        return code.co_varnames if store == "STORE_FAST" else code.co_cellvars + code.co_freevars
    cells = tuple(name for name in code.co_cellvars if name not in code.co_varnames)
    return code.co_varnames + cells + code.co_freevars
