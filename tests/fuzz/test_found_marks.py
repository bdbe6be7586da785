"""What random sequences have found around loops whose iterations run at once, and in what they are
checked with."""

from __future__ import annotations

import pytest

import mlc.testing
from mlc import script as T
from mlc.errors import NotProvenError, ScheduleError
from mlc.ir.program import Program
from mlc.schedules.legality import verify
from mlc.schedules.schedule import Schedule
from mlc.testing.checking import Subject, arrays_for
from mlc.testing.draw import is_sound
from mlc.testing.intrinsics import NAMES

assert "testing_sum4" in NAMES


@T.program
def plus_one(A: T.Buffer((4,)), X: T.Buffer((4,))):
    for i in T.serial(4):
        with T.block("X"):
            vi = T.axis.spatial(4, i)
            X[vi] = A[vi] + 1.0


def test_vectorized_loops_get_no_loops_inside() -> None:
    s = Schedule(plus_one)
    (i,) = s.loops("X")
    copy = s.cache_read("X", "A", "local")
    s.compute_at(copy, i)
    s.vectorize(i)
    before = s.program
    with pytest.raises(ScheduleError, match="loop i is vectorized and would hold loop ax0") as e:
        s.cache_read("X", "A_local", "local")
    assert "take this step before vectorize" in str(e.value)
    assert s.program is before and len(s.trace) == 3
    s.undo()
    s.cache_read("X", "A_local", "local")
    mlc.testing.check_schedule(plus_one, s)


@T.program
def read_twice(A: T.Buffer((4,)), X: T.Buffer((4, 4)), Y: T.Buffer((4,))):
    for i, j in T.grid(4, 4):
        with T.block("X"):
            vi, vj = T.remap("SS", [i, j])
            X[vi, vj] = A[vj] + 1.0
    for k in T.serial(4):
        with T.block("Y"):
            vk = T.axis.spatial(4, k)
            Y[vk] = A[vk] + 2.0


@pytest.mark.unproven
@pytest.mark.parametrize("kind", ["parallel", "bind"])
def test_what_serial_runs_do_not_show_is_no_proof(kind: str) -> None:
    """The copy is read outside as well, so that all iterations of i would make the same one."""
    s = Schedule(read_twice)
    i, _ = s.loops("X")
    copy = s.cache_read("X", "A", "local")
    serial = s.copy()
    serial.compute_at(copy, i)
    if kind == "parallel":
        s.parallel(i)
    else:
        s.bind(i, "threadIdx.x")
    with pytest.raises(ScheduleError, match="iterations of loop i are not independent") as found:
        s.compute_at(copy, i)
    assert not isinstance(found.value, NotProvenError)
    assert verify(serial.program, found.value.refusal.witness)


def test_reindex_copies_back_what_was_written() -> None:
    s = Schedule(plus_one)
    s.cut_loop(s.loops("X")[0], 1)
    with pytest.raises(ScheduleError, match="not shown that block 'X_1' runs at all of its points"):
        s.reindex("X_1", "X")


@T.program
def gathered(I: T.Buffer((4,), "int64"), X: T.Buffer((4,))):
    t = T.alloc((4,), "float32")
    for i in T.serial(3):
        with T.block("t"):
            vi = T.axis.spatial(3, i)
            t[vi] = 1.0
    for i in T.serial(4):
        with T.block("X"):
            vi = T.axis.spatial(4, i)
            X[vi] = t[I[vi] % 4]


def test_programs_that_read_what_was_never_written_are_not_drawn() -> None:
    """For zeros, gathered reads t[0] alone; for others, the element that is not written."""
    assert isinstance(gathered, Program)
    assert not is_sound(gathered)
    assert is_sound(plus_one)


def test_inputs_lead_to_what_was_written() -> None:
    """Of the inputs that are tried, those are taken for which the result is not open."""
    telling = [s for s in range(40) if (arrays_for(gathered, s)[0] % 4 < 3).all()]
    assert telling[0] > 0
    assert (Subject(gathered, telling[0] - 1).arrays[0] % 4 < 3).all()


@T.program
def cleared(A: T.Buffer((8,)), X: T.Buffer((4,))):
    """Run serially, an iteration reads what only later ones clear."""
    p = T.alloc((8,), "float32")
    for i in T.serial(8):
        with T.block("p"):
            vi = T.axis.spatial(8, i)
            p[vi] = A[vi] * 2.0
    for i in T.serial(4):
        with T.block("X"):
            vi = T.axis.spatial(4, i)
            X[vi] = p[vi + 1]
        with T.block("A"):
            vi = T.axis.spatial(4, i)
            A[vi] = 0.0


@pytest.mark.unproven
@pytest.mark.parametrize("kind", ["parallel", "vectorize", "bind", "serial"])
def test_what_is_inlined_into_a_marked_loop_keeps_it_independent(kind: str) -> None:
    s = Schedule(cleared)
    (i,) = s.loops("X")
    if kind == "serial":
        s.compute_inline("p")
        mlc.testing.check_schedule(cleared, s)
        return
    getattr(s, kind)(i, *(["threadIdx.x"] if kind == "bind" else []))
    with pytest.raises(ScheduleError, match=r"X' reads A\[1\], i=1 of block 'A' writes it"):
        s.compute_inline("p")


def test_a_call_may_combine_into_what_an_init_has_set() -> None:
    @T.program
    def summed(A: T.Buffer((1, 8)), C: T.Buffer((1,))):
        for i, k0, k1 in T.grid(1, 2, 4):
            with T.block("C"):
                vi = T.axis.spatial(1, i)
                vk = T.axis.reduce(8, k0 * 4 + k1)
                with T.init():
                    C[vi] = 0.0
                C[vi] += A[vi, vk]

    s = Schedule(summed)
    _, _, k1 = s.loops("C")
    s.blockize(k1)
    s.tensorize(k1, "testing_sum4")
    mlc.testing.check_schedule(summed, s)


def test_lanes_do_not_fold_before_another_init() -> None:
    @T.program
    def twice(A: T.Buffer((3,)), Z: T.Buffer((1,))):
        for i in T.serial(3):
            with T.block("one"):
                vi = T.axis.reduce(3, i)
                with T.init():
                    Z[0] = 0.0
                Z[0] += A[vi] + 1.0
            with T.block("two"):
                vi = T.axis.reduce(3, i)
                with T.init():
                    Z[0] = 0.0
                Z[0] += A[vi] + 1.0

    s = Schedule(twice)
    (i,) = s.loops("one")
    with pytest.raises(ScheduleError, match=r"i=0 and i=1 both combine into Z\[0\]"):
        s.vectorize(i)


def test_a_pipeline_holds_after_later_steps_too() -> None:
    @T.program
    def staged(A: T.Buffer((4,)), X: T.Buffer((4,))):
        t = T.alloc((4,), "float32")
        for k in T.serial(4):
            with T.block("t"):
                vk = T.axis.spatial(4, k)
                t[vk] = A[vk] * 2.0
            with T.block("X"):
                vk = T.axis.spatial(4, k)
                X[vk] = t[vk]

    s = Schedule(staged)
    (k,) = s.loops("t")
    s.pipeline(k, [0, 1])
    with pytest.raises(ScheduleError, match=r"k is pipelined, which would not fit any more: .*one"):
        s.compute_inline("t")
    with pytest.raises(ScheduleError, match="take this step before pipeline, or unannotate k"):
        s.parallel(k)
    s.unannotate(k, "software_pipeline_stage")
    s.compute_inline("t")
    mlc.testing.check_schedule(staged, s)


def test_a_call_does_not_write_into_the_copy_that_it_reads() -> None:
    @T.program
    def onto(A: T.Buffer((1, 4)), C: T.Buffer((1,))):
        for x in T.serial(1):
            with T.block("fill"):
                vx = T.axis.spatial(1, x)
                C[vx] = 0.0
        for i, k in T.grid(1, 4):
            with T.block("C"):
                vi, vk = T.remap("SR", [i, k])
                C[vi] += A[vi, vk]

    s = Schedule(onto)
    block = s.tensorize(s.loops("C")[0], "testing_sum4")
    with pytest.raises(ScheduleError, match=r"hands C to a call that writes it as well"):
        s.cache_read(block, "C", "local")
    s.cache_read(block, "A", "local")
    s.cache_write(block, "C", "local")
    mlc.testing.check_schedule(onto, s)


def test_rfactor_sees_a_reduction_start_anew_in_a_fused_loop() -> None:
    @T.program
    def anew(Y: T.Buffer((4,)), Z: T.Buffer((1,))):
        for _i, j in T.grid(4, 2):
            with T.block("Z"):
                vj = T.remap("R", [j])
                with T.init():
                    Z[0] = 0.0
                Z[0] += Y[vj]

    s = Schedule(anew)
    ij = s.fuse(*s.loops("Z"))
    with pytest.raises(ScheduleError, match="the reduction of block 'Z' starts anew within _ij"):
        s.rfactor(ij)


def test_a_cache_knows_which_loops_feed_the_axes_of_outer_blocks() -> None:
    @T.program
    def outer(A: T.Buffer((4,)), X: T.Buffer((4,))):
        for j in T.serial(4):
            t = T.alloc((1,), "float32")
            for i in T.serial(1):
                with T.block("t"):
                    vi = T.axis.spatial(1, i)
                    t[vi] = 1.0
            with T.block("outer"):
                w = T.axis.spatial(4, j)
                for o in T.serial(3):
                    with T.block("sum"):
                        v0, v1 = T.axis.reduce(4, w), T.axis.reduce(3, o)
                        with T.init():
                            t[0] = 0.0
                        t[0] += A[v0] * T.float32(v1)
            with T.block("X"):
                vj = T.remap("S", [j])
                X[vj] = t[0]

    s = Schedule(outer)
    with pytest.raises(ScheduleError, match="goes on in later iterations of j with what t holds"):
        s.cache_write("sum", "t", "global")


def test_an_axis_of_one_point_is_0_where_it_is_folded() -> None:
    @T.program
    def turned(A: T.Buffer((1, 4)), X: T.Buffer((4, 1))):
        t = T.alloc((1, 4), "float32")
        for i, j in T.grid(1, 4):
            with T.block("t"):
                vi, vj = T.remap("SS", [i, j])
                t[vi, vj] = A[vi, vj]
        for i, j in T.grid(4, 1):
            with T.block("X"):
                vi, vj = T.remap("SS", [i, j])
                X[vi, vj] = t[0 - vj, vi]

    s = Schedule(turned)
    s.reverse_compute_inline("X")
    mlc.testing.check_schedule(turned, s)


def test_blockize_sees_a_reduction_start_anew() -> None:
    @T.program
    def anew(Y: T.Buffer((2,)), Z: T.Buffer((1,))):
        for i, _j in T.grid(2, 3):
            with T.block("Z"):
                vi = T.remap("R", [i])
                with T.init():
                    Z[0] = 0.0
                Z[0] += Y[vi]

    s = Schedule(anew)
    with pytest.raises(ScheduleError, match="the reduction of block 'Z' starts anew within loop"):
        s.blockize(s.loops("Z")[1])


def test_compute_at_minds_what_later_iterations_overwrite() -> None:
    @T.program
    def later(X: T.Buffer((4,)), Y: T.Buffer((4, 4))):
        t = T.alloc((4,), "float32")
        for i in T.serial(4):
            with T.block("t"):
                vi = T.axis.spatial(4, i)
                t[vi] = X[vi]
        for k in T.serial(4):
            for l in T.serial(4):
                with T.block("Y"):
                    vk, vl = T.remap("SS", [k, l])
                    Y[vk, vl] = t[vl]
            with T.block("X"):
                vk = T.remap("S", [k])
                X[vk] = 1.0

    s = Schedule(later)
    with pytest.raises(ScheduleError, match="'X' overwrites X before block 't' would read it"):
        s.compute_at("t", s.loops("Y")[1])


def test_an_init_that_begins_late_is_not_decomposed() -> None:
    @T.program
    def shifted(A: T.Buffer((5,)), X: T.Buffer((1,))):
        for k in T.serial(4):
            with T.block("X"):
                vk = T.axis.reduce(4, k)
                with T.init():
                    X[0] = 0.0
                X[0] += A[vk + 1]

    s = Schedule(shifted)
    copy = s.cache_read("X", "A", "local")
    s.reverse_compute_at("X", s.loops(copy)[0])
    mlc.testing.check_schedule(shifted, s)
    with pytest.raises(ScheduleError, match=r"axis vk .* is not 0 in the first iteration"):
        s.decompose_reduction("X", s.loops("X")[0])


def test_threads_that_fold_together_are_not_given_lanes() -> None:
    """Only loops over more of the reduction may stand among them."""

    @T.program
    def total(A: T.Buffer((12,)), C: T.Buffer((1,))):
        for k0, k1 in T.grid(3, 4):
            with T.block("C"):
                vk = T.axis.reduce(12, k0 * 4 + k1)
                with T.init():
                    C[0] = 0.0
                C[0] += A[vk]

    s = Schedule(total)
    k0, k1 = s.loops("C")
    s.bind(k0, "threadIdx.x")
    with pytest.raises(ScheduleError, match="k0=0 and k0=1 both combine into C"):
        s.vectorize(k1)
    s.unroll(k1)
    mlc.testing.check_schedule(total, s)


def test_blocks_combine_atomically_what_is_combined_alone() -> None:
    """An update that is a store of the sum is none; and two updates of one element are no race."""

    @T.program
    def stored(A: T.Buffer((4,)), X: T.Buffer((1,))):
        for k in T.serial(4):
            X[0] = X[0] + A[k]

    s = Schedule(stored)
    with pytest.raises(ScheduleError, match="k=0 and k=1 both combine into X"):
        s.bind(s.loop("k"), "blockIdx.x", atomic=True)

    @T.program
    def beside(A: T.Buffer((4,)), Y: T.Buffer((4,)), X: T.Buffer((1,))):
        for k in T.serial(4):
            with T.block("Y"):
                vk = T.axis.spatial(4, k)
                Y[vk] = A[vk]
            with T.block("X"):
                vk = T.axis.reduce(4, k)
                X[0] += A[vk]

    s = Schedule(beside)
    s.bind(s.loops("X")[0], "blockIdx.x", atomic=True)
    mlc.testing.check_schedule(beside, s)
