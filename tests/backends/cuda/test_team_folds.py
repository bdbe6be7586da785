"""Threads that fold one element together, and blocks that do so by atomic operations."""

from __future__ import annotations

import re

import numpy as np
import pytest

import mlc
from mlc import script as T
from mlc import te
from mlc.compile_device import program_device_module
from mlc.ir.program import Program
from mlc.schedules.schedule import Schedule
from mlc.testing.cuda import assert_compiles

from .conftest import needs_compiler

ORDERS = ("forward", "reverse", "random")


def rows(m: int, n: int, fold=te.sum, dtype: str = "float32") -> Schedule:
    x = te.placeholder((m, n), dtype, "x")
    k = te.reduce_axis(n, "k")
    t = te.compute((m,), lambda i: fold(x[i, k], axis=k), name="t")
    return Schedule(te.create_program([x, t], "rows"))


def results(program: Program, x: np.ndarray) -> list[np.ndarray]:
    """What the kernel makes of ``x`` in each order of threads, after it has compiled for cards."""
    assert_compiles(program_device_module(program))
    run = mlc.build(program, target="cuda-emulated")
    out = []
    for order in ORDERS:
        (y,) = (np.zeros(b.shape, b.dtype.numpy) for b in program.params[1:])
        with mlc.config.override(emulated_order=order):
            run(x, y)
        out.append(y)
    return out


@needs_compiler
@pytest.mark.parametrize(
    ("shape", "split"),
    [
        ((3, 32), {"threadIdx.x": 32}),  # one warp
        ((3, 100), {"threadIdx.x": 64}),  # two, and a part of the last step
        ((4, 50), {"threadIdx.x": 8}),  # four folds in a warp
        ((2, 512), {"threadIdx.x": 512}),  # sixteen warps
        ((2, 100), {"threadIdx.x": 100}),  # four warps, the last of which has little to do
        ((3, 7), {"threadIdx.x": 7}),
        ((2, 256), {"threadIdx.x": 32, "threadIdx.y": 8}),
        ((2, 60), {"threadIdx.x": 1, "threadIdx.y": 12}),
    ],
)
def test_folds_are_the_same_in_any_order(shape, split) -> None:
    s = rows(*shape)
    i, k = s.loops("t")
    line = shape[0] if split == {"threadIdx.x": 8} else 1
    i0, i1 = s.split(i, [None, line])
    s.bind(i0, "blockIdx.x")
    s.bind(i1, "threadIdx.z" if "threadIdx.y" in split else "threadIdx.y")
    for thread, extent in split.items():
        k, inner = s.split(k, [None, extent])
        s.bind(inner, thread)
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    first, *others = results(s.program, x)
    np.testing.assert_allclose(first, x.sum(axis=1), rtol=1e-5, atol=1e-5)
    assert all((other == first).all() for other in others)


def test_shuffles_and_one_value_of_each_warp() -> None:
    s = rows(4, 64)
    i, k = s.loops("t")
    s.bind(i, "blockIdx.x")
    s.bind(k, "threadIdx.x")
    source = program_device_module(s.program).source
    assert source.count("mlc_shfl_down(t_part, ") == 5
    assert source.count("mlc_barrier();") == 1
    assert "64 threads, 8 bytes shared" in source


@pytest.mark.parametrize(("fold", "dtype"), [
    (te.sum, "float32"), (te.sum, "float16"), (te.sum, "int8"), (te.max, "float64"),
    (te.min, "bfloat16"), (te.max, "bool"), (te.any, "bool"), (te.prod, "float32"),
])  # fmt: skip
@needs_compiler
def test_what_threads_fold_is_stored_where_nothing_was(fold, dtype) -> None:
    s = rows(4, 64, fold, dtype)
    i, k = s.loops("t")
    s.bind(i, "blockIdx.x")
    s.bind(k, "threadIdx.x")
    source = program_device_module(s.program).source
    assert source.count(" t[") == 1 and "t[i] = t_part;" in source
    # Every lane takes part, whatever it has.
    assert not re.search(r"(\|\||&&|\?)[^;]*mlc_shfl", source)
    x = np.full((4, 64), -0.0).astype(s.program.params[0].dtype.numpy)
    if np.dtype(dtype).kind == "f":
        x[1, 7], x[2, 39], x[3, :] = np.nan, 1, -np.inf
    want = x.sum(1, dtype=x.dtype) if fold is te.sum else getattr(np, fold.__name__)(x, axis=1)
    for found in results(s.program, x):
        np.testing.assert_array_equal(found.astype(float), want.astype(float))
        assert fold is not te.sum or not np.signbit(found[0])


@needs_compiler
def test_sums_of_products_begin_with_zero() -> None:
    x, y = (te.placeholder((2, 32), "float32", name) for name in "xy")
    k = te.reduce_axis(32, "k")
    t = te.compute((2,), lambda i: te.sum(x[i, k] * y[i, k], axis=k), name="t")
    s = Schedule(te.create_program([x, y, t], "dots"))
    i, k = s.loops("t")
    s.bind(i, "blockIdx.x")
    s.bind(k, "threadIdx.x")
    module = program_device_module(s.program)
    # Where the product is added without being rounded, it may make -0 of 0.
    assert "t[i] = 0.0f;" in module.source and "t[i] += t_part;" in module.source
    tiny, out = np.full((2, 32), 1e-30, np.float32), np.ones(2, np.float32)
    mlc.build(s.program, target="cuda-emulated")(tiny, -tiny, out)
    assert (out == 0).all() and not np.signbit(out).any()


def test_folds_of_ones_own_begin_with_their_identity() -> None:
    fold = te.comm_reducer(lambda a, b: a + b, identity=0, dtype="float32")
    s = rows(4, 64, fold)
    i, k = s.loops("t")
    s.bind(i, "blockIdx.x")
    s.bind(k, "threadIdx.x")
    source = program_device_module(s.program).source
    assert "t[i] = 0.0f;" in source and "t[i] += t_part;" in source


@needs_compiler
def test_all_threads_get_what_is_their_own() -> None:
    @T.program
    def centred(x: T.Buffer((6, 32)), y: T.Buffer((6, 32))):
        for i in T.thread_binding(6, "blockIdx.x"):
            t = T.alloc((1,), "float32", scope="local")
            t[0] = 0.0
            for tx in T.thread_binding(32, "threadIdx.x"):
                t[0] += x[i, tx]
            for tx in T.thread_binding(32, "threadIdx.x"):
                y[i, tx] = x[i, tx] - t[0]

    source = program_device_module(centred).source
    assert "t_part = mlc_shfl(t_part, 0, 32);" in source
    assert "mlc_barrier" not in source
    x = np.random.default_rng(0).standard_normal((6, 32)).astype(np.float32)
    y = np.zeros_like(x)
    mlc.simulate(centred, x, y)
    np.testing.assert_allclose(y, x - x.sum(axis=1, keepdims=True), rtol=1e-5, atol=1e-5)
    for found in results(centred, x):
        np.testing.assert_allclose(found, y, rtol=1e-5, atol=1e-5)


@needs_compiler
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64", "int8", "bool", "uint64"])
def test_types(dtype) -> None:
    fold = te.any if dtype == "bool" else te.max
    s = rows(2, 40, fold, dtype)
    i, k = s.loops("t")
    s.bind(i, "blockIdx.x")
    s.bind(k, "threadIdx.x")
    numpy = s.program.params[0].dtype.numpy
    x = np.random.default_rng(0).integers(0, 2, (2, 40)).astype(numpy)
    for found in results(s.program, x):
        assert (found == x.max(axis=1)).all()


@needs_compiler
@pytest.mark.parametrize(("fold", "dtype"), [(te.sum, "float32"), (te.sum, "int64"),
                                             (te.max, "float32"), (te.min, "int16")])  # fmt: skip
def test_blocks_combine_by_atomic_operations(fold, dtype) -> None:
    s = rows(5, 64, fold, dtype)
    i, k = s.loops("t")
    k0, k1 = s.split(k, [4, 16])
    s.reorder(k0, i, k1)
    part = s.rfactor(k0, 0)
    s.reverse_compute_at("t", s.loops(part)[0])
    s.decompose_reduction("t", s.loops("t")[0])
    chunk, row = s.loops("t")
    s.bind(chunk, "blockIdx.x", atomic=True)
    s.bind(row, "threadIdx.x")
    s.bind(s.loops(part)[1], "threadIdx.x")
    source = program_device_module(s.program).source
    assert f"mlc_atomic_{'add' if fold is te.sum else fold.__name__}(&t[" in source
    x = np.random.default_rng(0).integers(-9, 9, (5, 64)).astype(dtype)
    want = {te.sum: np.sum, te.max: np.max, te.min: np.min}[fold](x, axis=1)
    for found in results(s.program, x):
        assert (found == want).all()


def test_threads_are_as_many_as_shuffles_want() -> None:
    s = rows(4, 100)
    i, k = s.loops("t")
    s.bind(i, "blockIdx.x")
    s.bind(k, "threadIdx.x")
    source = program_device_module(s.program).source
    assert source.count("mlc_shfl_down(t_part, ") == 5
    assert "128 threads, 16 bytes shared" in source and "if (k < 100) {" in source


@needs_compiler
@pytest.mark.parametrize(("fold", "dtype"), [(te.sum, "int32"), (te.max, "float32")])
def test_threads_of_a_block_fold_before_blocks_combine(fold, dtype) -> None:
    s = rows(1, 1000, fold, dtype)
    i, k = s.loops("t")
    k0, k1 = s.split(k, [None, 128])
    s.decompose_reduction("t", i)
    _, k0, k1 = s.loops("t")
    s.bind(k0, "blockIdx.x", atomic=True)
    s.bind(k1, "threadIdx.x")
    source = program_device_module(s.program).source
    assert source.count("mlc_atomic_") == 1 and source.count("mlc_shfl_down(t_part, ") == 5
    x = np.random.default_rng(0).integers(-9, 9, (1, 1000)).astype(dtype)
    want = {te.sum: np.sum, te.max: np.max}[fold](x, axis=1)
    for found in results(s.program, x):
        assert (found == want).all()


def test_what_is_refused() -> None:
    s = rows(5, 64)
    _, k = s.loops("t")
    with pytest.raises(mlc.ScheduleError, match="threads of one block fold without atomic"):
        s.bind(k, "threadIdx.x", atomic=True)
    with pytest.raises(mlc.ScheduleError, match="not independent"):
        s.bind(k, "blockIdx.x")
    with pytest.raises(mlc.ScheduleError, match="decompose_reduction"):
        s.bind(k, "blockIdx.x", atomic=True)
    s = rows(5, 64, te.sum, "int8")
    init = s.decompose_reduction("t", s.loops("t")[0])
    with pytest.raises(mlc.ScheduleError, match="no atomic operation combines int8 by sum"):
        s.bind(s.loops("t")[1], "blockIdx.x", atomic=True)
    assert init
    with pytest.raises(mlc.ScheduleError, match="'atomic' is what s"):
        s.annotate(s.loops("t")[1], "atomic", True)


def test_threads_that_run_already_do_not_fold() -> None:
    @T.program
    def twice(x: T.Buffer((32,)), y: T.Buffer((1,))):
        for tx in T.thread_binding(32, "threadIdx.x"):
            for again in T.thread_binding(32, "threadIdx.x"):
                y[0] += x[tx] * x[again]

    with pytest.raises(mlc.ScheduleError, match="which it cannot be: iterations"):
        program_device_module(twice)
