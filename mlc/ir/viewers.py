"""The way from a program or a schedule to what shows it.

Pictures and explanations know every part of the compiler, so they stand above it; what they show
stands at the bottom. This is the one place where the bottom calls the top: by name, when asked.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_VIEWERS = {
    "show": "show",
    "shown": "show",
    "draw": "draw",
    "draw_access": "draw",
    "explain": "explain",
    "explain_steps": "steps",
}


def viewer(name: str) -> Any:
    """The function of `mlc.looking` called ``name``."""
    package = __package__.rpartition(".")[0]
    return getattr(import_module(f"{package}.looking.{_VIEWERS[name]}"), name)
