"""A rank-two update, two matrix-vector products, a sum of vectors."""

import numpy as np

SIZE, TINY = 1000, 9


def make(size):
    rng = np.random.default_rng(0)
    vectors = [rng.random(size) for _ in range(8)]
    return 1.5, 1.2, rng.random((size, size)), *vectors


def vectors_and_matrix(alpha, beta, a, u1, v1, u2, v2, w, x, y, z):
    a += np.outer(u1, v1) + np.outer(u2, v2)
    x += beta * y @ a + z
    w += alpha * a @ x
