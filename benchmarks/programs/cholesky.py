"""The Cholesky factor in place, row by row."""

import numpy as np

SIZE, TINY = 300, 9


def make(size):
    a = np.random.default_rng(0).random((size, size))
    return (a @ a.T + size * np.eye(size),)


def cholesky(a):
    a[0, 0] = np.sqrt(a[0, 0])
    for i in range(1, a.shape[0]):
        for j in range(i):
            a[i, j] -= np.dot(a[i, :j], a[j, :j])
            a[i, j] /= a[j, j]
        a[i, i] -= np.dot(a[i, :i], a[i, :i])
        a[i, i] = np.sqrt(a[i, i])
