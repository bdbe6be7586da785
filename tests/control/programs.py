"""Classic numerical programs, written for NumPy and for nobody else."""

# ruff: noqa: B007

import numpy as np


def made_negative(a, i):
    if a[i] > 0:
        a[i] = -a[i]
    return a[i]


def total(x):
    s = 0.0
    for i in range(len(x)):
        s += x[i]
    return s


def positives(x):
    s = 0.0
    c = 0
    for i in range(len(x)):
        if x[i] > 0.5 and x[i] < 0.9:
            s += x[i]
            c += 1
    return (s, c)


def search(x, v):
    for i in range(len(x)):
        if x[i] == v:
            return i
    return -1


def newton(a):
    x = a
    while abs(x * x - a) > 1e-10:
        x = 0.5 * (x + a / x)
    return x


def heat(u, steps):
    u = u.copy()
    for t in range(steps):
        u[1:-1, 1:-1] = u[1:-1, 1:-1] + 0.1 * (
            u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2] - 4 * u[1:-1, 1:-1]
        )
    return u


def heat_buffered(u):
    un = np.empty_like(u)
    for t in range(1000):
        un[:] = u
        u[1:-1] = un[1:-1] + 0.1 * (un[2:] - 2 * un[1:-1] + un[:-2])
    return u


def floyd_warshall(d):
    n = d.shape[0]
    d = d.copy()
    for k in range(n):
        d = np.minimum(d, d[:, k : k + 1] + d[k : k + 1, :])
    return d


def floyd_by_rows(d):
    n = d.shape[0]
    for k in range(n):
        for i in range(n):
            d[i] = np.minimum(d[i], d[i, k] + d[k])
    return d


def edit_distance(a, b):
    m, n = (len(a), len(b))
    dp = np.zeros((m + 1, n + 1), dtype=np.int64)
    for i in range(m + 1):
        dp[i, 0] = i
    for j in range(n + 1):
        dp[0, j] = j
    for i in range(1, m + 1):
        for j in range(1, n + 1):
            if a[i - 1] == b[j - 1]:
                dp[i, j] = dp[i - 1, j - 1]
            else:
                dp[i, j] = 1 + min(dp[i - 1, j], dp[i, j - 1], dp[i - 1, j - 1])
    return dp[m, n]


def bubble_sort(x):
    x = x.copy()
    n = len(x)
    for i in range(n):
        for j in range(0, n - i - 1):
            if x[j] > x[j + 1]:
                x[j], x[j + 1] = (x[j + 1], x[j])
    return x


def prefix_sums(x):
    out = np.zeros_like(x)
    out[0] = x[0]
    for i in range(1, len(x)):
        out[i] = out[i - 1] + x[i]
    return out


def binary_search(x, v):
    lo, hi = (0, len(x))
    while lo < hi:
        mid = (lo + hi) // 2
        if x[mid] < v:
            lo = mid + 1
        else:
            hi = mid
    return lo


def csr_by_elements(data, indices, indptr, x):
    n = len(indptr) - 1
    y = np.zeros(n)
    for i in range(n):
        s = 0.0
        for j in range(indptr[i], indptr[i + 1]):
            s += data[j] * x[indices[j]]
        y[i] = s
    return y


def power_iteration(A):
    v = np.ones(A.shape[0])
    lam = 0.0
    for it in range(1000):
        w = A @ v
        new = np.sqrt(np.sum(w * w))
        v = w / new
        if abs(new - lam) < 1e-12:
            break
        lam = new
    return (new, v)


def mandelbrot(xs, ys, maxit):
    out = np.zeros((len(ys), len(xs)), dtype=np.int64)
    for i in range(len(ys)):
        for j in range(len(xs)):
            zr = 0.0
            zi = 0.0
            n = 0
            while n < maxit:
                zr2 = zr * zr
                zi2 = zi * zi
                if zr2 + zi2 > 4.0:
                    break
                zi = 2 * zr * zi + ys[i]
                zr = zr2 - zi2 + xs[j]
                n += 1
            out[i, j] = n
    return out


def matmul(a, b):
    n, m = a.shape
    p = b.shape[1]
    c = np.zeros((n, p))
    for i in range(n):
        for j in range(p):
            for k in range(m):
                c[i, j] += a[i, k] * b[k, j]
    return c


def lu(A):
    A = A.copy()
    n = A.shape[0]
    for k in range(n - 1):
        A[k + 1 :, k] /= A[k, k]
        A[k + 1 :, k + 1 :] -= np.outer(A[k + 1 :, k], A[k, k + 1 :])
    return A


def lu_by_rows(A):
    A = A.copy()
    n = A.shape[0]
    for k in range(n - 1):
        for i in range(k + 1, n):
            A[i, k] = A[i, k] / A[k, k]
            A[i, k + 1 :] -= A[i, k] * A[k, k + 1 :]
    return A


def cholesky(A):
    n = A.shape[0]
    L = np.zeros_like(A)
    for i in range(n):
        for j in range(i + 1):
            s = np.dot(L[i, :j], L[j, :j])
            if i == j:
                L[i, j] = np.sqrt(A[i, i] - s)
            else:
                L[i, j] = (A[i, j] - s) / L[j, j]
    return L


def cholesky_by_columns(A):
    n = A.shape[0]
    L = np.zeros((n, n))
    for j in range(n):
        L[j, j] = np.sqrt(A[j, j] - L[j, :j] @ L[j, :j])
        L[j + 1 :, j] = (A[j + 1 :, j] - L[j + 1 :, :j] @ L[j, :j]) / L[j, j]
    return L


def back_substitution(U, b):
    n = len(b)
    x = np.zeros(n)
    for i in range(n - 1, -1, -1):
        x[i] = (b[i] - U[i, i + 1 :] @ x[i + 1 :]) / U[i, i]
    return x


def sieve(flags):
    n = len(flags)
    flags[:2] = False
    for i in range(2, int(n**0.5) + 1):
        if flags[i]:
            flags[i * i :: i] = False
    return flags


def gauss_seidel(A, b, x):
    n = len(b)
    for it in range(50):
        for i in range(n):
            s = A[i, :i] @ x[:i] + A[i, i + 1 :] @ x[i + 1 :]
            x[i] = (b[i] - s) / A[i, i]
    return x


def jacobi(A, b):
    x = np.zeros_like(b)
    D = np.diag(A)
    R = A - np.diagflat(D)
    for i in range(100):
        x = (b - R @ x) / D
    return x


def csr_by_slices(data, indices, indptr, x):
    n = len(indptr) - 1
    y = np.zeros(n)
    for i in range(n):
        a, b = (indptr[i], indptr[i + 1])
        y[i] = np.sum(data[a:b] * x[indices[a:b]])
    return y


def mandelbrot_masked(re, im, maxit):
    zr = np.zeros_like(re)
    zi = np.zeros_like(re)
    cnt = np.zeros(re.shape, dtype=np.int64)
    for _ in range(maxit):
        m = zr * zr + zi * zi <= 4
        zr, zi = (np.where(m, zr * zr - zi * zi + re, zr), np.where(m, 2 * zr * zi + im, zi))
        cnt += m
    return cnt


def insertion_sort(x):
    x = x.copy()
    for i in range(1, len(x)):
        key = x[i]
        j = i - 1
        while j >= 0 and x[j] > key:
            x[j + 1] = x[j]
            j -= 1
        x[j + 1] = key
    return x


def moving_average(x, w):
    n = len(x)
    out = np.empty(n - 3)
    for i in range(n - 3):
        out[i] = np.mean(x[i : i + 3])
    return out


def lu_pivoted(A):
    A = A.copy()
    n = A.shape[0]
    perm = np.arange(n)
    for k in range(n - 1):
        p = k + np.argmax(np.abs(A[k:, k]))
        if p != k:
            tmp = A[k].copy()
            A[k] = A[p]
            A[p] = tmp
            t = perm[k]
            perm[k] = perm[p]
            perm[p] = t
        A[k + 1 :, k] /= A[k, k]
        A[k + 1 :, k + 1 :] -= A[k + 1 :, k : k + 1] * A[k, k + 1 :]
    return (A, perm)


def early(x, n):
    if n > 3:
        return x * 2
    y = x + 1
    if y[0] > 2:
        return y
    return -y


def last_above(x):
    for i in range(len(x)):
        if x[i] > 0.9:
            last = i
    return last


def skipping(x):
    s = 0.0
    for i in range(len(x)):
        if x[i] < 0.5:
            continue
        s += x[i]
        if s > 100.0:
            break
    else:
        s = -1.0
    return s


def with_helper(x):
    t = 0.0
    for i in range(len(x)):
        t += made_negative(x, i)
    return t


def buffers_swapped(u, steps):
    u = u.copy()
    v = np.zeros_like(u)
    for _ in range(steps):
        v[1:-1] = 0.5 * (u[2:] + u[:-2])
        u, v = (v, u)
    return u


def fibonacci(n):
    a, b = (0, 1)
    for i in range(n):
        a, b = (b, a + b)
    return a


def nested_break(x, t):
    c = 0
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            if x[i, j] > t:
                break
            c += 1
    return c


def collatz(n):
    c = 0
    while n != 1:
        if n % 2 == 0:
            n = n // 2
        else:
            n = 3 * n + 1
        c += 1
    return c


def in_a_list(x):
    out = []
    for i in range(200):
        out.append(x[i] * 2)
    return np.stack(out)


def growing(x):
    parts = x
    for i in range(3):
        parts = np.concatenate([parts, parts])
    return parts


def while_true(x):
    i = 0
    while True:
        if x[i] > 0.99:
            break
        i += 1
    return i


def chosen(x):
    s = 0
    for i in range(len(x)):
        s += 1 if x[i] > 0.5 else 2
    return s


def clamp(x, lo, hi):
    for i in range(len(x)):
        x[i] = max(lo, min(hi, x[i]))
    return x


def gcd(a, b):
    while b:
        a, b = (b, a % b)
    return a


def over_rows(m):
    t = np.zeros(m.shape[1])
    for row in m:
        t += row * row.sum()
    return t


def enumerated(m):
    t = 0.0
    for i, row in enumerate(m):
        if row[0] > 0.5:
            t += i * row[1]
    return t


def triangle(n, x):
    t = 0.0
    for i in range(n):
        for j in range(i):
            t += x[i] * x[j]
    return t


def squares(x):
    s = np.float32(0)
    for i in range(len(x)):
        s = s + x[i] * x[i]
    return s


def histogram(x, nb):
    h = np.zeros(nb, dtype=np.int64)
    for v in x:
        h[int(v * nb)] += 1
    return h


def nbody(p, v, steps):
    n = p.shape[0]
    for s in range(steps):
        a = np.zeros_like(p)
        for i in range(n):
            for j in range(n):
                if i != j:
                    d = p[j] - p[i]
                    a[i] += d / (np.sum(d * d) + 0.01) ** 1.5
        v += 0.01 * a
        p += 0.01 * v
    return p


def common_subsequence(a, b):
    n, m = (len(a), len(b))
    prev = np.zeros(m + 1, dtype=np.int64)
    for i in range(n):
        cur = np.zeros(m + 1, dtype=np.int64)
        for j in range(m):
            if a[i] == b[j]:
                cur[j + 1] = prev[j] + 1
            else:
                cur[j + 1] = max(prev[j + 1], cur[j])
        prev = cur
    return prev[m]


def knapsack(w, v, cap):
    dp = np.zeros(cap + 1)
    for i in range(len(w)):
        for c in range(cap, 0, -1):
            if w[i] <= c:
                dp[c] = max(dp[c], dp[c - w[i]] + v[i])
    return dp[cap]


def life(g, steps):
    for _ in range(steps):
        nb = (
            g[:-2, :-2]
            + g[:-2, 1:-1]
            + g[:-2, 2:]
            + g[1:-1, :-2]
            + g[1:-1, 2:]
            + g[2:, :-2]
            + g[2:, 1:-1]
            + g[2:, 2:]
        )
        birth = (nb == 3) & (g[1:-1, 1:-1] == 0)
        survive = ((nb == 2) | (nb == 3)) & (g[1:-1, 1:-1] == 1)
        g[...] = 0
        g[1:-1, 1:-1][birth | survive] = 1
    return g


def runge_kutta(y, steps):
    h = 0.01

    def f(t, y):
        return np.array([y[1], -y[0]])

    out = np.zeros((1001, 2))
    out[0] = y
    for i in range(1000):
        t = i * h
        k1 = f(t, y)
        k2 = f(t + h / 2, y + h / 2 * k1)
        k3 = f(t + h / 2, y + h / 2 * k2)
        k4 = f(t + h, y + h * k3)
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        out[i + 1] = y
    return out


def convolved(img, ker):
    H, W = img.shape
    kh, kw = ker.shape
    out = np.zeros((H - kh + 1, W - kw + 1))
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = np.sum(img[i : i + kh, j : j + kw] * ker)
    return out


def k_means(X, C, iters):
    for _ in range(iters):
        d = ((X[:, None, :] - C[None]) ** 2).sum(axis=2)
        lab = d.argmin(axis=1)
        for k in range(C.shape[0]):
            m = lab == k
            C[k] = (X * m[:, None]).sum(axis=0) / np.maximum(m.sum(), 1)
    return (lab, C)


def thomas(a, b, c, d):
    n = len(d)
    cp = np.zeros(n)
    dp = np.zeros(n)
    cp[0] = c[0] / b[0]
    dp[0] = d[0] / b[0]
    for i in range(1, n):
        m = b[i] - a[i] * cp[i - 1]
        cp[i] = c[i] / m
        dp[i] = (d[i] - a[i] * dp[i - 1]) / m
    x = np.zeros(n)
    x[-1] = dp[-1]
    for i in range(n - 2, -1, -1):
        x[i] = dp[i] - cp[i] * x[i + 1]
    return x


def quick_partition(a):
    p = a[-1]
    i = -1
    for j in range(len(a) - 1):
        if a[j] <= p:
            i += 1
            a[i], a[j] = (a[j], a[i])
    a[i + 1], a[-1] = (a[-1], a[i + 1])
    return i + 1


def gram_schmidt(A):
    Q = np.zeros_like(A)
    for j in range(A.shape[1]):
        v = A[:, j].copy()
        for i in range(j):
            v -= Q[:, i] @ A[:, j] * Q[:, i]
        Q[:, j] = v / np.linalg.norm(v)
    return Q


def conjugate_gradients(A, b):
    x = np.zeros_like(b)
    r = b - A @ x
    p = r.copy()
    rs = r @ r
    for i in range(1000):
        Ap = A @ p
        al = rs / (p @ Ap)
        x += al * p
        r -= al * Ap
        rn = r @ r
        if np.sqrt(rn) < 1e-10:
            break
        p = r + rn / rs * p
        rs = rn
    return x


def smoothed(x, a):
    y = np.empty_like(x)
    y[0] = x[0]
    for i in range(1, len(x)):
        y[i] = a * x[i] + (1 - a) * y[i - 1]
    return y


def open_slices(x, y):
    for k in range(6, len(x)):
        x[k] = np.dot(np.flip(x[:k]), y[:k]) / k + x[:k][-1] + y[:k][-2]
        x[k] += np.sum(x[:k][1:]) - np.sum(x[:k][:-1]) + x[:k][2:5].sum() + x[:k][-4:-1].sum()
        x[k] /= 8
        x[:k][::-1] += y[:k] / k
        y[:k] = 0.5 * y[:k] + 0.1 * y[:k][::-1] - np.sum(x[:k][::2]) / (2 * k)
        x[:k][1:] = 0.5 * x[:k][1:] + 0.1 * y[:k][:-1]
    return x


def bound_by_the_first(x):
    for k in range(len(x)):
        if k == 0:
            above = x[0]
        else:
            above = x[k] - 0.5 * above
        x[k] = above
    return x


def deep(x, y):
    for a in range(2):
        for b in range(3):
            for c in range(2):
                for d in range(3):
                    for e in range(2):
                        for f in range(4):
                            if b - c >= 0:
                                x[a, b] += y[d, e] * y[c, f] - x[a, b - c]
    return x


def reused_parts(a, b):
    for t in range(60):
        m = a[1:-1] * 0.5
        b[1:-1] = m
        b[2:] = 0.5 * b[2:] + 0.1
        a[:-2] = m + 0.3 * b[1:-1]
        a[0] = m[3]
        k = 0.3 * b[:-1]
        a[1:] = k
        if a[2] > 0.2:
            a[2] = k[0]
        b[:-1] = k[::-1] + 0.5 * a[1:]
        i = t % 5
        n = b[i + 1] * a[1:4]
        a[i : i + 3] = n
        b[i] = n[2]
        a[5:8] = n + a[6:9]
        a[1:4] = 0.5 * n + 0.5 * a[i : i + 3]
    return a, b


def products(a, b, steps):
    c = a.copy()
    i = 0
    while i < steps and np.sum(c) > -1:
        c[1:] = (c.T @ b)[:-1] * 0.02
        if c[0, 0] > 0.1:
            c = c @ c * 0.02
        i += 1
    return c
