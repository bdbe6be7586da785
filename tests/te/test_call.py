"""Tensor programs as operations of a graph."""

import numpy as np
import pytest

import mlc
from mlc import script as T
from mlc import te
from mlc.te.evaluate import evaluate
from mlc.te.key import graph_key
from mlc.te.unwritten import with_zeros


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


@T.program
def weighted(A: T.Buffer(("n", "m")), s: T.Buffer(()), B: T.Buffer(("n",))):
    for i, j in T.grid(*A.shape):
        with T.block("B"):
            vi, vj = T.remap("SR", [i, j])
            with T.init():
                B[vi] = 0.0
            B[vi] += A[vi, vj] * s[()]


def test_of_arrays_and_traced_values_and_by_template_and_schedule():
    a = X.reshape(5, 2)
    want = a.sum(1) * 2
    np.testing.assert_array_equal(te.call(weighted, a, 2.0), want)
    np.testing.assert_array_equal(mlc.jit(lambda x, s: te.call(weighted, x, s) + 1)(a, 2), want + 1)
    s = mlc.Schedule(weighted.at(n=5, m=2))
    s.unroll(s.loops("B")[1])
    np.testing.assert_array_equal(te.call(s, a, 2.0), want)
    with pytest.raises(mlc.ArgumentError, match=r"input 1 of weighted must be an array of shape"):
        te.call(weighted, a, None)
    with pytest.raises(mlc.ShapeError, match="do not tell size 'n' of weighted"):
        te.call(weighted, 1.0)
    with pytest.raises(mlc.ArgumentError, match=r"te.call wants a program as @T.program makes"):
        te.call(len, a)


@T.program
def some(A: T.Buffer((6,)), B: T.Buffer((6,))):
    for i in T.serial(3):
        B[i] = A[i]


@T.program
def onto(A: T.Buffer((6,)), B: T.Buffer((6,))):
    for i in T.serial(6):
        B[i] += A[i]


@T.program
def where_large(A: T.Buffer((6,)), B: T.Buffer((6,))):
    for i in T.serial(6):
        with T.when(A[i] > 2):
            B[i] = A[i]


@T.program
def never(A: T.Buffer((6,)), B: T.Buffer((6,))):
    for _, i in T.grid(0, 6):
        B[i] = A[i]


@T.program
def ahead(A: T.Buffer((6,)), B: T.Buffer((6,))):
    for i in T.serial(6):
        B[i] = A[i]
        B[5] = B[5] + B[5 - i]


@pytest.mark.parametrize("target", ["cpu", "interpret", "numpy"])
@pytest.mark.parametrize("program", [some, onto, where_large, never, ahead], ids=lambda p: p.name)
def test_what_is_not_written_is_zero(program, target):
    x = np.arange(6, dtype=np.float32)
    want = np.zeros(6, np.float32)
    mlc.build(program)(x, want)
    held = [np.full(6, 7, np.float32) for _ in range(20)]
    del held  # their memory may be the result's
    got = mlc.jit(lambda x: te.call(program, x), target=target)(x)
    np.testing.assert_array_equal(got, want)


def test_what_is_written_whole_is_not_zeroed():
    for program in (running_sums(4), weighted.at(n=3, m=2)):
        assert with_zeros(program) is program
    split = mlc.Schedule(running_sums(12))
    split.split(split.loops("out")[0], [None, 4])
    assert with_zeros(split.program) is split.program
    for program in (some, onto, where_large, never, ahead):
        assert with_zeros(program).script().count("] = 0.0") == 1


@T.program(attrs={"unsafe": ("places are apart",)})
def spread(A: T.Buffer((3,)), I: T.Buffer((3,), "int64"), B: T.Buffer((6,))):
    for i in T.serial(3):
        with T.block("B"):
            vi = T.axis.spatial(3, i)
            B[I[vi]] = A[vi]


def test_programs_that_write_where_the_data_say_keep_inside() -> None:
    a, places = np.arange(3, dtype=np.float32), np.array([0, 5, 2])
    scheduled = mlc.Schedule(spread)
    scheduled.unroll(scheduled.loops("B")[0])
    for program in (spread, scheduled):
        b = np.zeros(6, np.float32)
        mlc.build(program)(a, places, b)
        assert b.tolist() == [0, 0, 2, 0, 0, 1]
        for outside in (6, -1, 2**40):
            with pytest.raises(IndexError, match=f"index {outside} is out of bounds for axis 0 of"):
                mlc.build(program)(a, np.array([0, outside, 2]), b)
    called = mlc.jit(lambda a, places: te.call(spread, a, places))
    with pytest.raises(IndexError, match="index 7 is out of bounds for axis 0 of"):
        called(a, np.array([0, 7, 2]))
