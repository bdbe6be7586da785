"""The largest singular value of 1 / ((i + j) (i + j + 1) / 2 + i + 1), by power iteration."""

import numpy as np

SIZE, TINY = 700, 20


def make(size):
    return (np.arange(size, dtype=np.float64),)


def spectral_norm(k):
    i, j = k[:, None], k[None, :]
    a = 1.0 / ((i + j) * (i + j + 1) / 2 + i + 1)
    u = np.ones(len(k))
    for _ in range(10):
        v = a.T @ (a @ u)
        u = a.T @ (a @ v)
    return np.sqrt(np.dot(u, v) / np.dot(v, v))
