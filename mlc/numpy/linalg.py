"""``np.linalg``: traced where an operator exists, NumPy's own outside of jitted functions."""

from __future__ import annotations

from typing import Any

import numpy as _np

from . import wrapping as _wrapping


def eig(x: Any, /) -> Any:
    """Eigenvalues and right eigenvectors, complex always: what NumPy finds real is converted."""
    values, vectors = _wrapping.attribute(_np.linalg, "eig", __name__)(x)
    kind = _np.result_type(values.dtype, _np.complex64)
    result: Any = type(_np.linalg.eig(_np.eye(1)))
    return result(values.astype(kind), vectors.astype(kind))


def eigvals(x: Any, /) -> Any:
    """Eigenvalues, complex always: what NumPy finds real is converted."""
    values = _wrapping.attribute(_np.linalg, "eigvals", __name__)(x)
    return values.astype(_np.result_type(values.dtype, _np.complex64))


def __getattr__(name: str) -> Any:
    return _wrapping.attribute(_np.linalg, name, __name__)


def __dir__() -> list[str]:
    return sorted(n for n in dir(_np.linalg) if not n.startswith("_"))
