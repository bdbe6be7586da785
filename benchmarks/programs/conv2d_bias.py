"""A convolution with bias, written as a loop over places (images, rows, columns, channels)."""

import numpy as np

SIZE, TINY = 32, 6
TOLERANCE = 1e-4  # float32


def make(size):
    rng = np.random.default_rng(0)
    images = rng.random((8, size, size, 3), dtype=np.float32)
    weights = rng.random((5, 5, 3, 16), dtype=np.float32)
    return images, weights, rng.random(16, dtype=np.float32)


def conv2d(images, weights):
    k = weights.shape[0]
    n, h_in, w_in, _ = images.shape
    h_out, w_out, c_out = h_in - k + 1, w_in - k + 1, weights.shape[3]
    output = np.empty((n, h_out, w_out, c_out), dtype=np.float32)
    for i in range(h_out):
        for j in range(w_out):
            output[:, i, j, :] = np.sum(
                images[:, i : i + k, j : j + k, :, np.newaxis] * weights[np.newaxis, :, :, :],
                axis=(1, 2, 3),
            )
    return output


def conv2d_bias(images, weights, bias):
    return conv2d(images, weights) + bias
