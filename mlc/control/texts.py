"""Texts that show traced values, ``"%e" % x``, and warnings, while a function is traced."""

from __future__ import annotations

import re
import warnings
from typing import Any

from ..ops.moving import is_inside_loop
from ..ops.op import CURRENT
from ..tracer.deciding import deciding_arguments
from ..tracer.tracer import Tracer
from .forms import is_traced

_PLACE = re.compile(
    r"%(?P<key>\(\w*\))?[#0\- +]*(?P<wide>\*|\d+)?(?:\.(?P<short>\*|\d+)?)?[hlL]?"
    r"(?P<kind>[a-zA-Z%])"
)


def formatted(text: str, values: Any) -> str:
    """``text % values``: traced ones are shown as ``str()`` shows them, but for those that numbers
    among the arguments decide, which must be known then."""
    many = list(values.values() if isinstance(values, dict) else _listed(values))
    shown = [value for value in many if isinstance(value, Tracer) and is_traced(value)]
    if not shown or any(map(_is_of_numbers, shown)):
        return text % values
    count = 0

    def place(match: re.Match[str]) -> str:
        nonlocal count
        if match["kind"] == "%":
            return match[0]
        if match["key"]:
            return f"%{match['key']}s" if is_traced(values[match["key"][1:-1]]) else match[0]
        count += (match["wide"] == "*") + (match["short"] == "*") + 1
        return "%s" if count <= len(many) and is_traced(many[count - 1]) else match[0]

    return _PLACE.sub(place, text) % values


def _is_of_numbers(value: Tracer) -> bool:
    """Whether numbers among the arguments decide ``value``, and no loop that counts."""
    names = deciding_arguments(value._tensor, value._trace)
    return bool(names) and names <= {tensor.name for tensor in value._trace.inputs}


def _listed(values: Any) -> tuple[Any, ...]:
    return values if isinstance(values, tuple) else (values,)


def warned(message: Any, category: Any = None, stacklevel: int = 1, **options: Any) -> None:
    """``warnings.warn``; nothing under conditions on traced values, which may not hold: compiled
    code does not warn."""
    if CURRENT.get() is None or not is_inside_loop():
        warnings.warn(message, category, stacklevel + 1, **options)
