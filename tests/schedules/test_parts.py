"""Steps that look at one part of a program: taken on it alone they make what they make on all."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlc import script as T
from mlc.errors import ScheduleError
from mlc.ir.parts import alone, branch_with_loop, exchanged, part_with_loop, parts_of
from mlc.ir.program import For, LoopKind, Program, blocks_of, walk
from mlc.ir.structural import structural_key
from mlc.schedules.legality import accesses
from mlc.schedules.schedule import Schedule, taken_alone, taken_on
from mlc.schedules.step import find_loop
from mlc.schedules.steps.fuse import Fuse
from mlc.schedules.steps.parallel import Parallel
from mlc.schedules.steps.reorder import Reorder
from mlc.schedules.steps.split import Split
from mlc.schedules.steps.unroll import Unroll
from mlc.schedules.steps.vectorize import Vectorize
from mlc.testing.strategies import programs, schedules

seen: Counter[str] = Counter()


@T.program
def two_nests(a: T.Buffer((8, 6)), b: T.Buffer((8, 6))):
    row = T.alloc((8,))
    for i, j in T.grid(8, 6):
        with T.block("sum"):
            vi, vj = T.remap("SR", [i, j])
            with T.init():
                row[vi] = 0.0
            row[vi] += a[vi, vj]
    for i, j in T.grid(8, 6):
        with T.block("less"):
            vi, vj = T.remap("SS", [i, j])
            b[vi, vj] = a[vi, vj] - row[vi]


@T.program
def shared_rows(a: T.Buffer((8, 6)), b: T.Buffer((8, 6))):
    for i in T.grid(8):
        row = T.alloc((6,))
        for j in T.grid(6):
            with T.block("twice"):
                vi, vj = T.remap("SS", [i, j])
                row[vj] = a[vi, vj] * 2.0
        total = T.alloc((1,))
        for k in T.grid(6):
            with T.block("sum"):
                vi, vk = T.remap("SR", [i, k])
                with T.init():
                    total[0] = 0.0
                total[0] += row[vk]
        for j, m in T.grid(3, 2):
            with T.block("less"):
                vi = T.axis.spatial(8, i)
                vj = T.axis.spatial(6, j * 2 + m)
                b[vi, vj] = row[vj] - total[0]


def steps_on(program: Program, draw) -> list[object]:
    """Steps of each kind that stays within a part, fitting or not."""
    loops = [n.var for n in walk(program.body) if isinstance(n, For)]
    if not loops:
        return []
    loop, other = draw(st.sampled_from(loops)), draw(st.sampled_from(loops))
    inner = [n.body.var for n in walk(program.body) if isinstance(n, For)
             and n.var is loop and isinstance(n.body, For)]  # fmt: skip
    size = draw(st.integers(1, 4))
    tail = draw(st.sampled_from(["guard", "shift", "cut", "pad"]))
    return [
        Split(loop, (None, size), tail), Reorder((other, loop)), Reorder((*inner, loop)),
        Fuse((loop, *inner)), Fuse((loop, other)), Vectorize(loop), Unroll(loop), Parallel(loop),
    ]  # fmt: skip


@pytest.mark.unproven
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_a_step_on_a_part_is_that_on_the_program(data) -> None:
    program = data.draw(schedules(data.draw(programs()), 3)).program
    for step in steps_on(program, data.draw):
        found = taken_alone(program, step)
        whole = Schedule(program)
        try:
            made = whole.take_whole(step)
        except ScheduleError:
            seen["refused"] += 1
            assert found is None, step
            continue
        if found is None:
            continue
        seen[step.name] += 1
        assert structural_key(found[0]) == structural_key(whole.program), step
        assert [getattr(m, "name", m) for m in found[1]] == [getattr(m, "name", m) for m in made]


def test_all_of_them_were_met() -> None:
    if seen:  # the test before was run, too
        assert {"split", "reorder", "fuse", "vectorize", "unroll", "parallel", "refused"} <= {*seen}


@pytest.mark.unproven
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_accesses_of_parts_are_those_of_the_program(data) -> None:
    program = data.draw(schedules(data.draw(programs()), 4)).program
    joined = accesses.accesses_of(program)
    direct = accesses.accesses_of(program.body)
    assert len(joined.rows) == len(direct.rows)
    again = {f: f for row in joined.rows for f in row.loops}
    for one, other in zip(joined.rows, direct.rows):
        if all(f in again for f in other.loops):  # loops that stand for "while" are made anew
            for field in fields(accesses.Access):
                assert getattr(one, field.name) == getattr(other, field.name), field.name
    for stmt in walk(program.body):  # an init over nothing stands in loops that are made anew
        assert joined.spans[stmt] == direct.spans[stmt]
    assert [b.block for b in joined.bound] == [b.block for b in direct.bound]


def test_steps_on_one_of_many_statements_in_a_loop_look_at_that_alone() -> None:
    i, j = Schedule(shared_rows).loops("twice")
    k, (m, n) = Schedule(shared_rows).loops("sum")[1], Schedule(shared_rows).loops("less")[1:]
    looked: list[list[str]] = []

    def noting(program: Program, step):
        looked.append([block.name for block in blocks_of(program.body)])
        return taken_on(program, step)

    for step, name in (
        (Split(j, (None, 4)), "twice"), (Vectorize(j), "twice"), (Unroll(j), "twice"),
        (Split(k, (None, 2)), "sum"), (Vectorize(k), "sum"), (Reorder((n, m)), "less"),
        (Fuse((m, n)), "less"), (Parallel(m), "less"),
    ):  # fmt: skip
        found = taken_alone(shared_rows, step, noting)
        assert found is not None and looked.pop() == [name] and not looked
        whole = Schedule(shared_rows)
        made = whole.take_whole(step)
        assert structural_key(found[0]) == structural_key(whole.program), step
        assert [getattr(m, "name", m) for m in found[1]] == [getattr(m, "name", m) for m in made]
        others = [b for b in blocks_of(shared_rows.body) if b.name != name]
        assert [b for b in blocks_of(found[0].body) if b.name != name] == others
    for step in (Reorder((j, i)), Reorder((i, j)), Fuse((i, j)), Parallel(k)):
        assert taken_alone(shared_rows, step) is None
        with pytest.raises(ScheduleError):
            Schedule(shared_rows).take_whole(step)
    part = part_with_loop(shared_rows, j)
    assert part is not None and not branch_with_loop(part, i).place
    assert alone(shared_rows, branch_with_loop(part, m)) is alone(
        shared_rows, branch_with_loop(part, n)
    )


def test_loops_that_run_at_once_are_asked_about_all_that_they_hold() -> None:
    s = Schedule(shared_rows)
    i, j = s.loops("twice")
    s.parallel(i)
    part = part_with_loop(s.program, j)
    assert part is not None and not branch_with_loop(part, j).place
    s.split(j, [None, 2])
    assert find_loop(s.program, i).kind is LoopKind.PARALLEL


def test_parts_stay_the_same_objects() -> None:
    first, second = parts_of(two_nests)
    assert set(first.blocks) == {"sum"} and set(second.blocks) == {"less"}
    assert alone(two_nests, first) is alone(two_nests, first)
    s = Schedule(two_nests)
    s.split(s.loops("less")[1], [None, 2])
    assert parts_of(s.program)[0] is first and parts_of(s.program)[1] is not second
    back = exchanged(s.program, parts_of(s.program)[1], second.stmt)
    assert structural_key(back) == structural_key(two_nests)


def test_what_stands_in_no_loop_is_a_part() -> None:
    @T.program
    def single(a: T.Buffer((4,)), b: T.Buffer((4,))):
        b[0] = a[0] + 1.0
        for i in T.grid(3):
            with T.block("rest"):
                vi = T.axis.spatial(3, i)
                b[vi + 1] = a[vi]

    store, loop = parts_of(single)
    assert not store.loops and set(loop.blocks) == {"rest"}
    s = Schedule(single)
    s.vectorize(s.loops("rest")[0])
    assert parts_of(s.program)[0] is store


def test_refusals_speak_of_the_program() -> None:
    s = Schedule(two_nests)
    _, j = s.loops("sum")
    with pytest.raises(ScheduleError, match="parallel") as caught:
        s.parallel(j)
    assert "use s.rfactor(j)" in str(caught.value)
    with pytest.raises(ScheduleError, match="do not lie in one chain"):
        s.reorder(j, s.loops("less")[0])


def test_what_may_be_read_elsewhere_is_asked_of_the_program() -> None:
    """Points beyond the end would be seen by the other part."""

    @T.program
    def padded(a: T.Buffer((8,)), b: T.Buffer((8,))):
        t = T.alloc((8,))
        for i in T.grid(8):
            with T.block("first"):
                vi = T.axis.spatial(8, i)
                t[vi] = a[vi]
        for i in T.grid(6):
            with T.block("again"):
                vi = T.axis.spatial(6, i)
                t[vi] = a[vi] * 2.0
        for i in T.grid(8):
            with T.block("last"):
                vi = T.axis.spatial(8, i)
                b[vi] = t[vi]

    s = Schedule(padded)
    with pytest.raises(ScheduleError, match="might be read"):
        s.split(s.loops("again")[0], [None, 4], tail="pad")
