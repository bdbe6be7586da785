"""Reductions taken apart into parts that do not touch each other."""

from __future__ import annotations

import numpy as np
import pytest

from mlc import te
from mlc.errors import ScheduleError
from mlc.ir.program import Allocate, Program
from mlc.schedules.schedule import Schedule
from tests.ir.samples import mm_relu, program_of
from tests.schedules.programs import same_results


def row_sums(rows: int = 3, columns: int = 10) -> Program:
    x = te.placeholder((rows, columns), "float32", name="x")
    k = te.reduce_axis(columns, "k")
    t = te.compute((rows,), lambda i: te.sum(x[i, k], axis=k), name="t")
    return program_of("rows", [t], [x])


def argmax(columns: int = 10, commutative: bool = True) -> Program:
    x = te.placeholder((3, columns), "float32", name="x")
    best = te.comm_reducer(
        lambda a, b: (
            te.select((a[1] > b[1]) | ((a[1] >= b[1]) & (a[0] <= b[0])), a[0], b[0]),
            te.max(a[1], b[1]),
        ),
        identity=(2**62, -np.inf),
        dtype=("int64", "float32"),
        name="argmax",
        commutative=commutative,
    )
    k = te.reduce_axis(columns, "k")
    y = te.compute((3,), lambda i: best((k, x[i, k]), axis=k), name="best")
    return program_of("argmax", y, [x])


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("factors", [[None, 5], [None, 4], [4, 4], [None, 16]])
@pytest.mark.parametrize("make", [row_sums, argmax])
def test_both_loops_of_a_split_sum_can_be_factored(make, factors, which) -> None:  # type: ignore[no-untyped-def]
    before = make()
    s = Schedule(before)
    block = s.program.params[-1].name.split(".")[0]
    loops = s.split(s.loops(block)[1], factors)
    assert s.rfactor(loops[which], factor_axis=1 - which) == f"{block}_rf"
    assert isinstance(s.program.body, Allocate)
    same_results(before, s.program)
    s.parallel(s.loops(f"{block}_rf")[1 + which])
    same_results(before, s.program)


def test_a_whole_reduce_loop_is_factored() -> None:
    before = row_sums()
    s = Schedule(before)
    _, k = s.loops("t")
    s.rfactor(k, factor_axis=-1)
    assert s.block("t_rf").init is None
    same_results(before, s.program)


def test_two_reduce_axes() -> None:
    x = te.placeholder((4, 5, 6), "float32", name="x")
    p, q = te.reduce_axis(5, "p"), te.reduce_axis(6, "q")
    t = te.compute((4,), lambda i: te.max(x[i, p, q], axis=(p, q)), name="t")
    before = program_of("f", [t], [x])
    for n in (1, 2):
        s = Schedule(before)
        s.rfactor(s.loops("t")[n])
        same_results(before, s.program)
    s = Schedule(before)
    _, p, q = s.loops("t")
    f0, f1 = s.split(s.fuse(p, q), [None, 7])
    s.reorder(f1, f0)
    s.rfactor(f1)
    same_results(before, s.program)


def test_parts_then_a_consumer() -> None:
    before = mm_relu(4, 6, 8)
    s = Schedule(before)
    _, _, k = s.loops("Y")
    k0, _ = s.split(k, [2, 4])
    s.rfactor(k0, 1)
    s.compute_at("Y_rf", s.loops("Y")[1])
    s.reverse_compute_at("C", s.loops("Y")[1])
    same_results(before, s.program)


def test_rfactor_needs_a_reduce_loop() -> None:
    s = Schedule(row_sums())
    i, k = s.loops("t")
    with pytest.raises(ScheduleError, match=r"axis of block 't'; use s.rfactor\(k\)"):
        s.rfactor(i)
    with pytest.raises(ScheduleError, match=r"factor_axis is 2; t has 1 dimensions"):
        s.rfactor(k, 2)
    s.decompose_reduction("t", k)
    with pytest.raises(ScheduleError, match="rfactor comes before decompose_reduction"):
        s.rfactor(k)


def test_rfactor_needs_a_commutative_combiner() -> None:
    s = Schedule(argmax(commutative=False))
    with pytest.raises(
        ScheduleError,
        match=r"folds with argmax, which is not commutative: its parts must be combined in order: "
        r"k=0 and k=1 both combine into best.0\[0\]",
    ):
        s.rfactor(s.loops("best")[1])
