"""The strategies draw what they say, and check_schedules finds a step that changes the meaning."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

import mlc
import mlc.testing
from mlc.ir.expr import Const, const
from mlc.ir.interpret import interpret
from mlc.ir.rewrite import substitute
from mlc.ir.simplify import simplify
from mlc.testing.trying import pasted_schedule, traced_program

quickly = settings(max_examples=30, deadline=None, derandomize=True, database=None)


@quickly
@given(st.data())
def test_arrays_are_as_asked_for(data: st.DataObject) -> None:
    kind = data.draw(mlc.testing.dtypes())
    shape = data.draw(mlc.testing.shapes(1, 2, 0, 4))
    array = data.draw(mlc.testing.arrays(kind, shape))
    assert array.dtype == kind
    assert array.shape == shape
    assert kind.kind != "f" or np.isfinite(array).all()
    assert np.array_equal(data.draw(mlc.testing.layouts(array)), array)


@quickly
@given(mlc.testing.broadcastable_shapes(3))
def test_shapes_broadcast(found: Any) -> None:
    assert len(found) == 3
    np.broadcast_shapes(*found)


def test_every_layout_and_special_value_is_drawn() -> None:
    plain = mlc.testing.arrays("float64", (2, 3))
    assert find(plain, lambda a: a.strides[-1] < 0).shape == (2, 3)
    assert find(plain, lambda a: a.flags.f_contiguous).strides == (8, 16)
    assert find(plain, lambda a: a.strides[-1] == 16).dtype == np.float64
    special = mlc.testing.arrays("float32", 3, special=True, layout="C")
    assert find(special, lambda a: bool(np.isnan(a).any())).flags.c_contiguous
    with pytest.raises(mlc.ArgumentError, match="expected a layout of C, transposed"):
        mlc.testing.arrays(layout="diagonal")


@quickly
@given(mlc.testing.index_expressions(3, 4))
def test_index_expressions_can_be_computed(drawn: Any) -> None:
    axes, index = drawn
    assert index.dtype.name == "int64"
    assert [axis.extent for axis in axes] == [3, 4]
    value = simplify(substitute(index, dict(zip(axes, (const(2), const(3)), strict=True))))
    assert isinstance(value, Const)
    assert isinstance(value.value, int)


def test_what_cannot_be_drawn_is_refused_at_once() -> None:
    with pytest.raises(mlc.ArgumentError, match="must be 0 <= min <= max, got 3 and 1"):
        mlc.testing.shapes(3, 1)
    for draws in (mlc.testing.arrays, mlc.testing.dtypes, mlc.testing.numbers):
        with pytest.raises(mlc.ArgumentError, match="expected a dtype such as 'float32', got 'f9'"):
            draws("f9")


def test_what_hypothesis_runs_is_told_with_lines_of_the_user_alone() -> None:
    with pytest.raises(mlc.ArgumentError, match="expected a dtype of numbers, got <U3") as caught:
        given(mlc.testing.arrays("U3"))(lambda array: None)()
    assert "hypothesis" not in str(caught.value)


@pytest.mark.parametrize("layout", ["C", "transposed", "reversed", "strided", "offset"])
def test_an_array_of_no_axes_has_every_layout(layout: str) -> None:
    seen: list[Any] = []
    drawn = mlc.testing.arrays(shape=(), layout=layout)
    settings(max_examples=3, database=None)(given(drawn)(lambda array: seen.append(array)))()
    assert seen and all(type(a) is np.ndarray and a.shape == () for a in seen)


def test_axes_have_names_of_their_own() -> None:
    axes, _ = find(mlc.testing.index_expressions(*range(1, 12)), lambda drawn: True)
    assert len({axis.name for axis in axes}) == 11


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        (lambda: mlc.testing.arrays("int8", -1), r"expected a shape such as \(3, 4\)"),
        (lambda: mlc.testing.arrays("int8", "n k"), "or a strategy for shapes"),
        (lambda: mlc.testing.index_expressions("n"), "expected a shape"),
        (lambda: mlc.testing.broadcastable_shapes(-1), "count must be 0 or more"),
        (lambda: mlc.testing.programs("loops"), "expected one of any, graph, nest, tiles"),
        (lambda: mlc.testing.schedules(3), "wants a program, got int"),
        (lambda: mlc.testing.check_op(np.exp, shapes="n", sizes={"n": (5, 2)}), "sizes= has for"),
        (lambda: mlc.testing.check_op(np.exp, shapes="n", sizes={"n": 5}), r"\(3, 9\)\}, got 5"),
        (lambda: mlc.testing.check_schedules(np.exp, ways=("fast",)), "ways= takes some of inter"),
        (lambda: mlc.testing.check_against_numpy(np.exp, 1.0, reference=5), "reference= is a fun"),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(asked: Any, text: str) -> None:
    with pytest.raises(mlc.ArgumentError, match=text):
        asked()


def test_one_dtype_and_one_target_need_no_list() -> None:
    mlc.testing.check_op(np.exp, shapes="n", dtypes="float32", targets="cpu", examples=2)


def test_without_hypothesis_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    with pytest.raises(mlc.UnsupportedError, match=r"not installed; install it \(pip install"):
        mlc.testing.arrays()
    mlc.testing.check_against_numpy(lambda x: x + 1, np.ones(3))


def layer(x: Any, w: Any) -> Any:
    return np.maximum(x @ w, 0).sum(axis=0)


def test_schedules_of_a_function_are_checked() -> None:
    x, w = np.ones((3, 2), np.float32), np.ones((2, 4), np.float32)
    mlc.testing.check_schedules(layer, x, w, examples=3, ways=("interpret",))
    mlc.testing.check_schedules(lambda x, y: (x * y).sum(1), examples=2, ways=("interpret",))
    program = traced_program(layer, x, w)
    out = np.zeros(4, np.float32)
    interpret(program, x, w, out)
    assert np.array_equal(out, layer(x, w))


def test_a_wrong_schedule_is_a_test_to_paste(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    x, w = np.ones((3, 2), np.float32), np.ones((2, 4), np.float32)
    program = traced_program(layer, x, w)
    other = traced_program(lambda x, w: layer(x, w) + 1, x, w)
    schedule = mlc.Schedule(program)  # type: ignore[operator]
    schedule.split(schedule.loops("matmul")[0], [None, 2])
    names: dict[str, Any] = {}
    path = tmp_path / "pasted.py"
    path.write_text(pasted_schedule(program, schedule))
    exec(compile(path.read_text(), str(path), "exec"), names)
    names["test_means_the_same"]()
    schedule.program = other
    with pytest.raises(AssertionError, match="instead of"):
        mlc.testing.check_schedule(program, schedule, ways=["interpret"])

    def wrong(*_: Any) -> Any:
        return st.just(schedule)

    monkeypatch.setattr("mlc.testing.strategies.schedules", wrong)
    with pytest.raises(AssertionError, match="# as a test\nimport numpy as np"):
        mlc.testing.check_schedules(program, examples=2, ways=["interpret"])
