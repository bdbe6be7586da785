"""A power of a matrix by repeated squaring."""

import numpy as np

SIZE, TINY = 200, 6


def make(size):
    return np.random.default_rng(0).random((size, size)) * (2 / size), 1000


def matrix_power(a, exponent):
    result = np.eye(a.shape[0])
    base = a.copy()
    while exponent > 0:
        if exponent % 2 == 1:
            result = result @ base
        base = base @ base
        exponent //= 2
    return result
