"""What a backend is, and where to find one.

A backend turns tensor programs into callables.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol

from ..errors import ArgumentError
from ..ir.program import Program

Kernel = Callable[..., None]  # takes one array per parameter and writes the outputs in place


class Backend(Protocol):
    """Compiles programs for one kind of machine."""

    @property
    def name(self) -> str:
        """What users call it: ``target="interpret"``."""

    def source(self, program: Program) -> str:
        """What it would run, as text."""

    def compile(self, program: Program) -> Kernel:
        """``program``, with blocks or flat, as a callable over NumPy arrays."""


_BACKENDS = {"interpret": ".interpret", "numpy": ".numpy", "simulate": ".simulate"}


def backend(name: str) -> Backend:
    """The backend called ``name``. Raises :class:`ArgumentError` with the names there are."""
    if name not in _BACKENDS:
        known = ", ".join(sorted(_BACKENDS))
        raise ArgumentError(f"there is no backend {name!r} for programs; there are {known}")
    found: Any = import_module(_BACKENDS[name], __package__)
    return found.BACKEND  # type: ignore[no-any-return]
