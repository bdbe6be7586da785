"""Lists of what is known, as operators get them: their arrays and NumPy scalars are constants."""

from __future__ import annotations

from typing import Any

from .. import te
from ..te.tensor import Constant


def unlifted(value: Any) -> Any:
    """A list as it was before its arrays and NumPy scalars became constants, for NumPy to make one
    array of; all else, and a list with traced values in it, as it is."""
    if not isinstance(value, (list, tuple)):
        return value
    known = _known(value)
    return value if known is None else known


def _known(value: Any) -> Any:
    """The same, or None where something traced is in it."""
    if isinstance(value, te.Tensor):
        return value.op.array if isinstance(value.op, Constant) else None
    if not isinstance(value, (list, tuple)):
        return value
    parts = list(map(_known, value))
    return None if any(part is None for part in parts) else parts
