"""Maxwell's equations in the plane, finite differences in time and space."""

import numpy as np

SIZE, TINY = 250, 9


def make(size):
    rng = np.random.default_rng(0)
    ex, ey, hz = (rng.random((size, size + 20)) for _ in range(3))
    return ex, ey, hz, np.arange(30.0)


def fdtd_2d(ex, ey, hz, source):
    for t in range(len(source)):
        ey[0, :] = source[t]
        ey[1:, :] -= 0.5 * (hz[1:, :] - hz[:-1, :])
        ex[:, 1:] -= 0.5 * (hz[:, 1:] - hz[:, :-1])
        hz[:-1, :-1] -= 0.7 * (ex[:-1, 1:] - ex[:-1, :-1] + ey[1:, :-1] - ey[:-1, :-1])
