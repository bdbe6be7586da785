"""Small intrinsics for random programs to be tensorized with."""

from __future__ import annotations

from ..script.function import buffer as Buffer
from ..script.intrinsics import intrinsic
from ..script.loops import grid, serial

__all__ = ["NAMES"]


@intrinsic
def testing_double4(x: Buffer((4,)), y: Buffer((4,))) -> None:  # type: ignore[valid-type]
    for i in serial(4):
        y[i] = x[i] + 1.0  # type: ignore[index]


@intrinsic
def testing_mm222(
    a: Buffer((2, 2)),  # type: ignore[valid-type]
    b: Buffer((2, 2)),  # type: ignore[valid-type]
    c: Buffer((2, 2)),  # type: ignore[valid-type]
) -> None:
    for i, j, k in grid(2, 2, 2):
        c[i, j] += a[i, k] * b[k, j]  # type: ignore[index]


@intrinsic
def testing_sum4(x: Buffer((4,)), y: Buffer((1,))) -> None:  # type: ignore[valid-type]
    for k in serial(4):
        y[0] += x[k]  # type: ignore[index]


NAMES = ("testing_double4", "testing_mm222", "testing_sum4")
