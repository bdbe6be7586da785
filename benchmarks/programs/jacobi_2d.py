"""Jacobi relaxation of the plane with a five-point stencil, two buffers."""

import numpy as np

SIZE, TINY = 250, 10


def make(size):
    rng = np.random.default_rng(0)
    return rng.random((size, size)), rng.random((size, size)), 50


def jacobi_2d(a, b, steps):
    for t in range(1, steps):
        b[1:-1, 1:-1] = 0.2 * (
            a[1:-1, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:] + a[2:, 1:-1] + a[:-2, 1:-1]
        )
        a[1:-1, 1:-1] = 0.2 * (
            b[1:-1, 1:-1] + b[1:-1, :-2] + b[1:-1, 2:] + b[2:, 1:-1] + b[:-2, 1:-1]
        )
