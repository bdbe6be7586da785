"""Default schedules compute what the unscheduled expressions do, for all sizes and machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mlc
import mlc.te as te
from mlc.backends.base import backend
from mlc.backends.llvm.target import Target, host_target
from mlc.dtypes import as_dtype
from mlc.ir.expr import apply, cast
from mlc.ir.program import Allocate, For, LoopKind, Program, Scope, walk
from mlc.ir.structural import structural_key
from mlc.lower.pipeline import lower
from mlc.schedules.defaults import machine
from mlc.schedules.defaults.cpu import default_schedule
from mlc.schedules.defaults.machine import Machine
from mlc.te.evaluate import evaluate
from mlc.te.program import Nest

MACHINES = (Machine(), Machine(vector_bytes=32, registers=16), Machine(vector_bytes=16))
Case = tuple[list[te.Tensor], int, list[te.Tensor], list[te.Tensor]]


def softmax(r: int, c: int) -> Case:
    x = te.placeholder((r, c), name="x")
    k = te.reduce_axis(c)
    m = te.compute((r,), lambda i: te.max(x[i, k], axis=k), name="m")
    e = te.compute((r, c), lambda i, j: apply("exp2", x[i, j] - m[i]), name="e")
    n = te.reduce_axis(c)
    s = te.compute((r,), lambda i: te.sum(e[i, n], axis=n), name="s")
    o = te.compute((r, c), lambda i, j: e[i, j] / s[i], name="o")
    return [m, e, s, o], 1, [x], [o]


def matmul_relu(m: int, n: int, k: int = 5) -> Case:
    a, b = te.placeholder((m, k), name="a"), te.placeholder((k, n), name="b")
    bias = te.placeholder((n,), name="bias")
    r = te.reduce_axis(k)
    y = te.compute((m, n), lambda i, j: te.sum(a[i, r] * b[r, j], axis=r), name="y")
    c = te.compute((m, n), lambda i, j: te.max(y[i, j] + bias[j], 0.0), name="c")
    return [y, c], 2, [a, b, bias], [c]


def matmul_transposed(m: int, n: int) -> Case:
    a, b = te.placeholder((m, 7), name="a"), te.placeholder((n, 7), name="b")
    r = te.reduce_axis(7)
    y = te.compute((m, n), lambda i, j: te.sum(a[i, r] * b[j, r], axis=r), name="y")
    return [y], 0, [a, b], [y]


def column_mean(r: int, c: int) -> Case:
    x = te.placeholder((r, c), name="x")
    k = te.reduce_axis(r)
    s = te.compute((c,), lambda j: te.sum(x[k, j], axis=k), name="s")
    o = te.compute((c,), lambda j: s[j] / float(r), name="o")
    return [s, o], 1, [x], [o]


def full_sum(r: int, c: int) -> Case:
    x = te.placeholder((r, c), name="x", strides=(1, r))
    a, b = te.reduce_axis(r), te.reduce_axis(c)
    o = te.compute((), lambda: te.sum(x[a, b], axis=(a, b)), name="o")
    return [o], 0, [x], [o]


def row_product(r: int, c: int) -> Case:
    x = te.placeholder((r, c), name="x")
    k = te.reduce_axis(c)
    o = te.compute((r,), lambda i: te.prod(x[i, k], axis=k), name="o")
    return [o], 0, [x], [o]


def padded_window(r: int, c: int) -> Case:
    x = te.placeholder((r, c), name="x")
    inside = lambda i, j: (i >= 1) & (i <= r) & (j >= 1) & (j <= c)
    p = te.compute(
        (r + 2, c + 2), lambda i, j: te.select(inside(i, j), x[i - 1, j - 1], 0.0), name="p"
    )
    return [p], 0, [x], [p]


def transposed(r: int, c: int) -> Case:
    x = te.placeholder((r, c), name="x")
    o = te.compute((c, r), lambda i, j: x[j, i] + 1.0, name="o")
    return [o], 0, [x], [o]


CASES = (
    softmax, matmul_relu, matmul_transposed, column_mean, full_sum, row_product, padded_window,
    transposed,
)  # fmt: skip


def run(program: Program, arrays: Sequence[np.ndarray], scratch: Sequence[te.Tensor]) -> None:
    n_in = len(program.params) - program.outputs - len(scratch)
    extra = [np.full(t.shape, np.nan, t.dtype.numpy) for t in scratch]
    backend("interpret").compile(program)(*arrays[:n_in], *extra, *arrays[n_in:])


@pytest.mark.parametrize("make", CASES, ids=lambda f: f.__name__)
@given(r=st.integers(1, 21), c=st.integers(1, 70), machine=st.sampled_from(MACHINES))
def test_scheduled_and_lowered_programs_equal_the_expressions(make, r, c, machine) -> None:
    tensors, shared, inputs, outputs = make(r, c)
    nests = [Nest((t,), t.op) for t in tensors]
    done = default_schedule("f", nests, shared, inputs, outputs, machine)
    rng = np.random.default_rng(r * 100 + c)
    feeds = {t: rng.uniform(0.9, 1.1, t.shape).astype(np.float32) for t in inputs}
    want = evaluate(outputs, feeds)
    for program in (done.program, lower(done.program)):
        got = [np.full(t.shape, np.nan, np.float32) for t in outputs]
        run(program, [*feeds.values(), *got], done.scratch)
        for w, g in zip(want, got, strict=True):
            np.testing.assert_allclose(g, w, rtol=(r * c + 8) * 2**-23)


def kinds(program: Program) -> set[LoopKind]:
    return {n.kind for n in walk(program.body) if isinstance(n, For)}


@pytest.mark.parametrize(("wide", "to", "lanes"), [
    (5 << 20, "float32", 16), (4 << 20, "float32", 8), (9 << 20, "float16", 32),
    (5 << 20, "float64", 8), (17 << 20, "bool", 8),
])  # fmt: skip
def test_short_vectors_fill_lines_of_results_that_no_cache_holds(wide, to, lanes) -> None:
    dtype = "float64" if to == "float64" else "float32"
    x = te.placeholder((wide,), dtype, name="x")
    kind = as_dtype(to)
    y = te.compute((wide,), lambda i: x[i] > 0 if to == "bool" else cast(x[i], kind), name="y")
    machine = Machine(vector_bytes=32, registers=16, past_bytes=16 << 20)
    program = default_schedule("f", [Nest((y,), y.op)], 0, [x], [y], machine).program
    assert [n.extent for n in walk(program.body) if is_vectorized(n)] == [lanes]


@pytest.mark.parametrize(("registers", "vectors"), [(32, 2), (16, 4)])
def test_long_chains_run_side_by_side_whatever_registers_hold(registers, vectors) -> None:
    x = te.placeholder((4096,), name="x")
    y = te.compute((4096,), lambda i: te.exp(x[i]) * te.tanh(x[i]) * te.sin(x[i]), name="y")
    machine = Machine(vector_bytes=32, registers=registers)
    program = default_schedule("f", [Nest((y,), y.op)], 0, [x], [y], machine).program
    assert [n.extent for n in walk(program.body) if is_vectorized(n)] == [8 * vectors]


def is_vectorized(stmt: object) -> bool:
    return isinstance(stmt, For) and stmt.kind is LoopKind.VECTORIZED


def test_a_large_matmul_is_tiled_packed_and_parallel() -> None:
    tensors, shared, inputs, outputs = matmul_relu(512, 512, 512)
    nests = [Nest((t,), t.op) for t in tensors]
    done = default_schedule("f", nests, shared, inputs, outputs, Machine())
    assert kinds(done.program) >= {LoopKind.PARALLEL, LoopKind.VECTORIZED, LoopKind.UNROLLED}
    flat = lower(done.program)
    assert [b.name for b in flat.params if b not in done.program.params] == ["b_packed"]
    held = [
        b
        for n in walk(flat.body)
        if isinstance(n, Allocate)
        for b in n.buffers
        if b.scope is Scope.REGISTER
    ]
    assert len(held) == 24 + 8, "six rows of four vectors, and the two rows left at the end"
    assert {b.shape for b in held} == {(16,)}


def test_small_kernels_stay_on_one_thread() -> None:
    tensors, shared, inputs, outputs = softmax(4, 8)
    nests = [Nest((t,), t.op) for t in tensors]
    done = default_schedule("f", nests, shared, inputs, outputs, Machine())
    assert LoopKind.PARALLEL not in kinds(done.program)


@pytest.mark.parametrize("make", CASES, ids=lambda f: f.__name__)
def test_the_bits_do_not_depend_on_the_number_of_threads(make) -> None:
    results = []
    for threads in (1, 3, 16):
        tensors, shared, inputs, outputs = make(40, 130)
        nests = [Nest((t,), t.op) for t in tensors]
        done = default_schedule("f", nests, shared, inputs, outputs, Machine(threads=threads))
        rng = np.random.default_rng(5)
        feeds = [rng.standard_normal(t.shape).astype(np.float32) for t in inputs]
        got = [np.full(t.shape, np.nan, np.float32) for t in outputs]
        run(lower(done.program), [*feeds, *got], done.scratch)
        results.append([array.tobytes() for array in got])
    assert results[0] == results[1] == results[2]


def test_the_chunks_of_a_long_sum_do_not_depend_on_the_number_of_threads() -> None:
    keys = set()
    for threads in (1, 3, 16):
        tensors, shared, inputs, outputs = full_sum(1024, 1024)
        nests = [Nest((t,), t.op) for t in tensors]
        done = default_schedule("f", nests, shared, inputs, outputs, Machine(threads=threads))
        assert LoopKind.PARALLEL in kinds(done.program)
        keys.add(structural_key(done.program))
    assert len(keys) == 1


def hints(
    name: str, shape: tuple[int, ...], passes: int, machine: Machine = MACHINES[0]
) -> list[tuple]:
    """What the default schedule of sums over rows, one after the other, asks for early."""
    x = te.placeholder(shape, "float32", "x")
    nests = []
    total = None
    for _ in range(passes):
        k = te.reduce_axis(shape[1], "k")
        before = total
        total = te.compute(
            (shape[0],),
            lambda i, k=k, t=before: te.sum(x[i, k] if t is None else x[i, k] * t[i], k),
            name=name,
        )
        nests.append(Nest((total,), total.op))
    program = default_schedule(name, nests, 1, [x], [total], machine).program
    loops = [s for s in walk(program.body) if isinstance(s, For)]
    return [hint for s in loops for hint in dict(s.annotations).get("prefetch", ())]


def test_sums_of_short_vectors_leave_it_to_the_processor_to_look_ahead() -> None:
    short = Machine(vector_bytes=32, registers=16)
    assert hints("s", (1024, 4096), 1) != []
    assert hints("s", (1024, 4096), 1, short) == []
    assert hints("s", (1024, 4096), 2, short) != []  # shares of the next row


def test_large_rows_are_asked_for_early() -> None:
    assert hints("s", (64, 1024), 1) == []  # in the cache
    assert hints("s", (4096, 1024), 1) == [("s_lanes", "x", 32)]  # 8 KiB ahead, 256 bytes a step


def test_each_reader_of_a_row_asks_for_a_share_of_the_next() -> None:
    first, second = hints("s", (4096, 1024), 2)
    assert first == ("s_lanes", "x", 16, 0, 2)
    assert second[1:] == ("x", 16, 1, 2)


@pytest.mark.parametrize("seen", [False, True])
def test_rows_that_are_read_side_by_side_are_asked_for_early_each(monkeypatch, seen: bool) -> None:
    """Eight rows, two vectors of each a step, where results of whole rows would not stay near, and
    where the processor does not see them coming."""
    monkeypatch.setattr(Target, "looks_ahead", property(lambda target: seen))
    x = np.ones((1024 if seen else 2048, 4096), np.float32)
    text = mlc.jit(lambda x: x.var(axis=0)).lower(x).schedule
    steps = 8192 // (8 * 2 * host_target().vector_bits // 8)
    asked = f"s.prefetch('moments', 'x', ji_1_2, distance={steps})" in str(text)
    assert asked == (not seen)
    near = te.placeholder((2048, 1024), name="x")
    k = te.reduce_axis(510)
    stencil = te.compute((1024,), lambda j: te.sum(near[4 * k, j] + near[4 * k + 7, j], k))
    program = default_schedule("s", [Nest((stencil,), stencil.op)], 0, [near], [stencil], Machine())
    loops = [s for s in walk(program.program.body) if isinstance(s, For)]
    assert not any("prefetch" in dict(s.annotations) for s in loops)  # rows, but no neighbours


@pytest.mark.parametrize(
    ("rows", "columns", "count"), [(1024, 1024, 1), (512, 512, 1), (99, 99, 0)]
)
def test_a_stencil_asks_for_its_last_row_a_page_ahead(rows: int, columns: int, count: int) -> None:
    x = te.placeholder((rows, columns), "float32", "x")
    y = te.compute(
        (rows - 2, columns - 2),
        lambda i, j: (
            x[i + 1, j + 1] + x[i, j + 1] + x[i + 2, j + 1] + x[i + 1, j] + x[i + 1, j + 2]
        ),
    )
    for seen in (True, False):
        machine = Machine(looks_ahead=seen)
        program = default_schedule("s", [Nest((y,), y.op)], 0, [x], [y], machine).program
        loops = [s for s in walk(program.body) if isinstance(s, For)]
        found = [hint for s in loops for hint in dict(s.annotations).get("prefetch", ())]
        assert found == [("compute", "x", 4096 // (4 * 64), 0, 1, "last")] * (count if seen else 0)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize(("fold", "count"), [(te.sum, 1), (te.max, 0)])
def test_windows_along_a_row_are_written_out_where_vectors_share_lines(shared, fold, count) -> None:
    x = te.placeholder((514, 514), "float32", "x")
    p, q = te.reduce_axis(3, "p"), te.reduce_axis(3, "q")
    y = te.compute((512, 512), lambda i, j: fold(x[i + p, j + q], axis=[p, q]))
    machine = Machine(shares_lines=shared)
    program = default_schedule("s", [Nest((y,), y.op)], 0, [x], [y], machine).program
    unrolled = [s for s in walk(program.body) if isinstance(s, For) and s.extent == 3]
    assert [s.kind for s in unrolled].count(LoopKind.UNROLLED) == (count if shared else 0)


@pytest.mark.parametrize(("columns", "rows"), [(256, 8), (512, 4), (1024, 4)])
def test_short_rows_that_are_multiplied_go_by_eights(monkeypatch, columns: int, rows: int) -> None:
    monkeypatch.setattr(Target, "looks_ahead", property(lambda target: True))
    x = np.ones(((1 << 22) // columns, columns), np.float32)
    text = mlc.jit(lambda x: x.var(axis=0)).lower(x).schedule
    assert f"s.split(k, [None, {rows}])" in str(text)


def with_wide_vectors(monkeypatch, **facts: Any) -> None:
    """Let schedules be made for vectors of 64 bytes, whatever this machine has."""
    made = machine.machine_of
    facts = {"vector_bytes": 64, "registers": 32, "l1": 48 << 10, "l2": 1 << 20, **facts}
    wide = lambda target, threads: replace(made(target, threads), **facts)
    monkeypatch.setattr(machine, "machine_of", wide)


@pytest.mark.parametrize("columns", [256, 1024, 4096])
@pytest.mark.parametrize("seen", [False, True])
def test_rows_that_are_only_added_up_go_by_eights(monkeypatch, columns: int, seen: bool) -> None:
    """Where the processor looks far ahead; extremes take too many instructions for that."""
    with_wide_vectors(monkeypatch, looks_ahead=seen)
    x = np.ones(((1 << 24) // columns, columns), np.float32)
    for fold in (np.sum, np.max):
        text = mlc.jit(lambda x, fold=fold: fold(x, axis=0)).lower(x).schedule
        assert ("s.split(k1, [None, 8])" in str(text)) == (seen and fold is np.sum)


def test_parts_of_a_tall_sum_lie_below_each_other() -> None:
    """Lanes run along columns, which are neighbours in memory, and not along the parts."""
    rows = 1 << 15
    tensors, _, inputs, _ = column_mean(rows, 32)
    nests = [Nest((tensors[0],), tensors[0].op)]
    made = default_schedule("s", nests, 0, inputs, tensors[:1], Machine())
    (partial,) = [t for t in made.scratch if t.name.endswith("_chunk")]
    assert partial.shape[1:] == (32,)
    x = np.random.default_rng(0).standard_normal((rows, 32), dtype=np.float32)
    got = mlc.jit(lambda x: np.sum(x, axis=0))(x)
    np.testing.assert_allclose(got, x.sum(axis=0, dtype=np.float64), atol=2e-3)


@pytest.mark.parametrize("shape", [(60_001, 3), (70_000, 10), (20_003, 7), (9000, 31), (50_000, 4)])
def test_short_rows_fill_whole_vectors(shape) -> None:
    x = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    x[shape[0] // 2, 1] = 9.0
    wide = x.astype(np.float64)
    got = mlc.jit(lambda x: (np.sum(x, axis=0), np.max(x, axis=0)))(x)
    np.testing.assert_allclose(got[0], wide.sum(axis=0), atol=2e-3)
    np.testing.assert_array_equal(got[1], x.max(axis=0))
    x[-1, 0] = np.nan
    assert np.isnan(mlc.jit(lambda x: np.max(x, axis=0))(x)).tolist()[:2] == [True, False]


PLACES = {
    "triangle": (lambda a: np.triu(a, 1), False),
    "columns": (lambda a: a + np.arange(a.shape[-1], dtype=a.dtype), False),
    "diagonal": (lambda a: np.where(np.eye(*a.shape[-2:], 3, dtype=bool), a[..., :1], a), False),
    "joined": (lambda a: np.concatenate([a, a[:1]]) * 2, True),
    "plain": (lambda a: a + 1, True),
}


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize("shape", [(70, 999), (300, 5), (2, 50, 300), (1, 700), (40, 256)])
def test_long_rows_whose_places_are_numbers_stay_rows(name, shape) -> None:
    function, fused = PLACES[name]
    compiled = mlc.jit(function)
    for dtype in ("uint8", "float64"):
        a = (np.random.default_rng(2).random(shape) * 200).astype(dtype)
        np.testing.assert_array_equal(compiled(a), function(a))
    if shape == (70, 999):
        assert ("s.fuse(" in str(compiled.lower(a).schedule)) == fused


@pytest.mark.parametrize(("keys", "loops"), [(128, 2), (1024, 1)])
def test_folds_of_short_rows_between_products_do_not_wait_for_each_other(
    monkeypatch, keys, loops
) -> None:
    """Maxima of all rows of a block, then exponentials, then sums; of long rows all in one loop."""
    with_wide_vectors(monkeypatch)
    q, k = np.ones((2, 64, 32), np.float32), np.ones((2, keys, 32), np.float32)

    def attention(q, k, v):
        scores = q @ np.swapaxes(k, -1, -2)
        e = np.exp(scores - np.max(scores, axis=-1, keepdims=True))
        return e / np.sum(e, axis=-1, keepdims=True) @ v

    compiled = mlc.jit(attention)
    np.testing.assert_allclose(compiled(q, k, k), attention(q, k, k), rtol=1e-5)
    text = str(compiled.lower(q, k, k).program)
    assert text.count("for ji in T.serial(64):") == loops, text


@pytest.mark.parametrize("shape", [(5, 4000), (4000, 5), (3, 40, 50)])
def test_folds_of_all_elements_go_through_memory_whatever_its_order(shape) -> None:
    a = np.asfortranarray(np.random.default_rng(3).standard_normal(shape))
    b = np.asfortranarray(a + 1)

    def folds(a, b):
        return a.sum(), np.sum(a * b), a.max(), np.count_nonzero(a > 0), a.prod(), a.argmax()

    compiled = mlc.jit(folds)
    np.testing.assert_allclose(compiled(a, b), folds(a, b), rtol=1e-12)
    text = str(mlc.jit(lambda a: a.sum()).lower(a).program)
    lanes = host_target().vector_bits // 64
    assert f"T.vectorized({lanes})" in text and "k0k1" not in text
