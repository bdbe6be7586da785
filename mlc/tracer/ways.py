"""The ways in which values are shown as texts."""

from __future__ import annotations

from typing import Any


def in_way(value: Any, how: str) -> str:
    """``value`` as a text: "s" is ``str``, "r" ``repr``, "f" and what follows ``format``, and "%"
    and what follows what stands for it in a text; behind a zero is what ``format`` of that gets."""
    how, _, spec = how.partition("\0")
    if spec:
        return format(in_way(value, how), spec)
    match how[0]:
        case "s":
            return str(value)
        case "r":
            return repr(value)
        case "f":
            return format(value, how[1:])
    return how % (value,)


class Showing:
    """Shows itself by ``_text(how)``, where ``how`` is as `in_way` has it."""

    __slots__ = ()

    # fmt: off
    def __repr__(self) -> str: return self._text("r")
    def __str__(self) -> str: return self._text("s")
    def __format__(self, spec: str) -> str: return self._text(f"f{spec}")
    # fmt: on

    def _text(self, how: str) -> str:
        """What shows the value."""
        raise NotImplementedError
