"""Schedules: checked rewrites of tensor programs, by hand or by rule."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    """``Schedule`` and ``replay``, imported when first asked for."""
    from importlib import import_module

    modules = {"Schedule": "schedule", "replay": "replaying", "Decision": "step"}
    if name not in modules:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{modules[name]}"), name)
