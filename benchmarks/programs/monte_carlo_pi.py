"""Pi from points by chance: hashes (splitmix64) of counters, so that none depends on another."""

import numpy as np

SIZE, TINY = 500_000, 1000


def make(size):
    return (np.arange(size, dtype=np.uint64),)


def hashed(counter):
    z = counter * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def monte_carlo_pi(counter):
    x = (hashed(2 * counter) >> np.uint64(11)) * 2.0**-53
    y = (hashed(2 * counter + 1) >> np.uint64(11)) * 2.0**-53
    inside = np.count_nonzero(x * x + y * y < 1.0)
    return 4.0 * inside / len(counter)
