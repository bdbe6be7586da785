"""The sieve of Eratosthenes: how many primes below the length."""

import numpy as np

SIZE, TINY = 2_000_000, 100


def make(size):
    return (np.ones(size, dtype=bool),)


def sieve(flags):
    flags[:2] = False
    for i in range(2, int(len(flags) ** 0.5) + 1):
        if flags[i]:
            flags[i * i :: i] = False
    return np.sum(flags)
