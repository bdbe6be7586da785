"""A sparse matrix in compressed rows times a vector."""

import numpy as np

SIZE, TINY = 4000, 20


def make(size):
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 40, size)
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    columns = rng.integers(0, size, starts[-1])
    return starts, columns, rng.random(len(columns)), rng.random(size)


def csr_product(starts, columns, values, x):
    y = np.empty(starts.size - 1, dtype=values.dtype)
    for i in range(starts.size - 1):
        cols = columns[starts[i] : starts[i + 1]]
        vals = values[starts[i] : starts[i + 1]]
        y[i] = vals @ x[cols]
    return y
