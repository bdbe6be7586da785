"""Global alignment of two sequences with a score matrix: the table and the path back."""

import numpy as np

SIZE, TINY = 150, 9


def make(size):
    rng = np.random.default_rng(0)
    scores = rng.integers(-4, 5, (20, 20))
    return rng.integers(0, 20, size), rng.integers(0, 20, size + 10), scores, 3


def needleman_wunsch(a, b, scores, gap):
    n, m = len(a), len(b)
    f = np.zeros((n + 1, m + 1), dtype=np.int64)
    f[:, 0] = -gap * np.arange(n + 1)
    f[0, :] = -gap * np.arange(m + 1)
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            match = f[i - 1, j - 1] + scores[a[i - 1], b[j - 1]]
            f[i, j] = max(match, f[i - 1, j] - gap, f[i, j - 1] - gap)
    path = np.full((n + m, 2), -1)
    i, j, at = n, m, 0
    while i > 0 and j > 0:
        if f[i, j] == f[i - 1, j - 1] + scores[a[i - 1], b[j - 1]]:
            i, j = i - 1, j - 1
            path[at, 0], path[at, 1] = i, j
            at += 1
        elif f[i, j] == f[i - 1, j] - gap:
            i -= 1
        else:
            j -= 1
    return f[n, m], path
