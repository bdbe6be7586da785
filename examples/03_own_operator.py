"""An operator that NumPy lacks, declared by its tensor expression and used like any other."""

import numpy as np

import mlc
from mlc import te


@mlc.op
def window_sum(x, *, width=3):
    """out[i] = x[i] + ... + x[i + width - 1]."""
    r = te.reduce_axis(width)
    return te.compute((x.shape[0] - width + 1,), lambda i: te.sum(x[i + r], axis=r))


@mlc.jit
def smoothed_energy(x):
    """The operator sits between NumPy functions, and they are compiled together."""
    return np.sqrt(window_sum(x * x, width=5) / 5)


x = np.random.default_rng(0).standard_normal(10_000).astype(np.float32)
got = smoothed_energy(x)
want = np.sqrt(np.lib.stride_tricks.sliding_window_view(x * x, 5).sum(-1) / 5)
print(f"window_sum inside jit: {got.shape}, largest difference {np.max(np.abs(got - want)):.1e}")
assert np.allclose(got, want, rtol=1e-5, atol=1e-6)

print("\nwhat it became")
print(smoothed_energy.lower(x).program)
