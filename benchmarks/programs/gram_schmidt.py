"""An orthonormal basis and the triangular factor, by modified Gram-Schmidt."""

import numpy as np

SIZE, TINY = 120, 7


def make(size):
    return (np.random.default_rng(0).random((size + 20, size)) + np.eye(size + 20, size),)


def gram_schmidt(a):
    q = np.zeros_like(a)
    r = np.zeros((a.shape[1], a.shape[1]), dtype=a.dtype)
    for k in range(a.shape[1]):
        r[k, k] = np.sqrt(np.dot(a[:, k], a[:, k]))
        q[:, k] = a[:, k] / r[k, k]
        for j in range(k + 1, a.shape[1]):
            r[k, j] = np.dot(q[:, k], a[:, j])
            a[:, j] -= q[:, k] * r[k, j]
    return q, r
