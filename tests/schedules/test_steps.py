"""Each step keeps the meaning, and is refused with a reason where it would not."""

from __future__ import annotations

import pytest

import mlc.te as te
from mlc.errors import ScheduleError
from mlc.ir.program import For, LoopKind, Program, walk
from mlc.schedules.schedule import Schedule
from mlc.te.program import Nest, create_program


def matmul(m: int = 6, n: int = 8, k: int = 4) -> Program:
    a = te.placeholder((m, k), name="A")
    b = te.placeholder((k, n), name="B")
    r = te.reduce_axis(k, "k")
    c = te.compute((m, n), lambda i, j: te.sum(a[i, r] * b[r, j], axis=r), name="C")
    return create_program("mm", [Nest((c,), c.op)], [a, b], [c])


def extents(program: Program) -> list[int]:
    return [node.extent for node in walk(program.body) if isinstance(node, For)]


def test_split_guards_what_does_not_divide() -> None:
    s = Schedule(matmul(m=7))
    i, _, _ = s.loops("C")
    s.split(i, [None, 4])
    assert extents(s.program) == [2, 4, 8, 4]
    assert repr(s.block("C").predicate) == "i_0 * 4 + i_1 < 7"


def test_split_refuses_factors_that_lose_iterations() -> None:
    s = Schedule(matmul())
    i, _, _ = s.loops("C")
    with pytest.raises(
        ScheduleError, match=r"cover 4 of 6 iterations of i; iteration 4 would be lost"
    ):
        s.split(i, [2, 2])


def test_split_refuses_a_parallel_loop() -> None:
    s = Schedule(matmul())
    i, _, _ = s.loops("C")
    s.parallel(i)
    with pytest.raises(ScheduleError, match="loop i is parallel already; split it before that"):
        s.split(i, [None, 2])


def test_parallel_over_a_reduce_axis_is_refused_with_two_iterations_that_clash() -> None:
    s = Schedule(matmul())
    _, _, k = s.loops("C")
    with pytest.raises(
        ScheduleError, match=r"k=0 and k=1 both combine into C\[0, 0\]; use s.rfactor"
    ):
        s.parallel(k)


def test_one_level_of_parallelism() -> None:
    s = Schedule(matmul())
    i, j, _ = s.loops("C")
    s.parallel(j)
    with pytest.raises(ScheduleError, match="one level of parallelism only"):
        s.parallel(i)


def test_reorder_needs_a_chain() -> None:
    s = Schedule(matmul())
    i, j, k = s.loops("C")
    s.reorder(k, i)
    assert [v.name for v in s.loops("C")] == ["k", "j", "i"]
    s.reorder(i, j, k)
    assert [v.name for v in s.loops("C")] == ["i", "j", "k"]


def test_reorder_refuses_reduce_loops_of_an_ordered_fold() -> None:
    last = te.comm_reducer(lambda a, b: b, 0.0, "float32", name="last", commutative=False)
    x = te.placeholder((4, 5), name="x")
    p, q = te.reduce_axis(4, "p"), te.reduce_axis(5, "q")
    y = te.compute((), lambda: last(x[p, q], axis=(p, q)), name="y")
    s = Schedule(create_program("f", [Nest((y,), y.op)], [x], [y]))
    with pytest.raises(ScheduleError, match=r"not commutative, so its reduce loops p, q must keep"):
        s.reorder(*reversed(s.loops("y")))


def test_vectorize_wants_the_innermost_loop() -> None:
    s = Schedule(matmul())
    i, _, _ = s.loops("C")
    with pytest.raises(ScheduleError, match="loop i holds other loops"):
        s.vectorize(i)


def test_unknown_blocks_are_named() -> None:
    with pytest.raises(ScheduleError, match="no block 'D' in 'mm'; it has C"):
        Schedule(matmul()).block("D")


def test_the_steps_print_as_python() -> None:
    s = Schedule(matmul())
    i, j, k = s.loops("C")
    j0, j1 = s.split(j, [None, 4])
    s.reorder(j0, k, j1)
    s.vectorize(j1)
    s.parallel(i, grain=2)
    assert s.source() == (
        "@mlc.schedule\n"
        "def mm_schedule(s):\n"
        "    i, j, k = s.loops('C')\n"
        "    j_0, j_1 = s.split(j, [None, 4])\n"
        "    s.reorder(j_0, k, j_1)\n"
        "    s.vectorize(j_1)\n"
        "    s.parallel(i, grain=2)\n"
    )


def test_fused_loops_cover_the_same_points() -> None:
    s = Schedule(matmul())
    i, j, _ = s.loops("C")
    fused = s.fuse(i, j)
    assert extents(s.program) == [48, 4]
    s.unroll(fused)
    kinds = [n.kind for n in walk(s.program.body) if isinstance(n, For)]
    assert kinds == [LoopKind.UNROLLED, LoopKind.SERIAL]
