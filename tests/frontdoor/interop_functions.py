"""Functions that a pickle finds by name."""

from __future__ import annotations

from typing import Any

import numpy as np

import mlc


@mlc.jit
def scaled(x: Any, by: float = 2.0) -> Any:
    """Twice ``x``, or so."""
    return np.exp(x * 0) * x * by


class Holder:
    """A class with a compiled method."""

    @staticmethod
    @mlc.jit
    def total(x: Any) -> Any:
        """The sum."""
        return np.sum(x)
