"""mlc.nn: eager and traced."""

from __future__ import annotations

import numpy as np

import mlc


def test_softmax_eager_and_traced() -> None:
    x = np.random.default_rng(0).standard_normal((5, 7)).astype(np.float32)
    wide = np.exp(x.astype(np.float64))
    want = wide / wide.sum(-1, keepdims=True)
    np.testing.assert_allclose(mlc.nn.softmax(x), want, rtol=1e-6)
    np.testing.assert_allclose(mlc.jit(lambda a: mlc.nn.softmax(a))(x), want, rtol=1e-6)


def test_every_name_is_there() -> None:
    assert all(callable(getattr(mlc.nn, name)) for name in mlc.nn.__all__)


def test_conv2d_against_its_definition() -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((2, 3, 6, 7)).astype(np.float32)
    w = rng.standard_normal((4, 3, 3, 2)).astype(np.float32)
    want = np.zeros((2, 4, 4, 6))
    for i in range(3):
        for j in range(2):
            want += np.einsum("nchw,oc->nohw", x[:, :, i : i + 4, j : j + 6], w[:, :, i, j])
    np.testing.assert_allclose(mlc.nn.conv2d(x, w), want, atol=18 * 2**-23 * 20)
