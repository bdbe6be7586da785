"""LU factors in place, row by row, without pivoting."""

import numpy as np

SIZE, TINY = 200, 9


def make(size):
    return (np.random.default_rng(0).random((size, size)) + size * np.eye(size),)


def lu(a):
    for i in range(a.shape[0]):
        for j in range(i):
            a[i, j] -= a[i, :j] @ a[:j, j]
            a[i, j] /= a[j, j]
        for j in range(i, a.shape[0]):
            a[i, j] -= a[i, :i] @ a[:i, j]
