"""What programs printed as NumPy ask of places that the data decide."""

from __future__ import annotations


def place(index: int, size: int) -> int:
    """``index``, or NumPy's IndexError where it is negative: Python would count from the end."""
    if index < 0:
        raise IndexError(f"index {index} is out of bounds for an axis with size {size}")
    return index
