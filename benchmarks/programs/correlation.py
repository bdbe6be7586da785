"""The correlation matrix of the columns, row by row of the result."""

import numpy as np

SIZE, TINY = 300, 8


def make(size):
    return (np.random.default_rng(0).random((size + 50, size)),)


def correlation(data):
    n, m = data.shape
    mean = np.mean(data, axis=0)
    stddev = np.std(data, axis=0)
    stddev[stddev <= 0.1] = 1.0
    data -= mean
    data /= np.sqrt(n) * stddev
    corr = np.eye(m, dtype=data.dtype)
    for i in range(m - 1):
        corr[i + 1 :, i] = corr[i, i + 1 :] = data[:, i] @ data[:, i + 1 :]
    return corr
