"""PageRank of a dense link matrix until it settles."""

import numpy as np

SIZE, TINY = 600, 12


def make(size):
    links = np.random.default_rng(0).random((size, size)) < 0.05
    return links.astype(np.float64), 0.85


def page_rank(links, damping):
    n = links.shape[0]
    degree = links.sum(axis=0)
    degree[degree == 0] = 1.0
    step = links / degree
    rank = np.full(n, 1.0 / n)
    for _ in range(100):
        fresh = damping * (step @ rank) + (1.0 - damping) / n
        fresh /= fresh.sum()
        if np.abs(fresh - rank).sum() < 1e-12:
            break
        rank = fresh
    return rank
