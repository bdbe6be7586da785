"""What the steps make runs on hardware: schedules by hand, and the default ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc
from mlc import script as T
from mlc.ir.program import Program
from mlc.schedules.defaults.cpu import default_schedule
from mlc.schedules.defaults.machine import Machine
from mlc.te.evaluate import evaluate
from mlc.te.program import Nest
from tests.schedules import test_defaults as cases


@T.program
def window(A: T.Buffer((66,)), B: T.Buffer((64,))) -> None:
    for i in T.serial(64):
        with T.block("window"):
            vi = T.axis.spatial(64, i)
            B[vi] = A[vi] + A[vi + 1] + A[vi + 2]


def run(program: Program, **options: Any) -> Any:
    a, b = np.random.default_rng(0).normal(size=66).astype("float32"), np.zeros(64, "float32")
    report = mlc.simulate(program, a, b, **options)
    np.testing.assert_array_equal(b, a[:-2] + a[1:-1] + a[2:])
    return report


def test_cooperative_fetch() -> None:
    """The threads of a block fetch a tile together, then use it."""
    s = mlc.Schedule(window)
    (i,) = s.loops("window")
    grid, threads = s.split(i, (None, 16))
    tile = s.cache_read("window", 0, "shared")
    s.compute_at(tile, grid)
    _, fetchers = s.split(s.loops(tile)[-1], (None, 16))
    s.bind(grid, "blockIdx.x")
    s.bind(threads, "threadIdx.x")
    s.bind(fetchers, "threadIdx.x")
    assert run(s.program).touched["A_shared"] == 18  # in each block
    with pytest.raises(mlc.SimulationError, match="without a barrier in between") as raised:
        run(s.program, implicit_barriers=False)
    assert {f.kind for f in raised.value.findings} == {"race"}  # type: ignore[attr-defined]


@T.program
def total(A: T.Buffer((8,)), B: T.Buffer((1,))) -> None:
    for i in T.serial(8):
        with T.block("sum"):
            vi = T.axis.reduce(8, i)
            with T.init():
                B[0] = 0.0
            B[0] += A[vi]


def test_a_step_taken_in_spite_of_its_refusal_is_caught() -> None:
    s = mlc.Schedule(total)
    (i,) = s.loops("sum")
    with pytest.raises(mlc.ScheduleError):
        s.parallel(i)
    s.parallel(i, unsafe=True)
    with pytest.raises(mlc.SimulationError, match="i=0 and i=1 both combine into B"):
        mlc.simulate(s, np.ones(8, "float32"), np.zeros(1, "float32"))


@pytest.mark.parametrize("make", cases.CASES, ids=lambda f: f.__name__)
@pytest.mark.parametrize("size", [(3, 20), (17, 33)], ids=str)
def test_default_schedules_are_sound(make: Any, size: tuple[int, int]) -> None:
    """Lanes, tiles, threads and scratch memory."""
    tensors, shared, inputs, outputs = make(*size)
    nests = [Nest((t,), t.op) for t in tensors]
    machine = Machine(vector_bytes=16, registers=16)
    done = default_schedule("f", nests, shared, inputs, outputs, machine)
    program = done.program
    rng = np.random.default_rng(0)
    feeds = {t: rng.uniform(0.9, 1.1, t.shape).astype("float32") for t in inputs}
    made = [np.zeros(b.shape, "float32") for b in program.params[len(inputs) :]]
    scratch = [b.name for b in program.params[len(inputs) : len(inputs) + len(done.scratch)]]
    mlc.simulate(program, *feeds.values(), *made, orders=2, scratch=scratch)
    want = evaluate(outputs, feeds)
    for w, got in zip(want, made[len(done.scratch) :], strict=True):
        np.testing.assert_allclose(got, w, 1e-5)
