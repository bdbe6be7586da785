"""Who asks a traced value for something: looked up in the bytecode of the caller."""

from __future__ import annotations

import dis
from types import FrameType
from typing import Any

from ..te.extent import is_open


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


def shape_for(part: Any, frame: FrameType) -> Any:
    """The shape of an array or of what a mask selects; with traced Python ints for lengths that
    only the running loop knows, if code of users asks in ``frame``."""
    shape = part.shape
    if is_ours(frame) or not is_open(shape):
        return shape
    from .masked import solid
    from .open_lengths import sizes_of

    return sizes_of(solid(part))
