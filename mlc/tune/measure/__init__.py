"""Measuring candidates: built in a pool of processes, run in a child, checked before they count."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_LATER = {"Measurer": "measurer", "Limits": "limits", "run_on": "remote"}


def __getattr__(name: str) -> Any:
    """Imported when asked for: the children of a measurement need little of this."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_LATER[name]}", __name__), name)
