"""Tensors of torch and arrays of JAX on a (stand-in) card: the same kind out, nothing copied."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import mlc
from mlc.errors import ArgumentError

from .fake_cupy import Event, FakeCuPy, _aligned
from .fake_libraries import TORCH, FakeTorch, JaxArray, Tensor, fake_jax


@pytest.fixture
def torch(cupy: FakeCuPy, monkeypatch: pytest.MonkeyPatch) -> FakeTorch:
    monkeypatch.setitem(sys.modules, "torch", TORCH)
    TORCH.allocated.clear()
    return TORCH


@pytest.fixture
def jax(cupy: FakeCuPy, monkeypatch: pytest.MonkeyPatch) -> Any:
    made = fake_jax(cupy)
    monkeypatch.setitem(sys.modules, "jax", made)
    return made


def values(*shape: int) -> Any:
    return _aligned(np.random.default_rng(0).standard_normal(shape).astype(np.float32))


FUNCTIONS: list[tuple[Callable[..., Any], int]] = [
    (lambda x: x * 2 + 1, 1),
    (lambda x: x + np.arange(8, dtype=np.float32), 1),
    (lambda x: (x > 0, np.sum(x, axis=1)), 2),
    (lambda x: np.cumsum(x.reshape(-1) > 0), 1),  # with a workspace
    (lambda x: x[x > 0], 1),
]


@pytest.mark.parametrize(("function", "results"), FUNCTIONS)
@pytest.mark.parametrize("way", ["plain", "turned", "half of it"])
def test_tensors(
    function: Callable[..., Any], results: int, way: str, torch: FakeTorch, cupy: FakeCuPy
) -> None:
    """They are read where they are, on torch's stream, and results are of torch's allocator."""
    held = values(64, 8) if way == "plain" else values(8, 64).T if way == "turned" else None
    held = values(64, 16)[:, ::2] if held is None else held
    jitted = mlc.jit(function, target="cuda")
    for _ in range(3):  # compiled, then the short way
        made = jitted(Tensor(held))
        expected = function(held)
        for one, exact in zip(*(x if results > 1 else (x,) for x in (made, expected)), strict=True):
            assert isinstance(one, Tensor) and one.held.dtype == exact.dtype
            np.testing.assert_allclose(one.held, exact, rtol=1e-4, atol=1e-5)
            assert tuple(exact.shape) in torch.allocated
    assert {launch.stream for launch in cupy.launches} == {torch.STREAM}
    assert cupy.allocated == []


def test_constants_that_cupy_does_not_know(torch: FakeTorch) -> None:
    weights = np.arange(8).astype(ml_dtypes.bfloat16)
    x = _aligned(np.ones(8, ml_dtypes.bfloat16))
    made = mlc.jit(lambda x: x + weights, target="cuda")(Tensor(x))
    np.testing.assert_array_equal(made.held, x + weights)


def test_tensors_that_are_written_and_that_are_given_back(torch: FakeTorch) -> None:
    @mlc.jit(target="cuda")
    def increased(x: Any) -> Any:
        x += 1
        return x

    before = values(30)
    x = Tensor(before.copy())
    assert increased(x) is x
    np.testing.assert_array_equal(x.held, before + 1)
    negative = mlc.jit(lambda x: x * 2, target="cuda")(Tensor(before, negative=True))
    np.testing.assert_array_equal(negative.held, -before * 2)
    out = Tensor(values(30))
    mlc.jit(lambda x: x - 1, target="cuda")(x, out=out)
    np.testing.assert_array_equal(out.held, x.held - 1)


def test_tensors_that_are_refused(torch: FakeTorch, cupy: FakeCuPy) -> None:
    add = mlc.jit(lambda x, y: x + y, target="cuda")
    x = Tensor(values(8))
    learns = Tensor(values(8))
    learns.requires_grad = True
    with pytest.raises(ArgumentError, match=r"gradient would be lost; pass x\.detach\(\)"):
        add(x, learns)
    with pytest.raises(ArgumentError) as caught:
        add(x, np.ones(8, np.float32))
    assert "copy it there with torch.as_tensor(y, device='cuda:0')" in caught.value.message
    with pytest.raises(ArgumentError, match="are of torch and of cupy; pass arrays of one library"):
        add(x, cupy.asarray(np.ones(8, np.float32)))
    with pytest.raises(ArgumentError, match="card 0 and on card 1"):
        add(x, Tensor(values(8), 1))


def test_arrays_of_jax(jax: Any, cupy: FakeCuPy) -> None:
    """By DLPack both ways: the kernel reads their very memory."""
    held = values(6, 8)
    jitted = mlc.jit(lambda x: (x * 2, x.sum()), target="cuda")
    for _ in range(2):
        doubled, total = jitted(JaxArray(held))
        assert isinstance(doubled, JaxArray) and isinstance(total, JaxArray)
        np.testing.assert_array_equal(doubled.held, held * 2)
        np.testing.assert_allclose(total.held, held.sum(), rtol=1e-4)
        held += 1  # in place: what is read next is this


def test_arrays_of_jax_are_held_until_kernels_are_done(
    jax: Any, cupy: FakeCuPy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JAX gives memory that nobody holds to others, and knows nothing of CuPy's stream."""
    jitted = mlc.jit(lambda x: x * 2, target="cuda")
    monkeypatch.setattr(Event, "done", False)
    given = [JaxArray(values(8)) for _ in range(2)]
    alive = [weakref.ref(x) for x in given]
    for x in given:
        jitted(x)
    del x
    given.clear()
    assert all(each() is not None for each in alive)
    monkeypatch.setattr(Event, "done", True)
    jitted(JaxArray(values(8)))
    gc.collect()  # the first call, which has compiled
    assert all(each() is None for each in alive)


def test_arrays_of_the_host_are_refused_beside_those_of_jax(jax: Any) -> None:
    held = values(6, 8)
    with pytest.raises(ArgumentError, match=r"copy it there with jax\.device_put\(y\)"):
        mlc.jit(lambda x, y: x + y, target="cuda")(JaxArray(held), np.ones((6, 8), np.float32))
