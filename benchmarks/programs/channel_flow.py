"""Viscous flow driven along a periodic channel until the velocity settles."""

import numpy as np

SIZE, TINY = 61, 8


def make(size):
    u, v = (np.zeros((size, size)) for _ in range(2))
    return u, v, 2.0 / (size - 1), 2.0 / (size - 1), 0.002, 0.1, 1.0


def lap_x(w, d):
    out = np.zeros_like(w)
    out[1:-1, 1:-1] = (w[1:-1, 2:] - 2 * w[1:-1, 1:-1] + w[1:-1, :-2]) / d**2
    out[1:-1, -1] = (w[1:-1, 0] - 2 * w[1:-1, -1] + w[1:-1, -2]) / d**2
    out[1:-1, 0] = (w[1:-1, 1] - 2 * w[1:-1, 0] + w[1:-1, -1]) / d**2
    return out


def lap_y(w, d):
    out = np.zeros_like(w)
    out[1:-1, :] = (w[2:, :] - 2 * w[1:-1, :] + w[:-2, :]) / d**2
    return out


def upwind(w, un, vn, dx, dy):
    left = np.roll(w, 1, axis=1)
    out = un * (w - left) / dx
    out[1:-1, :] += vn[1:-1, :] * (w[1:-1, :] - w[:-2, :]) / dy
    return out


def channel_flow(u, v, dx, dy, dt, nu, force):
    change = 1.0
    steps = 0
    while change > 0.01 and steps < 200:
        un = u.copy()
        vn = v.copy()
        u += dt * (nu * (lap_x(un, dx) + lap_y(un, dy)) - upwind(un, un, vn, dx, dy) + force)
        v += dt * (nu * (lap_x(vn, dx) + lap_y(vn, dy)) - upwind(vn, un, vn, dx, dy))
        u[0, :] = u[-1, :] = 0
        v[0, :] = v[-1, :] = 0
        change = (np.sum(u) - np.sum(un)) / np.sum(u)
        steps += 1
    return steps
