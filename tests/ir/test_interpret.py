"""The interpreter: order, checks, poison and speed."""

from __future__ import annotations

import time
import warnings

import numpy as np
import pytest

from mlc import te
from mlc.dtypes import ALL, DType, float32, int64
from mlc.errors import (
    ArgumentError,
    BoundsError,
    CompileError,
    DTypeError,
    ShapeError,
    UnsupportedError,
)
from mlc.ir.expr import Axis, Var, const, load
from mlc.ir.interpret import interpret, poisoned
from mlc.ir.program import Allocate, Block, Buffer, For, Iter, LoopKind, Program, Scope, Store, seq
from mlc.te.evaluate import evaluate
from tests.ir import samples


def inputs(rng_seed: int, *shapes: tuple[int, ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(rng_seed)
    return [rng.normal(size=shape).astype("float32") for shape in shapes]


def test_matmul_and_relu() -> None:
    A, B, _, C = samples.mm_relu_tensors(4, 6, 5)
    a, b = inputs(0, (4, 5), (5, 6))
    out = np.full((4, 6), np.nan, "float32")
    interpret(samples.mm_relu(), a, b, out, check_uninitialised=True)
    (want,) = evaluate([C], {A: a, B: b})
    np.testing.assert_allclose(out, want, rtol=0, atol=5 * 2.0**-23 * 5 * 4)
    assert (out == 0).any() and (out > 0).any()


def test_several_parts_are_combined_at_once() -> None:
    (x,) = inputs(1, (3, 7))
    at, best = np.zeros(3, "int64"), np.zeros(3, "float32")
    interpret(samples.argmax(), x, at, best, check_uninitialised=True)
    np.testing.assert_array_equal(at, x.argmax(1))
    np.testing.assert_array_equal(best, x.max(1))


def test_only_the_chosen_side_of_a_select_is_evaluated() -> None:
    x = np.arange(6, dtype="float32")
    out = np.zeros(8)
    interpret(samples.padded(), x, out)
    y = np.concatenate([[-1.5], x, [-1.5]]).astype("float32")
    p = y * y + np.float32(0.1)
    np.testing.assert_array_equal(out, (p * p - p).astype("float64") / 3)


@pytest.mark.parametrize("reverse", [False, True])
def test_flat_program_with_lanes_and_a_tail(reverse: bool) -> None:
    x = np.arange(50, dtype="float32").reshape(10, 5).T
    out = np.zeros(5, "float32")
    interpret(samples.vector_sum(), x, out, check_uninitialised=True, reverse_parallel=reverse)
    np.testing.assert_array_equal(out, x.sum(1))


def test_branches() -> None:
    out = np.zeros(4, "int64")
    interpret(samples.branches(), np.array([3, -1, 0, 9]), out)
    np.testing.assert_array_equal(out, [20, -1, 0, -1])


def test_a_block_in_tiles_with_a_predicate_skips_what_lies_beyond() -> None:
    x, y = Buffer("x", (7,), float32), Buffer("y", (7,), float32)
    i0, i1, axis = Var("i0"), Var("i1"), Axis("i", 7)
    at = i0 * 4 + i1
    block = Block("b", (Iter(axis, at),), Store(y, (axis,), load(x, (axis,)) + 1), None, at < 7)
    program = Program("tiles", (x, y), For(i0, 2, For(i1, 4, block)))
    out = np.zeros(7, "float32")
    interpret(program, np.arange(7, dtype="float32"), out)
    np.testing.assert_array_equal(out, np.arange(1, 8))
    loose = Block("b", block.iters, block.body)
    with pytest.raises(BoundsError, match=r"axis i of block 'b' is 7, outside its range\(7\)"):
        interpret(program.with_body(For(i0, 2, For(i1, 4, loose))), out, out)


def test_a_reduction_over_nothing_is_initialised() -> None:
    x = te.placeholder((2, 0), "float32", name="x")
    k = te.reduce_axis(0)
    y = te.compute((2,), lambda i: te.prod(x[i, k], axis=k))
    out = np.zeros(2, "float32")
    interpret(samples.program_of("empty", [y], [x]), np.zeros((2, 0), "float32"), out)
    np.testing.assert_array_equal(out, [1, 1])


def test_an_index_from_data_is_checked() -> None:
    x, at, y = Buffer("x", (3,), float32), Buffer("at", (2,), int64), Buffer("y", (2,), float32)
    i = Var("i")
    program = Program("take", (x, at, y), For(i, 2, Store(y, (i,), load(x, (load(at, (i,)) + 1,)))))
    arrays = np.arange(3, dtype="float32"), np.array([-1, 2]), np.zeros(2, "float32")
    with pytest.raises(BoundsError) as caught:
        interpret(program, *arrays)
    assert caught.value.message == (
        "index 3 is out of bounds for axis 0 of x with size 3 (element [3])"
    )
    assert arrays[2][0] == 0  # x[0], stored before the fault


def test_negative_indices_do_not_wrap() -> None:
    x = Buffer("x", (3, 3), float32)
    program = Program("wrap", (x,), Store(x, (const(1), const(-1)), const(0, float32)))
    with pytest.raises(BoundsError, match=r"index -1 .* axis 1 of x with size 3"):
        interpret(program, np.zeros((3, 3), "float32"))


def test_reading_what_was_never_written() -> None:
    x = Buffer("x", (2,), float32)
    t = Buffer("t", (2,), float32, scope=Scope.STACK)
    body = seq(
        Store(t, (const(0),), const(0, float32)), Store(x, (const(0),), load(t, (const(1),)))
    )
    program = Program("p", (x,), Allocate((t,), body))
    out = np.zeros(2, "float32")
    interpret(program, out)
    assert np.isnan(out[0])
    with pytest.raises(CompileError, match=r"element \[1\] of t is read before it is written"):
        interpret(program, out, check_uninitialised=True)


def test_memory_is_fresh_in_every_iteration() -> None:
    t = Buffer("t", (), float32, scope=Scope.STACK)
    x = Buffer("x", (2,), float32)
    i = Var("i")
    body = seq(Store(x, (i,), load(t, ())), Store(t, (), const(1, float32)))
    out = np.zeros(2, "float32")
    interpret(Program("p", (x,), For(i, 2, Allocate((t,), body))), out)
    assert np.isnan(out).all()


@pytest.mark.parametrize("dtype", ALL, ids=str)
@pytest.mark.parametrize("shape", [(), (3,)])
def test_poison(dtype: DType, shape: tuple[int, ...]) -> None:
    array = poisoned(shape, dtype)
    assert array.shape == shape and array.dtype == dtype.numpy
    if dtype.is_float:
        assert np.isnan(array.astype("float64")).all()
    elif dtype.is_integer:
        assert array.tobytes() == b"\xab" * array.nbytes


@pytest.mark.unproven
def test_parallel_iterations_that_depend_on_each_other_show() -> None:
    x = Buffer("x", (3,), float32)
    i = Var("i")
    body = For(i, 2, Store(x, (i + 1,), load(x, (i,))), LoopKind.PARALLEL)
    program = Program("shift", (x,), body)
    forwards, backwards = np.array([1, 2, 3], "float32"), np.array([1, 2, 3], "float32")
    interpret(program, forwards)
    interpret(program, backwards, reverse_parallel=True)
    assert forwards.tolist() == [1, 1, 1] and backwards.tolist() == [1, 1, 2]


def test_arguments_are_checked() -> None:
    program = samples.padded()
    good, out = np.zeros(6, "float32"), np.zeros(8)
    with pytest.raises(ArgumentError, match="padded takes 2 arrays, got 1"):
        interpret(program, good)
    with pytest.raises(ShapeError, match=r"expected shape \(6,\) for x, got \(8,\)"):
        interpret(program, out, out)
    with pytest.raises(DTypeError, match="expected float32 for x, got float64"):
        interpret(program, good.astype("float64"), out)
    out.flags.writeable = False
    with pytest.raises(ArgumentError, match="the array for output z is read-only"):
        interpret(program, good, out)
    with pytest.raises(UnsupportedError, match="the interpreter cannot call 'prefetch'"):
        interpret(samples.with_call(), np.zeros(4, "float32"))


def test_nothing_warns() -> None:
    x = te.placeholder((4,), "float32", name="x")
    n = te.placeholder((4,), "int32", name="n")
    y = te.compute((4,), lambda i: te.cast(x[i] / x[i] * 1e38, "int32") // n[i] + (n[i] << 40))
    out = np.zeros(4, "int32")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = (
            np.array([0, 1, np.inf, -3e38], "float32"),
            np.array([0, -1, 5, 2**31 - 1], "int32"),
        )
        interpret(samples.program_of("p", [y], [x, n]), *values, out)
        (want,) = evaluate([y], {x: values[0], n: values[1]})
    np.testing.assert_array_equal(out, want)


def test_a_hundred_thousand_iterations_take_less_than_a_second() -> None:
    program = samples.mm_relu(46, 46, 46)
    a, b = inputs(2, (46, 46), (46, 46))
    out = np.zeros((46, 46), "float32")
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        interpret(program, a, b, out)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 1
