"""Programs that only hand schedules make: every kind of memory, vectors and threads anywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc
from benchmarks import hand_schedule
from mlc.dtypes import DType, float32, float64, int8, int32, int64
from mlc.ir.combiner import make_combiner, reducer
from mlc.ir.expr import Axis, Expr, Var, cast, const, load
from mlc.ir.forms import check_flat
from mlc.ir.interpret import interpret, poisoned
from mlc.ir.program import (
    Accumulate,
    Allocate,
    Block,
    Buffer,
    Evaluate,
    For,
    If,
    Iter,
    LoopKind,
    Program,
    Scope,
    Stmt,
    Store,
    seq,
    walk,
)
from mlc.lower.pipeline import lower
from mlc.lower.place_buffers import PARTS, place_buffers

SERIAL, PARALLEL = LoopKind.SERIAL, LoopKind.PARALLEL
VECTORIZED, UNROLLED, BOUND = LoopKind.VECTORIZED, LoopKind.UNROLLED, LoopKind.BOUND
ZERO, ONE = const(0, float32), const(1, float32)


def judge(program: Program, seed: int = 0) -> Program:
    """The flat program, after its form and its results, interpreted and compiled, were compared
    with those of ``program``."""
    rng = np.random.default_rng(seed)
    arrays = []
    for buffer in program.params:
        values = rng.integers(-4, 5, buffer.shape).astype(buffer.dtype.numpy)
        arrays.append(values)
    want = [array.copy() for array in arrays]
    interpret(program, *want)
    flat = lower(program)
    check_flat(flat)
    extra = [b for b in flat.params if b not in program.params]
    got = {b: array.copy() for b, array in zip(program.params, arrays, strict=True)}
    got.update({b: poisoned(b.shape, b.dtype) for b in extra})
    interpret(flat, *(got[b] for b in flat.params))
    built = mlc.build(program)
    compiled = [array.copy() for array in arrays]
    built(*compiled)
    for buffer, a, c in zip(program.params, want, compiled, strict=True):
        np.testing.assert_array_equal(got[buffer], a, flat.script())
        np.testing.assert_array_equal(c, a, flat.script())
    return flat


def loop(extent: int, body: Any, kind: LoopKind = SERIAL, thread: str = "", name: str = "i") -> For:
    """A loop over a new variable; ``body`` makes what is in it."""
    var = Var(name)
    notes = (("thread", thread),) if thread else ()
    return For(var, extent, body(var), kind, notes)


def vector(name: str, *shape: int, dtype: DType = float32) -> Buffer:
    return Buffer(name, shape, dtype)


def allocated(scope: str, *shape: int, dtype: DType = float32) -> Buffer:
    return Buffer("T", shape, dtype, scope=Scope(scope))


def through(buffer: Buffer, A: Buffer, C: Buffer, i: Expr, n: int, kind: LoopKind) -> Stmt:
    """Copies row i of A through ``buffer`` to C, backwards."""
    fill = loop(n, lambda j: Store(buffer, (j,), A[i, j] * 2), kind)
    drain = loop(n, lambda j: Store(C, (i, j), load(buffer, (const(n - 1) - j,)) + 1), kind)
    return Allocate((buffer,), seq(fill, drain))


@pytest.mark.parametrize("scope", ["global", "shared", "warp", "local", "stack", "acc.tile"])
@pytest.mark.parametrize("kind", [SERIAL, PARALLEL, VECTORIZED, UNROLLED, BOUND])
def test_memory_of_every_name_in_loops_of_every_kind(scope: str, kind: LoopKind) -> None:
    A, C = vector("A", 3, 5), vector("C", 3, 5)
    thread = "threadIdx.x" if kind is BOUND else ""
    program = Program(
        "p",
        (A, C),
        loop(3, lambda i: through(allocated(scope, 5), A, C, i, 5, VECTORIZED), kind, thread),
    )
    judge(program)


@pytest.mark.parametrize("extent", [16, 6000, 9000, 70_000])
@pytest.mark.parametrize("kind", [SERIAL, PARALLEL])
@pytest.mark.parametrize("outside", [True, False])
def test_memory_of_any_size(extent: int, kind: LoopKind, outside: bool) -> None:
    A, C = vector("A", 2, 3), vector("C", 2, 3)
    T = allocated("global", extent)

    def row(i: Expr) -> Stmt:
        fill = loop(3, lambda j: Store(T, (j * (extent // 3),), A[i, j]))
        drain = loop(3, lambda j: Store(C, (i, j), T[(2 - j) * (extent // 3)]))
        return seq(fill, drain) if outside else Allocate((T,), seq(fill, drain))

    body: Stmt = loop(2, row, SERIAL if outside else kind)
    flat = judge(Program("p", (A, C), Allocate((T,), body) if outside else body))
    scratch = [b for b in flat.params if b not in (A, C)]
    is_parallel = kind is PARALLEL and not outside
    if extent * 4 <= 32 << 10:
        assert not scratch
    else:
        assert [b.shape for b in scratch] == [(2, extent) if is_parallel else (extent,)]
        assert flat.params[-1] is C


def test_memory_that_parallel_iterations_cannot_share_out() -> None:
    C = vector("C", 4096)
    T = allocated("shared", 1 << 18)

    def point(i: Expr) -> Stmt:
        return Allocate((T,), seq(Store(T, (i,), ONE), Store(C, (i,), T[const(4095) - i])))

    body = loop(4096, point, PARALLEL)
    with pytest.raises(mlc.UnsupportedError) as caught:
        lower(Program("p", (C,), body))
    assert caught.value.message == (
        "T takes 1048576 bytes in each of the 4096 iterations of the parallel loop i of 'p'; "
        "allocate it outside of that loop, or compute less of it at a time"
    )


def test_what_iterations_have_parts_of_is_named_for_itself() -> None:
    A, C = vector("A", 2, 3), vector("C", 2, 3)

    def row(i: Expr) -> Stmt:
        first, second = allocated("global", 9000), allocated("global", 9000)
        steps = loop(3, lambda j: Store(first, (j,), A[i, j]))
        again = loop(3, lambda j: Store(second, (j,), first[2 - j]))
        out = loop(3, lambda j: Store(C, (i, j), second[j] + first[j]))
        return Allocate((first, second), seq(steps, again, out))

    flat = judge(Program("p", (A, C), loop(2, row, PARALLEL)))
    (parallel,) = [s for s in walk(flat.body) if isinstance(s, For) and s.kind is PARALLEL]
    names = [b.name for b in flat.params if b not in (A, C)]
    assert len(set(names)) == 2 and dict(parallel.annotations)[PARTS] == tuple(names)


def test_memory_that_a_call_gets_whole_is_not_shared_out() -> None:
    """A part of something larger would not begin where the call takes it to."""
    C, T = vector("C", 4), allocated("global", 16 << 10)

    def point(i: Expr) -> Stmt:
        return Allocate((T,), seq(Evaluate("fill", (T,)), Store(C, (i,), T[const(0)])))

    flat = place_buffers(Program("p", (C,), loop(4, point, PARALLEL)))
    assert flat.params == (C,)
    (own,) = [b for s in walk(flat.body) if isinstance(s, Allocate) for b in s.buffers]
    (call,) = [s for s in walk(flat.body) if isinstance(s, Evaluate)]
    assert own.scope is Scope.STACK and call.args == (own,)


def test_parts_that_are_folded_together_are_shared_out_together() -> None:
    """The two parts of an update have one index: one with a place of its own would leave it."""
    C, best = vector("C", 4), vector("best", 16 << 10)
    T = allocated("global", 16 << 10)
    pair = make_combiner("pair", lambda a, b: (a[0] + b[0], a[1] + b[1]), (0, 0), (float32,) * 2)

    def point(i: Expr) -> Stmt:
        update = Accumulate(pair, (T, best), (i,), (ONE, ONE))
        return Allocate((T,), seq(Store(T, (i,), ZERO), update, Store(C, (i,), T[i])))

    flat = place_buffers(Program("p", (best, C), loop(4, point, PARALLEL)))
    assert flat.params == (best, C)
    (own,) = [b for s in walk(flat.body) if isinstance(s, Allocate) for b in s.buffers]
    (update,) = [s for s in walk(flat.body) if isinstance(s, Accumulate)]
    assert own.scope is Scope.STACK and update.buffers == (own, best)


def test_padded_rows_keep_their_strides() -> None:
    A, C = vector("A", 4, 5), vector("C", 4, 5)
    T = Buffer("T", (4, 5), float32, strides=(7, 1), scope=Scope.SHARED)
    fill = loop(4, lambda i: loop(5, lambda j: Store(T, (i, j), A[i, j])))
    drain = loop(4, lambda i: loop(5, lambda j: Store(C, (i, j), T[3 - i, 4 - j])))
    judge(Program("p", (A, C), Allocate((T,), seq(fill, drain))))


def test_a_grid_runs_its_blocks_in_parallel_and_its_threads_in_turn() -> None:
    A, C = vector("A", 4, 6), vector("C", 4, 6)
    vi, vj = Axis("vi", 4), Axis("vj", 6)

    def point(i: Expr, j: Expr) -> Stmt:
        return Block("C", (Iter(vi, i), Iter(vj, j)), Store(C, (vi, vj), A[vi, vj] + 1))

    body = loop(
        4,
        lambda i: loop(6, lambda j: point(i, j), BOUND, "threadIdx.x"),
        BOUND,
        "blockIdx.x",
    )
    flat = judge(Program("p", (A, C), body))
    kinds = [s.kind for s in walk(flat.body) if isinstance(s, For)]
    assert kinds == [PARALLEL, SERIAL]


def test_parallel_loops_do_not_nest() -> None:
    C = vector("C", 3, 4)
    body = loop(
        3, lambda i: loop(4, lambda j: Store(C, (i, j), cast(i, float32)), PARALLEL), PARALLEL
    )
    flat = judge(Program("p", (C,), body))
    assert [s.kind for s in walk(flat.body) if isinstance(s, For)] == [PARALLEL, SERIAL]


def test_barriers_are_for_the_simulator() -> None:
    C = vector("C", 4)
    wait = Evaluate("barrier", ())
    body = loop(4, lambda i: seq(Store(C, (i,), ONE), wait), BOUND, "threadIdx.x")
    with pytest.raises(mlc.UnsupportedError) as caught:
        mlc.build(Program("p", (C,), body))
    assert caught.value.message == (
        "the threads of 'p' wait for each other at a barrier, and a processor runs them one after "
        'the other; build it with target="simulate", or split the thread-bound loop at the barrier '
        "into two"
    )


@pytest.mark.parametrize("dtype", [float32, float64, int8, int64], ids=str)
@pytest.mark.parametrize("extent", [1, 2, 3, 7, 12, 16, 23, 64, 100, 128, 1000])
def test_vectors_of_any_extent(extent: int, dtype: DType) -> None:
    A, C = vector("A", extent, dtype=dtype), vector("C", extent, dtype=dtype)
    program = Program("p", (A, C), loop(extent, lambda i: Store(C, (i,), A[i] + A[i]), VECTORIZED))
    flat = judge(program)
    lanes = [s.extent for s in walk(flat.body) if isinstance(s, For) and s.kind is VECTORIZED]
    assert all(n * dtype.itemsize <= 256 for n in lanes)


@pytest.mark.parametrize("extent", [4, 7, 40])
def test_loops_leave_vectorized_ones(extent: int) -> None:
    A, C = vector("A", 9, extent), vector("C", extent)
    add = reducer("sum", float32)

    def column(j: Expr) -> Stmt:
        start = Store(C, (j,), ZERO)
        fold = loop(9, lambda k: Accumulate(add, (C,), (j,), (A[k, j],)))
        return seq(start, fold, If(j < 3, Store(C, (j,), C[j] * 2), Store(C, (j,), C[j] - 1)))

    flat = judge(Program("p", (A, C), loop(extent, column, VECTORIZED)))
    for stmt in walk(flat.body):
        if isinstance(stmt, For) and stmt.kind is VECTORIZED:
            assert not any(isinstance(s, For) for s in walk(stmt.body))


def test_conditions_on_the_lane_follow_loops_inwards() -> None:
    A, C = vector("A", 4, 10), vector("C", 4, 10)

    def column(j: Expr) -> Stmt:
        rows = loop(4, lambda i: Store(C, (i, j), A[i, j]))
        others = loop(4, lambda i: Store(C, (i, j), -A[i, j]))
        return If(j % 3 < 2, rows, others)

    judge(Program("p", (A, C), loop(10, column, VECTORIZED)))


def test_conditions_on_data_keep_a_loop_serial() -> None:
    A, C = vector("A", 10), vector("C", 4, 10)

    def column(j: Expr) -> Stmt:
        return If(A[j] > 0, loop(4, lambda i: Store(C, (i, j), A[j])))

    flat = judge(Program("p", (A, C), loop(10, column, VECTORIZED)))
    assert not any(isinstance(s, For) and s.kind is VECTORIZED for s in walk(flat.body))


def test_each_lane_has_its_own_memory() -> None:
    A, C = vector("A", 3, 20), vector("C", 3, 20)
    T = allocated("local", 3)

    def column(j: Expr) -> Stmt:
        fill = loop(3, lambda i: Store(T, (i,), A[i, j]))
        drain = loop(3, lambda i: Store(C, (i, j), T[2 - i]))
        return Allocate((T,), seq(fill, drain))

    judge(Program("p", (A, C), loop(20, column, VECTORIZED)))


def test_a_vectorized_loop_around_another_is_serial() -> None:
    A, C = vector("A", 3, 8), vector("C", 3, 8)
    body = loop(3, lambda i: loop(8, lambda j: Store(C, (i, j), A[i, j]), VECTORIZED), VECTORIZED)
    flat = judge(Program("p", (A, C), body))
    assert [s.kind for s in walk(flat.body) if isinstance(s, For)] == [SERIAL, VECTORIZED]


def test_long_unrolled_loops_stay_loops() -> None:
    A, C = vector("A", 5000), vector("C", 5000)
    flat = judge(Program("p", (A, C), loop(5000, lambda i: Store(C, (i,), A[i]), UNROLLED)))
    assert [s.extent for s in walk(flat.body) if isinstance(s, For)] == [5000]


def product(bind: Any, name: str = "p") -> Program:
    """C = A B over 4 x 6 x 5 in the loops that ``bind`` puts around a block."""
    A, B, C = vector("A", 4, 5), vector("B", 5, 6), vector("C", 4, 6)
    vi, vj, vk = Axis("vi", 4), Axis("vj", 6), Axis("vk", 5, is_reduce=True)
    update = Accumulate(reducer("sum", float32), (C,), (vi, vj), (A[vi, vk] * B[vk, vj],))

    def block(i: Expr, j: Expr, k: Expr, predicate: Expr | None = None) -> Block:
        iters = (Iter(vi, i), Iter(vj, j), Iter(vk, k))
        return Block("C", iters, update, Store(C, (vi, vj), ZERO), predicate)

    return Program(name, (A, B, C), bind(block))


def test_an_init_finds_its_place_in_any_loops() -> None:
    def fused_all(block: Any) -> Stmt:
        return loop(120, lambda f: block(f // 30, f % 30 // 5, f % 5))

    def fused_reduce_and_column(block: Any) -> Stmt:
        return loop(4, lambda i: loop(30, lambda f: block(i, f // 5, f % 5), UNROLLED))

    def vector_inside(block: Any) -> Stmt:
        return loop(5, lambda k: loop(6, lambda j: loop(4, lambda i: block(i, j, k)), VECTORIZED))

    def padded(block: Any) -> Stmt:
        def inner(i: Expr, k0: Expr, k1: Expr) -> Stmt:
            k = k0 * 2 + k1
            return loop(8, lambda j: block(i, j, k, (k < 5) & (j < 6)), VECTORIZED)

        return loop(4, lambda i: loop(3, lambda k0: loop(2, lambda k1: inner(i, k0, k1))))

    def in_a_condition(block: Any) -> Stmt:
        return loop(5, lambda k: loop(4, lambda i: If(i < 9, loop(6, lambda j: block(i, j, k)))))

    def column_in_what_is_reduced(block: Any) -> Stmt:
        return loop(4, lambda i: loop(6, lambda f: loop(5, lambda k: block(i, f, f % 1 * 5 + k))))

    for bind in (
        fused_all,
        fused_reduce_and_column,
        vector_inside,
        padded,
        in_a_condition,
        column_in_what_is_reduced,
    ):
        judge(product(bind, bind.__name__))


def test_blocks_in_blocks_are_opened() -> None:
    A, C = vector("A", 4, 6), vector("C", 4)
    vi, vk = Axis("vi", 2), Axis("vk", 3, is_reduce=True)
    wi, wk = Axis("wi", 4), Axis("wk", 6, is_reduce=True)
    add = Accumulate(reducer("sum", float32), (C,), (wi,), (A[wi, wk],))

    def inner(i: Expr, k: Expr) -> Block:
        return Block("inner", (Iter(wi, vi * 2 + i), Iter(wk, vk * 2 + k)), add)

    tile = loop(2, lambda i: loop(2, lambda k: inner(i, k), UNROLLED), VECTORIZED)
    wj = Axis("wj", 4)
    zero = loop(2, lambda i: Block("zero", (Iter(wj, vi * 2 + i),), Store(C, (wj,), ZERO)))
    body = loop(
        2, lambda i: loop(3, lambda k: Block("outer", (Iter(vi, i), Iter(vk, k)), tile, zero))
    )
    judge(Program("p", (A, C), body))


def test_parts_of_one_reduction_may_live_apart() -> None:
    A, C = vector("A", 3, 9000), vector("C", 3, dtype=int32)
    T = allocated("global", 9000)

    def row(i: Expr) -> Stmt:
        fill = loop(9000, lambda j: Store(T, (j,), A[i, j] * 2))
        fold = loop(
            9000,
            lambda j: Accumulate(reducer("sum", int32), (C,), (i,), (cast(load(T, (j,)), int32),)),
        )
        return Allocate((T,), seq(fill, fold))

    judge(Program("p", (A, C), loop(3, row, PARALLEL)))


def test_registers_start_from_a_constant_only_where_it_is_stored() -> None:
    A, C = vector("A", 4, 6), vector("C", 2)

    def half(k0: Expr) -> Stmt:
        start = If(k0 % 2 < 1, Store(C, (k0 // 2,), ZERO))
        fold = loop(6, lambda k: Accumulate(reducer("sum", float32), (C,), (k0 // 2,), (A[k0, k],)))
        return seq(start, fold)

    judge(Program("p", (A, C), loop(4, half)))


@pytest.mark.parametrize("name", ["in_registers", "packed"])
def test_a_schedule_by_hand_sums_in_registers(name: str) -> None:
    s = mlc.Schedule(hand_schedule.mm_relu(96))
    getattr(hand_schedule, name)(s)
    flat = lower(s.program)
    sums = [
        stmt
        for stmt in walk(flat.body)
        if isinstance(stmt, For) and any(isinstance(n, Accumulate) for n in walk(stmt.body))
    ]
    inner = next(stmt for stmt in reversed(sums) if stmt.extent == 96)
    updates = [stmt for stmt in walk(inner.body) if isinstance(stmt, Accumulate)]
    assert len(updates) == hand_schedule.ROWS * hand_schedule.VECTORS
    assert all(b.scope is Scope.REGISTER for stmt in updates for b in stmt.buffers)
    judge(s.program)
