"""Steps that say how loops run, and hints: what they write down, and where they are refused."""

from __future__ import annotations

import re

import pytest

from mlc import script as T
from mlc.errors import NotProvenError, ScheduleError
from mlc.ir.program import LoopKind
from mlc.schedules.schedule import Schedule
from mlc.schedules.step import find_loop

from . import samples
from .samples import assert_round_trips, assert_same_results, doubled, matmul, matmul_relu


@T.program
def gathered(index: T.Buffer((8,), "int64"), A: T.Buffer((8,)), B: T.Buffer((8,))):
    """B[index[i]] = A[i]: only the data tell which elements are written."""
    for i in T.serial(8):
        B[index[i]] = A[i]


@T.program
def copied(A: T.Buffer((8, 4)), B: T.Buffer((4, 6)), C: T.Buffer((8, 6))):
    """Rows of B go through a copy; C += A @ B."""
    row = T.alloc((6,), "float32")
    for i, j in T.grid(8, 6):
        with T.block("zero"):
            vi, vj = T.remap("SS", [i, j])
            C[vi, vj] = 0.0
    for k in T.serial(4):
        for j in T.serial(6):
            row[j] = B[k, j]
        for i, j in T.grid(8, 6):
            C[i, j] += A[i, k] * row[j]


@T.program
def copied_twice(A: T.Buffer((8, 4)), B: T.Buffer((8, 4))):
    """Each row goes through a buffer of its own."""
    for i in T.serial(8):
        row = T.alloc((4,), "float32")
        for j in T.serial(4):
            row[j] = A[i, j]
        for j in T.serial(4):
            B[i, j] = row[j] * 2.0


def kinds(schedule: Schedule, block: str) -> list[LoopKind]:
    return [find_loop(schedule.program, v).kind for v in schedule.loops(block)]


def test_kinds_of_loops_are_set_once() -> None:
    for step in ("parallel", "vectorize", "unroll"):
        s = Schedule(doubled())
        _, j = s.loops("B")
        getattr(s, step)(j)
        assert_same_results(s.program, s.original)
        assert_round_trips(s)
        with pytest.raises(ScheduleError, match=f"loop j is {kinds(s, 'B')[1].value} already"):
            s.unroll(j)


def test_parallel_is_refused() -> None:
    s = Schedule(samples.running_sum)
    (i,) = s.loops("B")
    with pytest.raises(ScheduleError, match=r"i=0 .* B\[0\].* i=1 .*") as e:
        s.parallel(i)
    assert e.value.refusal.witness.buffer == "B"
    with pytest.raises(ScheduleError, match="not independent"):
        s.vectorize(i)
    with pytest.raises(ScheduleError, match="not independent"):
        s.bind(i, "threadIdx.x")
    s = Schedule(doubled())
    i, j = s.loops("B")
    with pytest.raises(ScheduleError, match="grain must be at least one iteration, got 0"):
        s.parallel(i, grain=0)
    s.parallel(i)
    with pytest.raises(ScheduleError, match="loop j stands inside loop i, which is parallel"):
        s.parallel(j)


def test_what_depends_on_data_is_not_proven() -> None:
    s = Schedule(gathered)
    i = s.loop("i")
    for take in (s.parallel, s.vectorize, lambda i, **k: s.bind(i, "blockIdx.x", **k)):
        with pytest.raises(NotProvenError, match="was not proven"):
            take(i)
    s.parallel(i, unsafe=True)
    assert s.program.attrs["unsafe"] == ("s.parallel(i)",)


def test_vectorize_folds_what_is_commutative() -> None:
    s = Schedule(matmul())
    s.vectorize(s.loops("C")[2])
    assert_same_results(s.program, s.original)
    s = Schedule(matmul(k=2000))
    with pytest.raises(ScheduleError, match="loop k has 2000 iterations; split it by a vector"):
        s.vectorize(s.loops("C")[2])


def test_bind() -> None:
    s = Schedule(matmul())
    i, j, k = s.loops("C")
    s.bind(i, "blockIdx.x")
    j0, j1 = s.split(j, [None, 4])
    s.bind(j0, "vthread.x")
    s.bind(j1, "threadIdx.x")
    assert 'T.thread_binding(4, "threadIdx.x")' in s.program.script()
    assert_same_results(s.program, s.original)
    assert_round_trips(s)
    with pytest.raises(ScheduleError, match=r"use s.rfactor\(k\)"):
        s.bind(k, "vthread.y")


@pytest.mark.parametrize(
    ("first", "second", "sentence"),
    [
        ("threadIdx.x", "threadIdx.x", "loop i is bound to threadIdx.x already, and loops i and j"),
        ("threadIdx.x", "blockIdx.x", "threads are inside blocks of threads, and loop i is around"),
        ("blockIdx.x", "lane.x", "thread must be one of blockIdx.x"),
    ],
)
def test_bind_is_refused(first: str, second: str, sentence: str) -> None:
    s = Schedule(doubled())
    i, j = s.loops("B")
    s.bind(i, first)
    with pytest.raises(ScheduleError, match=re.escape(sentence)):
        s.bind(j, second)


def test_grids_and_pools_do_not_mix() -> None:
    s = Schedule(doubled())
    i, j = s.loops("B")
    s.bind(j, "threadIdx.x")
    with pytest.raises(ScheduleError, match="holds loop j, which is thread_binding already"):
        s.parallel(i)
    s.undo()
    s.parallel(i)
    with pytest.raises(ScheduleError, match="loop i is parallel already, and the threads of the"):
        s.bind(j, "threadIdx.x")


def test_bind_looks_inside_too() -> None:
    s = Schedule(doubled())
    i, j = s.loops("B")
    s.bind(j, "blockIdx.x")
    with pytest.raises(ScheduleError, match="threads are inside blocks of threads, and loop i is"):
        s.bind(i, "threadIdx.x")


def test_annotate_and_unannotate() -> None:
    s = Schedule(matmul())
    i, _, _ = s.loops("C")
    s.annotate(i, "depth", 4)
    s.annotate(i, "depth", 5)
    s.annotate("C", "sizes", [1, (2, "three")])
    s.annotate(s.block("C"), "fast", True)
    assert find_loop(s.program, i).annotations == (("depth", 5),)
    assert s.block("C").annotations == (("sizes", (1, (2, "three"))), ("fast", True))
    assert_round_trips(s)
    with pytest.raises(ScheduleError, match="loop i has annotations, which would be lost; split"):
        s.split(i, [None, 2])
    s.unannotate(i, "depth")
    s.unannotate("C", "fast")
    assert find_loop(s.program, i).annotations == ()
    assert_round_trips(s)
    with pytest.raises(ScheduleError, match="C has no hint 'fast'; it has sizes"):
        s.unannotate("C", "fast")
    with pytest.raises(ScheduleError, match=r"'thread' is what s.bind sets, which checks it"):
        s.annotate(i, "thread", "threadIdx.x")
    with pytest.raises(ScheduleError, match="a hint is a number, a string, None or a tuple"):
        s.annotate(i, "depth", i)
    s.parallel(i)
    with pytest.raises(ScheduleError, match="belongs to the kind of the loop"):
        s.unannotate(i, "grain")


def test_pipeline() -> None:
    s = Schedule(copied_twice)
    i = s.loop("i")
    s.pipeline(i, stages=[0, 1])
    assert dict(find_loop(s.program, i).annotations) == {
        "software_pipeline_stage": (0, 1),
        "software_pipeline_order": (0, 1),
    }
    assert_same_results(s.program, s.original)
    assert_round_trips(s)


@pytest.mark.parametrize(
    ("stages", "order", "sentence"),
    [
        ([0], [0], "holds 2 statements, so stages are 2 numbers >= 0, got"),
        ([0, -1], None, "so stages are 2 numbers >= 0"),
        ([0, 1], [1, 1], "order must hold each of 0 to 1 once"),
        ([1, 0], None, "statement 1 of loop k would run before statement 0 of the same iteration"),
        ([0, 0], [1, 0], "statement 1 of loop k would run before statement 0 of the same"),
        ([0, 1], None, "statement 0 of a later iteration of loop k would run before statement 1 of "
                       "this one, and both touch row"),
    ],
)  # fmt: skip
def test_pipeline_is_refused(stages, order, sentence) -> None:
    s = Schedule(copied)
    with pytest.raises(ScheduleError, match=re.escape(sentence)):
        s.pipeline(s.loop("k"), stages, order)


def test_pipeline_needs_statements() -> None:
    s = Schedule(matmul())
    with pytest.raises(ScheduleError, match="holds one statement; there is nothing to overlap"):
        s.pipeline(s.loops("C")[0], [0, 1])


@T.program
def copied_blocks(A: T.Buffer((4, 6)), C: T.Buffer((4, 6))):
    """Each row goes through a buffer that all rows share."""
    row = T.alloc((6,), "float32")
    for k in T.serial(4):
        for j in T.serial(6):
            with T.block("row"):
                vj = T.axis.spatial(6, j)
                row[vj] = 2.0
        for j in T.serial(6):
            with T.block("C"):
                vk, vj = T.remap("SS", [k, j])
                C[vk, vj] = A[vk, vj] * row[vj]


def test_a_double_buffer_lets_a_pipeline_run_ahead_by_one() -> None:
    s = Schedule(copied_blocks)
    k = s.loop("k")
    with pytest.raises(ScheduleError, match=r"both touch row: .*; allocate row inside the loop"):
        s.pipeline(k, stages=[0, 1])
    s.double_buffer("row")
    with pytest.raises(ScheduleError, match="both touch row"):
        s.pipeline(k, stages=[0, 2])
    s.pipeline(k, stages=[0, 1])
    assert_same_results(s.program, s.original)
    assert_round_trips(s)


def test_double_buffer_is_refused() -> None:
    s = Schedule(matmul_relu())
    with pytest.raises(ScheduleError, match="combines into Y, so it needs what it left there"):
        s.double_buffer("Y")
    with pytest.raises(ScheduleError, match="C is a parameter, which exists once"):
        s.double_buffer("C")


def test_unroll_by_a_factor() -> None:
    s = Schedule(matmul())
    i, _, k = s.loops("C")
    s.unroll(k, 3)
    s.unroll(k, 2)
    assert dict(find_loop(s.program, k).annotations) == {"unrolled_by": 2}
    assert find_loop(s.program, k).kind is LoopKind.SERIAL
    assert_same_results(s.program, s.original)
    assert_round_trips(s)
    extent = find_loop(s.program, i).extent
    for factor in (1, 0, extent + 1):
        sentence = f"factor must be from 2 to the extent of loop i, which is {extent}, got {factor}"
        with pytest.raises(ScheduleError, match=re.escape(sentence)):
            s.unroll(i, factor)
    with pytest.raises(ScheduleError, match=r"'unrolled_by' is what s\.unroll sets"):
        s.annotate(k, "unrolled_by", 0)


def test_prefetch() -> None:
    s = Schedule(matmul())
    i, _, k = s.loops("C")
    s.prefetch("C", "B", k, 2)
    s.prefetch("C", "B", k, 3)
    s.prefetch("C", "A", k)
    assert dict(find_loop(s.program, k).annotations)["prefetch"] == (("C", "B", 3), ("C", "A", 1))
    assert_round_trips(s)
    s.prefetch("C", "A", k, 2, part=1, parts=3)
    assert dict(find_loop(s.program, k).annotations)["prefetch"][1] == ("C", "A", 2, 1, 3)
    assert_round_trips(s)
    with pytest.raises(ScheduleError, match="part must be one of 0 to parts - 1 = 1, got 2"):
        s.prefetch("C", "A", k, 2, part=2, parts=2)
    with pytest.raises(ScheduleError, match="block 'C' does not read 'D'; it reads A, B"):
        s.prefetch("C", "D", k)
    with pytest.raises(ScheduleError, match="distance must be at least one iteration, got 0"):
        s.prefetch("C", "A", i, 0)
    s = Schedule(matmul_relu())
    with pytest.raises(ScheduleError, match="loop i does not stand around block 'C'"):
        s.prefetch("C", "Y", s.loops("Y")[0])
