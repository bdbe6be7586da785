"""Blocks whose formulas move to where results are read, or to where inputs are made."""

from __future__ import annotations

import pytest

from mlc import te
from mlc.dtypes import float32
from mlc.errors import ScheduleError
from mlc.ir.expr import Var, const, load
from mlc.ir.program import Allocate, Buffer, For, Program, Scope, Store, seq, walk
from mlc.schedules.schedule import Schedule
from tests.ir.samples import argmax, mm_relu, padded, program_of
from tests.schedules.programs import axes, bound, loops, same_results


def chain() -> Program:
    """x -> p -> q -> r, element by element but for the transposition in q."""
    x = te.placeholder((3, 4), "float32", name="x")
    b = te.placeholder((4,), "float32", name="b")
    p = te.compute((3, 4), lambda i, j: x[i, j] * 2, name="p")
    q = te.compute((4, 3), lambda i, j: p[j, i] * p[j, i] + b[i], name="q")
    r = te.compute((4, 3), lambda i, j: te.max(q[i, j], 0), name="r")
    return program_of("chain", [r], [x, b])


def names(program: Program) -> list[str]:
    return [n.name for n in walk(program.body) if hasattr(n, "name")]


def test_formulas_stand_where_they_are_read() -> None:
    before = chain()
    s = Schedule(before)
    s.compute_inline("p")
    assert names(s.program) == ["q", "r"]
    same_results(before, s.program)
    s.compute_inline("q")
    assert names(s.program) == ["r"]
    assert isinstance(s.program.body, For)
    assert "r[vi, vj] = T.max(t0 * t0 + b[vi], 0.0)" in s.program.script()
    same_results(before, s.program)


def test_a_guarded_side_stays_guarded() -> None:
    before = padded()
    s = Schedule(before)
    s.compute_inline("compute")
    same_results(before, s.program)


def test_formulas_stand_where_their_input_is_made() -> None:
    before = chain()
    s = Schedule(before)
    s.reverse_compute_inline("q")
    assert names(s.program) == ["p", "r"]
    same_results(before, s.program)
    s.reverse_compute_inline("r")
    assert names(s.program) == ["p"]
    assert isinstance(s.program.body, For)
    same_results(before, s.program)


def test_a_split_block_is_inlined_like_any_other() -> None:
    before = chain()
    s = Schedule(before)
    s.split(s.loops("p")[1], [None, 3])
    s.split(s.loops("q")[1], [None, 2])
    s.reverse_compute_inline("q")
    same_results(before, s.program)
    s = Schedule(before)
    s.split(s.loops("p")[1], [None, 3])
    s.compute_inline("p")
    same_results(before, s.program)


@pytest.mark.parametrize("step", ["compute_inline", "reverse_compute_inline"])
def test_a_block_in_a_block_vanishes_with_it(step: str) -> None:
    before = chain()
    s = Schedule(before)
    name = "p" if step == "compute_inline" else "r"
    s.blockize(s.loops(name)[1])
    getattr(s, step)(name)
    assert f"{name}_o" not in names(s.program) and name not in names(s.program)
    same_results(before, s.program)


def test_a_reduction_is_not_inlined() -> None:
    s = Schedule(mm_relu())
    with pytest.raises(
        ScheduleError,
        match="block 'Y' is a reduction: its value is complete only after many points",
    ):
        s.compute_inline("Y")


def test_an_output_is_not_inlined() -> None:
    with pytest.raises(ScheduleError, match="r is a parameter of the program: block 'r' has to"):
        Schedule(chain()).compute_inline("r")


def test_nothing_is_folded_into_a_reduction() -> None:
    s = Schedule(mm_relu())
    with pytest.raises(
        ScheduleError,
        match=r"block 'Y' reduces over k: folded into it, block 'C' would be applied to parts of "
        r"the value: k=0 and k=1 both combine into Y\[0, 0\]; use reverse_compute_at\('C', a loop "
        r"outside k\)",
    ):
        s.reverse_compute_inline("C")


def test_only_element_by_element_blocks_are_folded() -> None:
    x = te.placeholder((6,), "float32", name="x")
    p = te.compute((6,), lambda i: x[i] * 2, name="p")
    q = te.compute((5,), lambda i: p[i] + p[i + 1], name="q")
    s = Schedule(program_of("f", [q], [x]))
    with pytest.raises(
        ScheduleError, match=r"block 'q' does not read p element by element: .*, got p\[i\], p\["
    ):
        s.reverse_compute_inline("q")
    q = te.compute((5,), lambda i: p[i] + 1, name="q")
    s = Schedule(program_of("f", [q], [x]))
    with pytest.raises(ScheduleError, match="block 'q' reads a part of p only"):
        s.reverse_compute_inline("q")


def test_what_others_read_is_not_folded_away() -> None:
    x = te.placeholder((6,), "float32", name="x")
    p = te.compute((6,), lambda i: x[i] * 2, name="p")
    q = te.compute((6,), lambda i: p[i] + 1, name="q")
    r = te.compute((6,), lambda i: p[i] * 3, name="r")
    s = Schedule(program_of("f", [q, r], [x]))
    with pytest.raises(ScheduleError, match="block 'r' reads p, too"):
        s.reverse_compute_inline("q")
    with pytest.raises(ScheduleError, match="block 'best' is a reduction"):
        Schedule(argmax()).reverse_compute_inline("best")


def test_a_formula_does_not_leave_the_memory_that_it_reads() -> None:
    x = te.placeholder((5,), "float32", name="x")
    p = te.compute((5,), lambda i: x[i] * 2, name="p")
    q = te.compute((4,), lambda i: p[i] + p[i + 1], name="q")
    r = te.compute((4,), lambda i: q[i] + 1, name="r")
    s = Schedule(program_of("f", [r], [x]))
    s.compute_at("p", s.loops("q")[0])
    with pytest.raises(ScheduleError, match="block 'r' reads q where the memory that block 'q'"):
        s.compute_inline("q")


def overwritten(size: int) -> Program:
    """``p = x * 2; x = 0; q = p + b``, with b written in between as well."""
    X, B, Q = (Buffer(name, (size,), float32) for name in ("X", "B", "Q"))
    P = Buffer("P", (size,), float32, scope=Scope.STACK)
    rows = (
        ("p", P, lambda v: load(X, (v,)) * 2),
        ("x", X, lambda v: const(0, float32)),
        ("b", B, lambda v: const(1, float32)),
        ("q", Q, lambda v: load(P, (v,)) + load(B, (v,))),
    )
    nests = []
    for name, target, value in rows:
        i, (v,) = Var("i"), axes("S", size)
        nests.append(loops([(i, size)], bound(name, [v], [i], Store(target, (v,), value(v)))))
    return Program("f", (X, B, Q), Allocate((P,), seq(*nests)), outputs=3)


def test_inputs_must_not_change_before_the_formula_is_used() -> None:
    s = Schedule(overwritten(4))
    with pytest.raises(ScheduleError, match=r"block 'x' overwrites X, which block 'p' reads"):
        s.compute_inline("p")
    with pytest.raises(ScheduleError, match=r"block 'b' writes B, which block 'q' reads, after"):
        s.reverse_compute_inline("q")
