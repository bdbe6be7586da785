"""The length of the longest common subsequence, with two rows of the table."""

import numpy as np

SIZE, TINY = 200, 9


def make(size):
    rng = np.random.default_rng(0)
    return rng.integers(0, 4, size), rng.integers(0, 4, size)


def common_subsequence(a, b):
    previous = np.zeros(len(b) + 1, dtype=np.int32)
    for i in range(len(a)):
        current = np.zeros(len(b) + 1, dtype=np.int32)
        for j in range(len(b)):
            if a[i] == b[j]:
                current[j + 1] = previous[j] + 1
            elif previous[j + 1] >= current[j]:
                current[j + 1] = previous[j + 1]
            else:
                current[j + 1] = current[j]
        previous = current
    return previous[-1]
