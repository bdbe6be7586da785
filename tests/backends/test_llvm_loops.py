"""Reductions, registers, parallel loops and debug mode in generated code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mlc.backends.llvm.debug import Site
from mlc.backends.llvm.llvmlite_binding import emit_assembly
from mlc.backends.llvm.target import host_target
from mlc.dtypes import boolean, float32, int32, int64
from mlc.errors import CompileError
from mlc.ir.combiner import Combiner, make_combiner, reducer
from mlc.ir.expr import Expr, Var, apply, cast, const, load, select
from mlc.ir.interpret import interpret, poisoned
from mlc.ir.program import (
    Accumulate,
    Allocate,
    Block,
    Buffer,
    Evaluate,
    For,
    If,
    LoopKind,
    Program,
    Scope,
    Stmt,
    Store,
    seq,
)
from mlc.lower.place_buffers import place_buffers
from tests.backends.conftest import one_kernel

DISJOINT = {"noalias": True}
ZERO = const(0.0, float32)
SUM = reducer("sum", float32)


def floats(*shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def unrolled(extent: int, body: Callable[[Expr], Stmt]) -> Stmt:
    var = Var("u")
    return For(var, extent, body(var), LoopKind.UNROLLED)


def lanes(extent: int, body: Callable[[Expr], Stmt]) -> Stmt:
    var = Var("lane")
    return For(var, extent, body(var), LoopKind.VECTORIZED)


def row_sum(rows: int, columns: int, width: int, count: int) -> Program:
    """``count`` accumulators of ``width`` lanes for each row; the last step is masked."""
    a, c = Buffer("a", (rows, columns), float32), Buffer("c", (rows,), float32)
    acc = Buffer("acc", (count, width), float32, scope=Scope.REGISTER)
    r, k = Var("r"), Var("k")

    def add(u: Expr, lane: Expr) -> Stmt:
        j = k * (count * width) + u * width + lane
        update = Accumulate(SUM, (acc,), (u, lane), (a[r, j],))
        return update if columns % (count * width) == 0 else If(j < columns, update)

    body = seq(
        unrolled(count, lambda u: lanes(width, lambda l: Store(acc, (u, l), ZERO))),
        For(k, -(-columns // (count * width)),
            unrolled(count, lambda u: lanes(width, lambda l: add(u, l)))),
        Store(c, (r,), ZERO),
        unrolled(count, lambda u: lanes(width,
            lambda l: Accumulate(SUM, (c,), (r,), (acc[u, l],)))),
    )  # fmt: skip
    return Program("row_sum", (a, c), For(r, rows, Allocate((acc,), body)), attrs=DISJOINT)


@pytest.mark.parametrize("columns", [3, 64, 130])
@pytest.mark.parametrize("width", [16, 12, 5])
def test_row_sum(run_llvm: Any, columns: int, width: int) -> None:
    program = row_sum(3, columns, width, 4)
    x, out = floats(3, columns), np.zeros(3, np.float32)
    assert run_llvm(program, x, out) == 0
    # Pairwise within a vector and one after the other along a row: far fewer roundings than this.
    np.testing.assert_allclose(out, x.sum(1, dtype=np.float64), atol=columns * 2.0**-24 * 4)


@pytest.mark.skipif(host_target().vector_bits < 256, reason="there are too few registers")
def test_accumulators_are_registers() -> None:
    text = one_kernel(row_sum(3, 128, 16, 4)).text
    assert "alloca" not in text
    kernel = emit_assembly(text, host_target()).split("k0_row_sum:")[1].split("retq")[0]
    assert "%rsp" not in kernel


def arg_max() -> Combiner:
    def combine(left: Any, right: Any) -> Any:
        first = (left[0] > right[0]) | (apply("eq", left[0], right[0]) & (left[1] < right[1]))
        return select(first, left[0], right[0]), select(first, left[1], right[1])

    far = int(int64.highest)
    return make_combiner("argmax", combine, (-np.inf, far), (float32, int64), commutative=True)


@pytest.mark.parametrize("width", [1, 16])
def test_two_part_combiner(run_llvm: Any, width: int) -> None:
    n = 83
    a = Buffer("a", (n,), float32)
    top, at = Buffer("top", (1,), float32), Buffer("at", (1,), int64)
    combiner = arg_max()
    zero = const(0)
    o, lane = Var("o"), Var("l")
    i = o * width + lane
    update: Stmt = Accumulate(combiner, (top, at), (zero,), (a[i], i))
    if n % width:
        update = If(i < n, update)
    body = seq(
        *(Store(b, (zero,), v) for b, v in zip((top, at), combiner.identity)),
        For(o, -(-n // width), For(lane, width, update, LoopKind.VECTORIZED)),
    )
    x = np.round(floats(n) * 4)
    value, index = np.zeros(1, np.float32), np.zeros(1, np.int64)
    assert run_llvm(Program("argmax", (a, top, at), body, 2), x, value, index) == 0
    assert (value[0], index[0]) == (x.max(), x.argmax())


@pytest.mark.parametrize("name", ["any", "all", "max", "min", "prod"])
def test_reducers_over_masked_lanes(run_llvm: Any, name: str) -> None:
    n = 45
    dtype = boolean if name in ("any", "all") else int32
    combiner = reducer(name, dtype)
    a, c = Buffer("a", (4, n), dtype), Buffer("c", (4,), dtype)
    r, o, lane = Var("r"), Var("o"), Var("l")
    i = o * 16 + lane
    update = If(i < n, Accumulate(combiner, (c,), (r,), (a[r, i],)))
    vector = For(o, 3, For(lane, 16, update, LoopKind.VECTORIZED))
    body = For(r, 4, seq(Store(c, (r,), combiner.identity[0]), vector))
    x = np.random.default_rng(0).integers(-9, 9, (4, n))
    if dtype is boolean:
        x = np.stack([np.zeros(n), np.ones(n), x[0] > 0, np.arange(n) == n - 1])
    x = x.astype(dtype.numpy)
    out = np.zeros(4, dtype.numpy)
    assert run_llvm(Program("reduce", (a, c), body), x, out) == 0
    np.testing.assert_array_equal(out, getattr(np, name)(x, axis=1).astype(dtype.numpy))


def test_lanes_that_meet_at_one_element_all_count(run_llvm: Any) -> None:
    k, c = Buffer("k", (61,), int64), Buffer("c", (7,), int32)
    o, lane = Var("o"), Var("l")
    i = o * 16 + lane
    update = If(i < 61, Accumulate(reducer("sum", int32), (c,), (k[i],), (const(1, int32),)))
    body = For(o, 4, For(lane, 16, update, LoopKind.VECTORIZED))
    keys = np.random.default_rng(1).integers(0, 7, 61)
    out = np.zeros(7, np.int32)
    assert run_llvm(Program("histogram", (k, c), body), keys, out) == 0
    np.testing.assert_array_equal(out, np.bincount(keys, minlength=7))


def test_of_lanes_that_store_to_one_element_the_last_one_stays(run_llvm: Any) -> None:
    a, c = Buffer("a", (3, 8), float32), Buffer("c", (3,), float32)
    i, lane = Var("i"), Var("l")
    body = For(i, 3, For(lane, 8, Store(c, (i,), a[i, lane]), LoopKind.VECTORIZED))
    x = np.arange(24, dtype=np.float32).reshape(3, 8)
    out = np.zeros(3, np.float32)
    program = Program("last", (a, c), body, attrs={"unsafe": True})
    assert run_llvm(program, x, out) == 0
    np.testing.assert_array_equal(out, x[:, -1])


@pytest.mark.parametrize("scope", [Scope.REGISTER, Scope.STACK])
def test_scalar_conditions_merge_what_they_assign(run_llvm: Any, scope: Scope) -> None:
    a, c = Buffer("a", (40,), float32), Buffer("c", (40,), float32)
    best = Buffer("best", (2,), float32, scope=scope)
    i = Var("i")
    one, zero = const(1), const(0)
    start = If(apply("eq", i, zero), seq(Store(best, (zero,), a[i]), Store(best, (one,), ZERO)))
    larger = If(
        a[i] > best[zero],
        seq(Store(best, (zero,), a[i]), Store(best, (one,), best[one] + 1.0)),
        If(a[i] < -1.0, Store(best, (one,), best[one] - 1.0)),
    )
    loop = For(i, 40, seq(start, larger, Store(c, (i,), best[zero] * 100.0 + best[one])))
    program = Program("merge", (a, c), Allocate((best,), loop), attrs=DISJOINT)
    x, out, want = floats(40), np.zeros(40, np.float32), np.zeros(40, np.float32)
    assert run_llvm(program, x, out) == 0
    interpret(program, x, want)
    np.testing.assert_allclose(out, want, rtol=2.0**-22)
    assert "alloca" not in one_kernel(program).text  # small buffers on the stack need not be


def test_registers_with_other_indices_become_memory(run_llvm: Any) -> None:
    a, c = Buffer("a", (8,), float32), Buffer("c", (8,), float32)
    t = Buffer("t", (8,), float32, scope=Scope.REGISTER)
    i, j = Var("i"), Var("j")
    body = seq(For(i, 8, Store(t, (i,), a[i])), For(j, 8, Store(c, (j,), t[7 - j])))
    x, out = floats(8), np.zeros(8, np.float32)
    assert run_llvm(Program("flip", (a, c), Allocate((t,), body)), x, out) == 0
    np.testing.assert_array_equal(out, x[::-1])


def parallel_program(n: int, grain: int) -> Program:
    """A parallel loop inside a serial one, with memory of its own in each iteration."""
    a, c = Buffer("a", (3, n, 32), float32), Buffer("c", (3, n), float32)
    tile = Buffer("tile", (32,), float32, scope=Scope.STACK)
    outer, p, i = Var("outer"), Var("p"), Var("i")
    fill = lanes(16, lambda l: Store(tile, (i * 16 + l,), a[outer, p, i * 16 + l] * 2.0))
    total = lanes(16, lambda l: Accumulate(SUM, (c,), (outer, p), (tile[i * 16 + l],)))
    body = seq(For(i, 2, fill), Store(c, (outer, p), ZERO), For(i, 2, total))
    loop = For(p, n, Allocate((tile,), body), LoopKind.PARALLEL, annotations=(("grain", grain),))
    return Program("parallel", (a, c), For(outer, 3, loop), attrs=DISJOINT)


@pytest.mark.parametrize("n, grain", [(1, 1), (5, 1), (11, 4)])
def test_parallel_loop(run_llvm: Any, n: int, grain: int) -> None:
    x, out = floats(3, n, 32), np.zeros((3, n), np.float32)
    assert run_llvm(parallel_program(n, grain), x, out) == 0
    np.testing.assert_allclose(out, 2 * x.sum(2, dtype=np.float64), atol=1e-5)
    assert ("@mlc_parallel_for" in one_kernel(parallel_program(n, grain)).text) == (n > 1)


def test_iterations_of_one_thread_have_the_same_part_of_large_memory(run_llvm: Any) -> None:
    n, size = 5, 1 << 17
    a, c = Buffer("a", (n, 16), float32), Buffer("c", (n, 16), float32)
    tile, p = Buffer("tile", (size,), float32), Var("p")
    fill = lanes(16, lambda l: Store(tile, (l * 8,), a[p, l] * 2.0))
    drain = lanes(16, lambda l: Store(c, (p, l), tile[120 - l * 8] + 1.0))
    loop = For(p, n, Allocate((tile,), seq(fill, drain)), LoopKind.PARALLEL)
    flat = place_buffers(Program("large", (a, c), loop, attrs=DISJOINT))
    x, out, parts = floats(n, 16), np.zeros((n, 16), np.float32), np.zeros((n, size), np.float32)
    by_name = {"a": x, "c": out, "tile": parts}
    assert run_llvm(flat, *(by_name[b.name] for b in flat.params)) == 0
    np.testing.assert_array_equal(out, 2 * x[:, ::-1] + 1)
    assert parts.any(1).tolist() == [True, True, False, False, False], "two threads"
    other = poisoned((n, size), float32)
    arrays = {"a": x, "c": np.zeros_like(out), "tile": other}
    interpret(flat, *(arrays[b.name] for b in flat.params))
    np.testing.assert_array_equal(arrays["c"], out)


def matmul(n: int, rows: int = 6, vectors: int = 4, width: int = 16) -> Program:
    """The micro-kernel: rows x (vectors * width) of the result stay in registers along k."""
    a, b, c = (Buffer(name, (n, n), float32) for name in "abc")
    acc = Buffer("acc", (rows, vectors, width), float32, scope=Scope.REGISTER)
    i0, j0, k = Var("i0"), Var("j0"), Var("k")
    columns = vectors * width

    def nest(body: Callable[[Expr, Expr, Expr], Stmt], m: int) -> Stmt:
        return unrolled(
            m, lambda r: unrolled(vectors, lambda v: lanes(width, lambda l: body(r, v, l)))
        )

    def tile(top: Expr, m: int) -> Stmt:
        def update(r: Expr, v: Expr, l: Expr) -> Stmt:
            product = a[top + r, k] * b[k, j0 * columns + v * width + l]
            return Accumulate(SUM, (acc,), (r, v, l), (product,))

        start = nest(lambda r, v, l: Store(acc, (r, v, l), ZERO), m)
        end = nest(
            lambda r, v, l: Store(c, (top + r, j0 * columns + v * width + l), acc[r, v, l]), m
        )
        steps = seq(start, For(k, n, nest(update, m)), end)
        return Allocate((acc,), For(j0, n // columns, steps))

    body: Stmt = For(i0, n // rows, tile(i0 * rows, rows), LoopKind.PARALLEL)
    if n % rows:
        body = seq(body, tile(const(n - n % rows), n % rows))
    return Program("matmul", (a, b, c), body, attrs=DISJOINT)


def test_matmul_micro_kernel(run_llvm: Any) -> None:
    n = 128
    x, y, out = floats(n, n), floats(n, n, seed=1), np.zeros((n, n), np.float32)
    assert run_llvm(matmul(n), x, y, out) == 0
    scale = np.abs(x).astype(np.float64) @ np.abs(y)
    assert (np.abs(out - x.astype(np.float64) @ y) <= n * 2.0**-24 * scale).all()


@pytest.mark.skipif(host_target().vector_bits < 512, reason="the tile fills AVX-512's registers")
def test_matmul_inner_loop_has_no_spills() -> None:
    text = one_kernel(matmul(128)).text
    assembly = emit_assembly(text, host_target())
    assert not [s for s in assembly.splitlines() if "zmm" in s and "(%rsp)" in s]
    # Every element of B is loaded once for six rows, every element of A once for four vectors.
    loops = [b for b in assembly.split(".LBB") if b.count("vfmadd") == 24]
    assert loops
    for loop in loops:
        assert loop.count("vbroadcastss") == 6 and loop.count("vmovups") == 4


@pytest.mark.unproven
def test_bounds_are_checked_in_debug_mode(run_llvm: Any) -> None:
    k, a, c = Buffer("k", (61,), int64), Buffer("a", (2, 9), float32), Buffer("c", (61,), float32)
    p = Var("p")
    for vector in (False, True):
        if vector:
            o, lane = Var("o"), Var("l")
            i = o * 16 + lane
            store: Stmt = If(i < 61, Store(c, (i,), a[const(1), k[i]]))
            inner: Stmt = For(o, 4, For(lane, 16, store, LoopKind.VECTORIZED))
        else:
            i = Var("i")
            inner = For(i, 61, Store(c, (i,), a[const(1), k[i]]))
        for body in (inner, For(p, 2, inner, LoopKind.PARALLEL)):
            program = Program("take", (k, a, c), body)
            sites = one_kernel(program, debug=True).sites
            # The masked tail is not proven to be inside, so it is checked as well.
            assert {s.buffer for s in sites} == ({"a", "k", "c"} if vector else {"a"})
            number = next(i for i, s in enumerate(sites, 1) if s.buffer == "a")
            assert sites[number - 1] == Site("take", "a", 1, 9)
            keys = np.random.default_rng(0).integers(0, 9, 61)
            x, out = floats(2, 9), np.zeros(61, np.float32)
            assert run_llvm(program, keys, x, out, debug=True) == 0
            np.testing.assert_array_equal(out, x[1, keys])
            keys[[37, 50]] = -3, 9
            assert run_llvm(program, keys, x, out, debug=True) == 1
            assert run_llvm.record == (number, -3)


def test_evaluate_calls_a_function(run_llvm: Any) -> None:
    a, c = Buffer("a", (8,), int64), Buffer("c", (8,), int64)
    i = Var("i")
    body = seq(
        For(i, 8, Store(c, (i,), const(0))),
        Evaluate("memcpy", (c, a, const(48))),
        For(i, 8, Store(c, (i,), c[i] + 1)),
    )
    x, out = np.arange(8), np.zeros(8, np.int64)
    assert run_llvm(Program("copy", (a, c), body), x, out) == 0
    np.testing.assert_array_equal(out, [1, 2, 3, 4, 5, 6, 1, 1])


def test_programs_that_are_not_flat_are_refused() -> None:
    c = Buffer("c", (8,), float32)
    block = Block("b", (), Store(c, (const(0),), ZERO))
    with pytest.raises(CompileError, match="still holds block 'b'; lower it"):
        one_kernel(Program("f", (c,), block))
    inner = For(Var("j"), 8, Store(c, (Var("j"),), ZERO))
    with pytest.raises(CompileError, match="inside a vectorized loop must be unrolled"):
        one_kernel(Program("f", (c,), For(Var("i"), 8, inner, LoopKind.VECTORIZED)))


def test_empty_loops_are_nothing(run_llvm: Any) -> None:
    c = Buffer("c", (0,), float32)
    i = Var("i")
    for kind in LoopKind:
        body = For(i, 0, Store(c, (i,), load(c, (cast(i, int64),))), kind)
        assert run_llvm(Program("none", (c,), body), np.zeros(0, np.float32)) == 0
