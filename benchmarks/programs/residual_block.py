"""A bottleneck block of a residual network, with batch norms."""

import numpy as np

from .conv2d_bias import conv2d

SIZE, TINY = 14, 4
TOLERANCE = 1e-3  # float32


def make(size):
    rng = np.random.default_rng(0)
    c1, c2 = 64, 16
    return (
        rng.random((2, size, size, c1), dtype=np.float32),
        rng.random((1, 1, c1, c2), dtype=np.float32),
        rng.random((3, 3, c2, c2), dtype=np.float32),
        rng.random((1, 1, c2, c1), dtype=np.float32),
    )


def relu(x):
    return np.maximum(x, 0)


def batch_norm(x, eps=1e-5):
    mean = np.mean(x, axis=0, keepdims=True)
    std = np.std(x, axis=0, keepdims=True)
    return (x - mean) / np.sqrt(std + eps)


def residual_block(x, conv1, conv2, conv3):
    padded = np.zeros((x.shape[0], x.shape[1] + 2, x.shape[2] + 2, conv1.shape[3]), x.dtype)
    padded[:, 1:-1, 1:-1, :] = conv2d(x, conv1)
    y = relu(batch_norm(padded))
    y = conv2d(y, conv2)
    y = relu(batch_norm(y))
    y = conv2d(y, conv3)
    y = batch_norm(y)
    return relu(y + x)
