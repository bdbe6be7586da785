"""Addresses, masks and conditions in generated code, on hand-built flat programs."""

from __future__ import annotations

import mmap
import operator
import re
from functools import reduce
from typing import Any

import numpy as np
import pytest

from mlc.backends.llvm.llvmlite_binding import emit_assembly
from mlc.backends.llvm.module import BufferRef, KernelCall, module_text
from mlc.backends.llvm.other_targets import arm_target
from mlc.backends.llvm.target import host_target, x86_target
from mlc.dtypes import DType, boolean, float16, float32, float64, int8, int16, int32, int64, uint8
from mlc.ir.expr import Expr, Var, apply, cast, const, load, select
from mlc.ir.interpret import interpret
from mlc.ir.program import Buffer, For, If, LoopKind, Program, Seq, Stmt, Store
from tests.backends.conftest import one_kernel

ALIASED: dict[str, Any] = {}
DISJOINT = {"noalias": True}


def vector_loop(n: int, width: int, body: Any) -> For:
    """``for o, lane: body(o * width + lane)``, masked where n is no multiple of width."""
    outer, lane = Var("o"), Var("lane")
    i = outer * width + lane
    inner = body(i)
    if n % width:
        inner = If(i < n, inner)
    return For(outer, -(-n // width), For(lane, width, inner, LoopKind.VECTORIZED))


def floats(*shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def buffers(n: int, names: str, dtype: DType = float32) -> list[Buffer]:
    return [Buffer(name, (n,), dtype) for name in names]


@pytest.mark.parametrize("n", [1, 7, 48, 61])
@pytest.mark.parametrize("width", [1, 4, 12, 16])
@pytest.mark.parametrize("attrs", [ALIASED, DISJOINT], ids=["aliased", "disjoint"])
def test_masked_tail(run_llvm: Any, n: int, width: int, attrs: dict[str, Any]) -> None:
    a, b, c = buffers(n, "abc")
    body = vector_loop(n, width, lambda i: Store(c, (i,), a[i] * b[i] + a[i]))
    x, y = floats(n), floats(n, seed=1)
    out = np.full(n + 16, 7, np.float32)
    assert run_llvm(Program("axpy", (a, b, c), body, attrs=attrs), x, y, out) == 0
    np.testing.assert_allclose(out[:n], x * y + x, rtol=3e-7, atol=1e-6)
    assert (out[n:] == 7).all()


@pytest.mark.parametrize("kind", [int8, int16, int32, boolean, float16], ids=str)
@pytest.mark.parametrize("wide", [int16, int32, int64, float32, float64], ids=str)
@pytest.mark.parametrize("n", [9, 17, 33, 65, 67])
def test_masked_tail_of_shortened_numbers(run_llvm: Any, kind: DType, wide: DType, n: int) -> None:
    a, b = Buffer("a", (n,), wide), Buffer("b", (n,), kind)
    lane, width = Var("lane"), 1 << (n.bit_length() - 1)
    last = If(width + lane < n, Store(b, (width + lane,), cast(a[width + lane], kind)))
    whole = For(lane, width, Store(b, (lane,), cast(a[lane], kind)), LoopKind.VECTORIZED)
    body = Seq((whole, For(lane, width, last, LoopKind.VECTORIZED)))
    x = (np.arange(n) % 7 + 1).astype(wide.numpy)
    out = np.full(n + 16, 7, kind.numpy)
    behind = out[n:].tobytes()
    assert run_llvm(Program("cast", (a, b), body), x, out) == 0
    assert out[:n].tobytes() == x.astype(kind.numpy).tobytes()
    assert out[n:].tobytes() == behind


@pytest.mark.parametrize(
    "strides", [(70, 1), (1, 33), (-66, -2), (0, 1), (0, -1), (3, 0), (140, 3)]
)
@pytest.mark.parametrize("stored", [False, True], ids=["loaded", "stored"])
def test_strides(run_llvm: Any, strides: tuple[int, int], stored: bool) -> None:
    rows, columns = 5, 33
    if stored and 0 in strides:
        pytest.skip("elements that are written must not overlap")
    memory = floats(3000)
    start = 1000
    far = Buffer("far", (rows, columns), float32, strides=strides)
    near = Buffer("near", (rows, columns), float32)
    source, target = (near, far) if stored else (far, near)
    r = Var("r")
    row = vector_loop(columns, 16, lambda i: Store(target, (r, i), source[r, i] + 1.0))
    program = Program("strided", (source, target), For(r, rows, row), attrs=DISJOINT)
    view = np.lib.stride_tricks.as_strided(
        memory[start:], (rows, columns), tuple(4 * s for s in strides)
    )
    plain = floats(rows, columns, seed=2)
    if stored:
        before = memory.copy()
        assert run_llvm(program, plain, memory[start:]) == 0
        np.testing.assert_array_equal(view, plain + 1)
        assert np.count_nonzero(before != memory) == rows * columns
    else:
        assert run_llvm(program, memory[start:], plain) == 0
        np.testing.assert_array_equal(plain, view + 1)


def test_unaligned_elements(run_llvm: Any) -> None:
    raw = np.zeros(4 * 40 + 1, np.uint8)
    x = np.frombuffer(raw.data, np.float32, 40, 1)
    x[...] = floats(40)
    a = Buffer("a", (40,), float32, aligned=False)
    c = Buffer("c", (40,), float32)
    out = np.zeros(40, np.float32)
    program = Program("u", (a, c), vector_loop(40, 16, lambda i: Store(c, (i,), a[i] * 2.0)))
    assert run_llvm(program, x, out) == 0
    np.testing.assert_array_equal(out, x * 2)
    # Processors without unaligned vector instructions take the text at its word.
    text = one_kernel(program).text
    assert set(re.findall(r"masked.load.*align (\d+) ", text)) == {"1"}
    assert set(re.findall(r"masked.store.*align (\d+) ", text)) == {"4"}


@pytest.mark.parametrize("width", [1, 16])
def test_select_guards_loads(run_llvm: Any, width: int) -> None:
    """``out[i] = a[i - 3] if 3 <= i < 3 + n else 0``: memory ends where the array does."""
    n = 1024
    pages = mmap.mmap(-1, 4096)
    x = np.frombuffer(pages, np.float32)
    x[...] = floats(n)
    a, c = Buffer("a", (n,), float32), Buffer("c", (n + 40,), float32)

    def body(i: Expr) -> Stmt:
        inside = (i >= 3) & (i < n + 3)
        return Store(c, (i,), select(inside, a[i - 3], const(0.0, float32)))

    out = np.ones(n + 40, np.float32)
    program = Program("pad", (a, c), vector_loop(n + 40, width, body), attrs=DISJOINT)
    assert run_llvm(program, x, out) == 0
    np.testing.assert_array_equal(out, np.pad(x, (3, 37)))


def test_only_the_chosen_side_of_a_select_is_loaded(run_llvm: Any) -> None:
    """The address is wild where the condition is false: reading it would end the process."""
    k, a, c = Buffer("k", (32,), int64), Buffer("a", (4,), float32), Buffer("c", (32,), float32)

    def value(i: Expr) -> Expr:
        nested = select(k[i] > 100, a[k[i] + (1 << 40)], const(-1.0, float32))
        return select((k[i] >= 0) & (k[i] < 4), a[k[i]], nested)

    i = Var("i")
    for loop in (
        For(i, 32, Store(c, (i,), value(i))),
        vector_loop(32, 16, lambda i: Store(c, (i,), value(i))),
    ):
        keys = np.arange(-14, 18).astype(np.int64)
        x, out = floats(4), np.zeros(32, np.float32)
        assert run_llvm(Program("wild", (k, a, c), loop, attrs=DISJOINT), keys, x, out) == 0
        expected = np.where((keys >= 0) & (keys < 4), x[np.clip(keys, 0, 3)], -1)
        np.testing.assert_array_equal(out, expected)


def test_an_element_that_all_lanes_share_is_not_read_for_none(run_llvm: Any) -> None:
    a, w, c = Buffer("a", (32,), float32), Buffer("w", (2,), float32), Buffer("c", (32,), float32)
    where = Buffer("where", (1,), int64)

    def body(i: Expr) -> Stmt:
        shared = load(w, (load(where, (const(0),)),))
        return Store(c, (i,), select(a[i] > 1000.0, shared, a[i]))

    program = Program("shared", (a, w, where, c), vector_loop(32, 16, body), attrs=DISJOINT)
    x, out = floats(32), np.zeros(32, np.float32)
    assert run_llvm(program, x, floats(2), np.array([1 << 44]), out) == 0
    np.testing.assert_array_equal(out, x)


@pytest.mark.unproven
@pytest.mark.parametrize("dtype", [float32, float64, int32], ids=str)
def test_gather_and_scatter(run_llvm: Any, dtype: DType) -> None:
    k, a, c = Buffer("k", (61,), int32), Buffer("a", (50,), dtype), Buffer("c", (61,), dtype)
    d = Buffer("d", (200,), dtype)
    index = lambda i: cast(k[i], int64)
    body = Seq(
        (
            vector_loop(61, 16, lambda i: Store(c, (i,), a[index(i)])),
            vector_loop(61, 16, lambda i: Store(d, (index(i) * 4 + 1,), a[index(i)])),
        )
    )
    keys = np.random.default_rng(3).permutation(61).astype(np.int32) % 50
    x = floats(50).astype(dtype.numpy) * 100
    out, wide = np.zeros(61, dtype.numpy), np.zeros(200, dtype.numpy)
    assert run_llvm(Program("take", (k, a, c, d), body, 2), keys, x, out, wide) == 0
    np.testing.assert_array_equal(out, x[keys])
    expected = np.zeros(200, dtype.numpy)
    expected[keys * 4 + 1] = x[keys]
    np.testing.assert_array_equal(wide, expected)


def test_nested_conditions(run_llvm: Any) -> None:
    a, c = buffers(61, "ac")
    k = Buffer("k", (1,), int64)

    def body(i: Expr) -> Stmt:
        negative = Store(c, (i,), const(-1.0, float32))
        large = If(a[i] > 1.0, Store(c, (i,), const(2.0, float32)), Store(c, (i,), a[i]))
        by_lane = If(a[i] > 0.0, large, negative)
        return If(load(k, (const(0),)) > 0, by_lane, Store(c, (i,), const(5.0, float32)))

    program = Program("nest", (a, k, c), vector_loop(61, 16, body))
    x = floats(61)
    for flag, expected in (
        (1, np.where(x > 1, 2, np.where(x > 0, x, -1))),
        (0, np.full(61, 5, np.float32)),
    ):
        out = np.zeros(61, np.float32)
        assert run_llvm(program, x, np.array([flag]), out) == 0
        np.testing.assert_array_equal(out, expected)


def test_values_are_read_again_after_a_store(run_llvm: Any) -> None:
    a, c = buffers(32, "ac")
    i = Var("i")
    steps = Seq(
        (
            Store(c, (i,), a[i] + 1.0),
            Store(c, (i,), c[i] * 2.0),
            Store(a, (i,), c[i] + a[i]),
            Store(c, (i,), a[i]),
        )
    )
    x = floats(32)
    for attrs in (ALIASED, DISJOINT):
        for loop in (For(i, 32, steps), For(i, 32, steps, LoopKind.VECTORIZED)):
            data, out = x.copy(), np.zeros(32, np.float32)
            assert run_llvm(Program("again", (a, c), loop, attrs=attrs), data, out) == 0
            np.testing.assert_array_equal(out, (x + 1) * 2 + x)
    # One memory under both names.
    data = x.copy()
    assert run_llvm(Program("same", (a, c), For(i, 32, steps)), data, data) == 0
    np.testing.assert_array_equal(data, (x + 1) * 2 + (x + 1) * 2)


def test_invariants_leave_the_loop() -> None:
    a, b, c = (
        Buffer("a", (8,), float32),
        Buffer("b", (8, 64), float32),
        Buffer("c", (8, 64), float32),
    )
    r, j, lane = Var("r"), Var("j"), Var("l")
    value = apply("exp", a[r]) / a[r] * b[r, j * 16 + lane]
    inner = For(lane, 16, Store(c, (r, j * 16 + lane), value), LoopKind.VECTORIZED)
    program = Program("scale", (a, b, c), For(r, 8, For(j, 4, inner)), attrs=DISJOINT)
    text = one_kernel(program).text
    head, _, body = text.partition("phi i64")[2].partition("phi i64")
    body = body.split("ret void")[0]
    assert "@expf" in head and "fdiv" in head and "fdiv" not in body and "@expf" not in body
    assert body.count("getelementptr") == 2  # b and c, each from its row


def test_a_rare_side_with_library_calls_is_jumped_over(run_llvm: Any) -> None:
    a, c = buffers(64, "ac")
    value = lambda i: select(apply("abs", a[i]) > 100.0, apply("libm_sin", a[i]), a[i] * 2.0)
    program = Program("rare", (a, c), vector_loop(64, 16, lambda i: Store(c, (i,), value(i))))
    x, out = floats(64), np.zeros(64, np.float32)
    x[37] = 1e4
    assert run_llvm(program, x, out) == 0
    np.testing.assert_allclose(out, np.where(abs(x) > 100, np.sin(x), x * 2), rtol=1e-6)
    text = one_kernel(program).text
    kernel = text[text.index("rare(") :]
    assert kernel.index("vector.reduce.or") < kernel.index("call <16 x float> @mlc_sinf_of_16")
    assert "@sinf(" not in kernel and text.count("call float @sinf(") == 16


def test_kernels_of_one_text_are_compiled_once() -> None:
    a, c = buffers(64, "ac")

    def doubled(name: str, factor: float) -> Program:
        return Program(name, (a, c), vector_loop(64, 16, lambda i: Store(c, (i,), a[i] * factor)))

    def refs(*places: int) -> tuple[BufferRef, ...]:
        return tuple(BufferRef("param", at) for at in places)

    kernels = doubled("one", 2.0), doubled("another", 2.0), doubled("third", 3.0)
    calls = [KernelCall(i, refs(i, i + 1)) for i in range(3)]
    text = module_text(kernels, calls, host_target()).text
    assert text.count("define internal") == 2
    main = text[text.index("@mlc_main") :]
    assert re.findall(r"call void @(\w+)\(", main) == ["k0_one", "k0_one", "k2_third"]


def test_deep_expressions(run_llvm: Any) -> None:
    a, c = buffers(16, "ac", float64)
    i = Var("i")
    value: Expr = a[i]
    for k in range(3000):
        value = value + float(k) if k % 2 else value * 1.0009765625
    program = Program("deep", (a, c), For(i, 16, Store(c, (i,), value), LoopKind.VECTORIZED))
    x, out = np.linspace(0, 1, 16), np.zeros(16)
    assert run_llvm(program, x, out) == 0
    expected = x
    for k in range(3000):
        expected = expected + float(k) if k % 2 else expected * 1.0009765625
    np.testing.assert_allclose(out, expected, rtol=1e-12)


def random_value(rng: np.random.Generator, leaves: list[Expr], depth: int) -> Expr:
    """An expression of the type of ``leaves`` with no transcendental functions."""
    if depth == 0 or rng.random() < 0.15:
        return leaves[rng.integers(len(leaves))]
    deeper = [random_value(rng, leaves, depth - 1) for _ in range(3)]
    kind = rng.integers(4)
    if kind == 0:
        names = ["lt", "ge", "eq", "ne"]
        return select(apply(names[rng.integers(4)], deeper[0], deeper[1]), deeper[1], deeper[2])
    if kind == 1:
        return apply(["neg", "abs"][rng.integers(2)], deeper[0])
    names = ["add", "sub", "mul", "minimum", "maximum", "floordiv", "mod"]
    return apply(names[rng.integers(len(names))], deeper[0], deeper[1])


@pytest.mark.parametrize("seed", range(12))
def test_random_expressions(run_llvm: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    dtype = [int32, int64, float64][seed % 3]
    n = 53
    a, b, c = buffers(n, "abc", dtype)
    w = Buffer("w", (3,), dtype)

    def body(i: Expr) -> Stmt:
        leaves = [a[i], b[i], a[n - 1 - i], load(w, (const(1),)), const(3, dtype)]
        return Store(c, (i,), random_value(np.random.default_rng(seed), leaves, 6))

    arrays = [(rng.integers(-9, 9, k)).astype(dtype.numpy) for k in (n, n, 3)]
    program = Program("random", (a, b, w, c), vector_loop(n, 8, body), attrs=DISJOINT)
    out, want = np.zeros(n, dtype.numpy), np.zeros(n, dtype.numpy)
    assert run_llvm(program, *arrays, out) == 0
    interpret(program, *arrays, want)
    # Whole numbers below 2**53, so that rounding a product once or twice makes no difference.
    exact = np.abs(want.astype(np.float64)) < 2.0**50
    np.testing.assert_array_equal(out[exact], want[exact])


def test_split_and_merged_indices_are_one_vector(run_llvm: Any) -> None:
    """``a[f // 24, f % 24]`` walks memory in order, and so does ``a[0, f]``."""
    a, c = Buffer("a", (8, 24), float32), Buffer("c", (8, 24), float32)
    o, lane = Var("o"), Var("l")
    f = o * 16 + lane
    value = a[f // 24, f % 24] + a[const(0), f]
    inner = For(lane, 16, Store(c, (f // 24, f % 24), value), LoopKind.VECTORIZED)
    program = Program("flat", (a, c), For(o, 12, inner), attrs=DISJOINT)
    x, out = floats(8, 24), np.zeros((8, 24), np.float32)
    assert run_llvm(program, x, out) == 0
    np.testing.assert_array_equal(out, x + x)
    text = one_kernel(program).text
    assert "masked" not in text and text.count("load <16 x float>") == 2


@pytest.mark.parametrize("width", [4, 12, 16])
@pytest.mark.parametrize("step", [2, 3, 4, 5])
@pytest.mark.parametrize("dtype", [float32, float64, boolean, uint8], ids=str)
def test_lanes_a_few_elements_apart(run_llvm: Any, dtype: DType, step: int, width: int) -> None:
    """The last element of the array is the last thing that is read: the page ends there."""
    n = 4096 // dtype.itemsize
    m = (n - 1) // step // width * width
    pages = mmap.mmap(-1, 4096)
    x = np.frombuffer(pages, dtype.numpy)
    x[...] = np.arange(n) % 251 % (2 if dtype is boolean else 256)
    first = n - 1 - (m - 1) * step
    a, c = Buffer("a", (n,), dtype), Buffer("c", (m,), dtype)
    body = vector_loop(m, width, lambda i: Store(c, (i,), a[i * step + first]))
    out = np.zeros(m, dtype.numpy)
    program = Program("every", (a, c), body, attrs=DISJOINT)
    assert run_llvm(program, x, out) == 0
    np.testing.assert_array_equal(out, x[first::step])
    assert ("gather" in one_kernel(program).text) == (step > 4)


@pytest.mark.parametrize("step", [2, 3, 4])
def test_neighbours_a_few_elements_apart_share_their_loads(run_llvm: Any, step: int) -> None:
    a, c = Buffer("a", (32, step), float32), Buffer("c", (32,), float32)

    def body(i: Expr) -> Stmt:
        parts = [a[i, n] for n in range(step)]
        return Store(c, (i,), reduce(operator.add, parts))

    program = Program("colours", (a, c), vector_loop(32, 16, body), attrs=DISJOINT)
    x, out = floats(32, step), np.zeros(32, np.float32)
    assert run_llvm(program, x, out) == 0
    np.testing.assert_allclose(out, x.sum(1), rtol=1e-6)
    text = one_kernel(program).text
    found = dict(re.findall(r"(%v\d+) = getelementptr float, ptr %\w+, i64 (\d+)$", text, re.M))
    loads = re.findall(r"= load <16 x float>, ptr (%\w+)", text)
    assert len({found.get(p, p) for p in loads}) == step, text


def test_text(golden: Any) -> None:
    a, w, c = (
        Buffer("a", (3, 20), float32),
        Buffer("w", (3,), float32),
        Buffer("c", (3, 20), float32),
    )
    r = Var("r")
    row = vector_loop(20, 16, lambda i: Store(c, (r, i), apply("maximum", a[r, i] * w[r], w[r])))
    program = Program("scale", (a, w, c), For(r, 3, row), attrs=DISJOINT)
    target = x86_target({"flags": "avx512f avx512bw avx512cd avx512dq avx512vl avx2 fma f16c"})
    golden("llvm_scale", one_kernel(program, target=target).text)


def test_other_processors_take_the_text() -> None:
    a, c = buffers(37, "ac")
    h = Buffer("h", (37,), float16)

    def body(i: Expr) -> Stmt:
        return Store(c, (i,), select(a[i] > 0.0, a[36 - i] * a[i] + 1.0, cast(h[i // 2], float32)))

    program = Program("portable", (a, h, c), vector_loop(37, 8, body))
    for target in (arm_target({"Features": "asimd"}), x86_target({"flags": ""})):
        assembly = emit_assembly(one_kernel(program, target=target).text, target)
        assert "mlc_main" in assembly and ("fmla" in assembly or not target.has_fma)


@pytest.mark.parametrize("dtype", [int8, int32, int64], ids=str)
def test_remainders_of_single_numbers_are_those_of_the_division(
    run_llvm: Any, dtype: DType
) -> None:
    least = int(np.iinfo(dtype.numpy).min)
    x = np.array([least, least, 7, -7, 7, -7, 0, 5, 100, -1], dtype.numpy)
    y = np.array([-1, 2, 3, 3, -3, -3, 4, 0, -1, least], dtype.numpy)
    a, b, c, d = buffers(x.size, "abcd", dtype)
    i = Var("i")
    both = [Store(c, (i,), apply("floordiv", a[i], b[i])), Store(d, (i,), apply("mod", a[i], b[i]))]
    program = Program("divmod", (a, b, c, d), For(i, x.size, Seq(tuple(both))), 2)
    quotient, rest = np.zeros_like(x), np.zeros_like(x)
    assert run_llvm(program, x, y, quotient, rest) == 0
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(quotient, x // y)
        np.testing.assert_array_equal(rest, x % y)
    text = one_kernel(program).text
    assert "srem" in text and " mul " not in text
