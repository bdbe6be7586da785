"""Forward substitution: a lower triangle, one right-hand side."""

import numpy as np

SIZE, TINY = 2000, 11


def make(size):
    rng = np.random.default_rng(0)
    low = np.tril(rng.random((size, size))) / size + np.eye(size)
    return low, np.zeros(size), rng.random(size)


def triangular_solve(low, x, b):
    for i in range(len(b)):
        x[i] = (b[i] - low[i, :i] @ x[:i]) / low[i, i]
