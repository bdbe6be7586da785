"""LeNet-5 on a batch: convolutions, pooling by loops, three dense layers."""

import numpy as np

from .conv2d_bias import conv2d

SIZE, TINY = 8, 1
TOLERANCE = 1e-4  # float32


def make(size):
    rng = np.random.default_rng(0)

    def draw(*shape):
        return rng.standard_normal(shape, dtype=np.float32) / np.float32(np.prod(shape[:-1]) ** 0.5)

    images = rng.random((size, 28, 28, 1), dtype=np.float32)
    convolutions = draw(5, 5, 1, 6), draw(6), draw(5, 5, 6, 16), draw(16)
    dense = draw(256, 120), draw(120), draw(120, 84), draw(84), draw(84, 10), draw(10)
    return images, *convolutions, *dense


def relu(x):
    return np.maximum(x, 0)


def max_pool(x):
    output = np.empty([x.shape[0], x.shape[1] // 2, x.shape[2] // 2, x.shape[3]], dtype=x.dtype)
    for i in range(x.shape[1] // 2):
        for j in range(x.shape[2] // 2):
            output[:, i, j, :] = np.max(x[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2, :], axis=(1, 2))
    return output


def lenet(images, conv1, bias1, conv2, bias2, w1, b1, w2, b2, w3, b3):
    x = relu(conv2d(images, conv1) + bias1)
    x = max_pool(x)
    x = relu(conv2d(x, conv2) + bias2)
    x = max_pool(x)
    x = np.reshape(x, (x.shape[0], 256))
    x = relu(x @ w1 + b1)
    x = relu(x @ w2 + b2)
    return x @ w3 + b3
