"""Durbin's recursion for a Toeplitz system."""

import numpy as np

SIZE, TINY = 1000, 9


def make(size):
    return (np.random.default_rng(0).random(size) / size,)


def durbin(r):
    y = np.empty_like(r)
    alpha = -r[0]
    beta = 1.0
    y[0] = -r[0]
    for k in range(1, r.shape[0]):
        beta *= 1.0 - alpha * alpha
        alpha = -(r[k] + np.dot(np.flip(r[:k]), y[:k])) / beta
        y[:k] += alpha * np.flip(y[:k])
        y[k] = alpha
    return y
