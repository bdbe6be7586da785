"""Functions of libraries of the processor, between kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc
from mlc.errors import DeviceError

from .fake_cupy import FakeCuPy, Problem


def matrices() -> Any:
    return np.random.default_rng(0).normal(size=(3, 4, 4)).astype(np.float32)


def whitened(a: Any) -> Any:
    return np.linalg.inv(a + 1) * 2, np.linalg.svd(a)[1].sum(axis=-1)


def agree(got: Any, a: Any) -> None:
    for one, other in zip(got, whitened(a), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=1e-5)


def test_emulated(cupy: FakeCuPy) -> None:
    f = mlc.jit(whitened, target="cuda-emulated")
    a = matrices()
    agree(f(a), a)
    turned = a[::-1].transpose(0, 2, 1)
    agree(f(turned), turned)
    assert "// inv: a library of the processor" in str(f.lower(a).cuda)
    assert not cupy.launches


def test_views_are_read_where_they_lie(cupy: FakeCuPy) -> None:
    a = matrices().astype(np.float64)[0]
    for target in ("cuda-emulated", "cuda"):
        f = mlc.jit(lambda x: np.linalg.inv(x), target=target)
        for view in (a, a[::-1, ::-1], a.T, np.repeat(a, 2, axis=0)[::2]):
            np.testing.assert_array_equal(f(view), np.linalg.inv(view))
    on_card = mlc.jit(lambda x: np.linalg.inv(x), target="cuda")
    got = on_card(cupy.asarray(a)[::-1, ::-1]).get()
    np.testing.assert_array_equal(got, np.linalg.inv(a[::-1, ::-1]))


def test_on_a_card_arrays_are_copied_there_and_back(cupy: FakeCuPy) -> None:
    f = mlc.jit(whitened, target="cuda")
    a = matrices()
    cupy.streams.number = 5
    got = f(cupy.asarray(a))
    agree([part.get() for part in got], a)
    assert set(cupy.waited) == {5}
    agree(f(a), a)  # and host arrays


def test_what_a_library_refuses_is_raised(cupy: FakeCuPy) -> None:
    for target, put in (("cuda-emulated", np.asarray), ("cuda", cupy.asarray)):
        f = mlc.jit(lambda x: np.linalg.inv(x) + 1, target=target)
        with pytest.raises(
            np.linalg.LinAlgError, match=r"^Singular matrix\n  at .*libraries.py:\d+ in"
        ):
            f(put(np.zeros((2, 2))))
        got = f(put(np.eye(2) * 2))
        np.testing.assert_array_equal(got.get() if target == "cuda" else got, np.eye(2) / 2 + 1)


def test_what_a_kernel_refused_before_goes_first(cupy: FakeCuPy) -> None:
    def f(x: Any, at: Any) -> Any:
        return np.linalg.inv(np.add.reduceat(x, at))

    x, at = np.zeros((2, 2)), np.array([0, 7])
    for target, put in (("cuda-emulated", np.asarray), ("cuda", cupy.asarray)):
        with pytest.raises(IndexError, match=r"7"):
            mlc.jit(f, target=target)(put(x), put(at))


def test_no_graph_captures_them(cupy: FakeCuPy) -> None:
    f = mlc.jit(lambda x: np.linalg.inv(x), target="cuda")
    a = cupy.asarray(np.eye(3))
    f(a)
    cupy.capturing = True
    with pytest.raises(mlc.UnsupportedError) as caught:
        f(a)
    assert caught.value.message == (
        "inv is computed by a library of the processor, which a CUDA graph cannot capture; call "
        "it outside of the capture"
    )


def test_a_copy_that_fails(cupy: FakeCuPy) -> None:
    cupy.fail["copy"] = Problem("cudaErrorIllegalAddress")
    with pytest.raises(DeviceError, match=r"^copying what inv reads and writes failed: cudaErr"):
        mlc.jit(lambda x: np.linalg.inv(x), target="cuda")(cupy.asarray(np.eye(3)))
