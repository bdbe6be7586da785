"""The fast Fourier transform in Stockham's order: radix 2, no reordering."""

import numpy as np

SIZE, TINY = 16, 5


def make(size):
    rng = np.random.default_rng(0)
    return (rng.standard_normal(1 << size) + 1j * rng.standard_normal(1 << size),)


def fourier(x):
    n = x.shape[0]
    y = x.reshape(n, 1)
    while y.shape[0] > 1:
        half = y.shape[0] // 2
        even, odd = y[:half], y[half:]
        count = y.shape[1]
        twiddle = np.exp(-1j * np.pi * np.arange(count) / count)
        odd = odd * twiddle
        y = np.concatenate([even + odd, even - odd], axis=1)
    return y.reshape(n)
