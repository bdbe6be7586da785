"""Tensor programs as operations of a graph."""

import numpy as np
import pytest

import mlc
from mlc import script as T
from mlc import te
from mlc.te.evaluate import evaluate
from mlc.te.key import graph_key


def running_sums(n: int):
    """The sums of the first elements, and their squares, through memory of its own."""

    @T.program
    def running(A: T.Buffer((n,)), S: T.Buffer((n,)), Q: T.Buffer((n,))):
        total = T.alloc((n,))
        for i in T.serial(n):
            with T.block("total"):
                vi = T.axis.spatial(n, i)
                total[vi] = T.select(vi > 0, total[T.max(vi - 1, 0)], 0.0) + A[vi]
        for i in T.serial(n):
            with T.block("out"):
                vi = T.axis.spatial(n, i)
                S[vi] = total[vi]
                Q[vi] = total[vi] * total[vi]

    return running


@mlc.op
def running(x):
    return te.call(running_sums(x.shape[0]), x)


X = np.arange(10, dtype=np.float32)
SUMS = np.cumsum(2 * X)


@pytest.mark.parametrize("target", ["cpu", "interpret", "numpy"])
def test_between_other_operators(target):
    @mlc.jit(target=target)
    def f(x):
        sums, squares = running(x * 2)
        return sums + 1, np.sum(squares), squares

    sums, total, squares = f(X)
    np.testing.assert_array_equal(sums, SUMS + 1)
    np.testing.assert_array_equal(squares, SUMS**2)
    assert total == (SUMS**2).sum()


def test_one_result_of_two_and_one_input_twice():
    @mlc.jit
    def f(x):
        return running(x)[1], running(x)[0] - x

    squares, rest = f(X)
    np.testing.assert_array_equal(squares, np.cumsum(X) ** 2)
    np.testing.assert_array_equal(rest, np.cumsum(X) - X)
    assert f.lower(X).program.count("def running") >= 1


def test_a_call_of_a_call_reads_what_the_first_wrote():
    @mlc.jit
    def f(x):
        return running(running(x)[0])[0]

    np.testing.assert_array_equal(f(X), np.cumsum(np.cumsum(X)))


def test_large_arrays_live_in_the_workspace():
    x = np.ones(300_000, np.float32)

    @mlc.jit
    def f(x):
        return running(x)[0] * 2

    np.testing.assert_array_equal(f(x), 2 * np.cumsum(x))


def test_reference_and_key():
    x = te.placeholder((10,), name="x")
    sums, squares = te.call(running_sums(10), x)
    got = evaluate([sums, squares], {x: X})
    np.testing.assert_array_equal(got[0], np.cumsum(X))
    np.testing.assert_array_equal(got[1], np.cumsum(X) ** 2)
    again = te.placeholder((10,), name="y")
    same, _ = te.call(running_sums(10), again)
    assert graph_key([x], [sums]) == graph_key([again], [same])
    assert graph_key([x], [sums]) != graph_key([x], [squares])


def test_inputs_must_fit():
    program = running_sums(10)
    x = te.placeholder((10,), "float64", name="x")
    with pytest.raises(mlc.DTypeError, match="must be float32 as its param A, got float64"):
        te.call(program, x)
    with pytest.raises(mlc.ShapeError, match=r"must have shape \(10,\) as its param A, got \(9,\)"):
        te.call(program, te.placeholder((9,)))
    with pytest.raises(mlc.ArgumentError, match="running reads 1 tensors, got 0"):
        te.call(program)


def test_a_schedule_refuses_it():
    @mlc.schedule
    def nothing(s):
        pass

    @mlc.jit
    @nothing
    def g(x):
        return running(x)[0]

    with pytest.raises(mlc.UnsupportedError, match="running is a program of its own"):
        g(X)
