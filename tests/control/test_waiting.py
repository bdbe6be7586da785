"""Arrays in loops that are computed where they are read, or in the memory that they are written to:
what is written in between shows in none of them."""

import numpy as np
import pytest

import mlc


def heat(u, v, n):
    for _ in range(n):
        v[1:-1, 1:-1] = (
            u[1:-1, 1:-1]
            + 0.125 * (u[2:, 1:-1] - 2.0 * u[1:-1, 1:-1] + u[:-2, 1:-1])
            + 0.1 * (u[1:-1, 2:] - 2.0 * u[1:-1, 1:-1])
        )
        u[1:-1, 1:-1] = (
            v[1:-1, 1:-1]
            + 0.125 * (v[2:, 1:-1] - 2.0 * v[1:-1, 1:-1] + v[:-2, 1:-1])
            + 0.1 * (v[1:-1, 2:] - 2.0 * v[1:-1, 1:-1])
        )
    return u


def fields(u, v, n):
    w = u + v
    for t in range(n):
        v[0, :] = t * 0.5
        v[1:, :] -= 0.5 * (w[1:, :] - w[:-1, :])
        u[:, 1:] -= 0.5 * (w[:, 1:] - w[:, :-1])
        w[:-1, :-1] -= 0.7 * (u[:-1, 1:] - u[:-1, :-1] + v[1:, :-1] - v[:-1, :-1])
    return w


def before_and_after(u, v, n):
    for _ in range(n):
        a = u[1:] * 0.5 - v[1:]
        b = a[:, ::-1] + 1.0
        v[1:] = a
        c = a - v[:-1]
        v[:2] = 0.25
        u[:-1] = c * 0.5 + b
        v[1:] += a * 0.125
    return u + v


def old_is_kept(u, v, n):
    for _ in range(n):
        old = u[1:-1] * 2.0
        u[1:-1] = u[2:] + u[:-2] * 0.25
        v[1:-1] = old - u[1:-1]
        u[0] = v[1]
        u *= 0.3
        v[2:] = (old + v[:-2]) * 0.1
    return u


def shifted(u, v, n):
    for _ in range(n):
        moved = u[:-1] - 0.5
        u[1:] = moved
        v[:-1] = moved * v[1:]
        u[:, 1:] = u[:, :-1] * 0.5 + v[:, 1:]
        u[1] = moved[0] + u[2]
    return u


def crossed(u, v, n):
    for _ in range(n):
        a, b = u * 0.5 + v, u - v * 0.5
        u[:] = b
        v[:] = a - b
        u[1:], v[1:] = v[:-1] * 0.5, u[:-1] + a[1:] * 0.1
    return a + b


def scattered(u, v, n):
    for k in range(n):
        a = 0.25 * (u[:, k] + v[:, k])
        c = a * 2.0 - u[:, k - 1]
        u[:, k] = c / (1.0 + a * a)
        v[:, k] = a - c * u[:, k - 1]
    return u


def chosen(u, v, n):
    for _ in range(n):
        inside = u * u + v * v < 1.5
        fresh = u[inside] ** 2 - v[inside]
        v[inside] = 2.0 * u[inside] * v[inside] + 0.1
        u[inside] = fresh
        u[~inside] *= 0.25
    return u


def of_bytes(u, v, n):
    a, b = (u * 100).astype(np.uint8), (v * 50).astype(np.uint8)
    for _ in range(n):
        s = a[1:] + b[:-1]
        a[1:] = s ^ b[1:]
        b[:-1] = s - a[:-1]
        b[:, 1:] = b[:, :-1] + s[0, 1:]
    return a, b


@pytest.mark.parametrize("shape", [(13, 39), (9, 17)])
@pytest.mark.parametrize(
    "function",
    [heat, fields, before_and_after, old_is_kept, shifted, crossed, scattered, chosen, of_bytes],
)
def test_as_numpy(function, shape):
    u, v = np.random.default_rng(0).random((2, *shape))
    mine, yours = [u.copy(), v.copy()], [u, v]
    found, wanted = mlc.jit(function)(*mine, 9), function(*yours, 9)
    pairs = zip(found, wanted) if isinstance(wanted, tuple) else [(found, wanted)]
    for got, want in (*pairs, *zip(mine, yours)):
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("function", [heat, fields])
def test_stencils_need_no_memory_of_their_own(function):
    u, v = np.zeros((2, 20, 38))
    text = str(mlc.jit(function).lower(u, v, 9).program)
    assert "shared" not in text
    assert "T.vectorized(4)" in text and "T.vectorized(2)" in text  # the rest of a row
