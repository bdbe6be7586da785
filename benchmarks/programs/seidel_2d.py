"""Gauss-Seidel sweeps with a nine-point stencil: each point reads points already updated."""

import numpy as np

SIZE, TINY = 120, 8


def make(size):
    return np.random.default_rng(0).random((size, size)), 10


def seidel_2d(a, steps):
    n = a.shape[0]
    for t in range(steps):
        for i in range(1, n - 1):
            a[i, 1:-1] += a[i - 1, :-2] + a[i - 1, 1:-1] + a[i - 1, 2:]
            a[i, 1:-1] += a[i, 2:] + a[i + 1, :-2] + a[i + 1, 1:-1] + a[i + 1, 2:]
            for j in range(1, n - 1):
                a[i, j] += a[i, j - 1]
                a[i, j] /= 9.0
