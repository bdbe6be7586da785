"""Debug mode on a grid: indices that data decide are looked at, by the same sentence as on the
processor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc
from mlc import te
from mlc.schedules.schedule import Schedule
from mlc.testing.cuda import assert_compiles

X = np.arange(40, dtype=np.float32).reshape(10, 4)


def gathered(x: Any, i: Any) -> Any:
    return x[i] * 2


def folded(x: Any, i: Any) -> Any:
    rows = x[i]
    return np.exp(rows - rows.max(axis=1, keepdims=True)).sum(axis=1)


def scattered(x: Any, i: Any) -> Any:
    out = x * 1
    out[i] = 7
    return out


def nested(x: Any, i: Any) -> Any:
    return x[i[i], 0]


def chosen(x: Any, i: Any) -> Any:
    return np.where(i < 10, x[np.minimum(i, 9), 1], -1)


@pytest.mark.parametrize("fn", [gathered, folded, scattered, nested, chosen])
def test_values_stay(fn: Callable[..., Any]) -> None:
    i = np.array([1, 2, 0, 3, 1])
    with mlc.config.override(debug=True):
        jitted = mlc.jit(fn, target="cuda-emulated")
        np.testing.assert_allclose(jitted(X, i), fn(X, i), rtol=1e-6)
        assert_compiles(jitted.lower(X, i).compiled.device_module)


@pytest.mark.parametrize("fn", [gathered, folded, scattered])
@pytest.mark.parametrize("order", ["forward", "reverse"])
def test_an_index_outside_is_named(fn: Callable[..., Any], order: str) -> None:
    i = np.array([1, 2, 30, 3, 1])
    with mlc.config.override(debug=True, emulated_order=order):
        with pytest.raises(mlc.BoundsError) as caught:
            mlc.jit(fn, target="cuda-emulated")(X, i)
        with pytest.raises(mlc.BoundsError) as expected:
            mlc.jit(fn)(X, i)
    said = str(caught.value).splitlines()[0]
    if fn is not scattered:  # which says its own
        assert said.startswith("index 30 is out of bounds for axis 0 of ")
        assert said.endswith(" with size 10")
    assert said == str(expected.value).splitlines()[0]


def test_the_line_is_that_of_the_index() -> None:
    with mlc.config.override(debug=True), pytest.raises(mlc.BoundsError) as caught:
        mlc.jit(gathered, target="cuda-emulated")(X, np.array([-11]))
    location = caught.value.location
    assert location is not None and location.function == "gathered"


def test_without_debug_mode_nothing_is_looked_at() -> None:
    source = str(mlc.jit(gathered, target="cuda-emulated").lower(X, np.array([1])).cuda)
    assert "mlc_refuse" not in source


def test_programs_by_hand() -> None:
    x, i = te.placeholder((10,), name="x"), te.placeholder((6,), "int64", name="i")
    out = te.compute((6,), lambda n: x[i[n]], name="out")
    s = Schedule(te.create_program([x, i, out], "pick"))
    s.bind(s.loops("out")[0], "threadIdx.x")
    with mlc.config.override(debug=True):
        run = mlc.build(s.program, target="cuda-emulated")
        made = np.zeros(6, np.float32)
        run(X[:, 0].copy(), np.arange(6), made)
        assert (made == X[:6, 0]).all()
        with pytest.raises(mlc.BoundsError, match="index -3 is out of bounds for axis 0 of x with"):
            run(X[:, 0].copy(), np.array([0, 1, -3, 2, 4, 5]), made)
