"""Programs as Numba needs them: loops where it lacks a function, an axis or a dtype."""

from __future__ import annotations

import contextlib
import types
from collections.abc import Callable
from typing import Any

import numpy as np

with contextlib.suppress(ImportError):  # without it nobody calls these
    import numba


def compiled(function: Any, decorate: Callable[[Any], Any]) -> Any:
    """``function`` compiled, with the Python functions of its module that it calls."""
    made: dict[types.FunctionType, Any] = {}

    def convert(f: types.FunctionType) -> Any:
        if f not in made:
            scope = dict(f.__globals__)
            copy = types.FunctionType(f.__code__, scope, f.__name__, f.__defaults__)
            for name in f.__code__.co_names:
                inner = f.__globals__.get(name)
                if isinstance(inner, types.FunctionType) and inner is not f:
                    scope[name] = convert(inner)
            made[f] = decorate(copy)
        return made[f]

    return convert(function)


def correlation(data):
    n, m = data.shape
    for j in range(m):
        mean, stddev = np.mean(data[:, j]), np.std(data[:, j])
        if stddev <= 0.1:
            stddev = 1.0
        data[:, j] = (data[:, j] - mean) / (np.sqrt(n) * stddev)
    corr = np.eye(m)
    for i in range(m - 1):
        corr[i + 1 :, i] = corr[i, i + 1 :] = data[:, i] @ data[:, i + 1 :]
    return corr


def covariance(data):
    n, m = data.shape
    for j in range(m):
        data[:, j] -= np.mean(data[:, j])
    cov = np.zeros((m, m))
    for i in range(m):
        cov[i:, i] = cov[i, i:] = data[:, i] @ data[:, i:] / (n - 1.0)
    return cov


def floyd_warshall(path):
    n = path.shape[0]
    for k in range(n):
        for i in numba.prange(n):
            path[i, :] = np.minimum(path[i, :], path[i, k] + path[k, :])


def life(grid, generations):
    n, m = grid.shape
    for _ in range(generations):
        fresh = np.empty_like(grid)
        for i in numba.prange(n):
            for j in range(m):
                count = -grid[i, j]
                for dy in range(-1, 2):
                    for dx in range(-1, 2):
                        count += grid[(i + dy) % n, (j + dx) % m]
                alive = count == 3 or (grid[i, j] == 1 and count == 2)
                fresh[i, j] = 1 if alive else 0
        grid = fresh
    return grid


def mandelbrot(xs, ys, limit):
    counts = np.zeros((len(ys), len(xs)), dtype=np.int64)
    for i in numba.prange(len(ys)):
        for j in range(len(xs)):
            zr = zi = 0.0
            for n in range(limit):
                if zr * zr + zi * zi >= 4.0:
                    break
                counts[i, j] = n
                zr, zi = zr * zr - zi * zi + xs[j], 2.0 * zr * zi + ys[i]
            if counts[i, j] == limit - 1:
                counts[i, j] = 0
    return counts


def k_means(points, centres):
    n, width = points.shape
    labels = np.zeros(n, dtype=np.int64)
    for _ in range(10):
        for i in numba.prange(n):
            least = np.inf
            for k in range(centres.shape[0]):
                distance = 0.0
                for d in range(width):
                    distance += (points[i, d] - centres[k, d]) ** 2
                if distance < least:
                    least, labels[i] = distance, k
        sums = np.zeros(centres.shape)
        counts = np.zeros(centres.shape[0])
        for i in range(n):
            counts[labels[i]] += 1
            for d in range(width):
                sums[labels[i], d] += points[i, d]
        for k in range(centres.shape[0]):
            if counts[k] > 0:
                centres[k] = sums[k] / counts[k]
    return labels


def n_body(mass, pos, vel, steps):
    n = pos.shape[0]
    dt = 0.01
    for d in range(3):
        vel[:, d] -= np.mean(mass[:, 0] * vel[:, d]) / np.mean(mass)
    kinetic = np.zeros(steps + 1)
    potential = np.zeros(steps + 1)
    acc = np.zeros_like(pos)
    for step in range(steps + 1):
        if step > 0:
            vel += acc * dt / 2.0
            pos += vel * dt
        each = np.zeros(n)
        for i in numba.prange(n):
            ax = ay = az = below = 0.0
            for j in range(n):
                dx = pos[j, 0] - pos[i, 0]
                dy = pos[j, 1] - pos[i, 1]
                dz = pos[j, 2] - pos[i, 2]
                r2 = dx * dx + dy * dy + dz * dz
                f = mass[j, 0] * (r2 + 0.01) ** -1.5
                ax += dx * f
                ay += dy * f
                az += dz * f
                if j > i:
                    below -= mass[i, 0] * mass[j, 0] / np.sqrt(r2)
            acc[i, 0], acc[i, 1], acc[i, 2] = ax, ay, az
            each[i] = below
        if step > 0:
            vel += acc * dt / 2.0
        total = 0.0
        for i in range(n):
            total += mass[i, 0] * (vel[i, 0] ** 2 + vel[i, 1] ** 2 + vel[i, 2] ** 2)
        kinetic[step] = 0.5 * total
        potential[step] = np.sum(each)
    return kinetic, potential


def conv2d(images, weights):
    n, h_in, w_in, c_in = images.shape
    k, c_out = weights.shape[0], weights.shape[3]
    output = np.zeros((n, h_in - k + 1, w_in - k + 1, c_out), dtype=np.float32)
    for b in numba.prange(n):
        for i in range(output.shape[1]):
            for j in range(output.shape[2]):
                for di in range(k):
                    for dj in range(k):
                        for c in range(c_in):
                            for o in range(c_out):
                                output[b, i, j, o] += (
                                    images[b, i + di, j + dj, c] * weights[di, dj, c, o]
                                )
    return output


def conv2d_bias(images, weights, bias):
    return conv2d(images, weights) + bias


def relu(x):
    return np.maximum(x, np.float32(0))


def max_pool(x):
    n, h, w, c = x.shape
    output = np.empty((n, h // 2, w // 2, c), dtype=x.dtype)
    for b in range(n):
        for i in range(h // 2):
            for j in range(w // 2):
                for o in range(c):
                    top = max(x[b, 2 * i, 2 * j, o], x[b, 2 * i, 2 * j + 1, o])
                    low = max(x[b, 2 * i + 1, 2 * j, o], x[b, 2 * i + 1, 2 * j + 1, o])
                    output[b, i, j, o] = max(top, low)
    return output


def lenet(images, conv1, bias1, conv2_, bias2, w1, b1, w2, b2, w3, b3):
    x = max_pool(relu(conv2d(images, conv1) + bias1))
    x = max_pool(relu(conv2d(x, conv2_) + bias2))
    x = np.reshape(x, (x.shape[0], 256))
    x = relu(x @ w1 + b1)
    x = relu(x @ w2 + b2)
    return x @ w3 + b3


def batch_norm(x):
    out = np.empty_like(x)
    n, h, w, channels = x.shape
    for i in range(h):
        for j in range(w):
            for c in range(channels):
                mean = square = 0.0
                for b in range(n):
                    mean += x[b, i, j, c] / n
                for b in range(n):
                    square += (x[b, i, j, c] - mean) ** 2 / n
                scale = 1.0 / np.sqrt(np.sqrt(square) + 1e-5)
                for b in range(n):
                    out[b, i, j, c] = (x[b, i, j, c] - mean) * scale
    return out


def residual_block(x, conv1, conv2_, conv3):
    n, h, w, _ = x.shape
    padded = np.zeros((n, h + 2, w + 2, conv1.shape[3]), np.float32)
    padded[:, 1:-1, 1:-1, :] = conv2d(x, conv1)
    y = relu(batch_norm(padded))
    y = relu(batch_norm(conv2d(y, conv2_)))
    return relu(batch_norm(conv2d(y, conv3)) + x)


def attention(q, k, v):
    heads, n, width = q.shape
    out = np.empty_like(v)
    for h in numba.prange(heads):
        scores = q[h] @ k[h].T / np.sqrt(np.float32(width))
        for i in range(n):
            scores[i, i + 1 :] = -np.inf
            row = np.exp(scores[i] - np.max(scores[i]))
            scores[i] = row / np.sum(row)
        out[h] = scores @ v[h]
    return out


def channel_flow(u, v, dx, dy, dt, nu, force):
    n, m = u.shape
    change, steps = 1.0, 0
    while change > 0.01 and steps < 200:
        un, vn = u.copy(), v.copy()
        for i in numba.prange(1, n - 1):
            for j in range(m):
                a, b = (j - 1) % m, (j + 1) % m
                lap = (un[i, b] - 2 * un[i, j] + un[i, a]) / dx**2
                lap += (un[i + 1, j] - 2 * un[i, j] + un[i - 1, j]) / dy**2
                wind = un[i, j] * (un[i, j] - un[i, a]) / dx
                wind += vn[i, j] * (un[i, j] - un[i - 1, j]) / dy
                u[i, j] += dt * (nu * lap - wind + force)
                lap = (vn[i, b] - 2 * vn[i, j] + vn[i, a]) / dx**2
                lap += (vn[i + 1, j] - 2 * vn[i, j] + vn[i - 1, j]) / dy**2
                wind = un[i, j] * (vn[i, j] - vn[i, a]) / dx
                wind += vn[i, j] * (vn[i, j] - vn[i - 1, j]) / dy
                v[i, j] += dt * (nu * lap - wind)
        u[0, :] = u[-1, :] = v[0, :] = v[-1, :] = 0
        change = (np.sum(u) - np.sum(un)) / np.sum(u)
        steps += 1
    return steps


def histogram(x, weights):
    low, high = x.min(), x.max()
    counts = np.zeros(100, dtype=np.int64)
    sums = np.zeros(100)
    for i in range(len(x)):
        place = min(int((x[i] - low) / (high - low) * 100), 99)
        counts[place] += 1
        sums[place] += weights[i]
    return counts, sums / np.maximum(counts, 1)


def durbin(r):
    y = np.empty_like(r)
    alpha = -r[0]
    beta = 1.0
    y[0] = -r[0]
    for k in range(1, r.shape[0]):
        beta *= 1.0 - alpha * alpha
        alpha = -(r[k] + np.dot(r[:k][::-1].copy(), y[:k])) / beta
        y[:k] += alpha * y[:k][::-1].copy()
        y[k] = alpha
    return y


def spectral_norm(k):
    n = len(k)
    a = np.empty((n, n))
    for i in numba.prange(n):
        for j in range(n):
            a[i, j] = 1.0 / ((i + j) * (i + j + 1) / 2 + i + 1)
    u = np.ones(n)
    for _ in range(10):
        v = a.T @ (a @ u)
        u = a.T @ (a @ v)
    return np.sqrt(np.dot(u, v) / np.dot(v, v))


def vertical_advection(wind, field, dt):
    ni, nj, nk = field.shape
    out = np.zeros_like(field)
    for i in numba.prange(ni):
        upper = np.empty(nk)
        right = np.empty(nk)
        for j in range(nj):
            c = 0.25 * (wind[i, j, 1] + wind[i, j, 0])
            upper[0] = c / (1.0 / dt - c)
            right[0] = field[i, j, 0] / dt / (1.0 / dt - c)
            for k in range(1, nk):
                a = -0.25 * (wind[i, j, k] + wind[i, j, k - 1])
                c = 0.25 * wind[i, j, k]
                divided = 1.0 / (1.0 / dt - a - c - upper[k - 1] * a)
                upper[k] = c * divided
                right[k] = (field[i, j, k] / dt - right[k - 1] * a) * divided
            above = right[nk - 1]
            out[i, j, nk - 1] = above
            for k in range(nk - 2, -1, -1):
                above = right[k] - upper[k] * above
                out[i, j, k] = above
    return out


def hashed(counter):
    z = counter * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def monte_carlo_pi(counter):
    inside = 0
    for i in numba.prange(len(counter)):
        even = counter[i] * np.uint64(2)
        x = (hashed(even) >> np.uint64(11)) * 2.0**-53
        y = (hashed(even + np.uint64(1)) >> np.uint64(11)) * 2.0**-53
        if x * x + y * y < 1.0:
            inside += 1
    return 4.0 * inside / len(counter)


def fourier(x):
    n = x.shape[0]
    y = x.copy()
    fresh = np.empty_like(y)
    count = 1
    while count < n:
        half = n // (2 * count)
        for i in numba.prange(half):
            for j in range(count):
                even = y[i * count + j]
                odd = y[(half + i) * count + j] * np.exp(-1j * np.pi * j / count)
                fresh[2 * i * count + j] = even + odd
                fresh[(2 * i + 1) * count + j] = even - odd
        y, fresh = fresh, y
        count *= 2
    return y
