"""Where blocks are computed: moved under loops, taken apart, folded into each other."""

from __future__ import annotations

import pytest

from mlc import script as T
from mlc import te
from mlc.dtypes import float32
from mlc.errors import ScheduleError
from mlc.ir.combiner import reducer
from mlc.ir.expr import Var, apply, const, load
from mlc.ir.program import Accumulate, Allocate, Buffer, For, Program, Scope, Store, seq
from mlc.ir.structural import assert_structural_equal
from mlc.schedules.schedule import Schedule
from tests.ir.samples import mm_relu, program_of
from tests.schedules.programs import axes, bound, loops, same_results


def mm_relu_by_hand(steps: int, n: int = 128) -> Program:
    """The course's program after so many of its four steps, written out."""
    A, B, C = (Buffer(name, (n, n), float32) for name in "ABC")
    Y = Buffer("Y", (n, n), float32, scope=Scope.STACK)
    i, k, j0, j1 = Var("i"), Var("k"), Var("j0"), Var("j1")
    vi, vj, vk = axes("SSR", n, n, n)
    add = Accumulate(reducer("sum", float32), (Y,), (vi, vj), (A[vi, vk] * B[vk, vj],))
    j = j0 * 4 + j1
    zero = const(0, float32)
    init = Store(Y, (vi, vj), zero) if steps < 4 else None
    block = bound("Y", [vi, vj, vk], [i, j, k], add, init=init)
    inner = [(j1, 4), (k, n)] if steps == 1 else [(k, n), (j1, 4)]
    body = loops(inner, block)
    ci, cj = axes("SS", n, n)
    relu = Store(C, (ci, cj), apply("maximum", load(Y, (ci, cj)), zero))
    if steps == 4:
        ii, ij = axes("SS", n, n)
        t = Var("t")
        start = bound("Y_init", [ii, ij], [i, j0 * 4 + t], Store(Y, (ii, ij), zero))
        body = seq(loops([(t, 4)], start), body)
    if steps >= 3:
        t = Var("t")
        body = seq(body, loops([(t, 4)], bound("C", [ci, cj], [i, j0 * 4 + t], relu)))
    body = loops([(i, n), (j0, n // 4)], body)
    if steps < 3:
        p, q = Var("i"), Var("j")
        body = seq(body, loops([(p, n), (q, n)], bound("C", [ci, cj], [p, q], relu)))
    return Program("mm_relu", (A, B, C), Allocate((Y,), body))


def test_the_walk_through_of_the_course() -> None:
    s = Schedule(mm_relu(128, 128, 128))
    _, j, k = s.loops("Y")
    j0, j1 = s.split(j, [None, 4])
    assert_structural_equal(s.program, mm_relu_by_hand(1))
    s.reorder(j0, k, j1)
    assert_structural_equal(s.program, mm_relu_by_hand(2))
    s.reverse_compute_at("C", j0)
    assert_structural_equal(s.program, mm_relu_by_hand(3))
    assert s.decompose_reduction("Y", k) == "Y_init"
    assert_structural_equal(s.program, mm_relu_by_hand(4))


def test_the_last_program_of_the_walk_through_as_a_script() -> None:
    @T.program
    def target(
        A: T.Buffer((128, 128), "float32"),
        B: T.Buffer((128, 128), "float32"),
        C: T.Buffer((128, 128), "float32"),
    ) -> None:
        Y = T.alloc((128, 128), "float32", scope="stack")
        for i, j0 in T.grid(128, 32):
            for j1 in T.serial(4):
                with T.block("Y_init"):
                    vi = T.axis.spatial(128, i)
                    vj = T.axis.spatial(128, j0 * 4 + j1)
                    Y[vi, vj] = 0.0
            for k, j1 in T.grid(128, 4):
                with T.block("Y_update"):
                    vi = T.axis.spatial(128, i)
                    vj = T.axis.spatial(128, j0 * 4 + j1)
                    vk = T.axis.reduce(128, k)
                    Y[vi, vj] += A[vi, vk] * B[vk, vj]
            for j1 in T.serial(4):
                with T.block("C"):
                    vi = T.axis.spatial(128, i)
                    vj = T.axis.spatial(128, j0 * 4 + j1)
                    C[vi, vj] = T.max(Y[vi, vj], 0.0)

    assert_structural_equal(mm_relu_by_hand(4), target)


def test_the_walk_through_keeps_the_meaning_where_tiles_overshoot() -> None:
    before = mm_relu(3, 6, 5)
    s = Schedule(before)
    _, j, k = s.loops("Y")
    j0, j1 = s.split(j, [None, 4])
    s.reorder(j0, k, j1)
    s.reverse_compute_at("C", j0)
    assert repr(s.block("C").predicate) == "j_0 * 4 + j < 6"
    same_results(before, s.program)
    s.decompose_reduction("Y", k)
    assert repr(s.block("Y_init").predicate) == "j_0 * 4 + j_1_init < 6"
    same_results(before, s.program)


def test_a_consumer_does_not_move_into_a_reduce_loop() -> None:
    s = Schedule(mm_relu())
    i, j, k = s.loops("Y")
    s.reorder(k, i, j)
    for loop in (k, i, j):
        with pytest.raises(
            ScheduleError,
            match=r"block 'C' would read Y inside k, over which block 'Y' reduces: at k=0 "
            r"Y\[0, 0\] is not complete: k=1 combines into it again; move it to a loop outside k",
        ):
            s.reverse_compute_at("C", loop)


def test_a_consumer_moves_under_a_fused_loop() -> None:
    before = mm_relu()
    s = Schedule(before)
    i, j, _ = s.loops("Y")
    fused = s.fuse(i, j)
    s.reverse_compute_at("C", fused)
    assert [v.name for v in s.loops("C")] == ["ij"]
    same_results(before, s.program)


def stencil(width: int = 8) -> Program:
    """Neighbouring elements of what another block makes."""
    x = te.placeholder((width + 2,), "float32", name="x")
    p = te.compute((width + 2,), lambda i: x[i] * 2, name="p")
    q = te.compute((width,), lambda i: p[i] + p[i + 1] + p[i + 2], name="q")
    return program_of("stencil", [q], [x])


def test_a_consumer_waits_for_all_that_it_reads() -> None:
    s = Schedule(stencil())
    (i,) = s.loops("p")
    with pytest.raises(ScheduleError, match=r"block 'q' under loop i would run before block 'p'"):
        s.reverse_compute_at("q", i)


def test_a_consumer_follows_its_producer() -> None:
    s = Schedule(mm_relu())
    (i, _) = s.loops("C")
    with pytest.raises(ScheduleError, match="block 'Y' does not come after loop i"):
        s.reverse_compute_at("Y", i)
    with pytest.raises(ScheduleError, match="block 'C' stands under loop i already"):
        s.reverse_compute_at("C", i)


def test_a_reduction_moves_under_the_rows_it_reduces() -> None:
    x = te.placeholder((4, 6), "float32", name="x")
    e = te.compute((4, 6), lambda i, j: x[i, j] * x[i, j], name="e")
    k = te.reduce_axis(6, "k")
    t = te.compute((4,), lambda i: te.sum(e[i, k], axis=k), name="t")
    before = program_of("rows", [t], [x])
    s = Schedule(before)
    i, j = s.loops("e")
    s.reverse_compute_at("t", i)
    assert [v.name for v in s.loops("t")] == ["i", "k"]
    same_results(before, s.program)
    s = Schedule(before)
    i, j = s.loops("e")
    s.reverse_compute_at("t", j)
    assert [v.name for v in s.loops("t")] == ["i", "j"]
    same_results(before, s.program)
    s.decompose_reduction("t", j)
    same_results(before, s.program)


def test_decompose_stands_outside_all_reduce_loops() -> None:
    s = Schedule(mm_relu())
    i, j, k = s.loops("Y")
    s.reorder(k, i, j)
    with pytest.raises(
        ScheduleError,
        match=r"the init of block 'Y' must stand outside all its reduce loops, but k is one and "
        r"stands around it: k=0.* of block 'Y' writes Y\[0, 0\], k=1.* combines into it; "
        r"decompose at k or outside it",
    ):
        s.decompose_reduction("Y", i)


def test_decompose_at_every_loop_that_allows_it() -> None:
    before = mm_relu()
    for loop in range(3):
        s = Schedule(before)
        s.decompose_reduction("Y", s.loops("Y")[loop])
        assert s.block("Y").init is None
        assert len(s.loops("Y_init")) == 2
        same_results(before, s.program)


def test_decompose_wants_an_init() -> None:
    s = Schedule(mm_relu())
    k = s.loops("Y")[2]
    s.decompose_reduction("Y", k)
    with pytest.raises(ScheduleError, match="block 'Y' has no init"):
        s.decompose_reduction("Y", k)
    with pytest.raises(ScheduleError, match="block 'C' has no init"):
        s.decompose_reduction("C", k)


def test_decompose_keeps_the_guard_of_a_split_reduce_loop() -> None:
    before = mm_relu()
    s = Schedule(before)
    _, _, k = s.loops("Y")
    k0, _ = s.split(k, [None, 2])
    s.decompose_reduction("Y", k0)
    assert s.block("Y_init").predicate is None
    same_results(before, s.program)


def test_decompose_is_refused_where_the_old_value_is_still_read() -> None:
    """``loop i: C[i] = Y[i]; Y[i] = sum(A[i, :])``: the inits must not all come first."""
    A, C, Y = Buffer("A", (3, 4), float32), Buffer("C", (3,), float32), Buffer("Y", (3,), float32)
    i, k = Var("i"), Var("k")
    vi, vk = axes("SR", 3, 4)
    total = Accumulate(reducer("sum", float32), (Y,), (vi,), (A[vi, vk],))
    init = Store(Y, (vi,), const(0, float32))
    (ci,) = axes("S", 3)
    body = seq(
        bound("C", [ci], [i], Store(C, (ci,), load(Y, (ci,)))),
        loops([(k, 4)], bound("Y", [vi, vk], [i, k], total, init=init)),
    )
    s = Schedule(Program("rows", (A, C, Y), loops([(i, 3)], body), outputs=2))
    with pytest.raises(
        ScheduleError,
        match=r"block 'C' touches Y under loop i, before block 'Y' initialises it there: i=0 of "
        r"block 'C' reads Y\[0\], i=0, k=0 of block 'Y' writes it; decompose at a loop that holds",
    ):
        s.decompose_reduction("Y", i)
    s.decompose_reduction("Y", k)


def test_decompose_is_refused_where_the_reduction_starts_anew() -> None:
    """``loop i: Y = sum(A); C[i] = Y``: in every iteration the sum begins again."""
    A, C = Buffer("A", (4,), float32), Buffer("C", (3,), float32)
    Y = Buffer("Y", (1,), float32, scope=Scope.STACK)
    i, k = Var("i"), Var("k")
    v0, vk = axes("SR", 1, 4)
    total = Accumulate(reducer("sum", float32), (Y,), (v0,), (A[vk],))
    init = Store(Y, (v0,), const(0, float32))
    (ci,) = axes("S", 3)
    body = seq(
        loops([(k, 4)], bound("Y", [v0, vk], [const(0), k], total, init=init)),
        bound("C", [ci], [i], Store(C, (ci,), load(Y, (const(0),)))),
    )
    program = Program("rows", (A, C), Allocate((Y,), loops([(i, 3)], body)))
    s = Schedule(program)
    with pytest.raises(ScheduleError, match=r"block 'Y' starts anew in each iteration of i"):
        s.decompose_reduction("Y", i)
    s.decompose_reduction("Y", k)
    same_results(program, s.program)


def test_a_producer_moves_under_its_consumer() -> None:
    before = mm_relu()
    for depth in range(2):
        s = Schedule(before)
        s.compute_at("Y", s.loops("C")[depth])
        assert [v.name for v in s.loops("Y")] == ["i", "j", "k"]
        assert s.block("Y").annotations == ()
        same_results(before, s.program)


def test_overlapping_boxes_are_computed_again_in_memory_of_their_own() -> None:
    before = stencil()
    s = Schedule(before)
    (i,) = s.loops("q")
    i0, _ = s.split(i, [None, 4])
    s.compute_at("p", i0)
    assert s.block("p").annotations == (("recompute", 1.2),)
    assert isinstance(s.program.body, For) and isinstance(s.program.body.body, Allocate)
    same_results(before, s.program)
    s.parallel(i0)
    same_results(before, s.program)


def test_a_box_is_cut_at_the_edge_of_what_there_is() -> None:
    x = te.placeholder((7,), "float32", name="x")
    p = te.compute((7,), lambda i: x[i] * 2, name="p")
    q = te.compute((9,), lambda i: te.select((i >= 1) & (i < 8), p[i - 1], 0.5), name="q")
    before = program_of("padded", [q], [x])
    s = Schedule(before)
    i0, _ = s.split(s.loops("q")[0], [None, 4])
    s.compute_at("p", i0)
    assert repr(s.block("p").predicate) == "(i_0 * 4 + i - 1 < 7) & (i_0 * 4 + i - 1 >= 0)"
    same_results(before, s.program)


def test_a_producer_stays_before_all_its_consumers() -> None:
    x = te.placeholder((4,), "float32", name="x")
    p = te.compute((4,), lambda i: x[i] * 2, name="p")
    q = te.compute((4,), lambda i: p[i] + 1, name="q")
    r = te.compute((4,), lambda i: p[i] + q[i], name="r")
    before = program_of("f", [r], [x])
    s = Schedule(before)
    with pytest.raises(
        ScheduleError,
        match=r"block 'q' reads p, too, and stands outside of loop i, where it would not be "
        r"computed: i=0 of block 'p' writes p\[0\], i=0 of block 'q' reads it; move that block",
    ):
        s.compute_at("p", s.loops("r")[0])
    s.compute_at("q", s.loops("r")[0])
    s.compute_at("p", s.loops("r")[0])
    assert [v.name for v in s.loops("p")] == ["i"]
    same_results(before, s.program)


def test_a_decomposed_reduction_does_not_move_any_more() -> None:
    s = Schedule(mm_relu())
    s.decompose_reduction("Y", s.loops("Y")[2])
    with pytest.raises(ScheduleError, match="compute_at comes before decompose_reduction"):
        s.compute_at("Y", s.loops("C")[1])


def test_an_output_is_computed_whole() -> None:
    x = te.placeholder((4,), "float32", name="x")
    p = te.compute((4,), lambda i: x[i] * 2, name="p")
    q = te.compute((3,), lambda i: p[i] + 1, name="q")
    r = te.compute((4,), lambda i: p[i] + 1, name="r")
    before = program_of("f", [p, r], [x])
    s = Schedule(before)
    s.compute_at("p", s.loops("r")[0])
    same_results(before, s.program)
    s = Schedule(program_of("f", [p, q], [x]))
    with pytest.raises(
        ScheduleError, match="p is an output, and the iterations of i do not read all of it"
    ):
        s.compute_at("p", s.loops("q")[0])


def test_what_a_producer_reads_must_stay_as_it_was() -> None:
    """``p = x * 2; x = 0; q = p``: p cannot wait until x is gone."""
    X, Q = Buffer("X", (4,), float32), Buffer("Q", (4,), float32)
    P = Buffer("P", (4,), float32, scope=Scope.STACK)
    nests = []
    for name, target, value in (
        ("p", P, lambda v: load(X, (v,)) * 2),
        ("x", X, lambda v: const(0, float32)),
        ("q", Q, lambda v: load(P, (v,))),
    ):
        i, (v,) = Var("i"), axes("S", 4)
        nests.append(loops([(i, 4)], bound(name, [v], [i], Store(target, (v,), value(v)))))
    program = Program("f", (X, Q), Allocate((P,), seq(*nests)), outputs=2)
    s = Schedule(program)
    with pytest.raises(
        ScheduleError,
        match=r"block 'x' overwrites X before block 'p' would read it under loop i: i=0 of block "
        r"'x' writes X\[0\], i=0 of block 'p' reads it; use cache_read on X first",
    ):
        s.compute_at("p", s.loops("q")[0])


def test_a_block_moves_into_a_parallel_loop_that_stays_independent() -> None:
    before = mm_relu()
    s = Schedule(before)
    i, j, _ = s.loops("Y")
    s.parallel(i)
    s.reverse_compute_at("C", j)
    same_results(before, s.program)


@pytest.mark.unproven
def test_threads_do_not_compute_one_output_at_once() -> None:
    x = te.placeholder((4,), "float32", name="x")
    p = te.compute((4,), lambda i: x[i] * 2, name="p")
    q = te.compute((3, 4), lambda i, j: p[j] + i, name="q")
    s = Schedule(program_of("f", [p, q], [x]))
    i, j = s.loops("q")
    s.parallel(i)
    for loop in (i, j):
        with pytest.raises(
            ScheduleError,
            match=r"iterations of loop i are not independent: i=0.* and i=1.* both write p\[0\]",
        ):
            s.compute_at("p", loop)
