"""np.pad in its modes, and what else takes numbers for each side."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc
from mlc.testing import check_against_numpy

RNG = np.random.default_rng(5)
ARRAYS = {
    "float64": RNG.normal(size=(3, 4)),
    "float32": RNG.normal(size=(2, 3)).astype(np.float32),
    "uint8": RNG.integers(0, 255, (3, 4)).astype(np.uint8),
    "int64": RNG.integers(-9, 9, (2, 1, 3)),
    "bool": RNG.normal(size=5) > 0,
}
WAYS: list[dict[str, Any]] = [
    {"mode": "mean"}, {"mode": "maximum", "stat_length": (1, 2)},
    {"mode": "minimum", "stat_length": 2}, {"mode": "median", "stat_length": 7},
    {"mode": "linear_ramp"}, {"mode": "linear_ramp", "end_values": (3, 1.5)},
    {"mode": "reflect", "reflect_type": "odd"}, {"mode": "symmetric", "reflect_type": "odd"},
    {"constant_values": (1, 2)}, {"constant_values": np.array([2.5, 1])},
]  # fmt: skip


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("width", [1, (2, 5), [[3], [1]]], ids=str)
def test_modes(name: str, width: Any) -> None:
    x = ARRAYS[name]
    if np.ndim(width) == 2 and x.ndim != 2:
        width = [(d, 2) for d in range(x.ndim)]

    def padded(x: Any) -> Any:
        return [np.pad(x, width, **way) for way in WAYS]

    wanted = padded(x)
    for way, a, b in zip(WAYS, wanted, mlc.jit(padded)(x), strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape, way
        tolerance = 4 * np.finfo(a.dtype).eps if a.dtype.kind == "f" else 0
        np.testing.assert_allclose(b, a, rtol=tolerance, atol=tolerance, err_msg=str(way))


def test_values_for_each_side() -> None:
    x = ARRAYS["float32"]
    sides = ((1.5, 2), (3, 4))
    check_against_numpy(lambda x: np.pad(x, 2, constant_values=sides), x)
    check_against_numpy(lambda x: np.pad(x, 2, mode="linear_ramp", end_values=sides), x)
    check_against_numpy(lambda x, a, b: np.pad(x, 2, constant_values=(a, b)), x, 1.5, 2.0)
    check_against_numpy(lambda x, ends: np.pad(x, 2, constant_values=ends), x, np.ones((2, 2)) * 3)
    check_against_numpy(lambda x: np.pad(x, 1, mode="mean"), x + 1j)
    check_against_numpy(lambda x: np.pad(x, (0, 1), mode="empty")[:-1, :-1], x)


def test_refused() -> None:
    def check(kind: type[Exception], text: str, *args: Any, **options: Any) -> None:
        with pytest.raises(kind, match=text):
            mlc.jit(lambda x: np.pad(x, *args, **options))(ARRAYS["float64"])

    check(ValueError, "unsupported keyword arguments for mode 'edge'", 1, "edge", stat_length=1)
    check(ValueError, "stat_length of 0 yields no value", 1, "maximum", stat_length=0)
    check(mlc.ShapeError, "stat_length counts elements", 1, "mean", stat_length=-1)
    check(mlc.ShapeError, "one such pair for each axis", 1, constant_values=(1, 2, 3))


@pytest.mark.parametrize("dtype", ["float64", "float32", "int32"])
def test_spread_about_a_given_mean(dtype: str) -> None:
    x = (RNG.normal(size=(3, 4)) * 5).astype(dtype)

    def spread(x: Any) -> Any:
        center = np.mean(x, axis=1, keepdims=True)
        return (
            np.var(x, axis=1, mean=center, ddof=1), np.std(x, axis=1, mean=center, keepdims=True),
            np.std(x, mean=1.0), np.var(x, axis=0, mean=np.float64(2), where=x > 0),
        )  # fmt: skip

    check_against_numpy(spread, x)


def test_even_steps_are_computed_in_the_dtype_of_the_ends() -> None:
    x = RNG.normal(size=50)
    found = mlc.jit(lambda a, b: np.linspace(a, b, 7, dtype=np.float32))(x, x[::-1].copy())
    np.testing.assert_array_equal(found, np.linspace(x, x[::-1], 7, dtype=np.float32))
