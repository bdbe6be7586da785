"""Sums begin with 0, also those of one number: none is -0.0."""

import numpy as np
import pytest

import mlc


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(), (1,), (20,)])
def test_a_sum_of_negative_zeros_is_zero(shape, dtype):
    x = np.full(shape, -0.0, dtype)
    for function in (np.sum, np.mean, lambda x: np.sum(x, axis=(), dtype=np.float64)):
        got, expected = mlc.jit(function)(x), function(x)
        assert np.array_equal(np.signbit(got), np.signbit(expected))
        assert np.asarray(got).dtype == expected.dtype
