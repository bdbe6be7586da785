"""Navier-Stokes in a lid-driven cavity: pressure by relaxation in each step."""

import numpy as np

SIZE, TINY = 61, 9


def make(size):
    u, v, p = (np.zeros((size, size)) for _ in range(3))
    return u, v, p, 40, 2.0 / (size - 1), 2.0 / (size - 1), 0.001, 1.0, 0.1


def source_term(b, rho, dt, u, v, dx, dy):
    b[1:-1, 1:-1] = rho * (
        1 / dt * ((u[1:-1, 2:] - u[1:-1, :-2]) / (2 * dx) + (v[2:, 1:-1] - v[:-2, 1:-1]) / (2 * dy))
        - ((u[1:-1, 2:] - u[1:-1, :-2]) / (2 * dx)) ** 2
        - 2 * ((u[2:, 1:-1] - u[:-2, 1:-1]) / (2 * dy) * (v[1:-1, 2:] - v[1:-1, :-2]) / (2 * dx))
        - ((v[2:, 1:-1] - v[:-2, 1:-1]) / (2 * dy)) ** 2
    )


def relax_pressure(p, dx, dy, b):
    for q in range(20):
        pn = p.copy()
        p[1:-1, 1:-1] = (
            (pn[1:-1, 2:] + pn[1:-1, :-2]) * dy**2 + (pn[2:, 1:-1] + pn[:-2, 1:-1]) * dx**2
        ) / (2 * (dx**2 + dy**2)) - dx**2 * dy**2 / (2 * (dx**2 + dy**2)) * b[1:-1, 1:-1]
        p[:, -1] = p[:, -2]
        p[0, :] = p[1, :]
        p[:, 0] = p[:, 1]
        p[-1, :] = 0


def moved(w, un, vn, dx, dy, dt, nu):
    mid = w[1:-1, 1:-1]
    return (
        mid
        - un[1:-1, 1:-1] * dt / dx * (mid - w[1:-1, :-2])
        - vn[1:-1, 1:-1] * dt / dy * (mid - w[:-2, 1:-1])
        + nu * dt / dx**2 * (w[1:-1, 2:] - 2 * mid + w[1:-1, :-2])
        + nu * dt / dy**2 * (w[2:, 1:-1] - 2 * mid + w[:-2, 1:-1])
    )


def cavity_flow(u, v, p, steps, dx, dy, dt, rho, nu):
    b = np.zeros(p.shape)
    for n in range(steps):
        un = u.copy()
        vn = v.copy()
        source_term(b, rho, dt, u, v, dx, dy)
        relax_pressure(p, dx, dy, b)
        px = dt / (2 * rho * dx) * (p[1:-1, 2:] - p[1:-1, :-2])
        py = dt / (2 * rho * dy) * (p[2:, 1:-1] - p[:-2, 1:-1])
        u[1:-1, 1:-1] = moved(un, un, vn, dx, dy, dt, nu) - px
        v[1:-1, 1:-1] = moved(vn, un, vn, dx, dy, dt, nu) - py
        u[0, :] = u[:, 0] = u[:, -1] = 0
        u[-1, :] = 1
        v[0, :] = v[-1, :] = v[:, 0] = v[:, -1] = 0
