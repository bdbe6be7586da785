"""Sizes that are left open, and modules of several programs."""

from __future__ import annotations

import numpy as np
import pytest

import mlc
from mlc import script as T
from mlc.errors import ArgumentError, ScheduleError, ShapeError
from mlc.ir.interpret import interpret
from mlc.ir.structural import structural_key
from tests.ir import samples

n = T.dim("n")


@T.program
def halves(A: T.Buffer((n, "m")), C: T.Buffer((n // 2, "m"), strides=(2 * n, 1))) -> None:
    rows, columns = C.shape
    for i, j in T.grid(n // 2, columns):
        with T.block("C"):
            vi, vj = T.remap("SS", [i, j])
            if n > 6:
                C[vi, vj] = A[vi, vj] + A[vi + n // 2, vj] * n
            else:
                C[vi, vj] = A[n - 1 - vi, vj]
    for i in T.serial(rows):
        C[i, 0] = T.select(i < n - 1, C[i, 0], 0)


def test_a_template_makes_programs() -> None:
    small, large = halves.at(n=4, m=3), halves.at(n=8, m=5)
    assert small is halves.at(m=3, n=4)
    assert [b.shape for b in large.params] == [(8, 5), (4, 5)]
    assert large.params[1].strides == (16, 1)
    assert "A[3 - vi, vj]" in small.script() and "A[vi + 4, vj] * 8.0" in large.script()
    a = np.arange(12, dtype="f4").reshape(4, 3)
    out = np.zeros((2, 8), "f4")[:, :3]
    interpret(small, a, out)
    assert np.array_equal(out, a[:1:-1])


def test_a_template_fits_itself_to_arrays() -> None:
    assert halves.dims == ("n", "m")
    assert halves.specialize([(4, 3), (2, 3)]) is halves.at(n=4, m=3)
    with pytest.raises(
        ShapeError, match=r"C of halves has shape \(3, 3\), expected .*2, 3\) where"
    ):
        halves.specialize([(4, 3), (3, 3)])
    with pytest.raises(ArgumentError, match="halves takes 2 arrays, got 1"):
        halves.specialize([(4, 3)])


def test_a_size_that_no_array_tells_must_be_chosen() -> None:
    @T.program
    def doubled(A: T.Buffer((2 * n,))) -> None:
        for i in T.serial(2 * n):
            A[i] = 1

    assert doubled.at(n=3).params[0].shape == (6,)
    with pytest.raises(ShapeError, match=r"do not tell size 'n' of doubled.*\.at\(n=...\)"):
        doubled.specialize([(6,)])


def test_a_template_prints_the_names_of_its_sizes() -> None:
    assert 'A: T.Buffer((n, "m"))' in halves.script()
    assert "for i, j in T.grid(n // 2, columns):" in repr(halves)


def test_sizes_are_numbers_only_in_programs() -> None:
    with pytest.raises(ArgumentError, match=r"choose one with .at\(n=64\)"):
        range(n)
    with pytest.raises(ArgumentError, match="size 'k' is not known here"):

        @T.program
        def unknown(A: T.Buffer((4,))) -> None:
            for i in T.serial(T.dim("k")):
                A[i] = 0

    with pytest.raises(ArgumentError, match="halves leaves the sizes n, m open; got n"):
        halves.at(n=3)
    with pytest.raises(ArgumentError, match=r"compile it with mlc.build\(halves\)"):
        halves(np.zeros((4, 3)))


def traced_module(text: str, name: str) -> T.Module:
    names = {"T": T, "np": np}
    exec(compile(text, "<script>", "exec"), names)
    found = names[name]
    assert isinstance(found, T.Module)
    return found


def test_a_module_holds_programs_and_comes_back() -> None:
    @T.Module
    class layers:
        @T.program
        def fill(y: T.Buffer((3,))) -> None:
            for i in T.serial(3):
                y[i] = 1

        @T.program
        def copy(x: T.Buffer((3,)), y: T.Buffer((3,))) -> None:
            for i in T.serial(3):
                y[i] = x[i]

    assert list(layers) == ["fill", "copy"] and "fill" in layers and len(layers) == 2
    again = traced_module(layers.script(), "layers")
    mlc.assert_structural_equal(again, layers)
    assert again.script() == layers.script() == repr(layers)
    with pytest.raises(ArgumentError, match="module layers has no program 'mm'; it has fill, copy"):
        layers["mm"]


def test_reducers_of_a_module_stand_before_it() -> None:
    made = {"first": samples.argmax(), "second": samples.argmax(2, 4), "plain": samples.padded()}
    module = T.Module(made, name="reducers")
    assert module.script().index("argmax_1 = ") < module.script().index("class reducers:")
    mlc.assert_structural_equal(traced_module(module.script(), "reducers"), module)


def test_modules_that_differ() -> None:
    one = T.Module({"f": samples.mm_relu()})
    with pytest.raises(AssertionError, match="in f: the programs differ, first here"):
        mlc.assert_structural_equal(one, T.Module({"f": samples.mm_relu(4, 6, 7)}))
    with pytest.raises(AssertionError, match="actual f; expected g"):
        mlc.assert_structural_equal(one, T.Module({"g": samples.mm_relu()}))
    with pytest.raises(ArgumentError, match="compares programs, schedules or modules; the second"):
        mlc.assert_structural_equal(samples.mm_relu(), "mm_relu")
    with pytest.raises(ArgumentError, match=r"'f' in a T.Module must be a program"):
        T.Module({"f": 3})


def test_templates_stand_in_modules() -> None:
    @T.Module
    class layers:
        @T.program
        def fill(y: T.Buffer(("rows",))) -> None:
            for i in T.serial(T.dim("rows")):
                y[i] = 1

        @T.program
        def copy(x: T.Buffer((3,)), y: T.Buffer((3,))) -> None:
            for i in T.serial(3):
                y[i] = x[i]

    assert list(layers) == ["fill", "copy"]
    assert '        for i in T.serial(T.dim("rows")):' in layers.script()
    again = traced_module(layers.script(), "layers")
    mlc.assert_structural_equal(again["fill"].at(rows=5), layers["fill"].at(rows=5))
    mlc.assert_structural_equal(again["copy"], layers["copy"])
    mlc.assert_structural_equal(layers, layers)
    built, ones = mlc.build(layers, target="interpret"), np.zeros(5, "f4")
    built.fill(ones)
    assert (ones == 1).all()
    with pytest.raises(ArgumentError, match=r"the first is a template; .*: fill.at\(rows=64\)"):
        mlc.assert_structural_equal(layers["fill"], layers["copy"])
    with pytest.raises(ArgumentError, match="a class that holds them, got list"):
        T.Module([layers["copy"]])


@mlc.schedule
def in_tiles(s, width=4):
    i, j = s.loops("C")
    s.split(j, [None, width])
    s.parallel(i)


@in_tiles
@T.program
def doubled_rows(A: T.Buffer((n, "m")), C: T.Buffer((n, "m"))) -> None:
    for i, j in T.grid(*C.shape):
        with T.block("C"):
            vi, vj = T.remap("SS", [i, j])
            C[vi, vj] = A[vi, vj] * 2


def test_a_schedule_over_a_template_is_taken_for_each_size() -> None:
    assert isinstance(doubled_rows, T.Template) and doubled_rows.at(n=2, m=8) is doubled_rows.at(
        m=8, n=2
    )
    assert "T.parallel(2)" in doubled_rows.at(n=2, m=8).script()
    assert "T.where(j_0 * 4 + j_1 < 7)" in doubled_rows.at(n=2, m=7).script()
    assert doubled_rows.script().startswith("@in_tiles\n@T.program\ndef doubled_rows(")
    a, c = np.arange(14, dtype="f4").reshape(2, 7), np.zeros((2, 7), "f4")
    mlc.build(doubled_rows, target="interpret")(a, c)
    assert (c == 2 * a).all()


def test_options_of_a_schedule_over_a_template() -> None:
    plain = T.Template(doubled_rows._source)
    wide = in_tiles(plain, width=2)
    assert "T.grid(4, 2)" in wide.at(n=1, m=8).script()
    assert wide.script().startswith("@in_tiles(width=2)\n")
    with pytest.raises(ScheduleError, match=r"mlc.Schedule\(doubled_rows.at\(n=64, m=64\)\), or"):
        mlc.Schedule(plain)


def test_schedules_are_compared_by_their_programs() -> None:
    program = samples.mm_relu()
    schedule = mlc.Schedule(program)
    mlc.assert_structural_equal(schedule, program)
    schedule.split(schedule.loops("Y")[0], [None, 2])
    with pytest.raises(AssertionError, match="the programs differ"):
        mlc.assert_structural_equal(schedule, program)
    assert structural_key(schedule.program) != structural_key(program)
