"""Conjugate gradients for the five-point Laplacian, which is never stored."""

import numpy as np

SIZE, TINY = 128, 8


def make(size):
    return (np.random.default_rng(0).random((size, size)),)


def laplacian(u):
    out = 4.0 * u
    out[1:, :] -= u[:-1, :]
    out[:-1, :] -= u[1:, :]
    out[:, 1:] -= u[:, :-1]
    out[:, :-1] -= u[:, 1:]
    return out


def conjugate_gradients(b):
    x = np.zeros_like(b)
    r = b.copy()
    p = r.copy()
    rs = np.sum(r * r)
    for it in range(60):
        ap = laplacian(p)
        alpha = rs / np.sum(p * ap)
        x += alpha * p
        r -= alpha * ap
        fresh = np.sum(r * r)
        if np.sqrt(fresh) < 1e-10:
            break
        p = r + (fresh / rs) * p
        rs = fresh
    return x
