"""``np.fft``: traced where an operator exists, NumPy's own outside of jitted functions."""

from __future__ import annotations

from typing import Any

import numpy as _np

from . import wrapping as _wrapping


def fftfreq(n: int, d: float = 1.0, *, dtype: Any = None, device: Any = None) -> Any:
    """The frequencies of `fft` for ``n`` samples ``d`` apart; float64 if no dtype is told."""
    found = _np.fft.fftfreq(n, d, device=device)
    return found if dtype is None else found.astype(dtype)


def rfftfreq(n: int, d: float = 1.0, *, dtype: Any = None, device: Any = None) -> Any:
    """The frequencies of the values of `rfft`, for ``n`` samples ``d`` apart."""
    found = _np.fft.rfftfreq(n, d, device=device)
    return found if dtype is None else found.astype(dtype)


def __getattr__(name: str) -> Any:
    return _wrapping.attribute(_np.fft, name, __name__)


def __dir__() -> list[str]:
    return sorted(n for n in dir(_np.fft) if not n.startswith("_"))
