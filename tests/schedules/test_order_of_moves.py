"""A block that reads memory of its own scope moves before that memory is made."""

import numpy as np
import pytest

import mlc
from mlc import te
from mlc.errors import ScheduleError


def norms():
    x = te.placeholder((8, 64), name="X")
    k = te.reduce_axis(64, "k")
    total = te.compute((8,), lambda i: te.sum(x[i, k] * x[i, k], axis=k), name="S")
    return te.create_program(
        [x, te.compute((8, 64), lambda i, j: x[i, j] / te.sqrt(total[i]), name="Y")]
    )


def test_a_factored_block_says_that_it_moves_first():
    @mlc.schedule
    def late(s):
        _, k = s.loops("S")
        _, lanes = s.split(k, [None, 16])
        s.rfactor(lanes)
        s.compute_at("S", s.loops("Y")[0])

    words = (
        "S_rf is allocated around the loops of 'S' alone; move 'S' first, and then take the step"
    )
    with pytest.raises(ScheduleError, match=words):
        late(norms())


def test_so_it_can_be_factored():
    @mlc.schedule
    def early(s):
        s.compute_at("S", s.loops("Y")[0])
        _, lanes = s.split(s.loops("S")[-1], [None, 16])
        s.rfactor(lanes)

    x = np.random.default_rng(0).standard_normal((8, 64))
    x = x.astype(np.float32)
    found = np.empty_like(x)
    mlc.build(early(norms()))(x, found)
    np.testing.assert_allclose(found, x / np.linalg.norm(x, axis=1, keepdims=True), rtol=1e-5)
