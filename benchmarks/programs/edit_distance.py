"""Levenshtein's distance between two sequences of numbers."""

import numpy as np

SIZE, TINY = 150, 9


def make(size):
    rng = np.random.default_rng(0)
    return rng.integers(0, 4, size), rng.integers(0, 4, size + 30)


def edit_distance(a, b):
    table = np.zeros((len(a) + 1, len(b) + 1), dtype=np.int64)
    table[:, 0] = np.arange(len(a) + 1)
    table[0, :] = np.arange(len(b) + 1)
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            cost = 0 if a[i - 1] == b[j - 1] else 1
            table[i, j] = min(table[i - 1, j] + 1, table[i, j - 1] + 1, table[i - 1, j - 1] + cost)
    return table[-1, -1]
