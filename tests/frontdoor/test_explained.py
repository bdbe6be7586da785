"""Errors that Python or NumPy raise while tracing, and what is no function of arrays: each says
where it was and what to write instead."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc
from mlc import script as T
from mlc import te

X = np.arange(12, dtype=np.float32).reshape(3, 4)


def line_of(function: Any, offset: int = 1) -> str:
    code = function._function.__code__
    return f"\n  at {code.co_filename}:{code.co_firstlineno + offset} in {code.co_name}"


def test_an_error_in_a_native_loop_names_the_function() -> None:
    @mlc.jit
    def grows(a: Any) -> Any:
        for _ in mlc.range(3):
            a = a + np.ones(9)
        return a

    with pytest.raises(mlc.ShapeError) as caught:
        grows(X)
    assert str(caught.value).endswith(line_of(grows, 3))
    assert caught.traceback[-1].name == "grows"


def test_errors_of_python_and_numpy_say_the_line() -> None:
    @mlc.jit
    def unknown(a: Any) -> Any:
        return a.cumsumm()

    @mlc.jit
    def singular(a: Any) -> Any:
        return np.linalg.inv(a)

    @mlc.jit
    def huge(a: Any) -> Any:
        return a + 10**30

    for function, error in (
        (unknown, AttributeError),
        (singular, np.linalg.LinAlgError),
        (huge, OverflowError),
    ):
        with pytest.raises(error) as caught:
            function(X.astype(np.int64))
        assert str(caught.value).endswith(line_of(function, 2))


def test_errors_of_the_users_own_are_left_alone() -> None:
    @mlc.jit
    def checked(a: Any) -> Any:
        if a.ndim != 3:
            raise ValueError("three axes")
        return a

    with pytest.raises(ValueError, match=r"^three axes$"):
        checked(X)


def test_recursion_without_end() -> None:
    @mlc.jit
    def powers(a: Any, n: Any) -> Any:
        if n <= 0:
            return a
        return powers(a * 2, n - 1)

    assert np.array_equal(powers(X, np.int64(3)), X * 8)
    assert np.array_equal(powers(X, 3), X * 8)

    @mlc.jit
    def endless(a: Any, n: Any) -> Any:
        if n == -1:
            return a
        return endless(a, n + 1)

    with pytest.raises(RecursionError, match=r"^maximum recursion depth exceeded"):
        endless(X, np.int64(3))

    @mlc.jit
    def apart(a: Any, n: Any) -> Any:
        if n <= 0:
            return a
        return apart(*(a * 2, n - 1))

    with pytest.raises(mlc.MlcError, match=r"^apart calls itself without end while it is traced"):
        apart(X, np.int64(3))
    assert issubclass(mlc.errors.EndlessRecursionError, RecursionError)


def test_what_is_no_function() -> None:
    class Model:
        pass

    async def later(a: Any) -> Any:
        return a

    with pytest.raises(mlc.ArgumentError, match=r"got the class Model; put it over methods"):
        mlc.jit(Model)
    with pytest.raises(mlc.ArgumentError, match=r"got the coroutine later; compile what it"):
        mlc.jit(later)


def test_a_traced_value_stored_outside() -> None:
    kept = np.ones(4, np.float32)

    @mlc.jit
    def stores(a: Any) -> Any:
        kept[0] = a[0, 0]
        return a

    with pytest.raises(mlc.MlcError, match=r"^a traced value was stored in an array that was not"):
        stores(X)


A = te.placeholder((3,), name="A")
TABLE = np.arange(3)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (lambda i: np.exp(A[i]), r"np.exp is for arrays.* write te.exp\(...\), in a program T.exp"),
        (lambda i: np.where(A[i] > 0, 1, 0), r"np.where is for arrays.* write te.select\(...\)"),
        (lambda i: np.clip(A[i], 0, 1), r"np.clip is for arrays.* dir\(mlc.te\) lists"),
        (lambda i: float(A[i]), r"A\[i\] has no value while the program is written: functions of"),
        (lambda i: [1, 2, 3][i], r"i has no value while the program is written: range\(\), shapes"),
        (lambda i: A[TABLE[i]], r"make the array a tensor, te.constant\(array\), or pass it in"),
        (lambda i: np.ones(3) * A[i], r"expected a number or a tensor expression, got ndarray"),
        (lambda _: A + 1, r"the operator __add__ is for arrays, and A is a te tensor.* A\[i\]"),
        (lambda _: np.sum(A), r"np.sum is for arrays, and A is a te tensor: say what one element"),
    ],
)
def test_numpy_inside_of_te(body: Any, message: str) -> None:
    with pytest.raises(mlc.ArgumentError, match=message):
        te.compute((3,), body)


def test_scalars_of_numpy_compute_with_expressions() -> None:
    twice = te.compute((3,), lambda i: np.float32(2) * A[i] + np.float32(1))
    b = np.empty(3, np.float32)
    mlc.build([A, twice])(TABLE.astype(np.float32), b)
    assert np.array_equal(b, [1, 3, 5]) and np.shape(A) == (3,) and np.ndim(A) == 1


def test_numpy_and_python_inside_of_programs() -> None:
    def program(body: Any) -> Any:
        def made(B: T.Buffer((3,)), C: T.Buffer((3,))) -> None:  # type: ignore[valid-type]
            for i in T.serial(3):
                body(B, C, i)

        made.__annotations__ = {"B": T.Buffer((3,)), "C": T.Buffer((3,))}
        return T.program(made)

    def stored(B: Any, C: Any, i: Any) -> None:
        C[i] = np.float32(2) * B[i]

    out = np.empty(3, np.float32)
    mlc.build(program(stored))(np.ones(3, np.float32), out)
    assert np.array_equal(out, [2, 2, 2])
    for body, message in (
        (lambda B, C, i: np.exp(B[i]), r"np.exp is for arrays"),
        (lambda B, C, i: B + C, r"the operator __add__ is for arrays, and B is a buffer of a prog"),
        (lambda B, C, i: list(range(i)), r"i has no value while the program is written"),
        (lambda B, C, i: list(T.serial(i)), r"put `with T.when\(k < i\):` around what it does"),
        (lambda B, C, i: TABLE[i], r"a NumPy array is indexed with a scalar of an expression"),
    ):
        with pytest.raises(mlc.ArgumentError, match=message):
            program(body)


@pytest.mark.parametrize("target", ["cpu", "interpret", "numpy"])
def test_data_that_is_refused_is_refused_alike_everywhere(target: str) -> None:
    inverse = mlc.jit(lambda a: np.linalg.inv(a), target=target)
    counts = mlc.jit(lambda x: np.bincount(x, minlength=4), target=target)
    with pytest.raises(np.linalg.LinAlgError, match=r"^Singular matrix"):
        inverse(np.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"^np.bincount: -1 is not in range\(4\)"):
        counts(np.array([-1, 2]))
    assert np.array_equal(inverse(np.eye(2)), np.eye(2))
    assert np.array_equal(counts(np.array([1, 1, 3])), [0, 2, 0, 1])


def test_what_was_built_is_called_by_place_and_with_arrays() -> None:
    double = te.compute((3,), lambda i: A[i] * 2, name="B")
    built = mlc.build([A, double])
    a = np.ones(3, np.float32)
    with pytest.raises(mlc.ArgumentError, match=r"B takes its arrays by place, B\(A, B\), and got"):
        built(A=a, B=a)

    @mlc.jit
    def traced(x: Any) -> Any:
        out = np.empty(3, np.float32)
        built(x, out)
        return out

    with pytest.raises(mlc.ArgumentError, match=r"argument 0 of B is traced .*te.call\(program"):
        traced(a)


@pytest.mark.parametrize(
    ("option", "hint"),
    [
        ({"static_argname": "n"}, "static_argname=: did you mean static_argnames=?"),
        ({"nopython": True}, "nopython=: what cannot be compiled is always refused; leave it out"),
        ({"warp": 1}, "warp=: it has target, static_argnames, static_argnums, dynamic, precision"),
    ],
)
def test_options_that_there_are_not(option: dict[str, Any], hint: str) -> None:
    with pytest.raises(mlc.ArgumentError) as caught:
        mlc.jit(**option)
    assert caught.value.message == f"mlc.jit has no option {hint}"
