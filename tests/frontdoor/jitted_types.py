"""What a type checker knows of jitted functions: read by mypy, not run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import mlc

if TYPE_CHECKING:
    from typing_extensions import assert_type

Floats = npt.NDArray[np.float32]


@mlc.jit
def scaled(x: Floats, scale: float = 2.0) -> Floats:
    return x


@mlc.jit(static_argnames="n")
def parts(x: Floats, n: int) -> tuple[Floats, Floats]:
    return x, x


@mlc.jit
def untyped(x, y=1):
    return x


class Net:
    @mlc.jit
    def forward(self, x: Floats) -> Floats:
        return x

    @mlc.jit
    @staticmethod
    def fixed(x: Floats) -> Floats:
        return x


def calls(x: Floats) -> None:
    assert_type(scaled(x, scale=3.0), Floats)
    assert_type(scaled(x, out=x), Floats)
    assert_type(parts(x, 3), tuple[Floats, Floats])
    assert_type(untyped(x), Any)
    assert_type(Net().forward(x), Floats)
    assert_type(Net.forward(Net(), x), Floats)
    assert_type(Net.fixed(x), Floats)
    assert_type(mlc.jit(scaled, target="numpy")(x), Floats)
    assert_type(str(scaled.lower(x).graph), str)
    for row in scaled.cache_info():
        assert_type(row.reason, str)
    scaled.clear_cache()


def mistakes(x: Floats) -> None:
    scaled("text")  # type: ignore[call-overload]
    scaled(x, 1.0, 2.0)  # type: ignore[call-overload]
    parts(x)  # type: ignore[call-overload]
    Net().forward(x, x)  # type: ignore[call-overload]
    scaled.lower("text")  # type: ignore[arg-type]
    scaled.tracing()  # type: ignore[attr-defined]
    mlc.jit(scaled, target=3)  # type: ignore[call-overload]
