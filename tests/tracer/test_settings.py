"""Arguments that can be nothing but settings, and numbers that decide shapes and branches."""

from __future__ import annotations

from enum import Enum
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.testing import check_against_numpy

X = np.arange(6.0)


class Kind(Enum):
    """How to fold."""

    SUM = 1
    MAX = 2


def fold(x: Any, how: str = "sum") -> Any:
    return x.sum() if how == "sum" else x.max()


def fold_by(x: Any, kind: Kind) -> Any:
    return x.sum() if kind is Kind.SUM else x.max()


def newton(f: Any, slope: Any, x: float) -> Any:
    for _ in range(20):
        x = x - f(x) / slope(x)
    return x


def padded(x: Any, settings: dict[str, Any]) -> Any:
    return np.pad(x, settings["width"], mode=settings["mode"])


def strided(x: Any, layer: dict[str, Any]) -> Any:
    return x[:: layer["stride"]] * layer["w"] + layer["b"]


def filled(shape: tuple[int, ...], value: float) -> Any:
    made = np.zeros(shape)
    made[:] = value
    return made


def stepped(end: float, step: float, x: Any) -> Any:
    for _ in range(int(end / step)):
        x = x + x
    return np.zeros(int(end / step)) + x


def pair_or_not(x: Any, both: bool) -> Any:
    if both:
        return x, x * 2
    return x


def test_settings_and_numbers_that_decide() -> None:
    check_against_numpy(fold, X, "sum")
    check_against_numpy(fold, X, how="max")
    check_against_numpy(fold_by, X, Kind.MAX)
    check_against_numpy(newton, np.cos, lambda v: -np.sin(v), 1.0)
    check_against_numpy(padded, X, {"width": (1, 2), "mode": "edge"})
    check_against_numpy(strided, X, {"stride": 2, "w": 2.0, "b": X[:3]})
    check_against_numpy(np.broadcast_to, X, (3, 6))
    check_against_numpy(filled, (2, 3), 1.5)
    check_against_numpy(stepped, 1.0, 0.25, 2.0)
    check_against_numpy(pair_or_not, X, True)
    check_against_numpy(pair_or_not, X, False)
    check_against_numpy(lambda x, dtype: x.astype(dtype), X, np.float32)
    check_against_numpy(lambda x, part: x[part], X, slice(1, 3))


def test_numbers_that_decide_are_compiled_for_each_value_and_others_are_not() -> None:
    f = mlc.jit(strided)
    for stride, w in ((2, 1.0), (2, 3.0), (3, 3.0)):
        layer = {"stride": stride, "w": w, "b": 0.5}
        assert np.array_equal(f(X, layer), strided(X, layer))
    info = f.cache_info()
    assert len(info) == 2
    assert "compiled for each value of layer['stride']" in str(info)


def test_writes_to_arrays_beside_settings_reach_the_caller() -> None:
    def scale(held: dict[str, Any], how: str) -> None:
        held["x"] *= 2 if how == "double" else 3

    held = {"name": "x", "x": X.copy()}
    mlc.jit(scale)(held, "double")
    assert np.array_equal(held["x"], X * 2)


@pytest.mark.parametrize("value", [b"text", object()])
def test_what_is_neither_is_refused(value: Any) -> None:
    with pytest.raises(mlc.ArgumentError, match="neither an array nor a number"):
        mlc.jit(lambda x: x)(value)
