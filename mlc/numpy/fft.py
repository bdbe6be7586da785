"""``np.fft``: traced where an operator exists, NumPy's own outside of jitted functions."""

from __future__ import annotations

from typing import Any

import numpy as _np

from . import wrapping as _wrapping


def __getattr__(name: str) -> Any:
    return _wrapping.attribute(_np.fft, name, __name__)


def __dir__() -> list[str]:
    return sorted(n for n in dir(_np.fft) if not n.startswith("_"))
