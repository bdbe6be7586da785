"""The schedules that the tests look at."""

from __future__ import annotations

import mlc
from mlc import script as T
from mlc.schedules.schedule import Schedule


@T.program
def mm_relu(
    A: T.Buffer((128, 128)),
    B: T.Buffer((128, 128)),
    C: T.Buffer((128, 128)),
):
    """C = max(A @ B, 0)."""
    Y = T.alloc((128, 128), "float32")
    for i, j, k in T.grid(128, 128, 128):
        with T.block("Y"):
            vi, vj, vk = T.remap("SSR", [i, j, k])
            with T.init():
                Y[vi, vj] = 0.0
            Y[vi, vj] += A[vi, vk] * B[vk, vj]
    for i, j in T.grid(128, 128):
        with T.block("C"):
            vi, vj = T.remap("SS", [i, j])
            C[vi, vj] = T.maximum(Y[vi, vj], 0.0)


def walked() -> Schedule:
    """The walk through the loops of mm_relu, and one vector loop."""
    s = mlc.Schedule(mm_relu)
    _, j, k = s.loops("Y")
    j_0, j_1 = s.split(j, [None, 4])
    s.reorder(j_0, k, j_1)
    s.reverse_compute_at("C", j_0)
    s.decompose_reduction("Y", k)
    s.vectorize(j_1)
    return s
