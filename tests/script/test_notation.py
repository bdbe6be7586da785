"""Each construct of the notation: what it computes, and that its print comes back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc
from mlc import script as T
from mlc.errors import ArgumentError
from mlc.ir.expr import Var, apply, const, load
from mlc.ir.interpret import interpret
from mlc.ir.program import (
    Accumulate,
    Allocate,
    Block,
    Buffer,
    Evaluate,
    For,
    LoopKind,
    Program,
    Region,
    Scope,
    Store,
    blocks_of,
    walk,
)
from tests.roundtrip import traced_back


def run(program: Program, *inputs: Any) -> list[Any]:
    """The outputs of ``program``, which must come back from its script, and print the same."""
    again = traced_back(program)
    mlc.assert_structural_equal(again, program)
    assert again.script() == program.script()
    arrays = [np.asarray(x, b.dtype.numpy) for x, b in zip(inputs, program.params)]
    outputs = [np.full(b.shape, 7, b.dtype.numpy) for b in program.params[len(arrays) :]]
    interpret(program, *arrays, *outputs)
    return outputs


def test_a_product(golden: Any) -> None:
    @T.program
    def mm(
        A: T.Buffer((4, 5), "float32"),
        B: T.Buffer((5, 6), "float32"),
        C: T.Buffer((4, 6), "float32"),
    ) -> None:
        for i, j, k in T.grid(4, 6, 5):
            with T.block("C"):
                vi, vj, vk = T.remap("SSR", [i, j, k])
                with T.init():
                    C[vi, vj] = 0
                C[vi, vj] += A[vi, vk] * B[vk, vj]

    a, b = np.arange(20.0).reshape(4, 5), np.arange(30.0).reshape(5, 6)
    assert np.array_equal(run(mm, a, b)[0], a @ b)
    assert [type(s) for s in walk(mm.body)] == [For] * 3 + [Block, Store, Accumulate]
    assert mm.outputs == 1
    golden("script_mm", mm.script())


def test_loops_of_every_kind(golden: Any) -> None:
    @T.program
    def nest(A: T.Buffer((2, 3, 4, 5)), C: T.Buffer((2, 3, 4, 5))) -> None:
        for b in T.thread_binding(2, "blockIdx.x"):
            for t in T.thread_binding(3, "threadIdx.x", annotations={"hint": (1, "two")}):
                for u in T.unrolled(4):
                    for v in T.vectorized(5):
                        with T.block("C"):
                            vb, vt, vu, vv = T.axis.remap("SSSS", [b, t, u, v])
                            T.annotate({"stage": 1})
                            T.annotate("order", [1, 2])
                            C[vb, vt, vu, vv] = A[vb, vt, vu, vv] + 1

    kinds = [s.kind for s in walk(nest.body) if isinstance(s, For)]
    assert kinds == [LoopKind.BOUND, LoopKind.BOUND, LoopKind.UNROLLED, LoopKind.VECTORIZED]
    inner = [s for s in walk(nest.body) if isinstance(s, For)][1]
    assert inner.annotations == (("thread", "threadIdx.x"), ("hint", (1, "two")))
    assert blocks_of(nest.body)[0].annotations == (("stage", 1), ("order", [1, 2]))
    a = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype("f4")
    assert np.array_equal(run(nest, a)[0], a + np.float32(1))
    golden("script_loops", nest.script())


def test_updates_are_seen_for_what_they_are() -> None:
    @T.program
    def fold(
        x: T.Buffer((6,), "int32"),
        m: T.Buffer((6,), "bool"),
        s: T.Buffer((), "int32"),
        p: T.Buffer((), "int32"),
        top: T.Buffer((), "int32"),
        low: T.Buffer((), "int32"),
        some: T.Buffer((), "bool"),
        every: T.Buffer((), "bool"),
        bits: T.Buffer((), "int32"),
        less: T.Buffer((), "int32"),
    ) -> None:
        s[()] = 0
        p[()] = 1
        top[()] = -100
        low[()] = 100
        some[()] = False
        every[()] = True
        bits[()] = 0
        less[()] = 0
        for i in T.serial(6):
            s[()] += x[i]
            p[()] *= x[i]
            top[()] = T.max(top[()], x[i])
            low[()] = T.min(low[()], x[i])
            some[()] |= m[i]
            every[()] &= m[i]
            bits[()] |= x[i]
            less[()] -= x[i]

    updates = [s for s in walk(fold.body) if isinstance(s, Accumulate)]
    assert [u.combiner.name for u in updates] == ["sum", "prod", "max", "min", "any", "all"]
    x, m = np.array([3, -1, 4, 1, 5, 2]), np.array([1, 0, 1, 1, 0, 1], bool)
    found = [out.item() for out in run(fold, x, m)]
    bits = np.bitwise_or.reduce(x)
    assert found == [14, -120, 5, -1, True, False, bits, -14]


def test_a_plain_store_of_a_maximum_is_no_update() -> None:
    @T.program
    def stores(x: T.Buffer((3,)), y: T.Buffer((3,))) -> None:
        for i in T.serial(3):
            y[i] = x[i]
            T.store(y[i], T.max(y[i], 0))
            y[i] = y[i] + 1
            y[i] = T.max(0, y[i])

    assert not [s for s in walk(stores.body) if isinstance(s, Accumulate)]
    assert "T.store(y[i], T.max(y[i], 0.0))" in stores.script()
    assert run(stores, [-1, 2, 0])[0].tolist() == [1, 3, 1]


def test_a_reducer_of_ones_own() -> None:
    best = T.comm_reducer(
        lambda a, b: (T.select(a[1] >= b[1], a[0], b[0]), T.max(a[1], b[1])),
        identity=(-1, -np.inf),
        dtype=("int64", "float32"),
        name="argmax",
    )
    last = T.comm_reducer(lambda a, b: b, identity=0, dtype="int64", commutative=False)

    @T.program
    def argmax(
        x: T.Buffer((3, 5)),
        at: T.Buffer((3,), "int64"),
        value: T.Buffer((3,)),
        end: T.Buffer((3,), "int64"),
    ) -> None:
        for i, k in T.grid(3, 5):
            with T.block("best"):
                vi, vk = T.remap("SR", [i, k])
                with T.init():
                    at[vi] = -1
                    value[vi] = -np.inf
                at[vi], value[vi] = best((at[vi], value[vi]), (vk, x[vi, vk]))
        for i in T.serial(3):
            end[i] = 0
            for k in T.serial(5):
                end[i] = last(end[i], k)

    assert argmax.outputs == 3
    x = np.random.default_rng(0).normal(size=(3, 5))
    at, value, end = run(argmax, x)
    assert at.tolist() == x.argmax(1).tolist() and end.tolist() == [4, 4, 4]
    assert np.array_equal(value, x.astype("f4").max(1))
    assert "commutative=False" in argmax.script()


def test_branches_scopes_and_memory() -> None:
    @T.program
    def parts(x: T.Buffer((8,), "int64"), y: T.Buffer((8,), "int64")) -> None:
        with T.scope():
            once = T.alloc((8,), "int64", scope="shared")
            for i in T.serial(8):
                once[i] = x[i] * 2
            for i in T.serial(8):
                y[i] = once[7 - i]
        for i in T.serial(8):
            mine = T.alloc((), "int64", scope="local")
            mine[()] = y[i]
            with T.when(mine[()] > 6):
                y[i] = -1
            with T.otherwise():
                with T.when(i < 2):
                    y[i] = -2

    memory = [b for s in walk(parts.body) if isinstance(s, Allocate) for b in s.buffers]
    assert [(b.name, b.scope) for b in memory] == [("once", Scope.SHARED), ("mine", Scope.LOCAL)]
    assert run(parts, range(8))[0].tolist() == [-1, -1, -1, -1, 6, 4, 2, 0]


def test_predicates_bind_more_than_there_is() -> None:
    @T.program
    def guarded(x: T.Buffer((10,)), y: T.Buffer((10,))) -> None:
        for i, j in T.grid(3, 4):
            with T.block("y"):
                v = T.axis.spatial((0, 10), i * 4 + j)
                T.where(i * 4 + j < 10)
                y[v] = x[v] * 0.5

    assert guarded.script().count("T.where(i * 4 + j < 10)") == 1
    assert np.array_equal(run(guarded, np.arange(10.0))[0], np.arange(10.0) / 2)


def test_blocks_may_do_a_part_each() -> None:
    @T.program
    def halves(x: T.Buffer((8,)), y: T.Buffer((8,))) -> None:
        for i in T.serial(3):
            with T.block("low"):
                v = T.axis.spatial(8, i, part=True)
                y[v] = x[v]
        for i in T.serial(5):
            with T.block("high"):
                v = T.axis.spatial(8, i + 3, part=True)
                y[v] = -x[v]

    assert halves.script().count("part=True") == 2
    assert run(halves, np.arange(8))[0].tolist() == [0, 1, 2, -3, -4, -5, -6, -7]


def test_calls_regions_and_declared_accesses() -> None:
    @T.program(outputs=1)
    def calls(a: T.Buffer((32, 8)), s: T.Buffer(()), c: T.Buffer((32, 8))) -> None:
        for i in T.serial(2):
            with T.block("tile"):
                vi = T.axis.spatial(2, i)
                T.reads(a[vi * 16 : vi * 16 + 16, :], s[()])
                T.writes(c[vi * 16 : vi * 16 + 16, 0:8])
                T.call("kernel", a[vi * 16 : vi * 16 + 16, 0:8], T.region(s[()]), s[()], c, 3)
                T.call_extern("other", c[vi, 0:8], 2.5, T.float32(1), T.bool(True))
                T.barrier()

    again = traced_back(calls)
    mlc.assert_structural_equal(again, calls)
    assert again.script() == calls.script()
    block = blocks_of(calls.body)[0]
    assert [r.extents for r in (*block.reads, *block.writes)] == [(16, 8), (), (16, 8)]
    kernel, other, barrier = (s for s in walk(calls.body) if isinstance(s, Evaluate))
    assert isinstance(kernel.args[1], Region) and not isinstance(kernel.args[2], Region)
    assert isinstance(kernel.args[3], Buffer) and kernel.args[4] is const(3)
    assert other.args[0].extents == (1, 8)  # type: ignore[union-attr]
    assert other.args[2] is const(1, "float32")
    assert (barrier.name, barrier.args) == ("barrier", ())


def test_scalar_functions_and_conversions() -> None:
    @T.program
    def maths(x: T.Buffer((4,)), y: T.Buffer((4,)), z: T.Buffer((4,), "int32")) -> None:
        for i in T.serial(4):
            t = T.exp(-x[i]) + 1.0
            y[i] = T.select((x[i] > 0) & ~(x[i] > 2), 1 / t, T.fma(x[i], 2, T.sqrt(t)))
            z[i] = T.bitcast(x[i], "int32") ^ 1 << T.int32(i)

    x = np.array([-1, 0.5, 1.5, 3], "f4")
    y, z = run(maths, x)
    t = np.exp(-x) + 1
    assert np.allclose(y, np.where((x > 0) & ~(x > 2), 1 / t, x * 2 + np.sqrt(t)), rtol=1e-6)
    assert np.array_equal(z, x.view("i4") ^ 1 << np.arange(4, dtype="i4"))


@pytest.mark.parametrize(
    "text, dtype, value",
    [
        ("True", "bool", True),
        ("3", "uint8", 3),
        ("0.1", "float32", np.float32(0.1)),
        ("2", "float64", 2.0),
        ("-np.inf", "float16", -np.inf),
        ("np.nan", "float32", np.nan),
        ("T.select(True, False, True)", "bool", False),
        ("T.max(T.int8(3), T.int8(-4))", "int8", 3),
        ("T.int64(3) < i", "bool", False),
        ("1 << T.int64(3) >> 1", "int64", 4),
        ("T.float32(1) + 2.0 == 3", "bool", True),
    ],
)
def test_constants(text: str, dtype: str, value: Any) -> None:
    names = {"T": T, "np": np}
    source = f"def p(y: T.Buffer((2,), {dtype!r})):\n  for i in T.grid(2):\n    y[i] = {text}"
    exec(source, names)
    found = run(T.program(names["p"]))[0]
    assert np.array_equal(found, np.full(2, value, found.dtype), equal_nan=dtype[0] == "f")


def test_a_constant_left_of_a_comparison_stays_there() -> None:
    y, i = Buffer("y", (4,), const(True).dtype), Var("i")
    program = Program("p", (y,), For(i, 4, Store(y, (i,), apply("lt", const(2), i))))
    assert "T.int64(2) < i" in program.script()
    mlc.assert_structural_equal(traced_back(program), program)


def test_plain_python_leaves_no_trace() -> None:
    scales = [2.0, 3.0]

    def scaled(a: Any, i: Any, by: float) -> Any:
        return a[i] * by

    @T.program
    def unrolled_by_python(x: T.Buffer((2, 3)), y: T.Buffer((2, 3))) -> None:
        for row, by in enumerate(scales):
            for j in T.serial(x.shape[1]):
                y[row, j] = scaled(x, (row, j), by)

    assert unrolled_by_python.script().count("for j in T.serial(3):") == 2
    assert run(unrolled_by_python, np.ones((2, 3)))[0].tolist() == [[2] * 3, [3] * 3]


def test_empty_loops_and_bodies() -> None:
    @T.program(outputs=1)
    def nothing(x: T.Buffer((0,)), y: T.Buffer((1,))) -> None:
        y[0] = 1
        for i in T.serial(0):
            y[i] = x[i]
        for _ in T.grid(1, 2):
            pass

    assert run(nothing, np.zeros(0))[0].tolist() == [1]


def test_blocks_get_names_of_their_own_and_stand_in_blocks() -> None:
    @T.program
    def nested(x: T.Buffer((8, 4)), y: T.Buffer((8, 4)), z: T.Buffer((8, 4))) -> None:
        for i in T.parallel(2):
            with T.block("C"):
                vo = T.remap("S", [i])
                for k, j in T.grid(4, 4):
                    with T.block("C"):
                        vi = T.axis.spatial(8, vo * 4 + k)
                        vj = T.axis.spatial(4, j)
                        y[vi, vj] = x[vi, vj] + 1
        for i, j in T.grid(8, 4):
            with T.block("C"):
                vi, vj = T.remap("SS", [i, j])
                z[vi, vj] = y[vi, vj]

    assert [b.name for b in blocks_of(nested.body)] == ["C", "C_1", "C_2"]
    x = np.arange(32.0).reshape(8, 4)
    assert np.array_equal(run(nested, x)[1], x + 1)


def test_programs_of_the_compiler_write_what_they_work_in() -> None:
    @T.program(outputs=1, writes=("work", "y"))
    def worked(work: T.Buffer((2,)), y: T.Buffer((2,))) -> None:
        for i in T.serial(2):
            work[i] = 3
            y[i] = work[i]

    assert worked.outputs == 1
    assert run(worked, np.zeros(2))[0].tolist() == [3, 3]


def test_what_has_no_notation_of_its_own_keeps_apart() -> None:
    """A store that looks like an update, an element and a region of no axes, strides."""
    s = Buffer("s", (), const(0.0, "float32").dtype)
    y = Buffer("y", (2, 3), s.dtype, strides=(1, 2), aligned=False)
    body = Evaluate("f", (load(s, ()), Region(s, (), ()), s, const(1, "int8"), y))
    program = Program("odd names!", (s, y), body)
    assert 'T.call("f", s[()], T.region(s[()]), s, T.int8(1), y)' in program.script()
    mlc.assert_structural_equal(traced_back(program), program)


def test_a_program_shows_and_says_how_to_run_it() -> None:
    @T.program
    def fill(y: T.Buffer((2,))) -> None:
        for i in T.serial(2):
            with T.when(i < 1):
                y[i] = 1.0

    shown = fill._repr_html_()
    assert "&lt;" in shown and '<span style="color:#d73a49">for</span>' in shown
    with pytest.raises(ArgumentError, match=r"f = mlc.build\(fill\) compiles it"):
        fill(np.zeros(2))


def test_a_condition_may_speak_of_the_axes_of_its_block() -> None:
    """They stand for what they are bound to."""

    def padded(by_axes: bool) -> Program:
        @T.program
        def padded(A: T.Buffer((10,)), B: T.Buffer((10,))):
            for i, j in T.grid(3, 4):
                with T.block("B"):
                    vi = T.axis.spatial(10, i * 4 + j)
                    T.where(vi < 10 if by_axes else i * 4 + j < 10)
                    B[vi] = A[vi]

        return padded

    mlc.assert_structural_equal(padded(True), padded(False))
