"""How sizes are named, what is refused, and what the table of compilations says."""

from __future__ import annotations

import pickle
from typing import Annotated, Any

import numpy as np
import pytest

import mlc

n = mlc.dim("n", min=2, max=64, multiple_of=2)


def annotated(x: n, w: Any) -> Any:  # type: ignore[valid-type]
    return x @ w


def doubled(x: Any) -> Any:
    return x * 2


module_level = mlc.jit(dynamic=True)(doubled)


def ones(*shape: int) -> Any:
    return np.ones(shape)


def test_annotations_name_sizes() -> None:
    jitted = mlc.jit(annotated)
    for size in (4, 64, 2):
        assert jitted(ones(size, 3), ones(3, 2)).shape == (size, 2)
    assert [row.signature for row in jitted.cache_info()] == ["x: float64[n, 3], w: float64[3, 2]"]


@pytest.mark.parametrize(
    "note", [(n, 3), {0: n}, Annotated[np.ndarray, n], [n, None]], ids=str
)  # fmt: skip
def test_forms_of_annotations(note: Any) -> None:
    def function(x: Any) -> Any:
        return x + 1

    function.__annotations__["x"] = note
    jitted = mlc.jit(function)
    for size in (8, 2):
        assert jitted(ones(size, 3)).shape == (size, 3)
    assert len(jitted.cache_info()) == 1


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (1, "axis 0 of x has size 1, but n was declared to be at least 2 and at most 64"),
        (66, "axis 0 of x has size 66, but n was declared to be at least 2 and at most 64"),
        (7, "axis 0 of x has size 7, but n was declared to be a multiple of 2"),
    ],
)
def test_sizes_that_were_not_declared(size: int, text: str) -> None:
    with pytest.raises(mlc.ArgumentError) as found:
        mlc.jit(annotated)(ones(size, 3), ones(3, 2))
    assert found.value.message == text


@pytest.mark.parametrize(
    ("dynamic", "text"),
    [
        (3, "dynamic= wants True, 'leading', or a dict such as {'x': {0: 'n'}}, got 3"),
        ({"y": {0: "n"}}, "dynamic= names 'y', but doubled has the parameters x"),
        (
            {"x": {0: 5}},
            "dynamic= wants a size for each axis of x, such as {0: 'n'} or "
            "{0: mlc.dim('n', max=64)}, got {0: 5}",
        ),
        (
            {"x": {0: mlc.dim("m", max=4), 1: mlc.dim("m", max=5)}},
            "the size m is declared twice, with other limits",
        ),
    ],
)
def test_refused_declarations(dynamic: Any, text: str) -> None:
    with pytest.raises(mlc.ArgumentError) as found:
        mlc.jit(dynamic=dynamic)(doubled)
    assert found.value.message == text


def test_refused_dims() -> None:
    with pytest.raises(mlc.ArgumentError, match="a name such as 'n', got 3"):
        mlc.dim(3)  # type: ignore[arg-type]
    with pytest.raises(
        mlc.ArgumentError, match="no size of 'n' is at least 5, at most 6 and a mul"
    ):
        mlc.dim("n", min=5, max=6, multiple_of=8)
    with pytest.raises(
        mlc.ArgumentError, match="wants min >= 0 and multiple_of >= 1, got -1 and 1"
    ):
        mlc.dim("n", min=-1)
    with pytest.raises(mlc.ArgumentError, match=r"wants an integer for max, got 2\.5"):
        mlc.dim("n", max=2.5)  # type: ignore[arg-type]


def test_an_axis_that_is_not_there() -> None:
    with pytest.raises(
        mlc.ArgumentError,
        match=r"axis 2 of x was declared to have the size n, but x has shape \(3,\)",
    ):
        mlc.jit(dynamic={"x": {2: "n"}})(doubled)(ones(3))


def test_the_axis_that_forced_a_compilation() -> None:
    plain = mlc.jit(doubled)
    plain(ones(3, 4))
    plain(ones(3, 5))
    assert [row.reason for row in plain.cache_info()] == [
        "first call",
        "shape of x: float64[3, 4] -> float64[3, 5] (axis 1)",
    ]
    free = mlc.jit(dynamic={"x": {0: "n"}})(doubled)
    for shape in ((3, 4), (9, 4), (9, 5), (10, 5)):
        free(ones(*shape))
    assert [(row.signature, row.reason) for row in free.cache_info()] == [
        ("x: float64[n, 4]", "first call"),
        ("x: float64[n, 5]", "shape of x: float64[n, 4] -> float64[n, 5] (axis 1)"),
    ]


def test_what_cannot_be_shared_is_compiled_for_each_size_and_says_so() -> None:
    @mlc.jit(dynamic={"x": {0: "n"}})
    def gram(x: Any) -> Any:
        return x @ x.T

    for size in (5, 8):
        x = np.arange(3.0 * size).reshape(size, 3)
        np.testing.assert_allclose(gram(x), x @ x.T)
    first, second = gram.cache_info()
    assert first.signature == "x: float64[5, 3]"
    assert "compiled for each n: two axes of" in first.reason
    assert second.reason.startswith("shape of x: float64[5, 3] -> float64[8, 3] (axis 0); ")


def test_trees_of_arrays() -> None:
    @mlc.jit(dynamic={"batch": "n"})
    def combined(batch: Any) -> Any:
        return {"sum": batch["a"] + batch["b"][:, 0], "all": batch["a"].sum()}

    for size in (5, 900, 2):
        found = combined({"a": ones(size), "b": ones(size, 2)})
        assert found["sum"].shape == (size,) and found["all"] == size
    assert len(combined.cache_info()) == 1
    with pytest.raises(mlc.ArgumentError, match="called with two sizes for n: 3"):
        combined({"a": ones(3), "b": ones(4, 2)})


def test_the_other_targets_agree() -> None:
    for target in ("interpret", "numpy"):
        jitted = mlc.jit(target=target, dynamic=True)(lambda x: (x[1:] - x.mean(), x.sum(axis=0)))
        for size in (5, 3):
            x = np.arange(2.0 * size).reshape(size, 2)
            first, second = jitted(x)
            np.testing.assert_allclose(first, x[1:] - x.mean())
            np.testing.assert_allclose(second, x.sum(axis=0))


def test_pickles_and_forgets() -> None:
    again = pickle.loads(pickle.dumps(module_level))
    assert again(ones(4)).sum() == 8
    fresh = mlc.jit(dynamic=True)(doubled)
    fresh(ones(3))
    fresh.clear_cache()
    assert len(fresh.cache_info()) == 0
    fresh(ones(4))
    assert [row.reason for row in fresh.cache_info()] == ["first call"]


def test_what_is_shown_of_it() -> None:
    jitted = mlc.jit(dynamic=True)(doubled)
    lowered = jitted.lower(ones(6))
    for text in (lowered.graph, lowered.program, lowered.schedule, lowered.llvm, lowered.asm):
        assert text


def test_native_range() -> None:
    @mlc.jit
    def decayed(x: Any) -> Any:
        total = np.zeros(2)
        for i in mlc.range(1, len(x)):
            total = total * 0.5 + x[i]
        return total

    x = np.arange(8.0).reshape(4, 2)
    wanted = np.zeros(2)
    for i in mlc.range(1, 4):
        wanted = wanted * 0.5 + x[i]
    np.testing.assert_allclose(decayed(x), wanted)
    assert "range(3)" in decayed.lower(x).numpy
    with pytest.raises(ValueError, match="must not be zero"):
        mlc.jit(lambda x: list(mlc.range(0, 3, 0)))(x)
