"""cache_read and cache_write: what they make, that it means the same, and what is refused."""

from __future__ import annotations

import random

import pytest

import mlc.te as te
from mlc.dtypes import float32
from mlc.errors import NotProvenError, ScheduleError
from mlc.ir.combiner import reducer
from mlc.ir.expr import Axis, Var, const
from mlc.ir.program import (
    Accumulate,
    Allocate,
    Block,
    For,
    If,
    Iter,
    Program,
    Scope,
    Stmt,
    Store,
    blocks_of,
    seq,
    walk,
)
from mlc.schedules.regions import buffers_read, buffers_written
from mlc.schedules.schedule import Schedule
from mlc.schedules.step import substitute_stmt
from mlc.schedules.steps.cache_read import CacheRead

from .data_step_programs import PROGRAMS, assert_same, buffers, matmul, nest, program_of


def names(program: Program) -> list[str]:
    return [block.name for block in blocks_of(program.body)]


def test_cache_read_copies_before_the_consumer() -> None:
    before = matmul()
    s = Schedule(before)
    assert s.cache_read("C", "A", "shared") == "A_shared"
    assert s.cache_read("C", 1, "local") == "B_local"
    assert names(s.program) == ["A_shared", "B_local", "C"]
    assert [b.name for b in buffers_read(s.block("C"))] == ["A_shared", "B_local"]
    allocations = [n for n in walk(s.program.body) if isinstance(n, Allocate)]
    assert [(b.name, b.scope) for b in allocations[0].buffers] == [
        ("A_shared", Scope.SHARED),
        ("B_local", Scope.LOCAL),
    ]
    assert_same(before, s.program)


def test_cache_read_for_some_consumers() -> None:
    x = te.placeholder((4, 6), name="X")
    t = te.compute((6, 4), lambda i, j: x[j, i], name="T")
    y = te.compute((6, 4), lambda i, j: t[i, j] + x[j, i], name="Y")
    before = program_of(t, y, inputs=[x])
    s = Schedule(before)
    s.cache_read("Y", x.name, "local", consumers=[])
    assert names(s.program) == ["T", "X_local", "Y"]
    assert [b.name for b in buffers_read(s.block("T"))] == ["X"]
    assert_same(before, s.program)
    both = Schedule(before)
    both.cache_read("Y", x.name, "local")
    assert names(both.program) == ["X_local", "T", "Y"]
    assert_same(before, both.program)


def test_a_cache_of_a_cache() -> None:
    before = matmul()
    s = Schedule(before)
    s.cache_read("C", "A", "shared")
    s.cache_read("C", "A_shared", "local")
    assert names(s.program) == ["A_shared", "A_shared_local", "C"]
    assert_same(before, s.program)


def shifting(first: int) -> Program:
    """``A[i + first] = A[i + 1 - first]`` for each i in order."""
    (a,) = buffers(("A", (9,)))
    body = nest("A", (8,), lambda i: Store(a, (i + first,), a[i + 1 - first] * 2.0))
    return Program("f", (a,), body)


def read_write_read() -> Program:
    a, b, c = buffers(("A", (4,)), ("B", (4,)), ("C", (4,)))
    early = nest("early", (4,), lambda i: Store(b, (i,), a[i]))
    change = nest("change", (4,), lambda i: Store(a, (3 - i,), a[i] * 2.0 + i.astype("float32")))
    late = nest("late", (4,), lambda i: Store(c, (i,), a[i]))
    return Program("f", (a, b, c), seq(early, change, late), outputs=3)


def test_cache_read_is_refused_where_the_copy_goes_stale() -> None:
    s = Schedule(read_write_read())
    with pytest.raises(ScheduleError) as caught:
        s.cache_read("early", "A", "local", consumers=["late"])
    text = str(caught.value)
    assert "block 'change' writes A after the copy is made and before block 'late' reads it" in text
    assert "i0=0 of block 'change' writes A[3], i0=3 of block 'late' reads it" in text
    assert "name in consumers=[...] only blocks that read the buffer as it is" in text
    s.cache_read("late", "A", "local", consumers=[])
    s.cache_read("early", "A", "local", consumers=[])
    assert names(s.program) == ["A_local_1", "early", "change", "A_local", "late"]
    assert_same(read_write_read(), s.program, defined=False)


def test_cache_read_taken_unsafe_marks_the_program() -> None:
    s = Schedule(read_write_read())
    step = CacheRead("early", "A", "local", ("late",))
    s.take(step, unsafe=True)
    assert len(s.program.attrs["unsafe"]) == 1
    with pytest.raises(AssertionError, match="C differs"):
        assert_same(read_write_read(), s.program, defined=False)


def test_a_copy_follows_what_the_block_writes_itself() -> None:
    s = Schedule(shifting(1))
    s.cache_read("A", "A", "local")
    assert [v.name for v in s.loops("A_local")] == ["i0", "ax0"]
    assert_same(shifting(1), s.program, defined=False)


def test_a_copy_goes_as_deep_as_it_must() -> None:
    (a,) = buffers(("A", (4, 5)))
    body = nest("A", (4, 4), lambda i, j: Store(a, (i, j + 1), a[i, j] * 2.0))
    before = Program("f", (a,), body)
    s = Schedule(before)
    s.cache_read("A", 0, "local")
    assert [v.name for v in s.loops("A_local")] == ["i0", "i1", "ax0", "ax1"]
    assert_same(before, s.program, defined=False)


def test_a_copy_of_a_buffer_that_lives_in_a_loop_is_as_small() -> None:
    s = Schedule(shifting(1))
    s.cache_read("A", "A", "local")
    s.cache_read("A", "A_local", "shared")
    assert "v0 = T.axis.spatial(8, i0 + ax0)\n                A_local_shared" in s.program.script()
    assert_same(shifting(1), s.program, defined=False)


def test_cache_read_of_what_is_only_added_to_is_refused() -> None:
    s = Schedule(decomposed(True))
    with pytest.raises(
        ScheduleError, match=r"adds to C and .* use s.cache_write\('C', 'C', 'local'"
    ):
        s.cache_read("C", "C", "local")


def test_an_update_in_place_reads_a_copy_made_before() -> None:
    a, c = buffers(("A", (4,)), ("C", (4,)))
    body = nest("C", (4,), lambda i: Store(c, (i,), c[i] + a[i]))
    before = Program("f", (a, c), body)
    s = Schedule(before)
    s.cache_read("C", "C", "local")
    assert names(s.program) == ["C_local", "C"]
    assert_same(before, s.program, defined=False)


def test_cache_read_of_what_is_overwritten_later_is_legal() -> None:
    before = shifting(0)
    s = Schedule(before)
    s.cache_read("A", "A", "local")
    assert_same(before, s.program, defined=False)


def written_in_the_loop() -> Program:
    """For each i: a row of T is made and read; T lives around the loop."""
    a, t, b = buffers(("A", (4, 5)), ("T", (4, 5)), ("B", (4, 5)))
    make = nest("T", (4, 5), lambda i, j: Store(t, (i, j), a[i, j] * 2.0))
    use = nest("B", (4, 5), lambda i, j: Store(b, (i, j), t[i, 4 - j] + a[i, j]))
    outer = Var("o")
    loops = [n for n in walk(seq(make, use)) if isinstance(n, For)]
    rows = [
        substitute_stmt(loop.body, {loop.var: outer}) for loop in loops if loop.var.name == "i0"
    ]
    return Program("f", (a, b), Allocate((t,), For(outer, 4, seq(*rows))))


def test_a_copy_goes_into_the_loop_in_which_the_buffer_is_written() -> None:
    before = written_in_the_loop()
    s = Schedule(before)
    s.cache_read("B", "T", "local")
    assert names(s.program) == ["T", "T_local", "B"]
    assert [v.name for v in s.loops("T_local")] == ["o", "ax0", "ax1"]
    assert "v0 = T.axis.spatial(4, o + ax0)" in s.program.script()
    assert_same(before, s.program)


def test_cache_write_of_a_reduction_takes_its_init_along() -> None:
    before = matmul()
    s = Schedule(before)
    i, j, _ = s.loops("C")
    s.split(i, [None, 2])
    s.split(j, [None, 3])
    assert s.cache_write("C", 0, "local") == "C_local"
    assert [b.name for b in buffers_written(s.block("C"))] == ["C_local"]
    assert names(s.program) == ["C", "C_local"]
    assert_same(before, s.program)


def decomposed(same_loop: bool) -> Program:
    """C is set to 0 by one block and added to by another."""
    a, c = buffers(("A", (4, 5)), ("C", (4,)))
    i, k, vi, vk = Var("i"), Var("k"), Axis("vi", 4), Axis("vk", 5, is_reduce=True)
    update: Stmt = Block(
        "C",
        (Iter(vi, i), Iter(vk, k)),
        Accumulate(reducer("sum", float32), (c,), (vi,), (a[vi, vk],)),
    )
    loop = For(k, 5, update)
    if same_loop:
        start = Axis("vi", 4)
        init = Block("C_init", (Iter(start, i),), Store(c, (start,), const(0.0, float32)))
        return Program("f", (a, c), For(i, 4, seq(init, loop)))
    first = nest("C_init", (4,), lambda x: Store(c, (x,), const(0.0, float32)))
    return Program("f", (a, c), seq(first, For(i, 4, loop)))


@pytest.mark.parametrize("same_loop", [True, False])
def test_cache_write_of_an_update_takes_what_initialises_it(same_loop: bool) -> None:
    before = decomposed(same_loop)
    s = Schedule(before)
    s.cache_write("C", "C", "local")
    assert names(s.program) == ["C_init", "C", "C_local"]
    assert [b.name for b in buffers_written(s.block("C_init"))] == ["C_local"]
    assert_same(before, s.program)


def test_consumers_in_the_same_loop_read_the_cache() -> None:
    before = written_in_the_loop()
    s = Schedule(before)
    s.cache_write("T", "T", "shared")
    assert [b.name for b in buffers_read(s.block("B"))] == ["T_shared", "A"]
    assert_same(before, s.program)


def test_cache_write_of_a_part_writes_back_that_part() -> None:
    a, c = buffers(("A", (4,)), ("C", (8,)))
    low = nest("low", (4,), lambda i: Store(c, (i,), a[i]))
    high = nest("high", (4,), lambda i: Store(c, (i + 4,), a[3 - i]))
    before = Program("f", (a, c), seq(low, high))
    s = Schedule(before)
    s.cache_write("high", "C", "local")
    assert "C[v0 + 4] = C_local[v0 + 4]" in s.program.script()
    assert_same(before, s.program)


def test_cache_write_of_a_part_in_uneven_tiles() -> None:
    a, c = buffers(("A", (8,)), ("C", (9,)))
    before = Program("f", (a, c), nest("C", (8,), lambda i: Store(c, (i + 1,), a[i])))
    s = Schedule(before)
    s.split(s.loops("C")[0], [None, 3])
    s.cache_write("C", "C", "local")
    assert "for ax0 in T.serial(8):" in s.program.script()
    assert_same(before, s.program)


def test_cache_write_of_what_is_written_under_a_condition_is_not_taken() -> None:
    a, c = buffers(("A", (8,)), ("C", (8,)))
    fill = nest("fill", (8,), lambda i: Store(c, (i,), const(0.0, float32)))
    some = nest("some", (8,), lambda i: If(i > 2, Store(c, (i,), a[i])))
    s = Schedule(Program("f", (a, c), seq(fill, some)))
    with pytest.raises(ScheduleError, match="not shown that block 'some' writes every element"):
        s.cache_write("some", "C", "local")


def test_cache_write_of_a_block_with_loops_of_its_own() -> None:
    a, c = buffers(("A", (4, 6)), ("C", (4, 6)))
    inner = Var("e")
    for step in (1, 2):
        body = nest(
            "C",
            (4,),
            lambda i, step=step: For(
                inner, 6 // step, Store(c, (i, inner * step), a[i, inner * step])
            ),
        )
        before = Program("f", (a, c), body)
        s = Schedule(before)
        if step == 1:
            s.cache_write("C", "C", "local")
            assert_same(before, s.program)
        else:
            with pytest.raises(ScheduleError, match="not shown that block 'C' writes every"):
                s.cache_write("C", "C", "local")


def test_cache_write_of_gaps_is_not_taken() -> None:
    a, c = buffers(("A", (4,)), ("C", (8,)))
    even = nest("even", (4,), lambda i: Store(c, (i * 2,), a[i]))
    s = Schedule(Program("f", (a, c), even))
    with pytest.raises((ScheduleError, NotProvenError), match="not shown that block 'even' writes"):
        s.cache_write("even", "C", "local")


def test_cache_write_of_what_reads_its_own_past_is_not_taken() -> None:
    s = Schedule(shifting(1))
    with pytest.raises((ScheduleError, NotProvenError), match="block 'A' reads A, and it is not"):
        s.cache_write("A", "A", "local")


def test_what_does_not_fit_is_said() -> None:
    s = Schedule(matmul())
    with pytest.raises(ScheduleError, match="block 'C' reads A, B, not C"):
        s.cache_read("C", "C", "local")
    with pytest.raises(ScheduleError, match="block 'C' reads A, B; there is no number 2"):
        s.cache_read("C", 2, "local")
    with pytest.raises(ScheduleError, match="'No Memory' names no memory"):
        s.cache_read("C", "A", "No Memory")
    with pytest.raises(ScheduleError, match="'sharde' names no memory; give one such as"):
        s.cache_read("C", "A", "sharde")
    with pytest.raises(ScheduleError, match="'No Memory' names no memory"):
        s.cache_write("C", "C", "No Memory")


@pytest.mark.parametrize("name", PROGRAMS)
def test_caches_of_everything_keep_the_meaning(name: str) -> None:
    rng = random.Random(name)
    for _ in range(12):
        before = PROGRAMS[name]()
        s = Schedule(before)
        for _ in range(4):
            block = rng.choice(blocks_of(s.program.body))
            loops = s.loops(block)
            kind = rng.choice(["split", "read", "read", "write"])
            try:
                if kind == "split":
                    s.split(rng.choice(loops), [None, rng.choice([2, 3])])
                elif kind == "read":
                    s.cache_read(block, rng.randrange(len(buffers_read(block))), "local")
                else:
                    s.cache_write(block, 0, "shared")
            except (ScheduleError, NotProvenError) as refused:
                assert "not shown" in str(refused), refused
        assert_same(before, s.program)
