"""An operator of one's own against NumPy: tried on many inputs; what fails is a test to paste."""

import numpy as np

import mlc
import mlc.testing
from mlc import te


@mlc.op
def running_sum(x, *, width=3):
    """out[i] = x[i] + ... + x[i + width - 1]."""
    r = te.reduce_axis(width)
    return te.compute((x.shape[0] - width + 1,), lambda i: te.sum(x[i + r], axis=r))


def reference(x, width=3):
    return np.lib.stride_tricks.sliding_window_view(x, width).sum(-1)


def forgets_the_last(x, width=3):
    return reference(x, width)[:-1]


options = {"shapes": ["n"], "sizes": {"n": (3, 9)}, "options": {"width": 3}, "examples": 10}
mlc.testing.check_op(running_sum, reference, **options)
print("running_sum does what its reference does, on three backends")

try:
    mlc.testing.check_op(running_sum, forgets_the_last, **options)
except AssertionError as error:
    print("\nagainst a wrong reference, a test to paste:\n")
    print(error)
else:
    raise SystemExit("the wrong reference was not noticed")


def energy(x, w):
    return np.sqrt(running_sum(x * w, width=5) ** 2 + 1)


def energy_in_numpy(x, w):
    return np.sqrt(reference(x * w, 5) ** 2 + 1)


x, w = np.random.default_rng(0).standard_normal((2, 1000)).astype(np.float32)
mlc.testing.check_against_numpy(energy, x, w, reference=energy_in_numpy)
mlc.testing.check_schedules(energy, x[:8], w[:8], examples=3, max_steps=3)
print("energy is right, and so are schedules of it")
