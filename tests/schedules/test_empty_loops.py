"""Programs in which a loop has no iterations are not scheduled."""

import numpy as np
import pytest

import mlc
from mlc import script as T


def test_a_loop_without_iterations():
    @T.program
    def sums(A: T.Buffer((4, 0)), B: T.Buffer((4,))):
        for i, k in T.grid(4, 0):
            with T.block("B"):
                vi, vk = T.remap("SR", [i, k])
                with T.init():
                    B[vi] = 0.0
                B[vi] += A[vi, vk]

    s = mlc.Schedule(sums)
    i, _ = s.loops("B")
    with pytest.raises(mlc.ScheduleError, match="loop k of 'sums' has no iterations"):
        s.parallel(i)
    out = np.full(4, 7, np.float32)
    mlc.build(s)(np.empty((4, 0), np.float32), out)
    np.testing.assert_array_equal(out, 0)
