"""Lists of known numbers beside traced arrays, where NumPy takes arrays."""

from typing import Any

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
    lambda x: np.dot(x, [np.cos(0.35), 1, 2]) + np.outer([np.float32(2), 1], x),
    lambda x: np.dot([x[0], x[1]], [np.sin(0.35), np.cos(0.35)]) + x.dot((np.float32(1), 2, 3)),
    lambda x: np.matmul([[np.float32(1), 2, 3], np.ones(3, np.float32)], x),
    lambda x: np.where(x > 1, [np.sqrt(2.0), 1, 2], np.add(x, [np.float32(1), 2, 3])),
    lambda x: np.interp(x, [np.float64(1), 2, 3], [np.exp(1.0), 4, np.pi]).astype(x.dtype),
    lambda x: np.append(np.clip(x, [np.float64(2), 1, 1], 3), [np.int64(2), 3]),
    lambda x: np.einsum("i,i->", x, [np.float64(1), 2, 3])[None] + np.array([np.int8(1)]),
    lambda x: np.searchsorted([np.float64(0.5), 1, 3], x) + np.isin(x, [np.float32(2), 4]),
]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_lists_of_known_numbers_are_arrays(function, dtype):
    x = np.array([1.0, 2.0, 4.0], dtype)
    want, found = function(x), mlc.jit(function)(x)
    assert found.dtype == want.dtype
    np.testing.assert_allclose(found, want, rtol=1e-6 if dtype is np.float32 else 1e-14)


def test_each_number_of_a_list_is_converted_by_itself() -> None:
    def program(a: Any, b: Any) -> Any:
        whole, half = np.zeros((2, 2), np.int64), np.zeros(3)
        whole[0] = a[0], b[0]
        whole.reshape(-1)[1:3] = 0, b[1]
        half[:2] = a[0], 0.5
        return whole, half

    a, b = np.array([2**60 + 1, 3]), np.array([5, 6], np.uint64)
    for found, wanted in zip(mlc.jit(program)(a, b), program(a, b)):
        np.testing.assert_array_equal(found, wanted)
