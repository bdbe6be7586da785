"""Steps that make other loops of loops keep every result, or say why they would not."""

from __future__ import annotations

import pytest

import mlc.te as te
from mlc import script as T
from mlc.errors import NotProvenError, ScheduleError
from mlc.ir.program import For, Program, blocks_of, walk
from mlc.schedules.schedule import Schedule
from mlc.te.program import Nest, create_program

from . import samples
from .samples import assert_round_trips, assert_same_results, doubled, matmul, matmul_relu


def extents(program: Program) -> list[int]:
    return [node.extent for node in walk(program.body) if isinstance(node, For)]


def names(program: Program) -> list[str]:
    return [block.name for block in blocks_of(program.body)]


def check(schedule: Schedule) -> None:
    assert_same_results(schedule.program, schedule.original)
    assert_round_trips(schedule)


@pytest.mark.parametrize("tail", ["guard", "cut", "shift"])
@pytest.mark.parametrize("factors", [[None, 3], [2, 2, 3], [None, 2, 2], [4, None]])
def test_split_does_every_point_whatever_the_tail(tail: str, factors: list) -> None:
    s = Schedule(doubled(7, 5))
    s.split(s.loops("B")[0], factors, tail=tail)
    check(s)


def test_split_cuts_the_rest_into_a_nest_of_its_own() -> None:
    s = Schedule(matmul(m=7))
    i, _, k = s.loops("C")
    s.split(i, [None, 4], tail="cut")
    assert extents(s.program) == [1, 4, 8, 4, 3, 8, 4]
    assert names(s.program) == ["C", "C_1"]
    s.split(k, [None, 3], tail="cut")
    assert [b.init is None for b in s.blocks()] == [False, True, False], "begun only once"
    check(s)


def test_split_shifts_the_last_tile_inwards() -> None:
    s = Schedule(doubled(7, 5))
    s.split(s.loops("B")[0], [None, 4], tail="shift")
    assert extents(s.program) == [2, 4, 5]
    assert "T.min(i_0 * 4, 3) + i_1" in s.program.script()
    assert s.block("B").predicate is None
    check(s)


@pytest.mark.parametrize(
    ("factors", "tail", "sentence"),
    [
        ([2], "guard", "two or more sizes >= 1 with at most one None"),
        ([None, None], "guard", "at most one None, got"),
        ([None, 0], "guard", "two or more sizes >= 1"),
        ([None, 4], "wrap", "tail must be one of guard, cut, shift, pad, got 'wrap'"),
        ([None, 9], "cut", "take 9 iterations and i has 7, so there is no whole tile"),
        ([None, 9], "shift", "take 9 iterations and i has 7, so there is no whole tile"),
        (
            [None, 4],
            "pad",
            r"the points of i from 7 to 7 leave .: index .* of axis 0 reaches 7, and there are 7",
        ),
    ],
)
def test_split_is_refused(factors: list, tail: str, sentence: str) -> None:
    s = Schedule(matmul(m=7))
    with pytest.raises(ScheduleError, match=sentence):
        s.split(s.loops("C")[0], factors, tail=tail)


def test_one_factor_is_no_list_of_them() -> None:
    s = Schedule(matmul(m=7))
    with pytest.raises(
        ScheduleError, match=r"expected a list of factors, such as \[None, 4\], got 4"
    ):
        s.split(s.loops("C")[0], 4)  # type: ignore[arg-type]


def test_a_shifted_tile_must_not_combine_twice() -> None:
    s = Schedule(matmul(m=7))
    i, j, k = s.loops("C")
    s.reorder(k, i, j)
    with pytest.raises(
        ScheduleError,
        match=r"does some iterations of i twice, and block 'C' combines: i_0=0, i_1=3 and i_0=1, "
        r"i_1=0 both combine into C\[3, 0\]; use tail='guard' or tail='cut'",
    ):
        s.split(i, [None, 4], tail="shift")
    with pytest.raises(ScheduleError, match=r"both combine into C\[0, 0\]"):
        s.split(k, [None, 3], tail="shift")
    s.reorder(i, j, k)
    with pytest.raises(ScheduleError, match="block 'C' combines"):
        s.split(i, [None, 4], tail="shift")  # each row begins its sums anew, but for how long?


@pytest.mark.parametrize("tail", ["cut", "shift"])
def test_no_tail_where_the_inner_loops_divide(tail: str) -> None:
    s = Schedule(matmul(m=6))
    s.split(s.loops("C")[0], [7, 2], tail=tail)
    assert extents(s.program) == [3, 2, 8, 4]
    s.split(s.loops("C")[1], [3, None], tail=tail)
    assert extents(s.program) == [3, 2, 1, 8, 4]
    check(s)


def test_shifted_tiles_do_not_run_at_once() -> None:
    s = Schedule(doubled(10, 5))
    outer, _ = s.split(s.loops("B")[0], [None, 4], tail="shift")
    text = r"both write B\[6, 0\]; the last tile of tail='shift' does some iterations again:"
    with pytest.raises(ScheduleError, match=text):
        s.parallel(outer)


def test_a_shifted_tile_in_place() -> None:
    s = Schedule(samples.running_sum)
    s.split(s.loops("B")[0], [None, 4], tail="shift")
    check(s)  # reads what it wrote, but the same values again: found out by a trial
    s = Schedule(samples.in_place)
    with pytest.raises(
        ScheduleError, match=r"i_0=1, i_1=1 and i_0=2, i_1=0 both combine into A\[5\]"
    ):
        s.split(s.loops("A")[0], [None, 4], tail="shift")
    s = Schedule(samples.reversed_in_place)
    with pytest.raises(ScheduleError, match=r"would compute another A\[3\]"):
        s.split(s.loops("A")[0], [None, 6], tail="shift")


def test_split_pads_where_the_buffers_have_room() -> None:
    s = Schedule(samples.roomy)
    s.split(s.loops("B")[0], [None, 4], tail="pad")
    assert s.block("B").predicate is None and s.block("B").iters[0].axis.extent == 8
    check(s)
    large = Schedule(samples.large_roomy)
    large.split(large.loops("B")[0], [None, 64], tail="pad")
    assert large.block("B").iters[0].axis.extent == 1 << 20, "proven, not tried"
    s = Schedule(samples.roomy_sum)
    with pytest.raises(ScheduleError, match=r"what they write might be read; .* another C\[0\]"):
        s.split(s.loops("B")[0], [None, 4], tail="pad")
    s = Schedule(samples.roomy_output)
    with pytest.raises(
        ScheduleError, match="within all buffers, but what they write might be read"
    ):
        s.split(s.loops("B")[0], [None, 4], tail="pad")


def test_split_pads_the_blocks_in_blocks_too() -> None:
    s = Schedule(matmul_relu(3, 4, 2))
    i, _, k = s.loops("Y")
    s.blockize(k)
    with pytest.raises(ScheduleError, match=r"the points of i from 3 to 3 leave .: index"):
        s.split(i, [None, 2], tail="pad")
    s = Schedule(samples.roomy)
    s.blockize(s.add_unit_loop("B"))
    outer = s.loops("B_o")[0]
    s.split(outer, [None, 4], tail="pad")
    assert [s.block(n).iters[0].axis.extent for n in ("B_o", "B")] == [8, 8]
    check(s)


def test_fuse_takes_several_loops() -> None:
    s = Schedule(matmul())
    s.fuse(*s.loops("C"))
    assert extents(s.program) == [6 * 8 * 4]
    check(s)


def test_fuse_is_refused() -> None:
    s = Schedule(matmul_relu())
    i, j, k = s.loops("Y")
    with pytest.raises(ScheduleError, match="loop k is not the only statement inside i"):
        s.fuse(i, k)
    with pytest.raises(ScheduleError, match="takes two or more loops, got 1"):
        s.fuse(i)
    with pytest.raises(ScheduleError, match=r"name the outer one first: s.fuse\(i, j\)"):
        s.fuse(j, i)
    with pytest.raises(ScheduleError, match=r"too, s.fuse\(i, j, k\), or use s.reorder first"):
        s.fuse(i, k)
    with pytest.raises(ScheduleError, match="inside k; fused loops stand inside each other"):
        s.fuse(k, s.loops("C")[0])
    s.unroll(k)
    with pytest.raises(ScheduleError, match="only serial loops can be fused"):
        s.fuse(j, k)
    s.annotate(i, "hint", 1)
    with pytest.raises(ScheduleError, match=r"take them off with s.unannotate\(i, 'hint'\)"):
        s.fuse(i, j)


def test_fuse_names_the_step_that_would_help() -> None:
    s = Schedule(samples.two_local)
    with pytest.raises(ScheduleError, match=r"beside it: make them one with s.merge\(i, i"):
        s.fuse(s.loops("B")[0], s.loops("C")[0])
    s = Schedule(matmul_relu())
    s.reverse_compute_at("C", s.loops("Y")[0])
    i, j, _ = s.loops("Y")
    with pytest.raises(ScheduleError, match=r"use s.fission\(i, 1\) first, so that"):
        s.fuse(i, j)
    s.fuse(*s.loops(s.block("Y").name)[1:])


def test_reorder_is_refused_where_it_would_reverse_a_dependence() -> None:
    s = Schedule(samples.diagonal)
    i, j = s.loops("B")
    with pytest.raises(ScheduleError, match="two dependent iterations would change places") as e:
        s.reorder(j, i)
    assert e.value.refusal.witness is not None
    with pytest.raises(ScheduleError, match="reorder takes two or more loops, each once"):
        s.reorder(i, i)


def test_add_unit_loop() -> None:
    s = Schedule(matmul())
    u = s.add_unit_loop("C")
    assert s.loops("C")[-1] is u
    outer = s.add_unit_loop(s.loops("C")[0])
    assert s.loops("C")[0] is outer
    check(s)
    s = Schedule(doubled())
    s.vectorize(s.loops("B")[1])
    with pytest.raises(ScheduleError, match="is vectorized and would hold another loop"):
        s.add_unit_loop("B")


def test_loop_partition() -> None:
    s = Schedule(doubled(7, 5))
    parts = s.loop_partition(s.loops("B")[0], [1, 6])
    assert [v.name for v in parts] == ["i_0", "i_1", "i_2"]
    assert extents(s.program) == [1, 5, 5, 5, 1, 5]
    assert names(s.program) == ["B", "B_1", "B_2"]
    loops = [n.var for n in walk(s.program.body) if isinstance(n, For)]
    assert len(set(loops)) == len(loops), "each loop has a variable of its own"
    check(s)


def test_cut_loop_on_a_reduction_initialises_once() -> None:
    s = Schedule(matmul())
    head, tail = s.cut_loop(s.loops("C")[2], 1)
    assert [b.init is None for b in s.blocks()] == [False, True]
    s.unroll(tail)
    s.unroll(head)
    check(s)


def test_cut_loop_copies_local_buffers() -> None:
    s = Schedule(samples.private_row)
    s.cut_loop(s.loops("copy")[0], 3)
    assert names(s.program) == ["copy", "add", "copy_1", "add_1"]
    check(s)


@pytest.mark.parametrize("points", [[], [0], [6], [3, 3], [4, 2]])
def test_loop_partition_is_refused_outside_the_loop(points: list[int]) -> None:
    s = Schedule(matmul())
    with pytest.raises(ScheduleError, match="is cut at rising points between 1 and 5, got"):
        s.loop_partition(s.loops("C")[0], points)


def test_cut_loop_is_refused_where_both_parts_would_initialise() -> None:
    s = Schedule(matmul())
    _, j, k = s.loops("C")
    fused = s.fuse(j, k)
    with pytest.raises(ScheduleError, match="feeds spatial and reduce axes of block 'C' at once"):
        s.cut_loop(fused, 5)
    s.unroll(fused)
    with pytest.raises(ScheduleError, match="is unrolled already; cut it before that"):
        s.cut_loop(fused, 5)


def test_fission_and_merge() -> None:
    s = Schedule(samples.two_stages)
    i, j = s.loops("B")
    j0, j1 = s.fission(j, 1)
    assert extents(s.program) == [8, 6, 6]
    i0, i1 = s.fission(i, after="B")
    assert extents(s.program) == [8, 6, 8, 6]
    check(s)
    i = s.merge(i0, i1)
    j = s.merge(j0, j1)
    assert extents(s.program) == [8, 6] and s.loops("C") == (i, j)
    check(s)


def test_memory_that_ends_or_begins_between_merged_loops_lasts_over_both() -> None:
    @T.program
    def scoped(A: T.Buffer((6,)), B: T.Buffer((6,)), C: T.Buffer((6,))):
        t = T.alloc((6,))
        with T.scope():
            p = T.alloc((6,))
            for i in T.serial(6):
                with T.block("p"):
                    v = T.axis.spatial(6, i)
                    p[v] = A[v] + 1.0
            for i in T.serial(6):
                with T.block("t"):
                    v = T.axis.spatial(6, i)
                    t[v] = p[v] * 2.0
        for i in T.serial(6):
            with T.block("B"):
                v = T.axis.spatial(6, i)
                B[v] = t[v] + 3.0
        with T.scope():
            q = T.alloc((6,))
            for i in T.serial(6):
                with T.block("q"):
                    v = T.axis.spatial(6, i)
                    q[v] = B[v] * B[v]
            for i in T.serial(6):
                with T.block("C"):
                    v = T.axis.spatial(6, i)
                    C[v] = q[v] - 1.0

    s = Schedule(scoped)
    i = s.merge(s.loops("t")[0], s.loops("B")[0])
    check(s)
    i = s.merge(i, s.loops("q")[0])
    check(s)
    with pytest.raises(ScheduleError, match="does not come right after loop"):
        s.merge(s.loops("p")[0], s.loops("C")[0])
    s.merge(s.merge(s.loops("p")[0], i), s.loops("C")[0])
    check(s)
    assert extents(s.program) == [6]


def test_fission_is_refused() -> None:
    s = Schedule(samples.staged)
    i = s.loop("i")
    with pytest.raises(ScheduleError, match="loop i cannot be cut: a later iteration") as e:
        s.fission(i, 1)
    assert e.value.refusal.witness is not None
    with pytest.raises(ScheduleError, match="loop i holds 2 statements; position must be 1 to 1"):
        s.fission(i, 2)
    with pytest.raises(ScheduleError, match="a position or a block to cut after, one of the two"):
        s.fission(i)
    with pytest.raises(ScheduleError, match="block 'none' does not stand in loop i"):
        s.fission(i, after="none")
    s = Schedule(samples.private_row)
    with pytest.raises(ScheduleError, match=r"has buffers of its own \(row\)"):
        s.fission(s.loops("copy")[0], 1)
    s = Schedule(matmul())
    with pytest.raises(ScheduleError, match="holds one statement"):
        s.fission(s.loops("C")[0], 1)


def test_merge_is_refused() -> None:
    s = Schedule(samples.shifted_read)
    (i0,), (i1,) = s.loops("B"), s.loops("C")
    with pytest.raises(ScheduleError, match="loops i and i run over 9 and 8 iterations"):
        s.merge(i0, i1)
    head, _ = s.cut_loop(i0, 8)
    with pytest.raises(ScheduleError, match="does not come right after loop"):
        s.merge(head, i1)
    s = Schedule(samples.shifted_read)
    _, rest = s.cut_loop(s.loops("B")[0], 1)
    s.merge(rest, s.loops("C")[0])
    check(s)
    s = Schedule(samples.reads_later)
    with pytest.raises(
        ScheduleError,
        match="cannot be merged: an iteration of the second needs a later one of the first",
    ) as e:
        s.merge(s.loops("B")[0], s.loops("C")[0])
    assert e.value.refusal.witness is not None


def test_an_argmax_is_folded_in_parts() -> None:
    x = te.placeholder((3, 7), name="x")
    k = te.reduce_axis(7, "k")
    y = te.compute((3,), lambda i: te.max(x[i, k], axis=k), name="y")
    s = Schedule(create_program("rows", [Nest((y,), y.op)], [x], [y]))
    _, k = s.loops("y")
    s.split(k, [None, 3], tail="cut")
    check(s)


def test_what_neither_proof_nor_trial_can_tell_is_not_taken() -> None:
    s = Schedule(samples.large_reversed)
    with pytest.raises(NotProvenError, match="split was not proven: a shifted tile does some"):
        s.split(s.loops("A")[0], [None, 4096], tail="shift")
