"""What a function reads besides its arguments: constants, until it changes."""

from __future__ import annotations

import gc
import importlib.util
import warnings
from typing import Any

import numpy as np
import pytest

import mlc

X = np.arange(3, dtype=np.float32)
SCALE = 2.0
TABLE = np.array([1.0, 2.0, 3.0], np.float32)
LAYERS = [{"w": TABLE * 2}, {"w": TABLE + 1}]


def scaled(x: Any) -> Any:
    return x * SCALE


@mlc.jit
def through_helpers(x: Any) -> Any:
    return scaled(x) + TABLE


@mlc.jit
def through_containers(x: Any) -> Any:
    for layer in LAYERS:
        x = x * layer["w"]
    return x


@mlc.jit
def computed_while_tracing(x: Any) -> Any:
    return x + TABLE * 2


def reasons(function: Any) -> list[str]:
    return [row.reason for row in function.cache_info()]


@pytest.fixture(autouse=True)
def fresh() -> Any:
    for function in (through_helpers, through_containers, computed_while_tracing):
        function.clear_cache()
    yield
    globals()["SCALE"] = 2.0
    TABLE[:] = [1, 2, 3]


def test_a_global_number_of_a_helper(monkeypatch: pytest.MonkeyPatch) -> None:
    assert np.array_equal(through_helpers(X), X * 2 + TABLE)
    monkeypatch.setitem(globals(), "SCALE", 3.0)
    assert np.array_equal(through_helpers(X), X * 3 + TABLE)
    monkeypatch.setitem(globals(), "SCALE", 2.0)
    assert np.array_equal(through_helpers(X), X * 2 + TABLE)
    assert reasons(through_helpers) == ["first call", "SCALE changed from 2.0 to 3.0"]


def test_attributes_are_no_globals_of_the_same_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "T", [1.0])
    turned = mlc.jit(lambda x: x.T + 1)
    x = np.ones((2, 3), np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # as there would be after a few compilations
        for _ in range(12):
            np.testing.assert_array_equal(turned(x), x.T + 1)
            T.append(2.0)  # type: ignore[name-defined]  # noqa: F821


def test_content_of_an_array() -> None:
    assert np.array_equal(through_helpers(X), X * 2 + TABLE)
    TABLE[1] = 7
    assert np.array_equal(through_helpers(X), X * 2 + TABLE)
    assert reasons(through_helpers)[1:] == ["the content of TABLE changed"]


def test_an_array_read_only_by_numpy_while_tracing() -> None:
    assert np.array_equal(computed_while_tracing(X), X + TABLE * 2)
    TABLE[0] = -1
    assert np.array_equal(computed_while_tracing(X), X + TABLE * 2)


def test_another_array_and_another_helper(monkeypatch: pytest.MonkeyPatch) -> None:
    through_helpers(X)
    monkeypatch.setitem(globals(), "TABLE", TABLE * 5)
    assert np.array_equal(through_helpers(X), X * 2 + TABLE)
    monkeypatch.setitem(globals(), "scaled", lambda x: x)
    assert np.array_equal(through_helpers(X), X + TABLE)
    assert reasons(through_helpers)[1:] == [
        "TABLE is another array",
        "scaled is another function",
    ]


def test_containers_are_followed() -> None:
    want = X * LAYERS[0]["w"] * LAYERS[1]["w"]
    assert np.array_equal(through_containers(X), want)
    LAYERS[0]["w"][2] = 9
    assert np.array_equal(through_containers(X), X * LAYERS[0]["w"] * LAYERS[1]["w"])
    LAYERS.append({"w": TABLE})
    try:
        assert np.array_equal(
            through_containers(X), X * LAYERS[0]["w"] * LAYERS[1]["w"] * LAYERS[2]["w"]
        )
    finally:
        LAYERS.pop()


def test_closure_cells() -> None:
    factor = 2.0

    @mlc.jit
    def times(x: Any) -> Any:
        return x * factor

    assert np.array_equal(times(X), X * 2)
    factor = 4.0
    assert np.array_equal(times(X), X * 4)
    assert reasons(times) == ["first call", "factor changed from 2.0 to 4.0"]


def test_nan_and_signed_zero_in_a_captured_array() -> None:
    values = np.array([np.nan, 0.0, 1.0], np.float32)
    shift = mlc.jit(lambda x: np.copysign(x + 1, values))
    shift(X)
    shift(X)
    assert len(shift.cache_info()) == 1
    values[1] = -0.0
    assert np.signbit(shift(X)).tolist() == [False, True, False]


def test_large_arrays_are_compared_too() -> None:
    big = np.zeros((300, 300), np.float32)
    total = mlc.jit(lambda x: x + big)
    total(big)
    total(big)
    assert len(total.cache_info()) == 1
    big[299, 299] = 1
    assert total(np.zeros_like(big))[299, 299] == 1


def test_read_only_arrays_are_neither_copied_nor_compared() -> None:
    frozen = np.ones(5)
    frozen.setflags(write=False)
    jitted = mlc.jit(lambda x: x + frozen)
    jitted(np.ones(5))
    (entries,) = jitted._entries.values()
    assert not entries[0].captures.arrays


def test_arrays_made_inside_are_not_watched() -> None:
    jitted = mlc.jit(lambda x: x + np.arange(3.0))
    jitted(X)
    (entries,) = jitted._entries.values()
    gc.collect()
    assert not entries[0].captures


def test_functions_that_read_modules_alone_have_no_captures() -> None:
    @mlc.jit
    def plain(x: Any) -> Any:
        return np.maximum(x, 0) @ x + sum([1, 2]) + float(3)

    plain(X)
    (entries,) = plain._entries.values()
    assert not entries[0].captures


def test_a_default_argument_is_watched() -> None:
    default = np.ones(3, np.float32)

    @mlc.jit
    def shift(x: Any, by: Any = default) -> Any:
        return x + by

    shift(X)
    default[:] = 5
    assert np.array_equal(shift(X), X + 5)


def test_versions_for_one_signature_are_few_and_a_warning_says_why() -> None:
    step = 0

    @mlc.jit
    def shift(x: Any) -> Any:
        return x + step

    with pytest.warns(
        RuntimeWarning, match=r"shift was compiled 9 times .* \(step changed from 7 to 8\)"
    ):
        for step in range(9):
            assert np.array_equal(shift(X), X + step)
    assert len(shift.cache_info()) == 8


class Scaling:
    factor = 2.0

    def __init__(self, power: int) -> None:
        self.power = power

    def __call__(self, x: Any) -> Any:
        return x**self.power * self.factor * SCALE


class Shifted(Scaling):
    pass


@mlc.jit
def through_a_class(x: Any) -> Any:
    return Shifted(2)(x)


def test_what_methods_read_of_objects_that_are_made_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    assert np.array_equal(through_a_class(X), X**2 * 4)
    monkeypatch.setitem(globals(), "SCALE", 3.0)
    assert np.array_equal(through_a_class(X), X**2 * 6)
    monkeypatch.setattr(Scaling, "factor", 1.0)
    assert np.array_equal(through_a_class(X), X**2 * 3)
    monkeypatch.setattr(Shifted, "factor", 5.0, raising=False)
    assert np.array_equal(through_a_class(X), X**2 * 15)
    assert reasons(through_a_class)[2:] == [
        "Shifted.factor changed from 2.0 to 1.0",
        "Shifted.factor changed from 1.0 to 5.0",
    ]


def test_classes_of_another_module_make_arrays(tmp_path: Any) -> None:
    """NumPy gives traced arrays in the modules of all methods that are called."""
    (tmp_path / "grid_of_another_module.py").write_text(
        "import numpy as np\n"
        "class Grid:\n"
        "    def __init__(self, n):\n"
        "        self.n = n\n"
        "    def doubled(self, x):\n"
        "        made = np.zeros(self.n)\n"
        "        for i in range(self.n):\n"
        "            made[i] = x[i] * 2\n"
        "        return made\n"
    )
    path = tmp_path / "grid_of_another_module.py"
    spec = importlib.util.spec_from_file_location("grid_of_another_module", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    grid = module.Grid

    def by_name(x: Any) -> Any:
        return grid(3).doubled(x)

    def by_module(x: Any) -> Any:
        return module.Grid(3).doubled(x)

    for function in (by_name, by_module):
        assert np.array_equal(mlc.jit(function)(X), X * 2)


def test_a_long_way_to_a_global(monkeypatch: pytest.MonkeyPatch) -> None:
    function: Any = scaled
    for _ in range(10):
        function = wrapped(function)
    compiled = mlc.jit(function)
    assert np.array_equal(compiled(X), X * 2 + 10)
    monkeypatch.setitem(globals(), "SCALE", 3.0)
    assert np.array_equal(compiled(X), X * 3 + 10)


def wrapped(function: Any) -> Any:
    return lambda x: function(x) + 1
