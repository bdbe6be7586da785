"""Complex arrays on a (stand-in) card: complex ones come out, of the same library."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.errors import ArgumentError, DTypeError, ShapeError

from .fake_cupy import FakeCuPy, _aligned, ndarray
from .fake_libraries import TORCH, JaxArray, Tensor, fake_jax


def values(*shape: int, dtype: Any = np.complex64) -> Any:
    real, imag = np.random.default_rng(sum(shape)).standard_normal((2, *shape))
    return _aligned((real + 1j * imag).astype(dtype))


FUNCTIONS: list[Callable[..., Any]] = [
    lambda z: np.exp(z / 4) * z.conj() + 1j,
    lambda z: [np.abs(z), z.sum(axis=0), z @ z.T],
    lambda z: {"turned": z.T, "row": z[1], "whole": z, "copy": z.copy(), "full": np.full(3, 2j)},
    lambda z: np.where(z.real > 0, np.concatenate([z[:0:-1], z[:1] * 1j]), 0).sum(),
]


def leaves(result: Any) -> list[Any]:
    if isinstance(result, dict):
        result = list(result.values())
    return list(result) if isinstance(result, (tuple, list)) else [result]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_arrays_come_and_go(function: Callable[..., Any], cupy: FakeCuPy) -> None:
    jitted = mlc.jit(function, target="cuda")
    is_first = function is FUNCTIONS[0]
    host = values(6, 5, dtype=np.complex128 if is_first else np.complex64)
    whole = cupy.asarray(host)
    calls = [(jitted(whole), function(host)), (jitted(whole), function(host))]
    if is_first:  # views are read where they lie
        calls.append((jitted(whole[::-1, ::2]), function(host[::-1, ::2])))
    for got, wanted in calls:
        assert type(got) is type(wanted) or isinstance(got, ndarray)
        for one, expected in zip(leaves(got), leaves(wanted), strict=True):
            assert isinstance(one, ndarray) and one.dtype == expected.dtype
            assert one.shape == expected.shape
            close = 64 * np.finfo(expected.dtype).eps
            np.testing.assert_allclose(one.get(), expected, rtol=close, atol=close)


def test_calls_made_before_take_the_short_way(
    cupy: FakeCuPy, monkeypatch: pytest.MonkeyPatch
) -> None:
    jitted = mlc.jit(lambda z: (z * 2, z.real, z + 1j), target="cuda")
    jitted(cupy.asarray(values(7)))
    monkeypatch.setattr("mlc.device_call._Call", None)
    host = values(7) + 1
    for one, expected in zip(jitted(cupy.asarray(host)), (host * 2, host.real, host + 1j)):
        np.testing.assert_allclose(one.get(), expected, rtol=1e-6)


def test_numbers(cupy: FakeCuPy) -> None:
    jitted = mlc.jit(lambda z, by: (z * by, by), target="cuda")
    host = values(7)
    for by in (1 + 2j, np.complex64(3j), 1 + 2j, np.complex128(1j)):
        product, same = jitted(cupy.asarray(host), by)
        np.testing.assert_allclose(product.get(), host * by, rtol=1e-6)
        assert product.dtype == (host * by).dtype and same.get() == by
    with pytest.raises(ArgumentError, match=r"argument by of .* is on the host"):
        jitted(cupy.asarray(host), host)


def test_places_for_results_and_arguments_that_are_written(cupy: FakeCuPy) -> None:
    jitted = mlc.jit(lambda z: z * 3j, target="cuda")
    host = values(16)
    z, out = cupy.asarray(host), cupy.empty((16,), np.complex64)
    assert jitted(z, out=out) is out
    np.testing.assert_allclose(out.get(), host * 3j, rtol=1e-6)
    wide = cupy.empty((16, 2), np.complex128)[:, 1]
    jitted(z, out=wide)
    np.testing.assert_allclose(wide.get(), host * 3j, rtol=1e-6)
    with pytest.raises(ShapeError, match=r"out has shape \(4,\), expected \(16,\)"):
        jitted(z, out=cupy.empty((4,), np.complex64))
    with pytest.raises(DTypeError, match="out has dtype float32, expected complex64"):
        jitted(z, out=cupy.empty((16, 2), np.float32))

    @mlc.jit(target="cuda")
    def written(z: Any, y: Any) -> Any:
        z[1:] += y
        z.imag[0] = 5
        return z.sum()

    total = written(z, cupy.asarray(host[1:]))
    host[1:] *= 2
    host[0] = host[0].real + 5j
    np.testing.assert_allclose(z.get(), host, rtol=1e-6)
    np.testing.assert_allclose(total.get(), host.sum(), rtol=1e-5)


def test_many_sizes(cupy: FakeCuPy) -> None:
    run = mlc.jit(lambda z: (z * 2j).sum(axis=1), target="cuda", dynamic={"z": "n"})
    for size in (50, 700):
        host = values(size, 3)
        np.testing.assert_allclose(
            run(cupy.asarray(host)).get(), (host * 2j).sum(axis=1), rtol=1e-5
        )
    assert len(cupy.compiled) == 1


def test_tensors_of_torch(cupy: FakeCuPy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", TORCH)
    jitted = mlc.jit(lambda z: (z * 2j, z), target="cuda")
    host = values(9)
    for conjugated in (False, False, True):
        z = Tensor(host, conjugated=conjugated)
        product, same = jitted(z)
        assert isinstance(product, Tensor) and same is z
        meant = host.conj() if conjugated else host
        np.testing.assert_allclose(product.held, meant * 2j, rtol=1e-6)

    @mlc.jit(target="cuda")
    def doubled(z: Any) -> None:
        z *= 2

    before = host.copy()
    doubled(Tensor(host, conjugated=True))  # of which kernels read a copy
    np.testing.assert_allclose(host, before * 2)
    out = Tensor(values(9), conjugated=True)
    mlc.jit(lambda z: z * 2j, target="cuda")(Tensor(host), out=out)
    np.testing.assert_allclose(out.held.conj(), host * 2j, rtol=1e-6)


def test_arrays_of_jax(cupy: FakeCuPy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jax", fake_jax(cupy))
    host = values(9)
    got = mlc.jit(lambda z: z * 2j, target="cuda")(JaxArray(host))
    assert isinstance(got, JaxArray)
    np.testing.assert_allclose(got.held, host * 2j, rtol=1e-6)
