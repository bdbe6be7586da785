"""Texts that show traced values, ``"%e" % x``, while a function is traced."""

from __future__ import annotations

import re
from typing import Any

from ..tracer.deciding import deciding_arguments
from ..tracer.tracer import Tracer
from .forms import is_traced

_PLACE = re.compile(
    r"%(?P<key>\(\w*\))?[#0\- +]*(?P<wide>\*|\d+)?(?:\.(?P<short>\*|\d+)?)?[hlL]?"
    r"(?P<kind>[a-zA-Z%])"
)


def formatted(text: str, values: Any) -> str:
    """``text % values``: traced ones are shown as ``str()`` shows them, but for those that numbers
    among the arguments decide, which must be known then; where compiled code prints, it shows them
    in the way that the text says."""
    many = list(values.values() if isinstance(values, dict) else _listed(values))
    shown = [value for value in many if isinstance(value, Tracer) and is_traced(value)]
    prints = bool(shown) and shown[0]._trace.prints is not None
    if not shown or not prints and any(map(_is_of_numbers, shown)):
        return text % values
    count, ways = 0, dict[Any, str]()

    def place(match: re.Match[str]) -> str:
        nonlocal count
        if match["kind"] == "%":
            return match[0]
        if match["key"]:
            key = match["key"][1:-1]
            if not is_traced(values[key]):
                return match[0]
            ways[key] = match[0].replace(match["key"], "", 1)
            return f"%{match['key']}s"
        count += (match["wide"] == "*") + (match["short"] == "*") + 1
        if count > len(many) or not is_traced(many[count - 1]):
            return match[0]
        ways[count - 1] = match[0]
        return "%s"

    found = _PLACE.sub(place, text)
    if prints and isinstance(values, dict):
        return found % {key: _in_way(value, ways.get(key)) for key, value in values.items()}
    if prints:
        return found % tuple(_in_way(value, ways.get(n)) for n, value in enumerate(many))
    return found % values


def _in_way(value: Any, way: str | None) -> Any:
    """What shows ``value``, a traced one, in the way of ``way``, a part of a text for ``%``."""
    is_known = way is None or "*" in way or not isinstance(value, Tracer)
    return value if is_known else value._text(way)


def _is_of_numbers(value: Tracer) -> bool:
    """Whether numbers among the arguments decide ``value``, and no loop that counts."""
    names = deciding_arguments(value._tensor, value._trace)
    return bool(names) and names <= {tensor.name for tensor in value._trace.inputs}


def _listed(values: Any) -> tuple[Any, ...]:
    return values if isinstance(values, tuple) else (values,)
