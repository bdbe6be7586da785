"""Who asks a traced value for something: looked up in the bytecode of the caller."""

from __future__ import annotations

import dis
from types import FrameType


def position(frame: FrameType) -> int:
    """The offset of the instruction that ``frame`` is at. Python 3.10 tells that of the first
    EXTENDED_ARG before it."""
    code, at = frame.f_code.co_code, frame.f_lasti
    while 0 <= at < len(code) and code[at] == dis.EXTENDED_ARG:
        at += 2
    return at


def is_ours(frame: FrameType) -> bool:
    """Whether ``frame`` runs code of this package."""
    return str(frame.f_globals.get("__name__")).startswith("mlc.")


def is_subscript(frame: FrameType) -> bool:
    """Whether ``frame`` stands at ``a[b]``, read or written."""
    code, at = frame.f_code.co_code, frame.f_lasti
    if not 0 <= at < len(code) - 1:
        return False
    name = dis.opname[code[at]]
    if name == "BINARY_OP":  # where Python 3.14 puts it
        operators = getattr(dis, "_nb_ops", ())
        return code[at + 1] < len(operators) and operators[code[at + 1]][0] == "NB_SUBSCR"
    return name in ("BINARY_SUBSCR", "STORE_SUBSCR", "BINARY_SLICE", "STORE_SLICE")
