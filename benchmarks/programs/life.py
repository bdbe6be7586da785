"""Conway's game of life on a torus."""

import numpy as np

SIZE, TINY = 256, 10


def make(size):
    return np.random.default_rng(0).integers(0, 2, (size, size)), 20


def life(grid, generations):
    for _ in range(generations):
        count = np.zeros_like(grid)
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                if dy != 0 or dx != 0:
                    count += np.roll(np.roll(grid, dy, axis=0), dx, axis=1)
        grid = np.where((count == 3) | ((grid == 1) & (count == 2)), 1, 0)
    return grid
