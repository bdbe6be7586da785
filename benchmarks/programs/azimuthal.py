"""The mean of values in rings of the radius, ring by ring."""

import numpy as np

SIZE, TINY = 50_000, 100


def make(size):
    rng = np.random.default_rng(0)
    return rng.random(size), rng.random(size), 50  # rings


def azimuthal(data, radius, rings):
    rmax = radius.max()
    out = np.zeros(rings)
    for i in range(rings):
        r1 = rmax * i / rings
        r2 = rmax * (i + 1) / rings
        inside = np.logical_and(r1 <= radius, radius < r2)
        out[i] = data[inside].mean()
    return out
