"""The types of what loops and branches carry."""

from __future__ import annotations

from contextvars import ContextVar

import numpy as np

from ..dtypes import DType, as_dtype, bfloat16, float16
from ..errors import DTypeError, ShapeError
from ..records import dataclass

# Whether the data choose between branches that leave values of two dtypes, as between those that
# leave two shapes; else a dtype that holds both is taken.
ONE_DTYPE: ContextVar[bool] = ContextVar("whether branches must leave one dtype", default=False)


@dataclass(frozen=True)
class Spec:
    """The type of a value: weak ones are Python numbers."""

    shape: tuple[int, ...]
    dtype: DType
    weak: bool = False

    def __str__(self) -> str:
        if self.weak:
            return f"a Python {({'b': 'bool', 'i': 'int'}).get(self.dtype.kind, 'float')}"
        return f"{self.dtype.name}{list(self.shape)}"


class ShapesDifferError(ShapeError):
    """Both sides of a branch are sound, and no one array can hold what they leave."""


def merged(a: Spec, b: Spec, label: str, what: str, must_fit: bool) -> Spec:
    """The type that holds both values."""
    if a.shape != b.shape:
        grows = len(a.shape) == len(b.shape) == 2 and a.shape[0] == b.shape[0]
        hint = "; arrays may grow along axis 0, so add rows, and transpose later" if grows else ""
        raise ShapesDifferError(
            f"{what} changes the shape of {label}: expected {a}, as before it, got {b}; shapes "
            f"must stay, so give it another name or its final shape before{hint}"
        )
    if a.dtype is b.dtype:
        return Spec(a.shape, a.dtype, a.weak and b.weak)
    if a.weak and b.weak:
        rank = max((a, b), key=lambda s: "biuf".index(s.dtype.kind))
        return Spec((), rank.dtype, True)
    if a.weak or b.weak:
        weak, strong = (a, b) if a.weak else (b, a)
        python = {"b": False, "i": 0}.get(weak.dtype.kind, 0.0)
        like = float16 if strong.dtype is bfloat16 else strong.dtype  # which NumPy would widen
        found = as_dtype(np.result_type(like.numpy, python))
        found = strong.dtype if found is like else found
    else:
        found = as_dtype(np.result_type(a.dtype.numpy, b.dtype.numpy))
    if found is not a.dtype and (a.shape or must_fit and not a.weak):
        raise DTypeError(
            f"{what} changes the dtype of {label}: expected {a}, as before it, got {b}; convert "
            f"it with .astype({a.dtype.name!r}), or start with {b.dtype.name}"
        )
    return Spec(a.shape, found)
