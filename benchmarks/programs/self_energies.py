"""Sums of small matrix products over momenta, energies, frequencies and neighbours."""

import numpy as np

SIZE, TINY = 6, 2


def make(size):
    rng = np.random.default_rng(0)
    nk, ne, nq, nw, atoms, near, orb = 2, size, 2, 3, 6, 4, 4
    neighbours = rng.integers(0, atoms, (atoms, near))
    dh = rng.random((atoms, near, 3, orb, orb))
    g = rng.random((nk, ne, atoms, orb, orb))
    d = rng.random((nq, nw, atoms, near, 3, 3))
    return neighbours, dh, g, d, np.zeros_like(g)


def self_energies(neighbours, dh, g, d, sigma):
    for k in range(g.shape[0]):
        for e in range(g.shape[1]):
            for q in range(d.shape[0]):
                for w in range(d.shape[1]):
                    for i in range(d.shape[4]):
                        for j in range(d.shape[5]):
                            for a in range(neighbours.shape[0]):
                                for b in range(neighbours.shape[1]):
                                    if e - w >= 0:
                                        left = g[k, e - w, neighbours[a, b]] @ dh[a, b, i]
                                        right = dh[a, b, j] * d[q, w, a, b, i, j]
                                        sigma[k, e, a] += left @ right
