"""The Mandelbrot set, whole arrays at a time, with real and imaginary parts apart."""

import numpy as np

SIZE, TINY = 250, 12


def make(size):
    return np.linspace(-2.0, 0.5, size), np.linspace(-1.25, 1.25, size), 60


def mandelbrot(xs, ys, limit):
    cr = np.zeros((len(ys), len(xs))) + xs
    ci = np.zeros((len(ys), len(xs))) + ys[:, None]
    zr = np.zeros(cr.shape)
    zi = np.zeros(cr.shape)
    counts = np.zeros(cr.shape, dtype=np.int64)
    for n in range(limit):
        inside = zr**2 + zi**2 < 4.0
        counts[inside] = n
        fresh = zr[inside] ** 2 - zi[inside] ** 2 + cr[inside]
        zi[inside] = 2.0 * zr[inside] * zi[inside] + ci[inside]
        zr[inside] = fresh
    counts[counts == limit - 1] = 0
    return counts
