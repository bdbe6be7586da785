"""Blocks that fold, moved under loops in which they would run several times."""

from __future__ import annotations

import pytest

import mlc
from mlc import script as T
from mlc.errors import ScheduleError
from mlc.schedules.schedule import Schedule
from tests.schedules.programs import same_results


@T.program(outputs=2)
def folded_on_the_way(
    a: T.Buffer((2, 2), "float32"), y: T.Buffer((2,), "float32"), x: T.Buffer((2, 16), "float32")
):
    for k, l in T.grid(2, 4):
        for m in T.serial(4):
            with T.block("X"):
                v0 = T.axis.spatial(2, k)
                v1 = T.axis.spatial(16, l * 4 + m)
                x[v0, v1] = a[v0, v0] + 1.0
        with T.block("Y"):
            v0 = T.axis.spatial(2, k)
            v1 = T.axis.reduce(4, l)
            with T.init():
                y[v0] = 0.0
            y[v0] += x[v0, 0]


def test_a_fold_along_a_loop_that_stays_outside_is_done_once_in_each() -> None:
    """The init of y, at l=0, does not begin anew what m would combine four times."""
    s = mlc.Schedule(folded_on_the_way)
    with pytest.raises(ScheduleError, match="would combine again what it has combined already"):
        s.reverse_compute_at("Y", s.loops("X")[2])


@T.program(outputs=2)
def folded_inside(
    a: T.Buffer((2, 2), "float32"), y: T.Buffer((2,), "float32"), x: T.Buffer((2, 4), "float32")
):
    for k in T.serial(2):
        for m in T.serial(4):
            with T.block("X"):
                v0, v1 = T.remap("SS", [k, m])
                x[v0, v1] = a[v0, v0] + 1.0
        for l in T.serial(4):
            with T.block("Y"):
                v0, v1 = T.remap("SR", [k, l])
                with T.init():
                    y[v0] = 0.0
                y[v0] += x[v0, 0]


def test_a_whole_fold_may_be_done_again() -> None:
    s = Schedule(folded_inside)
    s.reverse_compute_at("Y", s.loops("X")[1])
    same_results(folded_inside, s.program)
