"""Steps that were taken before are found again, and nothing else is changed by that."""

from __future__ import annotations

import random

import numpy as np
import pytest

import mlc
from mlc.errors import ScheduleError
from mlc.ir.structural import structural_key
from mlc.schedules.schedule import Schedule
from mlc.tune.measure.checking import make_reference
from mlc.tune.space import Fresh
from mlc.tune.spaces.structural import structural_space
from mlc.tune.steps import TakenBefore
from mlc.tune.targets import workloads_for

from .test_space import floats, product


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def test_what_is_found_again_is_what_a_schedule_makes_anew() -> None:
    (workload,) = workloads_for(mlc.jit(softmax), (floats(64, 96),), {})
    space, draw = structural_space(workload), random.Random(3)
    found = list(Fresh(workload).take(12, lambda: space.sample(draw)))
    assert len(found) == 12
    for candidate in found:
        anew = Schedule.from_json(workload.program, candidate.trace)
        assert anew.to_json() == candidate.trace
        assert structural_key(anew.program) == structural_key(candidate.program(workload))


def test_a_step_is_checked_once_for_each_program() -> None:
    known, program = TakenBefore(refusals=True), product(32, 32, 8)
    loops = []
    for _ in range(2):
        s = Schedule(program)
        known.attach(s)
        i, j, k = s.loops("C")
        outer, inner = s.split(i, [None, 8])
        s.reorder(outer, j, k, inner)
        with pytest.raises(ScheduleError, match="parallel") as caught:
            s.parallel(k)
        assert caught.value.refusal is not None
        s.split(j, [None, 4])
        loops.append((s.program, [t.step for t in s.trace]))
    assert loops[0][0] is loops[1][0] and loops[0][1] == loops[1][1]
    assert len(known._made) == 3 and len(known._refused) == 1


def test_what_is_taken_in_spite_of_a_refusal_is_not_found_again() -> None:
    known, program = TakenBefore(refusals=True), product(32, 32, 8)
    for is_unsafe in (True, False):
        s = Schedule(program)
        known.attach(s)
        k = s.loops("C")[2]
        if is_unsafe:
            s.parallel(k, unsafe=True)
            assert s.program.attrs["unsafe"] and s.trace[0].unsafe
        else:
            with pytest.raises(ScheduleError):
                s.parallel(k)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_that_are_near_and_those_that_are_not(dtype: str) -> None:
    wanted = np.linspace(-3, 3, 60, dtype=dtype).reshape(6, 10)
    wanted[2, 3], wanted[4] = np.nan, np.inf
    other = wanted.copy()
    other[5, 5] = 40.0  # where the default schedule finds another one, that is right too
    epsilon = float(np.finfo(dtype).eps)
    reference = make_reference([wanted], [other], "special", epsilon, 16)
    got = wanted + wanted.dtype.type(epsilon)
    assert reference.difference([got]) is None
    got[5, 5] = 40.0
    assert reference.difference([got]) is None
    for place, value in [((0, 0), 0.0), ((2, 3), 1.0), ((4, 1), -np.inf), ((5, 9), np.nan)]:
        damaged = got.copy()
        damaged[place] = value
        said = reference.difference([damaged])
        assert said is not None and f"at {list(place)} it is {value}" in said
        assert "in 1 of 60 elements" in said
