"""Softmax, layer norm, GELU and attention as anybody writes them in NumPy, and their times."""

import numpy as np

import mlc


def softmax(x):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def layer_norm(x, gain, bias):
    centred = x - np.mean(x, axis=-1, keepdims=True)
    variance = np.mean(centred * centred, axis=-1, keepdims=True)
    return centred / np.sqrt(variance + 1e-5) * gain + bias


def gelu(x):
    return 0.5 * x * (1 + np.tanh(0.7978845608 * (x + 0.044715 * x**3)))


def attention(q, k, v):
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    return softmax(scores) @ v


rng = np.random.default_rng(0)


def normal(*shape):
    return rng.standard_normal(shape, dtype=np.float32)


cases = [
    (softmax, (normal(1024, 1024),)),
    (layer_norm, (normal(1024, 1024), normal(1024), normal(1024))),
    (gelu, (normal(1_000_000),)),
    (attention, (normal(12, 128, 64), normal(12, 128, 64), normal(12, 128, 64))),
]
for function, args in cases:
    compiled = mlc.jit(function)
    got, exact = compiled(*args), function(*(np.float64(a) for a in args))
    error = np.max(np.abs(got - exact)) / np.max(np.abs(exact))
    print(
        f"{function.__name__:<11} error {error:.0e}   {mlc.time(compiled, *args, rival=function)}"
    )
    assert error < 1e-5
