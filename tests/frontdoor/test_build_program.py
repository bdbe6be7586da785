"""``mlc.build`` of tensor programs: functions that fill the caller's arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc
from mlc import te
from mlc.dtypes import float32, int64
from mlc.ir.combiner import reducer
from mlc.ir.expr import Var, const
from mlc.ir.program import Accumulate, Buffer, For, LoopKind, Program, Store
from mlc.schedules.schedule import Schedule
from mlc.te.program import Nest, create_program

TARGETS = ("cpu", "interpret", "numpy")
a = np.arange(12, dtype=np.float32).reshape(3, 4) - 5
b = np.arange(20, dtype=np.float32).reshape(4, 5)


def mm_relu() -> Program:
    A = te.placeholder((3, 4), "float32", name="A")
    B = te.placeholder((4, 5), "float32", name="B")
    k = te.reduce_axis((0, 4), "k")
    Y = te.compute((3, 5), lambda i, j: te.sum(A[i, k] * B[k, j], axis=k), name="Y")
    C = te.compute((3, 5), lambda i, j: te.max(Y[i, j], 0), name="C")
    return create_program("mm_relu", [Nest((Y,), Y.op), Nest((C,), C.op)], (A, B), (C,))


@pytest.mark.parametrize("target", TARGETS)
def test_a_program_fills_the_arrays_of_its_outputs(target: str) -> None:
    f = mlc.build(mm_relu(), target=target)
    c = np.empty((3, 5), np.float32)
    assert f(a, b, c) is None
    assert np.array_equal(c, np.maximum(a @ b, 0))
    assert f.__name__ == "mm_relu" and repr(f) == "<mlc.build mm_relu(A, B, C)>"
    assert f.__doc__ == "Fills C from A, B."


def test_a_schedule_is_built_as_it_stands() -> None:
    s = Schedule(mm_relu())
    i, j, _k = s.loops("Y")
    s.split(j, [None, 2])
    s.parallel(i)
    f = mlc.build(s)
    c = np.empty((3, 5), np.float32)
    f(a, b, c)
    assert np.array_equal(c, np.maximum(a @ b, 0))
    lowered = f.lower()
    assert str(lowered.program) == s.program.script()
    assert "s.parallel" in lowered.schedule and "s.split" in lowered.schedule
    assert "define i32 @mlc_main" in lowered.llvm and "mm_relu" in lowered.asm
    assert "def lnumpy_mm_relu(A, B, C):" in lowered.numpy


def test_several_programs_are_built_by_name() -> None:
    m = mlc.build({"one": mm_relu(), "two": accumulating()})
    c = np.zeros((3, 5), np.float32)
    m.one(a, b, c)
    assert list(m) == ["one", "two"] and np.array_equal(c, np.maximum(a @ b, 0))
    with pytest.raises(AttributeError, match="no function 'three'; it has one, two"):
        m.three  # noqa: B018


def test_it_comes_from_the_disk_the_second_time() -> None:
    program = mm_relu()
    mlc.build(program)
    assert mlc.build(program).lower().row.from_cache
    renamed = Program("other", program.params, program.body)
    assert not mlc.build(renamed).lower().row.from_cache


def accumulating() -> Program:
    """Adds to what its output holds."""
    A, C = Buffer("A", (3, 4), float32), Buffer("C", (3,), float32)
    i, k = Var("i"), Var("k")
    body = Accumulate(reducer("sum", float32), (C,), (i,), (A[i, k],))
    return Program("rows", (A, C), For(i, 3, For(k, 4, body)))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("layout", ["plain", "strided", "overlapping"])
def test_outputs_keep_what_they_hold(target: str, layout: str) -> None:
    f = mlc.build(accumulating(), target=target)
    x = a.copy()
    if layout == "overlapping":
        c = x.reshape(-1)[2:5]
    else:
        c = np.zeros(6, np.float32)[::2] if layout == "strided" else np.zeros(3, np.float32)
        c += [1, 2, 3]
    expected = c + a.sum(1)
    f(x, c)
    assert np.array_equal(c, expected)


def message(call: Any) -> str:
    with pytest.raises(mlc.MlcError) as caught:
        call()
    return caught.value.message


def test_arguments_that_do_not_fit_are_named() -> None:
    f = mlc.build(mm_relu())
    c = np.empty((3, 5), np.float32)
    assert message(lambda: f(a, b)) == "mm_relu wants 3 arrays (A, B, C), got 2"
    assert message(lambda: f(a, b.T, c)) == (
        "argument 1 (B) of mm_relu has shape (5, 4), expected (4, 5)"
    )
    assert message(lambda: f(a.astype(int), b, c)) == (
        "argument 0 (A) of mm_relu has dtype int64, expected float32"
    )
    assert "argument 2 (C) of mm_relu must be a NumPy array, got list" in message(
        lambda: f(a, b, [])
    )
    assert "there is no backend 'gpu' for programs" in message(
        lambda: mlc.build(mm_relu(), target="gpu")
    )


def test_written_parameters_come_last() -> None:
    A, C = Buffer("A", (4,), float32), Buffer("C", (4,), float32)
    i = Var("i")
    program = Program("wrong", (C, A), For(i, 4, Store(C, (i,), A[i])))
    assert message(lambda: mlc.build(program)) == (
        "wrong writes C, but its outputs are A: the parameters that are written come last, and "
        "outputs= says how many they are"
    )


def test_debug_mode_checks_indices() -> None:
    A, C = Buffer("A", (4,), float32), Buffer("C", (4,), float32)
    i = Var("i")
    program = Program("shifted", (A, C), For(i, 4, Store(C, (i,), A[i + 1])))
    with mlc.config.override(debug=True):
        f = mlc.build(program)
    with pytest.raises(mlc.BoundsError, match="index 4 is out of bounds for axis 0 of A"):
        f(np.zeros(4, np.float32), np.zeros(4, np.float32))


def test_strides_of_parameters_are_kept() -> None:
    A = Buffer("A", (3, 4), float32, strides=(1, 3))
    C = Buffer("C", (3, 4), float32, strides=(6, 1))
    i, j = Var("i"), Var("j")
    program = Program("copy", (A, C), For(i, 3, For(j, 4, Store(C, (i, j), A[i, j] * 2.0))))
    f = mlc.build(program)
    wide = np.zeros((3, 6), np.float32)
    f(a, wide[:, :4])
    assert np.array_equal(wide[:, :4], a * 2) and not wide[:, 4:].any()
    plain = np.zeros((3, 4), np.float32)
    f(np.asfortranarray(a), plain)
    assert np.array_equal(plain, a * 2)


def test_a_template_is_built_for_the_shapes_of_each_call() -> None:
    from mlc import script as T

    @T.program
    def plus_one(A: T.Buffer(("n",), "float32"), C: T.Buffer(("n",), "float32")):  # type: ignore
        for i in T.serial(A.shape[0]):
            C[i] = A[i] + 1.0

    f = mlc.build(plus_one)
    for n in (3, 5, 3):
        c = np.empty(n, np.float32)
        f(np.arange(n, dtype=np.float32), c)
        assert c.tolist() == list(range(1, n + 1))
    assert repr(f) == "<mlc.build plus_one, a template, compiled for 2 shapes>"
    assert "def plus_one" in f.lower(c, c).program


def writes_through(kind: LoopKind, store: Any, **attrs: Any) -> Program:
    A, N = Buffer("A", (8,), float32), Buffer("N", (8,), int64)
    C = Buffer("C", (8,), float32)
    i = Var("i")
    return Program("p", (A, N, C), For(i, 8, store(A, N, C, i), kind), 1, attrs)


@pytest.mark.unproven
@pytest.mark.parametrize("kind", [LoopKind.PARALLEL, LoopKind.VECTORIZED])
def test_iterations_that_meet_do_not_run_at_once(kind: LoopKind) -> None:
    program = writes_through(kind, lambda A, N, C, i: Store(C, (i // 2,), A[i]))
    with pytest.raises(mlc.ScheduleError) as caught:
        mlc.build(program)
    word = "parallel" if kind is LoopKind.PARALLEL else "vectorized"
    assert caught.value.message.startswith(f"loop i of 'p' is {word}, which it cannot be: ")
    assert "i=0 and i=1 both write C[0]" in caught.value.message
    assert caught.value.refusal.witness is not None  # type: ignore[attr-defined]
    marked = writes_through(
        kind, lambda A, N, C, i: Store(C, (i // 2,), A[i]), unsafe=("s.parallel(i)",)
    )
    mlc.build(marked)


@pytest.mark.unproven
def test_iterations_that_may_meet_run_in_turn() -> None:
    program = writes_through(LoopKind.PARALLEL, lambda A, N, C, i: Store(C, (N[i],), A[i]))
    f = mlc.build(program)
    assert "mlc_parallel_for" not in f.lower().llvm
    numbers = np.array([0, 1, 2, 3, 3, 2, 1, 0])
    c = np.zeros(8, np.float32)
    f(np.arange(8, dtype=np.float32), numbers, c)
    assert c.tolist() == [7, 6, 5, 4, 0, 0, 0, 0]


def test_lanes_may_fold() -> None:
    program = writes_through(
        LoopKind.VECTORIZED,
        lambda A, N, C, i: Accumulate(reducer("sum", float32), (C,), (const(0),), (A[i],)),
    )
    c = np.zeros(8, np.float32)
    mlc.build(program)(np.arange(8, dtype=np.float32), np.zeros(8, np.int64), c)
    assert c.tolist() == [28, 0, 0, 0, 0, 0, 0, 0]
