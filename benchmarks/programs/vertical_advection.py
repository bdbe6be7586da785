"""Tridiagonal systems along the height of each column of air, solved for all columns at once."""

import numpy as np

SIZE, TINY = 64, 4


def make(size):
    rng = np.random.default_rng(0)
    wind, field = rng.random((size, size, 32)), rng.random((size, size, 32))
    return wind, field, 0.3


def vertical_advection(wind, field, dt):
    ni, nj, nk = field.shape
    upper = np.ndarray((ni, nj, nk), dtype=field.dtype)
    right = np.ndarray((ni, nj, nk), dtype=field.dtype)
    out = np.zeros_like(field)
    for k in range(nk):
        if k == 0:
            c = 0.25 * (wind[:, :, 1] + wind[:, :, 0])
            upper[:, :, 0] = c / (1.0 / dt - c)
            right[:, :, 0] = field[:, :, 0] / dt / (1.0 / dt - c)
        else:
            a = -0.25 * (wind[:, :, k] + wind[:, :, k - 1])
            c = 0.25 * wind[:, :, k]
            b = 1.0 / dt - a - c
            divided = 1.0 / (b - upper[:, :, k - 1] * a)
            upper[:, :, k] = c * divided
            right[:, :, k] = (field[:, :, k] / dt - right[:, :, k - 1] * a) * divided
    for k in range(nk - 1, -1, -1):
        if k == nk - 1:
            above = right[:, :, k]
            out[:, :, k] = above
        else:
            above = right[:, :, k] - upper[:, :, k] * above
            out[:, :, k] = above
    return out
