"""Lists of known numbers beside traced arrays, where NumPy takes arrays."""

import numpy as np
import pytest

import mlc


def turned(axis, angle):
    length = np.linalg.norm(axis)
    if length < 1e-12:
        return np.array([1.0, 0, 0, 0])
    return np.concatenate([[np.cos(angle / 2)], np.sin(angle / 2) * axis / length])


FUNCTIONS = [
    lambda x: np.concatenate([[np.cos(0.35)], x]),
    lambda x: np.concatenate(([np.float32(2)], x, (1, 2))),
    lambda x: np.hstack([[np.sqrt(2.0), 1], x, [x[0]]]),
    lambda x: np.vstack([x, [np.pi, np.exp(1.0), 0.5]]),
    lambda x: np.stack([x, [np.float64(1), 2, 3]]),
    lambda x: np.column_stack([x, [np.float64(1), 2, 3]]),
    lambda x: np.concatenate([[[np.float64(1), 2]], x[None, :2]]),
    lambda x: np.concatenate([[], x]),
    lambda x: turned(x, 0.7) + turned(x * 0, 0.3),
]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_lists_of_known_numbers_are_arrays(function, dtype):
    x = np.array([1.0, 2.0, 4.0], dtype)
    want, found = function(x), mlc.jit(function)(x)
    assert found.dtype == want.dtype
    np.testing.assert_allclose(found, want, rtol=1e-6 if dtype is np.float32 else 1e-14)
