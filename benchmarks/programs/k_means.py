"""Lloyd's iterations: assign each point to the nearest centre, move centres to the means."""

import numpy as np

SIZE, TINY = 5000, 40


def make(size):
    rng = np.random.default_rng(0)
    points = rng.random((size, 8))
    return points, points[:10].copy()


def k_means(points, centres):
    for _ in range(10):
        distances = ((points[:, None, :] - centres[None, :, :]) ** 2).sum(axis=2)
        labels = np.argmin(distances, axis=1)
        for k in range(centres.shape[0]):
            mine = labels == k
            if np.sum(mine) > 0:
                centres[k] = points[mine].mean(axis=0)
    return labels
