"""The most pairs of a folded sequence, Nussinov's table."""

import numpy as np

SIZE, TINY = 60, 8


def make(size):
    return (np.random.default_rng(0).integers(0, 4, size),)


def match(b1, b2):
    if b1 + b2 == 3:
        return 1
    else:
        return 0


def nussinov(seq):
    n = len(seq)
    table = np.zeros((n, n), dtype=np.int32)
    for i in range(n - 1, -1, -1):
        for j in range(i + 1, n):
            if j - 1 >= 0:
                table[i, j] = max(table[i, j], table[i, j - 1])
            if i + 1 < n:
                table[i, j] = max(table[i, j], table[i + 1, j])
            if j - 1 >= 0 and i + 1 < n:
                if i < j - 1:
                    paired = table[i + 1, j - 1] + match(seq[i], seq[j])
                    table[i, j] = max(table[i, j], paired)
                else:
                    table[i, j] = max(table[i, j], table[i + 1, j - 1])
            for k in range(i + 1, j):
                table[i, j] = max(table[i, j], table[i, k] + table[k + 1, j])
    return table
