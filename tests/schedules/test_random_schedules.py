"""Sequences of steps drawn by chance: what is accepted keeps every result, and its trace comes back
from source and from JSON."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlc.errors import ScheduleError
from mlc.ir.program import For, blocks_of, walk
from mlc.lower.pipeline import lower
from mlc.schedules.schedule import Schedule

from . import samples
from .samples import assert_round_trips, doubled, matmul, matmul_relu, run

PROGRAMS = (
    lambda: doubled(7, 5),
    lambda: matmul(4, 6, 3),
    lambda: matmul_relu(3, 4, 2),
    lambda: samples.two_stages,
    lambda: samples.private_row,
    lambda: samples.shifted_read,
    lambda: samples.diagonal,
    lambda: samples.running_sum,
)


def take_one(draw, s: Schedule) -> None:
    """One step on loops and blocks of the program, fitting or not."""
    loops = [n.var for n in walk(s.program.body) if isinstance(n, For)]
    names = [b.name for b in blocks_of(s.program.body)]
    loop = draw(st.sampled_from(loops))
    other = draw(st.sampled_from(loops))
    size = draw(st.integers(1, 4))
    match draw(st.integers(0, 25)):
        case 0 | 1:
            tail = draw(st.sampled_from(["guard", "cut", "shift", "pad"]))
            s.split(
                loop, draw(st.sampled_from([[None, size], [size, None], [None, 2, size]])), tail
            )
        case 2:
            s.fuse(loop, other)
        case 3:
            inner = [
                n.body.var
                for n in walk(s.program.body)
                if isinstance(n, For) and n.var is loop and isinstance(n.body, For)
            ]
            s.fuse(loop, *inner)
        case 4 | 5:
            s.reorder(*draw(st.permutations(loops))[: draw(st.integers(2, 4))])
        case 6:
            s.add_unit_loop(draw(st.sampled_from([*names, loop])))
        case 7:
            s.parallel(loop, grain=size)
        case 8:
            s.vectorize(loop)
        case 9:
            s.unroll(loop)
        case 10:
            s.bind(loop, draw(st.sampled_from(["blockIdx.x", "threadIdx.x", "vthread.y"])))
        case 11:
            s.annotate(draw(st.sampled_from([*names, loop])), "hint", size)
        case 12:
            s.cut_loop(loop, size)
        case 13:
            s.loop_partition(loop, [size, size + 1])
        case 14:
            s.fission(loop, size)
        case 15:
            s.merge(loop, other)
        case 16:
            t = s.sample_perfect_tile(loop, 2, max_innermost=4)
            s.split(loop, t)
        case 17:
            s.cache_read(draw(st.sampled_from(names)), 0, "shared")
        case 18:
            s.cache_write(draw(st.sampled_from(names)), 0, "local")
        case 19:
            s.compute_at(draw(st.sampled_from(names)), loop)
        case 20:
            s.reverse_compute_at(draw(st.sampled_from(names)), loop)
        case 21:
            s.compute_inline(draw(st.sampled_from(names)))
        case 22:
            s.rfactor(loop)
        case 23:
            s.decompose_reduction(draw(st.sampled_from(names)), loop)
        case 24:
            s.blockize(loop)
        case 25:
            s.reindex(draw(st.sampled_from(names)), 0)


@pytest.mark.parametrize("make", PROGRAMS, ids=range(len(PROGRAMS)))
@settings(max_examples=20)
@given(data=st.data())
def test_accepted_steps_keep_every_result(make, data) -> None:
    s = Schedule(make(), seed=0)
    for _ in range(data.draw(st.integers(1, 7))):
        program = s.program
        try:
            take_one(data.draw, s)
        except ScheduleError as error:
            assert str(error), "a refusal is a sentence"
            if len(s.trace) and s.trace[-1].step.name == "sample_perfect_tile":
                continue
            assert s.program is program
    want = run(s.original)
    for program in (s.program, lower(s.program)):
        for got, expected in zip(run(program), want, strict=True):
            np.testing.assert_array_equal(got, expected)
    assert_round_trips(s)


def test_an_init_inside_a_loop_that_feeds_both_kinds_of_axes() -> None:
    s = Schedule(matmul_relu(3, 4, 2))
    _, j, k = s.loops("Y")
    k_0, _ = s.split(k, [1, None])
    s.fuse(j, k_0)
    for got, expected in zip(run(lower(s.program)), run(s.original), strict=True):
        np.testing.assert_array_equal(got, expected)
