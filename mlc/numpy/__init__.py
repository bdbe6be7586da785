"""``mlc.numpy``: NumPy's names, traced inside a jitted function, compiled and run outside.

``np.zeros(3)`` inside a jitted function makes a plain array while tracing; ``mlc.numpy.zeros(3)``
makes a traced one. Outside each function takes arrays and gives arrays, `numpy.ndarray` both:
compiled for the dtypes and shapes it meets, by NumPy itself where `mlc.numpy.eager` says so. Types
and constants are NumPy's own. The module is a namespace of the array API standard.
"""

from __future__ import annotations

import types
from typing import Any

import numpy as _np

from . import arrays as _arrays
from . import standard as _standard
from . import wrapping as _wrapping
from .arrays import array, asarray, astype, from_dlpack
from .eager import fallbacks, forget_fallbacks
from .inspection import __array_api_version__, __array_namespace_info__

_OURS = {"fallbacks", "forget_fallbacks"}


def __getattr__(name: str) -> Any:
    if name in _arrays.CREATION:
        found = _arrays.creation(name)
    elif name in _standard.OVERRIDES:
        found = _standard.OVERRIDES[name]
    elif name in ("linalg", "fft"):
        from importlib import import_module

        return import_module(f".{name}", __name__)
    else:
        found = _wrapping.attribute(_np, name, __name__)
    if isinstance(found, types.FunctionType):
        globals()[name] = found  # so nothing in this module may use a builtin that NumPy has too
    return found


def __dir__() -> list[str]:
    return sorted({n for n in dir(_np) if not n.startswith("_")} | _OURS)


__all__ = [
    "__array_api_version__", "__array_namespace_info__", "array", "asarray", "astype",
    "fallbacks", "forget_fallbacks", "from_dlpack",
]  # fmt: skip
