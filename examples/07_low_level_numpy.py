"""The low-level NumPy twin: the same program as explicit Python loops over explicit arrays.

It is slow on purpose. It can be read, changed and run, and it says what the compiled kernel
computes, before a schedule splits and reorders its loops.
"""

import numpy as np

import mlc


@mlc.jit
def mm_relu(a, b):
    return np.maximum(a @ b, 0)


rng = np.random.default_rng(0)
a, b = rng.standard_normal((4, 6), np.float32), rng.standard_normal((6, 5), np.float32)

twin = mm_relu.lower(a, b).numpy
print(twin)

by_hand = mlc.jit(lambda a, b: np.maximum(a @ b, 0), target="numpy")
assert np.allclose(by_hand(a, b), mm_relu(a, b), atol=1e-5)
print("the twin, the compiled kernel and NumPy agree")
assert np.allclose(by_hand(a, b), np.maximum(a @ b, 0), atol=1e-5)
