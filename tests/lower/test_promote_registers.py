"""Accumulators stay in registers, also where the lanes of a row reach past its end."""

import numpy as np
import pytest

import mlc
from mlc import script as T
from mlc.dtypes import float32
from mlc.ir.combiner import reducer
from mlc.ir.expr import Var, const, load
from mlc.ir.interpret import interpret
from mlc.ir.program import Accumulate, Allocate, Buffer, For, Program, Scope, Store, seq, walk
from mlc.lower.pipeline import lower
from mlc.lower.promote_registers import promote_registers


def rows_of(width: int, rows: int):
    @T.program
    def product(A: T.Buffer((64, 32)), B: T.Buffer((32, width)), C: T.Buffer((64, width))):
        for io in T.serial(64 // rows):
            for k in T.serial(32):
                for ii in T.unrolled(rows):
                    for j in T.vectorized(16):
                        with T.block("C"):
                            vi = T.axis.spatial(64, io * rows + ii)
                            vj = T.axis.spatial(width, j)
                            vk = T.axis.reduce(32, k)
                            T.where(j < width)
                            with T.init():
                                C[vi, vj] = 0.0
                            C[vi, vj] += A[vi, vk] * B[vk, vj]

    return product


@pytest.mark.parametrize("width", [10, 15, 16])
def test_rows_shorter_than_the_lanes(width):
    program = rows_of(width, 4)
    updates = [s for s in walk(lower(program).body) if isinstance(s, Accumulate)]
    assert updates
    assert all(b.scope is Scope.REGISTER for s in updates for b in s.buffers)
    a = np.random.default_rng(0).random((64, 32)).astype(np.float32)
    b = np.random.default_rng(1).random((32, width)).astype(np.float32)
    c = np.empty((64, width), np.float32)
    mlc.build(program)(a, b, c)
    np.testing.assert_allclose(c, a.astype(float) @ b, rtol=1e-5)


@pytest.mark.parametrize("width", [10, 16])
def test_a_fold_without_loops_stays_in_registers(width):
    @T.program
    def windows(A: T.Buffer((8, 24)), B: T.Buffer((5,)), C: T.Buffer((8, width))):
        for i in T.serial(8):
            for k in T.unrolled(5):
                for j in T.vectorized(16):
                    with T.block("C"):
                        vi = T.axis.spatial(8, i)
                        vj = T.axis.spatial(width, j)
                        vk = T.axis.reduce(5, k)
                        T.where(j < width)
                        with T.init():
                            C[vi, vj] = 0.0
                        C[vi, vj] += A[vi, vj + vk] * B[vk]

    body = lower(windows).body
    updates = [s for s in walk(body) if isinstance(s, Accumulate)]
    assert len(updates) == 5
    assert all(b.scope is Scope.REGISTER for s in updates for b in s.buffers)
    into_c = [s for s in walk(body) if isinstance(s, Store) and s.buffer.name == "C"]
    assert len(into_c) == 1  # the zeros are where the registers begin
    a = np.random.default_rng(2).random((8, 24)).astype(np.float32)
    b = np.random.default_rng(3).random(5).astype(np.float32)
    c = np.empty((8, width), np.float32)
    mlc.build(windows)(a, b, c)
    want = sum(a[:, k : k + width].astype(float) * b[k] for k in range(5))
    np.testing.assert_allclose(c, want, rtol=1e-6)


def test_accumulations_that_read_each_other_stay_in_memory():
    @T.program
    def turns(A: T.Buffer((8,)), C: T.Buffer((2,))):
        for i in T.serial(8):
            C[0] += A[i]
            C[1] += C[0]
            C[0] += A[i]

    updates = [s for s in walk(lower(turns).body) if isinstance(s, Accumulate)]
    assert updates
    assert not any(b.scope is Scope.REGISTER for s in updates for b in s.buffers)
    c = np.zeros(2, np.float32)
    mlc.build(turns)(np.ones(8, np.float32), c)
    assert c.tolist() == [16, sum(2 * i + 1 for i in range(8))]


def test_lanes_that_overlap_in_one_row_stay_in_memory():
    @T.program(attrs={"unsafe": ("by hand",)})
    def sums(A: T.Buffer((8, 16)), C: T.Buffer((24,))):
        for k in T.serial(8):
            for i in T.unrolled(2):
                for j in T.vectorized(16):
                    C[i * 8 + j] += A[k, j]

    updates = [s for s in walk(lower(sums).body) if isinstance(s, Accumulate)]
    assert updates
    assert not any(b.scope is Scope.REGISTER for s in updates for b in s.buffers)


def test_conditions_on_folded_lanes_are_none_on_the_element() -> None:
    """Where the first point is left out there is no init, and what was there counts."""

    @T.program
    def sums(A: T.Buffer((3,)), X: T.Buffer((3,))):
        for j, k in T.grid(3, 2):
            for m in T.vectorized(3):
                with T.block("X"):
                    vj = T.axis.spatial(3, j)
                    T.axis.reduce(6, k * 3 + m)
                    T.where(j != m)
                    with T.init():
                        X[vj] = 0.0
                    X[vj] += A[vj]

    a, x = np.array([1, 2, 4], np.float32), np.full(3, 100, np.float32)
    mlc.build(sums)(a, x)
    np.testing.assert_array_equal(x, [104, 8, 16])
    seen = np.full(3, 100, np.float32)
    mlc.build(sums, target="interpret")(a, seen)
    np.testing.assert_array_equal(x, seen)


def test_what_is_stored_under_fewer_conditions_stays_where_nothing_is_added() -> None:
    @T.program
    def loops(A: T.Buffer((8, 5)), n: T.Buffer((8,), "int32"), C: T.Buffer((8,))):
        for i in T.serial(8):
            C[i] = 7.0
            for k in T.serial(5):
                with T.when(n[i] < 3):
                    C[i] += A[i, k]

    @T.program
    def lines(A: T.Buffer((8, 5)), n: T.Buffer((8,), "int32"), C: T.Buffer((8,))):
        for i in T.serial(8):
            C[i] = 7.0
            with T.when(n[i] < 3):
                C[i] += A[i, 0]
            with T.when(n[i] < 3):
                C[i] += A[i, 1]

    a = np.arange(40, dtype=np.float32).reshape(8, 5)
    n = np.array([1, 5, 2, 9, 0, 4, 3, 1], np.int32)
    for program, width in ((loops, 5), (lines, 2)):
        updates = [s for s in walk(lower(program).body) if isinstance(s, Accumulate)]
        assert all(b.scope is Scope.REGISTER for s in updates for b in s.buffers)
        c = np.full(8, -1, np.float32)
        mlc.build(program)(a, n, c)
        np.testing.assert_array_equal(c, np.where(n < 3, 7 + a[:, :width].sum(1), 7))


def test_lanes_under_a_condition_keep_what_was_stored_in_the_others() -> None:
    @T.program
    def lanes(n: T.Buffer((4,), "int32"), A: T.Buffer((4, 16)), C: T.Buffer((4, 16))):
        for i in T.serial(4):
            for j in T.vectorized(16):
                C[i, j] = 7.0
            for _ in T.serial(2):
                for j in T.vectorized(16):
                    with T.when(j < n[i]):
                        C[i, j] += A[i, j]

    n, a = np.array([0, 3, 15, 16], np.int32), np.ones((4, 16), np.float32)
    c = np.full((4, 16), -1, np.float32)
    mlc.build(lanes)(n, a, c)
    np.testing.assert_array_equal(c, np.where(np.arange(16) < n[:, None], 9, 7))


@pytest.mark.parametrize("columns", [4, 10, 40])
def test_sums_inside_of_lanes_are_one_for_each_lane(columns: int) -> None:
    @T.program
    def product(A: T.Buffer((8, 3)), B: T.Buffer((3, columns)), C: T.Buffer((8, columns))):
        for i, j, k in T.grid(8, columns, 3):
            with T.block("C"):
                vi, vj, vk = T.remap("SSR", [i, j, k])
                with T.init():
                    C[vi, vj] = 0.0
                C[vi, vj] += A[vi, vk] * B[vk, vj]

    s = mlc.Schedule(product)
    _, j, k = s.loops("C")
    s.unroll(k)
    s.vectorize(j)
    rng = np.random.default_rng(0)
    a, b = rng.random((8, 3), np.float32), rng.random((3, columns), np.float32)
    got = np.empty((8, columns), np.float32)
    mlc.build(s)(a, b, got)
    np.testing.assert_allclose(got, a @ b, rtol=1e-6)


def test_where_lanes_fold_into_one_element_among_others() -> None:
    @T.program
    def sums(A: T.Buffer((8, 16)), B: T.Buffer((8, 16)), C: T.Buffer((8,)), D: T.Buffer((16,))):
        for j in T.serial(16):
            D[j] = 0.0
        for i in T.serial(8):
            C[i] = 1.0
            for j in T.vectorized(16):
                C[i] += A[i, j]
                D[j] += A[i, j]
                C[i] += B[i, j]
                with T.when(A[i, j] > 0.5):
                    D[j] += B[i, j]

    rng = np.random.default_rng(1)
    a, b = rng.random((8, 16), np.float32), rng.random((8, 16), np.float32)
    c, d = np.empty(8, np.float32), np.empty(16, np.float32)
    mlc.build(sums)(a, b, c, d)
    np.testing.assert_allclose(c, 1 + a.sum(1) + b.sum(1), rtol=1e-6)
    np.testing.assert_allclose(d, a.sum(0) + (b * (a > 0.5)).sum(0), rtol=1e-6)


def judged(program: Program, *arrays: np.ndarray) -> list[Accumulate]:
    """The updates of the lowered program, whose results were compared with the interpreter's."""
    want, got = ([a.copy() for a in arrays] for _ in range(2))
    interpret(program, *want)
    mlc.build(program)(*got)
    for a, b in zip(want, got, strict=True):
        np.testing.assert_array_equal(a, b)
    return [s for s in walk(lower(program).body) if isinstance(s, Accumulate)]


def in_registers(updates: list[Accumulate]) -> list[bool]:
    return [b.scope is Scope.REGISTER for s in updates for b in s.buffers]


def test_elements_that_change_with_the_loop_stay_in_memory() -> None:
    @T.program
    def counts(A: T.Buffer((64,)), C: T.Buffer((16,))):
        for k in T.serial(64):
            C[k // 4] += A[k]

    updates = judged(counts, np.arange(64, dtype="f4"), np.ones(16, "f4"))
    assert in_registers(updates) == [False]


def test_conditions_that_change_with_the_loop_leave_all_in_memory() -> None:
    @T.program
    def some(A: T.Buffer((64,)), M: T.Buffer((64,), "bool"), C: T.Buffer((1,))):
        for k in T.serial(64):
            with T.when(M[k]):
                C[0] += A[k]

    marks = np.arange(64) % 3 == 0
    updates = judged(some, np.arange(64, dtype="f4"), marks, np.ones(1, "f4"))
    assert in_registers(updates) == [False]


def test_what_a_loop_stores_elsewhere_leaves_its_sums_in_registers() -> None:
    @T.program
    def fold(A: T.Buffer((8, 64)), B: T.Buffer((8, 64)), C: T.Buffer((8,))):
        for i in T.serial(8):
            with T.block("begin"):
                vi = T.axis.spatial(8, i)
                C[vi] = 1.0
            for k in T.serial(64):
                with T.block("B"):
                    vi, vk = T.remap("SS", [i, k])
                    B[vi, vk] = A[vi, vk] + 1.0
                with T.block("C"):
                    vi, vk = T.remap("SR", [i, k])
                    C[vi] += A[vi, vk]

    updates = [s for s in walk(lower(fold).body) if isinstance(s, Accumulate)]
    assert [b.scope for s in updates for b in s.buffers] == [Scope.REGISTER]
    a = np.arange(512, dtype=np.float32).reshape(8, 64)
    b, c = np.zeros_like(a), np.zeros(8, np.float32)
    mlc.build(fold)(a, b, c)
    np.testing.assert_array_equal(b, a + 1)
    np.testing.assert_array_equal(c, a.sum(1) + 1)


def test_sums_that_a_loop_stores_to_as_well_stay_in_memory() -> None:
    a, c, k = Buffer("A", (64,), float32), Buffer("C", (2,), float32), Var("k")
    zero, value = (const(0),), load(a, (k,))
    add = Accumulate(reducer("sum", float32), (c,), zero, (value,))
    for store in (Store(c, zero, value), Store(c, (k % 2,), value)):
        program = Program("fold", (a, c), For(k, 64, seq(add, store)))
        assert not any(isinstance(s, Allocate) for s in walk(promote_registers(program).body))
