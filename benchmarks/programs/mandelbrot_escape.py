"""The Mandelbrot set, point by point until it escapes."""

import numpy as np

SIZE, TINY = 80, 8


def make(size):
    return np.linspace(-2.0, 0.5, size), np.linspace(-1.25, 1.25, size), 100


def mandelbrot_escape(xs, ys, limit):
    out = np.zeros((len(ys), len(xs)), dtype=np.int64)
    for i in range(len(ys)):
        for j in range(len(xs)):
            c = xs[j] + 1j * ys[i]
            z = 0j
            for n in range(limit):
                if z.real * z.real + z.imag * z.imag > 4.0:
                    break
                z = z * z + c
            out[i, j] = n
    return out
