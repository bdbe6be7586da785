"""The covariance matrix of the columns, row by row of the result."""

import numpy as np

SIZE, TINY = 300, 8


def make(size):
    return (np.random.default_rng(0).random((size + 50, size)),)


def covariance(data):
    n, m = data.shape
    data -= np.mean(data, axis=0)
    cov = np.zeros((m, m), dtype=data.dtype)
    for i in range(m):
        cov[i:, i] = cov[i, i:] = data[:, i] @ data[:, i:] / (n - 1.0)
    return cov
