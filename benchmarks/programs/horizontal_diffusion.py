"""Flux-limited diffusion in the planes of a block of air, as weather models do it."""

import numpy as np

SIZE, TINY = 96, 6


def make(size):
    rng = np.random.default_rng(0)
    field = rng.random((size + 4, size + 4, 16))
    return field, np.zeros((size, size, 16)), rng.random((size, size, 16))


def horizontal_diffusion(field, out, coefficient):
    n, m = out.shape[0], out.shape[1]
    lap = 4.0 * field[1 : n + 3, 1 : m + 3, :] - (
        field[2 : n + 4, 1 : m + 3, :]
        + field[0 : n + 2, 1 : m + 3, :]
        + field[1 : n + 3, 2 : m + 4, :]
        + field[1 : n + 3, 0 : m + 2, :]
    )
    res = lap[1:, 1 : m + 1, :] - lap[:-1, 1 : m + 1, :]
    ahead = field[2 : n + 3, 2 : m + 2, :] - field[1 : n + 2, 2 : m + 2, :]
    flx = np.where((res * ahead) > 0, 0, res)
    res = lap[1 : n + 1, 1:, :] - lap[1 : n + 1, :-1, :]
    ahead = field[2 : n + 2, 2 : m + 3, :] - field[2 : n + 2, 1 : m + 2, :]
    fly = np.where((res * ahead) > 0, 0, res)
    out[:, :, :] = field[2 : n + 2, 2 : m + 2, :] - coefficient * (
        flx[1:, :, :] - flx[:-1, :, :] + fly[:, 1:, :] - fly[:, :-1, :]
    )
