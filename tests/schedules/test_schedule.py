"""Schedules find blocks and loops, take steps, take them back, and say why not."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import mlc
from mlc.errors import ScheduleError
from mlc.ir.structural import structural_key
from mlc.ir.unsafe import unsafe_steps
from mlc.schedules.schedule import Schedule

from .samples import assert_round_trips, matmul, matmul_relu


def test_blocks_are_found_by_name_and_by_pattern() -> None:
    s = Schedule(matmul_relu())
    assert s.block("Y").name == "Y"
    assert s.block("[Y]") is s.block("Y")
    assert [b.name for b in s.blocks()] == ["Y", "C"]
    assert [b.name for b in s.blocks("?")] == ["Y", "C"]
    assert s.blocks("Z*") == ()
    assert [v.name for v in s.loops("Y")] == ["i", "j", "k"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("Z", "no block 'Z' in 'mm_relu'; it has Y, C"),
        ("Z*", "no block fits 'Z\\*' in 'mm_relu'; it has Y, C"),
        ("*", "2 blocks of 'mm_relu' fit '\\*': Y, C; name one, or take s.blocks"),
    ],
)
def test_a_block_that_is_not_there(name: str, sentence: str) -> None:
    with pytest.raises(ScheduleError, match=sentence):
        Schedule(matmul_relu()).block(name)


def test_loops_of_one_name_must_be_counted() -> None:
    s = Schedule(matmul_relu())
    with pytest.raises(ScheduleError, match="2 loops of 'mm_relu' are called 'i'"):
        s.loop("i")
    assert s.loop("i", 0) is s.loops("Y")[0]
    assert s.loop("i", 1) is s.loops("C")[0]
    assert s.loop("k") is s.loops("Y")[2]
    with pytest.raises(ScheduleError, match="has 2 loops called 'i'; there is no number 2"):
        s.loop("i", 2)
    with pytest.raises(ScheduleError, match="no loop 'x' in 'mm_relu'; it has i, j, k"):
        s.loop("x")


def test_producers_and_consumers() -> None:
    s = Schedule(matmul_relu())
    assert [b.name for b in s.producers("C")] == ["Y"]
    assert [b.name for b in s.consumers("Y")] == ["C"]
    assert s.producers("Y") == s.consumers("C") == ()
    assert [b.name for b in s.output_blocks()] == ["C"]
    assert s.child_blocks("Y") == ()


def test_an_error_shows_the_step_the_loops_and_the_line() -> None:
    s = Schedule(matmul())
    i, _, k = s.loops("C")
    s.split(i, [None, 2])
    with pytest.raises(ScheduleError) as caught:
        s.parallel(k)
    text = str(caught.value)
    assert "  in s.parallel(k)\n  on\n    for i_0 in range(3):\n" in text
    assert "        for j in range(8):\n          for k in range(4):\n            block C(" in text
    assert "test_schedule.py" in text.splitlines()[-1]


def test_a_loop_that_is_gone() -> None:
    s = Schedule(matmul())
    i, j, _ = s.loops("C")
    s.split(i, [None, 2])
    with pytest.raises(
        ScheduleError,
        match=r"no loop 'i' in 'mm'; it has i_0, i_1, j, k; "
        r"s.split\(i, \[None, 2\]\) took i away and made i_0,",
    ):
        s.fuse(i, j)
    with pytest.raises(ScheduleError, match="loop i belongs to another program"):
        Schedule(matmul()).unroll(i)
    with pytest.raises(ScheduleError, match="expected a loop, got 'i'; take it from"):
        s.unroll("i")


def test_the_trace_prints_as_lines() -> None:
    s = Schedule(matmul())
    i, _, k = s.loops("C")
    s.split(i, [None, 4])
    parts = s.rfactor(k)
    assert list(map(repr, s.trace)) == ["i_0, i_1 = s.split(i, [None, 4])", "C_rf = s.rfactor(k)"]
    assert repr(s.block(parts)) == "<block C_rf(k=k, i=i_0 * 4 + i_1, j=j)>"


def test_a_misspelled_step() -> None:
    with pytest.raises(
        AttributeError, match="a schedule has no step 'splits'; did you mean 'split'"
    ):
        Schedule(matmul()).splits  # noqa: B018
    assert "split" in dir(Schedule(matmul()))


def test_a_schedule_is_of_a_program() -> None:
    with pytest.raises(ScheduleError, match="transforms a program, not int"):
        Schedule(3)  # type: ignore[arg-type]


def test_steps_are_taken_back() -> None:
    s = Schedule(matmul())
    before = s.program
    i, j, _ = s.loops("C")
    s.split(i, [None, 2])
    middle = s.program
    s.unroll(j)
    assert s.history == [before, middle]
    s.undo()
    assert s.program is middle
    s.undo()
    assert s.program is before
    with pytest.raises(ScheduleError, match="nothing to undo"):
        s.undo()


def test_a_copy_goes_its_own_way() -> None:
    s = mlc.Schedule(matmul())
    i, j, _ = s.loops("C")
    s.split(i, [None, 2])
    other = s.copy()
    other.unroll(j)
    assert len(s.trace) == 1 and len(other.trace) == 2
    assert s.original is other.original


def test_an_unsafe_step_marks_the_program() -> None:
    s = Schedule(matmul())
    i, _, k = s.loops("C")
    s.parallel(k, unsafe=True)
    assert s.program.attrs["unsafe"] == ("s.parallel(k)",)
    assert "attrs={'unsafe': ('s.parallel(k)',)}" in s.program.script()
    assert "s.parallel(k, unsafe=True)" in s.source()
    assert_round_trips(s)
    other = Schedule(matmul())
    other.parallel(other.loops("C")[0], unsafe=True)
    assert "unsafe" not in other.program.attrs, "it was legal"
    assert structural_key(s.program) != structural_key(other.program)
    with pytest.raises(ScheduleError, match="split it before that"):
        s.split(k, [None, 2], unsafe=True)
    with pytest.raises(ScheduleError, match="one level of parallelism"):
        s.parallel(i)


def test_whatever_is_made_of_an_unsafe_program_says_so() -> None:
    s = Schedule(matmul())
    s.parallel(s.loops("C")[2], unsafe=True)
    assert json.loads(s.to_json())["steps"][0]["unsafe"] is True
    built = mlc.build(s)
    assert repr(built) == "<mlc.build mm(A, B, C), unsafe: s.parallel(k)>"
    lowered = built.lower()
    assert "lowered, unsafe: s.parallel(k); print" in repr(lowered)
    assert "</b>(A: float32[6, 4], B: float32[4, 8], C: float32[6, 8]), unsafe: s.p" in (
        lowered._repr_html_()
    )
    assert lowered.numpy.startswith("# unsafe: s.parallel(k), taken without proof\n")
    assert lowered.llvm.startswith("; unsafe: s.parallel(k), taken without proof\n")
    assert lowered.asm.startswith("# unsafe: s.parallel(k), taken without proof\n")
    proven = mlc.build(matmul())
    assert "unsafe" not in repr(proven) + repr(proven.lower()) + proven.lower().llvm


def test_operators_that_say_they_are_right_are_no_unproven_steps() -> None:
    @mlc.jit
    def sums(x):
        return np.cumsum(x)

    x = np.ones(8, "f4")
    lowered = sums.lower(x)
    assert "unsafe" not in str(lowered.explain()) + repr(lowered) + lowered.llvm
    program = replace(matmul(), attrs={"unsafe": "known by hand"})
    assert unsafe_steps(program) == ("known by hand",)
    s = Schedule(program)
    s.parallel(s.loops("C")[2], unsafe=True)
    assert unsafe_steps(s.program) == ("known by hand", "s.parallel(k)")
