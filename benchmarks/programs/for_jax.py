"""Programs as JAX needs them: loops as ``fori_loop``, and updates that return the new array.

A version returns what the program returns, then the arguments that the program writes to. Where
there is none, the unchanged function is tried. Loops over a triangle of elements have no natural
form in JAX, and are left out.
"""

from __future__ import annotations

import contextlib

import numpy as np

with contextlib.suppress(ImportError):  # without it nobody calls these
    import jax
    import jax.numpy as jnp
    from jax.lax import fori_loop

STATIC = {"mandelbrot": (2,), "azimuthal": (2,), "n_body": (3,), "matrix_power": (1,)}


def life(grid, generations):
    def step(_, grid):
        rows = grid + jnp.roll(grid, 1, axis=0) + jnp.roll(grid, -1, axis=0)
        count = rows + jnp.roll(rows, 1, axis=1) + jnp.roll(rows, -1, axis=1) - grid
        return jnp.where((count == 3) | ((grid == 1) & (count == 2)), 1, 0)

    return fori_loop(0, generations, step, grid)


def jacobi_2d(a, b, steps):
    def five(x):
        return 0.2 * (x[1:-1, 1:-1] + x[1:-1, :-2] + x[1:-1, 2:] + x[2:, 1:-1] + x[:-2, 1:-1])

    def step(t, state):
        a, b = state
        b = b.at[1:-1, 1:-1].set(five(a))
        return a.at[1:-1, 1:-1].set(five(b)), b

    return fori_loop(1, steps, step, (a, b))


def heat_3d(u, steps):
    def fresh(x):
        mid = x[1:-1, 1:-1, 1:-1]
        return (
            mid
            + 0.125 * (x[2:, 1:-1, 1:-1] - 2.0 * mid + x[:-2, 1:-1, 1:-1])
            + 0.125 * (x[1:-1, 2:, 1:-1] - 2.0 * mid + x[1:-1, :-2, 1:-1])
            + 0.125 * (x[1:-1, 1:-1, 2:] - 2.0 * mid + x[1:-1, 1:-1, :-2])
        )

    def step(t, state):
        u, v = state
        v = v.at[1:-1, 1:-1, 1:-1].set(fresh(u))
        return u.at[1:-1, 1:-1, 1:-1].set(fresh(v)), v

    return fori_loop(0, steps, step, (u, u))[0]


def fdtd_2d(ex, ey, hz, source):
    def step(t, state):
        ex, ey, hz = state
        ey = ey.at[0, :].set(source[t])
        ey = ey.at[1:, :].add(-0.5 * (hz[1:, :] - hz[:-1, :]))
        ex = ex.at[:, 1:].add(-0.5 * (hz[:, 1:] - hz[:, :-1]))
        curl = ex[:-1, 1:] - ex[:-1, :-1] + ey[1:, :-1] - ey[:-1, :-1]
        return ex, ey, hz.at[:-1, :-1].add(-0.7 * curl)

    return fori_loop(0, len(source), step, (ex, ey, hz))


def k_means(points, centres):
    def step(_, state):
        centres, _ = state
        labels = jnp.argmin(((points[:, None, :] - centres[None]) ** 2).sum(axis=2), axis=1)
        mine = (labels[:, None] == jnp.arange(centres.shape[0])).astype(points.dtype)
        count = mine.sum(axis=0)[:, None]
        return jnp.where(count > 0, mine.T @ points / jnp.maximum(count, 1), centres), labels

    first = jnp.zeros(len(points), dtype=jnp.int64)
    centres, labels = fori_loop(0, 10, step, (centres, first))
    return labels, centres


def mandelbrot(xs, ys, limit):
    cr = jnp.zeros((len(ys), len(xs))) + xs
    ci = jnp.zeros((len(ys), len(xs))) + ys[:, None]

    def step(n, state):
        zr, zi, counts = state
        inside = zr**2 + zi**2 < 4.0
        fresh = jnp.where(inside, zr**2 - zi**2 + cr, zr)
        return fresh, jnp.where(inside, 2 * zr * zi + ci, zi), jnp.where(inside, n, counts)

    counts = jnp.zeros(cr.shape, dtype=jnp.int64)
    counts = fori_loop(0, limit, step, (jnp.zeros_like(cr), jnp.zeros_like(cr), counts))[2]
    return jnp.where(counts == limit - 1, 0, counts)


def mandelbrot_escape(xs, ys, limit):
    def point(c):
        def goes(state):
            z, n = state
            return (n < limit - 1) & (z.real * z.real + z.imag * z.imag <= 4.0)

        return jax.lax.while_loop(goes, lambda s: (s[0] * s[0] + c, s[1] + 1), (0j, 0))[1]

    return jax.vmap(jax.vmap(point))(xs[None, :] + 1j * ys[:, None])


def lu(a):
    n = a.shape[0]
    place = jnp.arange(n)

    def step(k, a):
        below = place > k
        column = jnp.where(below, a[:, k] / a[k, k], 0.0)
        a = a.at[:, k].set(jnp.where(below, column, a[:, k]))
        return a - jnp.outer(column, jnp.where(below, a[k, :], 0.0))

    return fori_loop(0, n, step, a)


def cholesky(a):
    return jnp.triu(a, 1) + jnp.linalg.cholesky(a)


def gram_schmidt(a):
    m = a.shape[1]

    def step(k, state):
        a, q, r = state
        norm = jnp.sqrt(a[:, k] @ a[:, k])
        unit = a[:, k] / norm
        row = jnp.where(jnp.arange(m) > k, unit @ a, 0.0)
        return a - jnp.outer(unit, row), q.at[:, k].set(unit), r.at[k].set(row.at[k].set(norm))

    a, q, r = fori_loop(0, m, step, (a, jnp.zeros_like(a), jnp.zeros((m, m))))
    return q, r, a


def triangular_solve(low, x, b):
    return jax.scipy.linalg.solve_triangular(low, b, lower=True)


def floyd_warshall(path):
    def step(k, path):
        return jnp.minimum(path, path[:, k][:, None] + path[k, :][None, :])

    return fori_loop(0, path.shape[0], step, path)


def _conv2d(images, weights):
    return jax.lax.conv_general_dilated(
        images, weights, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def conv2d_bias(images, weights, bias):
    return _conv2d(images, weights) + bias


def lenet(images, conv1, bias1, conv2, bias2, w1, b1, w2, b2, w3, b3):
    def pool(x):
        n, h, w, c = x.shape
        return x.reshape(n, h // 2, 2, w // 2, 2, c).max(axis=(2, 4))

    x = pool(jax.nn.relu(_conv2d(images, conv1) + bias1))
    x = pool(jax.nn.relu(_conv2d(x, conv2) + bias2)).reshape(len(images), 256)
    return jax.nn.relu(jax.nn.relu(x @ w1 + b1) @ w2 + b2) @ w3 + b3


def residual_block(x, conv1, conv2, conv3):
    def norm(x):
        mean, std = jnp.mean(x, axis=0, keepdims=True), jnp.std(x, axis=0, keepdims=True)
        return (x - mean) / jnp.sqrt(std + 1e-5)

    y = jnp.pad(_conv2d(x, conv1), ((0, 0), (1, 1), (1, 1), (0, 0)))
    y = jax.nn.relu(norm(_conv2d(jax.nn.relu(norm(y)), conv2)))
    return jax.nn.relu(norm(_conv2d(y, conv3)) + x)


def attention(q, k, v):
    scores = q @ k.transpose(0, 2, 1) / jnp.sqrt(jnp.float32(q.shape[-1]))
    scores = jnp.where(jnp.tri(q.shape[1], dtype=bool), scores, -jnp.inf)
    return jax.nn.softmax(scores) @ v


def correlation(data):
    n, m = data.shape
    spread = jnp.std(data, axis=0)
    spread = jnp.where(spread <= 0.1, 1.0, spread)
    data = (data - jnp.mean(data, axis=0)) / (np.sqrt(n) * spread)
    return (data.T @ data).at[jnp.arange(m), jnp.arange(m)].set(1.0), data


def covariance(data):
    data = data - jnp.mean(data, axis=0)
    return data.T @ data / (data.shape[0] - 1.0), data


def csr_product(starts, columns, values, x):
    rows = jnp.searchsorted(starts, jnp.arange(len(columns)), side="right") - 1
    return jax.ops.segment_sum(values * x[columns], rows, len(starts) - 1)


def page_rank(links, damping):
    n = links.shape[0]
    degree = links.sum(axis=0)
    step = links / jnp.where(degree == 0, 1.0, degree)

    def goes(state):
        return (state[2] < 100) & (state[1] >= 1e-12)

    def body(state):
        rank, _, count = state
        fresh = damping * (step @ rank) + (1.0 - damping) / n
        fresh /= fresh.sum()
        change = jnp.abs(fresh - rank).sum()
        return jnp.where(change < 1e-12, rank, fresh), change, count + 1

    return jax.lax.while_loop(goes, body, (jnp.full(n, 1.0 / n), 1.0, 0))[0]


def sieve(flags):
    place = jnp.arange(len(flags))
    flags = flags & (place >= 2)

    def step(i, flags):
        hit = (place >= i * i) & (place % i == 0)
        return jax.lax.cond(flags[i], lambda: flags & ~hit, lambda: flags)

    flags = fori_loop(2, int(len(flags) ** 0.5) + 1, step, flags)
    return flags.sum(), flags


def edit_distance(a, b):
    first = jnp.arange(len(b) + 1)

    def row(above, i):
        def cell(left, j):
            cost = jnp.where(a[i] == b[j], 0, 1)
            here = jnp.minimum(jnp.minimum(above[j + 1] + 1, left + 1), above[j] + cost)
            return here, here

        rest = jax.lax.scan(cell, i + 1, jnp.arange(len(b)))[1]
        return jnp.concatenate([(i + 1)[None], rest]), None

    return jax.lax.scan(row, first, jnp.arange(len(a)))[0][-1]


def common_subsequence(a, b):
    def row(above, i):
        def cell(left, j):
            best = jnp.maximum(above[j + 1], left)
            here = jnp.where(a[i] == b[j], above[j] + 1, best)
            return here, here

        rest = jax.lax.scan(cell, jnp.int32(0), jnp.arange(len(b)))[1]
        return jnp.concatenate([jnp.zeros(1, jnp.int32), rest]), None

    return jax.lax.scan(row, jnp.zeros(len(b) + 1, jnp.int32), jnp.arange(len(a)))[0][-1]


def histogram(x, weights):
    low, high = x.min(), x.max()
    place = jnp.minimum(((x - low) / (high - low) * 100).astype(jnp.int64), 99)
    counts = jnp.zeros(100, dtype=jnp.int64).at[place].add(1)
    sums = jnp.zeros(100).at[place].add(weights)
    return counts, sums / jnp.maximum(counts, 1)


def azimuthal(data, radius, rings):
    rmax = radius.max()

    def ring(i):
        r1, r2 = rmax * i / rings, rmax * (i + 1) / rings
        return jnp.mean(data, where=(r1 <= radius) & (radius < r2))

    return jax.lax.map(ring, jnp.arange(rings))


def conjugate_gradients(b):
    def laplacian(u):
        out = (4.0 * u).at[1:, :].add(-u[:-1, :]).at[:-1, :].add(-u[1:, :])
        return out.at[:, 1:].add(-u[:, :-1]).at[:, :-1].add(-u[:, 1:])

    def step(_, state):
        x, r, p, rs = state
        ap = laplacian(p)
        alpha = rs / jnp.sum(p * ap)
        r = r - alpha * ap
        fresh = jnp.sum(r * r)
        return x + alpha * p, r, r + (fresh / rs) * p, fresh

    return fori_loop(0, 60, step, (jnp.zeros_like(b), b, b, jnp.sum(b * b)))[0]


def deriche(image, alpha):
    k = (1 - jnp.exp(-alpha)) ** 2 / (1 + alpha * jnp.exp(-alpha) - jnp.exp(2 * alpha))
    a = (k, k * jnp.exp(-alpha) * (alpha - 1), k * jnp.exp(-alpha) * (alpha + 1),
         -k * jnp.exp(-2 * alpha))  # fmt: skip
    b1, b2 = 2.0 ** (-alpha), -jnp.exp(-2.0 * alpha)

    def filtered(rows):
        none = jnp.zeros_like(rows[0])

        def ahead(state, x):
            x1, y1, y2 = state
            y = a[0] * x + a[1] * x1 + b1 * y1 + b2 * y2
            return (x, y, y1), y

        def back(state, x):
            x1, x2, y1, y2 = state
            y = a[2] * x1 + a[3] * x2 + b1 * y1 + b2 * y2
            return (x, x1, y, y1), y

        forward = jax.lax.scan(ahead, (none,) * 3, rows)[1]
        return forward + jax.lax.scan(back, (none,) * 4, rows, reverse=True)[1]

    return filtered(filtered(image.T).T)


def horizontal_diffusion(field, out, coefficient):
    n, m = out.shape[0], out.shape[1]
    lap = 4.0 * field[1:-1, 1:-1] - (
        field[2:, 1:-1] + field[:-2, 1:-1] + field[1:-1, 2:] + field[1:-1, :-2]
    )
    res = lap[1:, 1 : m + 1] - lap[:-1, 1 : m + 1]
    flx = jnp.where(res * (field[2 : n + 3, 2:-2] - field[1 : n + 2, 2:-2]) > 0, 0, res)
    res = lap[1 : n + 1, 1:] - lap[1 : n + 1, :-1]
    fly = jnp.where(res * (field[2:-2, 2 : m + 3] - field[2:-2, 1 : m + 2]) > 0, 0, res)
    change = flx[1:] - flx[:-1] + fly[:, 1:] - fly[:, :-1]
    return field[2:-2, 2:-2] - coefficient * change


def vectors_and_matrix(alpha, beta, a, u1, v1, u2, v2, w, x, y, z):
    a = a + jnp.outer(u1, v1) + jnp.outer(u2, v2)
    x = x + beta * y @ a + z
    return a, w + alpha * a @ x, x
