"""The scalar types, each declared once.

A :class:`DType` is interned: compare with ``is``. NumPy's own rules decide promotion; nothing here
repeats them. bfloat16 lives in `ml_dtypes`, which is imported only when that dtype is met.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import DTypeError


class DType:
    """One scalar type.

    ``kind`` is the first letter of bool, int, unsigned or float; ``bits`` is 1 for bool, which
    takes a byte of memory all the same.
    """

    __slots__ = ("bits", "itemsize", "kind", "name")

    def __init__(self, name: str, kind: str, bits: int) -> None:
        self.name = name
        self.kind = kind
        self.bits = bits
        self.itemsize = max(bits // 8, 1)

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> tuple[Any, ...]:
        return as_dtype, (self.name,)

    @property
    def is_float(self) -> bool:
        return self.kind == "f"

    @property
    def is_integer(self) -> bool:
        """Signed or unsigned, bool excluded."""
        return self.kind in "iu"

    @property
    def numpy(self) -> np.dtype[Any]:
        """The NumPy dtype of the same layout."""
        if self is bfloat16:
            import ml_dtypes

            found: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
            return found
        return np.dtype(self.name)

    @property
    def lowest(self) -> int | float:
        """The least value: -inf for floats, False for bool."""
        if self.kind == "f":
            return float("-inf")
        return -(1 << (self.bits - 1)) if self.kind == "i" else 0

    @property
    def highest(self) -> int | float:
        """The greatest value: inf for floats, True for bool."""
        if self.kind == "f":
            return float("inf")
        if self.kind == "b":
            return 1
        return (1 << (self.bits - (self.kind == "i"))) - 1


boolean = DType("bool", "b", 1)
int8, int16, int32, int64 = (DType(f"int{b}", "i", b) for b in (8, 16, 32, 64))
uint8, uint16, uint32, uint64 = (DType(f"uint{b}", "u", b) for b in (8, 16, 32, 64))
float16, float32, float64 = (DType(f"float{b}", "f", b) for b in (16, 32, 64))
bfloat16 = DType("bfloat16", "f", 16)

ALL: tuple[DType, ...] = (
    boolean, int8, int16, int32, int64, uint8, uint16, uint32, uint64,
    float16, bfloat16, float32, float64,
)  # fmt: skip
_BY_NAME = {dtype.name: dtype for dtype in ALL}
_COMPLEX = ("complex64", "complex128")  # pairs of floats in traced functions


def as_dtype(value: Any) -> DType:
    """The :class:`DType` for a name, a NumPy dtype or scalar type, or a Python ``bool/int/float``.

    Raises :class:`DTypeError` for everything else (complex, strings, objects, foreign byte order).
    """
    if isinstance(value, DType):
        return value
    if isinstance(value, str) and value in _BY_NAME:
        return _BY_NAME[value]
    try:
        dtype = np.dtype(value)
    except TypeError:
        raise DTypeError(f"expected a dtype, got {value!r}; {_known()}") from None
    found = _BY_NAME.get(dtype.name)
    if not dtype.isnative and (found or dtype.name in _COMPLEX):
        raise DTypeError(
            f"dtype {dtype.str!r} has foreign byte order; convert with .astype({dtype.name!r})"
        )
    if found is None:
        instead = _INSTEAD.get(dtype.kind, "")
        if dtype.kind == "V" and dtype.names is None:  # a narrow number of ml_dtypes
            instead = ": convert it with .astype('float32')"
        raise DTypeError(f"dtype {dtype.name!r} is not supported{instead}; {_known()}")
    return found


# What to pass in the place of arrays that hold other things than numbers, by `dtype.kind`.
_INSTEAD = {
    "M": ": pass x.view('int64'), the time since 1970 in its unit",
    "m": ": pass x.view('int64'), the time in its unit",
    "U": ": pass numbers, np.unique(x, return_inverse=True)[1]",
    "S": ": pass the bytes, x.view('uint8')",
    "O": ": convert it with .astype(float), or pass a list of its arrays",
    "V": ": pass its fields one by one, x['name']",
}


def _known() -> str:
    names = ", ".join(dtype.name for dtype in ALL)
    return f"supported are {names}, and in traced functions {' and '.join(_COMPLEX)}"
