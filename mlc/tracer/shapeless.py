"""Values of no axes: Python numbers, NumPy scalars, which never change, and arrays, which do."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ops.op import leaves_of
from .storage import READ_ONLY

_ZERO_DIMENSIONAL = frozenset({  # never a scalar
    np.piecewise, np.select, np.where, np.isin, np.i0, np.block, np.cov, np.cross, np.pad, np.roll,
    np.tile, np.resize, np.tensordot, np.linalg.tensordot, np.zeros_like, np.ones_like,
    np.empty_like, np.full_like, np.apply_along_axis, np.real_if_close, np.unique,
    *(getattr(np, name) for name in ("unique_all", "unique_inverse") if hasattr(np, name)),
})  # fmt: skip


def settle_scalars(function: Any, found: Any) -> None:
    """Let results of no axes that ``function`` owns be arrays or scalars, as NumPy's are. Of
    transforms (`numpy.fft`, which is loaded late) those over no axes have some."""
    for leaf in leaves_of([found]):
        for part in getattr(leaf, "_parts", (leaf,)):
            cell = getattr(part, "_cell", None)
            if cell is not None and cell.array is None and cell.place is None and not part.shape:
                is_transform = getattr(function, "__module__", None) == "numpy.fft"
                cell.is_array = is_transform or function in _ZERO_DIMENSIONAL


def has_shapeless_array(key: Any) -> bool:
    """Whether an index holds an array of no axes: NumPy then gives a copy where a number at its
    place would give a view."""
    return any(map(_is_shapeless_array, key if isinstance(key, tuple) else (key,)))


def _is_shapeless_array(part: Any) -> bool:
    if isinstance(part, np.ndarray):
        return not part.shape
    return hasattr(type(part), "_is_scalar") and not (
        part.shape or part._is_weak or part._is_scalar()
    )


def strong(value: Any) -> Any:
    """``value``, as a NumPy scalar where it is a Python number, traced or not."""
    if type(value) in (bool, int, float, complex):
        return np.asarray(value)[()]
    return value._detached() if getattr(value, "_is_weak", False) else value


def as_array(value: Any) -> Any:
    """``value``, as an array of no axes where it is a traced Python number: np.asarray's answer."""
    made = strong(value)
    if getattr(value, "_is_weak", False):
        for part in getattr(made, "_parts", (made,)):
            part._cell.is_array = True
    return made


def real_of(value: Any) -> Any:
    """``x.real`` of real numbers: the array itself; of a Python bool the int that it is."""
    if not value._is_weak or value.dtype != bool:
        return value
    from .number import python_number

    return python_number(value, int)


def imag_of(value: Any) -> Any:
    """``x.imag`` of real numbers: zeros; those of an array must not be written to."""
    if value._is_weak:
        return real_of(value) * 0
    from .dispatch import call_function

    made = call_function(np.zeros_like, (value,), {})
    made._cell.is_array = not value._is_scalar()
    made._cell.frozen = "" if value._is_scalar() else READ_ONLY
    return made
