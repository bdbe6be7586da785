"""What random sequences have found, kept from coming back."""

from __future__ import annotations

import pytest

import mlc.testing
from mlc import script as T
from mlc.errors import NotProvenError, ScheduleError
from mlc.schedules.legality import TooLarge, same_meaning, verify
from mlc.schedules.schedule import Schedule


@T.program
def guarded_sum(A: T.Buffer((4,)), X: T.Buffer((1,))):
    """The guard leaves out the first point: the sum goes on from what X held."""
    for j in T.serial(4):
        with T.block("X"):
            vj = T.axis.reduce(4, j)
            T.where(j >= 1)
            with T.init():
                X[0] = 0.0
            X[0] += A[vj]


def test_rfactor_begins_nothing_anew() -> None:
    s = Schedule(guarded_sum)
    with pytest.raises(ScheduleError, match="may leave out the first point of its reduction"):
        s.rfactor(s.loops("X")[0])


def test_decompose_reduction_begins_nothing_anew() -> None:
    @T.program
    def fused(A: T.Buffer((4,)), X: T.Buffer((5,))):
        for ij in T.serial(20):
            with T.block("X"):
                vi = T.axis.spatial(5, ij // 4)
                vj = T.axis.reduce(4, ij % 4)
                T.where(ij % 4 >= 1)
                with T.init():
                    X[vi] = 0.0
                X[vi] += A[vj]

    s = Schedule(fused)
    with pytest.raises(ScheduleError, match=r"guard ij % 4 >= 1 .* may leave out the first point"):
        s.decompose_reduction("X", s.loops("X")[0])


def test_decompose_reduction_minds_what_the_block_reads_itself() -> None:
    @T.program
    def own(A: T.Buffer((4, 3)), X: T.Buffer((3,))):
        for i, k in T.grid(3, 4):
            with T.block("X"):
                vi, vk = T.remap("SR", [i, k])
                with T.init():
                    X[vi] = 0.0
                X[vi] += X[2 - vi] + A[vk, vi]

    s = Schedule(own)
    with pytest.raises(ScheduleError, match="touches X under loop i, before block 'X'"):
        s.decompose_reduction("X", s.loops("X")[0])


def test_decompose_reduction_sees_through_outer_blocks() -> None:
    @T.program
    def outer(A: T.Buffer((4, 3)), X: T.Buffer((3,))):
        for k in T.serial(4):
            with T.block("outer"):
                vk = T.axis.reduce(4, k)
                for n in T.serial(3):
                    with T.block("X"):
                        v, vn = T.axis.reduce(4, vk), T.axis.spatial(3, n)
                        with T.init():
                            X[vn] = 0.0
                        X[vn] += A[v, vn]

    s = Schedule(outer)
    with pytest.raises(ScheduleError, match="must stand outside all its reduce loops"):
        s.decompose_reduction("X", s.loops("X")[1])


def test_the_witness_of_decompose_reduction_is_one() -> None:
    @T.program
    def summed(A: T.Buffer((4, 3)), X: T.Buffer((3,))):
        for k, i in T.grid(4, 3):
            with T.block("X"):
                vk, vi = T.remap("RS", [k, i])
                with T.init():
                    X[vi] = 0.0
                X[vi] += A[vk, vi]

    s = Schedule(summed)
    with pytest.raises(ScheduleError) as found:
        s.decompose_reduction("X", s.loops("X")[1])
    assert verify(summed, found.value.refusal.witness)


@T.program
def thrice(B: T.Buffer((5,)), Y: T.Buffer((1,))):
    """Each i begins the sum anew."""
    for _i, j in T.grid(3, 5):
        with T.block("Y"):
            vj = T.axis.reduce(5, j)
            with T.init():
                Y[0] = 0.0
            Y[0] += B[vj]


def test_lanes_do_not_fold_over_an_init() -> None:
    s = Schedule(thrice)
    s.vectorize(s.loops("Y")[1])
    mlc.testing.check_schedule(thrice, s)
    s = Schedule(thrice)
    ij = s.fuse(*s.loops("Y"))
    with pytest.raises(ScheduleError, match=r"iterations of loop \w+ are not independent"):
        s.vectorize(ij)


@pytest.mark.unproven
def test_an_init_that_does_not_come_first_is_refused() -> None:
    with pytest.raises(ScheduleError, match="runs where vj is 0, but vj, bound to 3 - j, does not"):

        @T.program
        def backwards(A: T.Buffer((4,)), X: T.Buffer((1,))):
            for j in T.serial(4):
                with T.block("X"):
                    vj = T.axis.reduce(4, 3 - j)
                    with T.init():
                        X[0] = 0.0
                    X[0] += A[vj]


def test_no_padding_in_a_vectorized_loop() -> None:
    @T.program
    def rows(A: T.Buffer((4, 6)), X: T.Buffer((4, 6))):
        for i in T.vectorized(4):
            t = T.alloc((6,), "float32")
            for j in T.unrolled(6):
                with T.block("t"):
                    vi, vj = T.remap("SS", [i, j])
                    t[vj] = A[vi, vj]
            for j in T.unrolled(6):
                with T.block("X"):
                    vi, vj = T.remap("SS", [i, j])
                    X[vi, vj] = t[vj]

    s = Schedule(rows)
    with pytest.raises(ScheduleError, match="t is allocated in a vectorized loop"):
        s.transform_layout(None, "t", lambda i: (i + 1,), pad_value=0.0)


latest = T.comm_reducer(
    lambda a, b: T.select(b != 0.0, b, a), identity=0.0, dtype="float32", commutative=False
)


@T.program
def latest_of(A: T.Buffer((5, 5)), Z: T.Buffer((5, 5)), X: T.Buffer((5, 5))):
    """The last of a row that is not 0, beside what it never reads of its own result."""
    T1 = T.alloc((5, 5), "float32")
    for i, j in T.grid(5, 5):
        with T.block("T1"):
            vi, vj = T.remap("SS", [i, j])
            T1[vi, vj] = A[vi, vj]
    for k in T.serial(2):
        with T.block("L"):
            vk = T.axis.reduce(2, k)
            with T.init():
                T1[2, 1] = 0.0
            T1[2, 1] = latest(T1[2, 1], T1[vk, vk] + Z[vk, 0])
    for i, j in T.grid(5, 5):
        with T.block("X"):
            vi, vj = T.remap("SS", [i, j])
            X[vi, vj] = T1[vi, vj]


def test_what_a_block_goes_on_with_is_no_read_of_a_copy() -> None:
    s = Schedule(latest_of)
    s.cache_read("L", "T1", "local", consumers=["L"])
    mlc.testing.check_schedule(latest_of, s)


def test_the_witness_of_rfactor_names_its_element() -> None:
    @T.program
    def second(A: T.Buffer((4,)), X: T.Buffer((3, 3))):
        for k in T.serial(4):
            with T.block("L"):
                vk = T.axis.reduce(4, k)
                with T.init():
                    X[2, 1] = 0.0
                X[2, 1] = latest(X[2, 1], A[vk])

    s = Schedule(second)
    with pytest.raises(ScheduleError) as found:
        s.rfactor(s.loops("L")[0])
    assert not isinstance(found.value, NotProvenError)
    assert found.value.refusal.witness.element == (2, 1)
    assert verify(second, found.value.refusal.witness)


def test_a_shifted_tile_names_all_its_loops() -> None:
    @T.program
    def summed(A: T.Buffer((5, 3)), X: T.Buffer((1,))):
        for i, j in T.grid(5, 3):
            with T.block("X"):
                vi, vj = T.remap("RR", [i, j])
                X[0] += A[vi, vj]

    s = Schedule(summed)
    i, _ = s.loops("X")
    with pytest.raises(ScheduleError) as found:
        s.split(i, [None, 2], tail="shift")
    s.split(i, [None, 2], tail="shift", unsafe=True)
    assert verify(s.program, found.value.refusal.witness)


def test_folds_into_themselves_do_not_grow_without_end() -> None:
    @T.program
    def grown(A: T.Buffer((4,)), X: T.Buffer((4,))):
        for i in T.serial(4):
            with T.block("fill"):
                vi = T.axis.spatial(4, i)
                X[vi] = A[vi]
        for k in T.serial(60):
            with T.block("X"):
                vk = T.axis.reduce(60, k)
                X[vk % 2] = latest(X[vk % 2], X[(vk + 1) % 2])

    assert isinstance(same_meaning(grown, grown), TooLarge)


def test_a_cache_keeps_to_the_iterations_in_which_an_init_runs() -> None:
    @T.program
    def tops(A: T.Buffer((3, 4)), X: T.Buffer((3, 4))):
        for k in T.serial(3):
            t = T.alloc((4,), "float32")
            for i in T.serial(4):
                with T.block("fill"):
                    vi = T.axis.spatial(4, i)
                    t[vi] = A[0, vi]
            for i in T.serial(4):
                with T.block("t"):
                    vk, vi = T.remap("RS", [k, i])
                    with T.init():
                        t[vi] = 0.0
                    t[vi] += A[vk, vi]
            for i in T.serial(4):
                with T.block("X"):
                    vk, vi = T.remap("SS", [k, i])
                    X[vk, vi] = t[vi]

    s = Schedule(tops)
    with pytest.raises(ScheduleError, match="goes on in later iterations of k with what t holds"):
        s.cache_write("t", "t", "local")


def test_whole_tiles_need_no_padding() -> None:
    @T.program
    def guarded(A: T.Buffer((3,)), Y: T.Buffer((3,))):
        for s, t in T.grid(2, 3):
            with T.block("Y"):
                v0, v1 = T.axis.spatial(1, s), T.axis.spatial(3, t)
                T.where(s < 1)
                Y[v0 * 3 + v1] = A[v1]

    s = Schedule(guarded)
    s.split(s.loops("Y")[0], [2, None], tail="pad")
    mlc.testing.check_schedule(guarded, s)


def test_rfactor_asks_whether_a_reduction_starts_anew() -> None:
    @T.program
    def anew(A: T.Buffer((4, 3)), X: T.Buffer((1,))):
        for i, k, _l in T.grid(4, 3, 2):
            with T.block("X"):
                vi, vk = T.remap("RR", [i, k])
                with T.init():
                    X[0] = 0.0
                X[0] += A[vi, vk]

    s = Schedule(anew)
    with pytest.raises(ScheduleError, match=r"starts anew in each iteration of _?l, which feeds"):
        s.rfactor(s.loops("X")[1])


def test_reductions_over_nothing_keep_their_init() -> None:
    @T.program
    def nothing(A: T.Buffer((4,)), X: T.Buffer((1,))):
        for j, l in T.grid(0, 3):
            with T.block("X"):
                v = T.axis.reduce(1, j * 3 + l)
                with T.init():
                    X[0] = 0.0
                X[0] += A[v]

    s = Schedule(nothing)
    j, l = s.loops("X")
    with pytest.raises(ScheduleError, match="must leave its init"):
        s.decompose_reduction("X", l)
    with pytest.raises(ScheduleError, match="loop j has no iterations"):
        s.blockize(j)
    with pytest.raises(ScheduleError, match="use None for one factor"):
        s.split(j, [2, 1], tail="cut")
    s.split(j, [2, None], tail="shift")
    mlc.testing.check_schedule(nothing, s)


def test_rfactor_does_not_part_a_fused_loop() -> None:
    @T.program
    def rows(A: T.Buffer((4, 3, 2)), X: T.Buffer((4,))):
        for i, r, k in T.grid(4, 3, 2):
            with T.block("X"):
                vi, vr, vk = T.remap("SRR", [i, r, k])
                with T.init():
                    X[vi] = 0.0
                X[vi] += A[vi, vr, vk]

    s = Schedule(rows)
    i, r, k = s.loops("X")
    fused = s.fuse(i, r)
    with pytest.raises(ScheduleError, match="loop ir feeds spatial and reduce axes of block 'X'"):
        s.rfactor(k)
    assert fused in s.loops("X")


def test_padding_does_not_lead_below_0() -> None:
    @T.program
    def backwards(A: T.Buffer((3,)), X: T.Buffer((3,))):
        for m in T.serial(3):
            with T.block("X"):
                v = T.axis.spatial(3, 2 - m)
                X[v] = A[v]

    s = Schedule(backwards)
    (m,) = s.loops("X")
    with pytest.raises(ScheduleError, match=r"take axis v, bound to 2 - .*, below 0"):
        s.split(m, [None, 2], tail="pad")


def test_an_init_that_runs_again_is_not_decomposed() -> None:
    @T.program
    def anew(B: T.Buffer((4,), "int32"), Y: T.Buffer((1,), "int32")):
        for i, _j in T.grid(4, 4):
            with T.block("Y"):
                vi = T.remap("R", [i])
                with T.init():
                    Y[0] = 0
                Y[0] += B[vi] + 1

    s = Schedule(anew)
    i, j = s.loops("Y")
    ij = s.fuse(i, j)
    with pytest.raises(ScheduleError):
        s.decompose_reduction("Y", ij)


def test_lanes_that_store_what_they_read_do_not_fold() -> None:
    @T.program
    def counts(Y: T.Buffer((4,))):
        for i, _j in T.grid(4, 4):
            with T.block("Y"):
                vi = T.remap("S", [i])
                Y[vi] = Y[vi] + 1.0

    s = Schedule(counts)
    with pytest.raises(ScheduleError, match="both combine into Y"):
        s.vectorize(s.loops("Y")[1])


def test_rfactor_stays_in_the_block_around() -> None:
    @T.program
    def outer(A: T.Buffer((4, 3)), X: T.Buffer((1,))):
        for k in T.serial(4):
            with T.block("outer"):
                vk = T.axis.reduce(4, k)
                for n in T.serial(3):
                    with T.block("X"):
                        v0, v1 = T.axis.reduce(4, vk), T.axis.reduce(3, n)
                        with T.init():
                            X[0] = 0.0
                        X[0] += A[v0, v1]

    s = Schedule(outer)
    with pytest.raises(ScheduleError, match="reduces over vk of a block around it, too"):
        s.rfactor(s.loops("X")[1])


def test_a_store_that_adds_to_what_it_reads_needs_it_fresh() -> None:
    @T.program
    def twice(Y: T.Buffer((4,)), X: T.Buffer((4,))):
        for k in T.serial(4):
            with T.block("X"):
                v0 = T.axis.spatial(4, k)
                X[v0] = T.max(Y[v0], 1.0)
                X[v0] = X[v0] + T.float32(v0)

    s = Schedule(twice)
    with pytest.raises(ScheduleError, match="after the copy is made and before block 'X' reads it"):
        s.cache_read("X", "X", "shared")


def test_a_shifted_tile_of_several_loops_names_all_of_them() -> None:
    @T.program
    def summed(A: T.Buffer((5,)), X: T.Buffer((1,))):
        for i in T.serial(5):
            with T.block("X"):
                vi = T.axis.reduce(5, i)
                X[0] += A[vi]

    s = Schedule(summed)
    (i,) = s.loops("X")
    with pytest.raises(ScheduleError) as found:
        s.split(i, [None, 2, 2], tail="shift")
    s.split(i, [None, 2, 2], tail="shift", unsafe=True)
    assert verify(s.program, found.value.refusal.witness)


def test_a_loop_compared_with_an_axis_stands_first() -> None:
    @T.program
    def compared(A: T.Buffer((4,)), X: T.Buffer((4, 3))):
        for i in T.serial(4):
            with T.block("outer"):
                vi = T.axis.spatial(4, i)
                for s in T.serial(3):
                    with T.block("X"):
                        v0, v1 = T.axis.spatial(4, vi), T.axis.spatial(3, s)
                        T.where(T.lt(s, vi))
                        X[v0, v1] = A[v0]

    assert "T.where(T.lt(s, vi))" in compared.script()
    mlc.testing.check_schedule(compared, Schedule(compared), ways=["script"])


@T.program
def one_more(A: T.Buffer((2,)), B: T.Buffer((2,))):
    for i in T.serial(2):
        with T.block("B"):
            vi = T.axis.spatial(2, i)
            B[vi] = A[vi] + 1.0


def test_a_loop_of_one_iteration_that_names_no_element_is_not_padded() -> None:
    s = Schedule(one_more)
    outer, _ = s.transform_block_layout("B", lambda i: (i // 2, i % 2))
    with pytest.raises(ScheduleError, match="write the same elements of B once more"):
        s.split(outer, [None, 2], tail="pad")


@T.program
def begun_anew(B: T.Buffer((3,)), X: T.Buffer((3,))):
    for i, j, k, _l in T.grid(3, 3, 3, 3):
        with T.block("X"):
            v0, _, v2 = T.remap("RRS", [i, j, k])
            with T.init():
                X[v2] = 0.0
            X[v2] += B[v0] + 1.0


def test_a_fused_loop_may_hide_one_that_begins_anew() -> None:
    s = Schedule(begun_anew)
    i, _, k, last = s.loops("X")
    s.fuse(k, last)
    with pytest.raises(ScheduleError, match="starts anew within i, j, k_l"):
        s.rfactor(i)
    with pytest.raises(ScheduleError, match="starts anew within loop i"):
        s.decompose_reduction("X", i)
