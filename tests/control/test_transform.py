"""What the rewriting of source keeps: lines, closures, defaults, scopes, Python's own loops."""

from __future__ import annotations

import ast
import inspect
import traceback
from typing import Any

import numpy as np
import pytest

import mlc
from mlc import te
from mlc.control.convert import converted
from mlc.control.names import exposed, exposed_after

X = np.arange(1.0, 7.0)
SCALE = 2.0


def failing(x: Any) -> Any:
    for i in range(500):
        if x[i % 6] > 2:
            x = x @ np.ones((5, 5))  # the line at fault
    return x


def test_errors_name_the_line_of_the_user() -> None:
    with pytest.raises(mlc.ShapeError) as caught:
        mlc.jit(failing)(X)
    line = failing.__code__.co_firstlineno + 3
    assert caught.value.location is not None and caught.value.location.line == line
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert (frames[-1].filename, frames[-1].lineno) == (__file__, line)
    assert "the line at fault" in (frames[-1].line or "")


def test_globals_and_closures_are_those_of_the_function() -> None:
    offset = 1.0

    def inner(x: Any, *, power: int = 2) -> Any:
        if x[0] > 0:
            return x**power * SCALE + offset
        return x

    jitted = mlc.jit(inner)
    np.testing.assert_allclose(jitted(X), X**2 * 2 + 1)
    offset = 5.0
    np.testing.assert_allclose(jitted(X), X**2 * 2 + 5)
    assert converted(inner).__defaults__ == inner.__defaults__
    assert converted(inner).__closure__ is not None


def test_the_else_of_loops_that_no_break_leaves() -> None:
    def counted(x: Any) -> Any:
        total, n = 0.0, 0
        for i in range(3):
            n += i
        else:
            total = total + 0.5
        for i in range(len(x)):
            while total > 3:
                total -= 2
            else:
                total += n
            total += x[i]
        else:
            total *= 2
        return total

    np.testing.assert_allclose(mlc.jit(counted)(X), counted(X))


def test_numbers_are_reduced_in_branches() -> None:
    def total(x: Any) -> Any:
        first, found = x[0, ...], 0
        if x[1] > 1:
            found = first.sum() + np.argmax(first) + first.max(keepdims=True)
        return found * 1

    np.testing.assert_equal(mlc.jit(total)(X), total(X))


class Model:
    def __init__(self) -> None:
        self.__rate = 0.5

    def step(self, x: Any) -> Any:
        return x - self.__rate if x.sum() > 0 else x

    @mlc.jit
    def run(self, x: Any) -> Any:
        while x.sum() > 0:
            x = self.step(x)
        return x


def test_methods_and_private_names() -> None:
    np.testing.assert_allclose(Model().run(X), X - 3.5)


def test_functions_with_nothing_to_do_are_left_alone() -> None:
    def plain(x: Any) -> Any:
        return np.sin(x) + 1

    def generator(x: Any) -> Any:
        for i in range(3):
            yield x[i]

    assert converted(plain) is plain
    assert converted(generator) is generator
    assert converted(np.sin) is np.sin


def python_loops(x: Any, names: Any) -> Any:
    found = {}
    for name, k in zip(names, (1, 2, 3)):
        if name == "skip":
            continue
        found[name] = x * k
    else:
        found["end"] = x
    for i, value in enumerate(list(found.values())):
        if i > 5:
            break
        x = x + value
    out = [v for v in found.values() if v is not None]
    try:
        return sum(out) + x if names else None
    finally:
        found.clear()


def test_loops_over_python_objects_are_pythons() -> None:
    got = mlc.jit(python_loops, static_argnames="names")(X, ("a", "skip", "b"))
    np.testing.assert_allclose(got, python_loops(X, ("a", "skip", "b")))


def test_a_view_of_what_a_loop_writes_to() -> None:
    def viewed(x: Any) -> Any:
        row = x[:2]
        while x[0] < 100:
            row = x[2:4]
            x[0] += 10
            x[3] += 1
        return row

    with pytest.raises(mlc.UnsupportedError, match="keeps row, a view of an array that it writes"):
        mlc.jit(viewed)(X.copy())


def test_views_from_before_a_loop_follow_it() -> None:
    def followed(x: Any) -> Any:
        part = x[2:4]
        for i in range(100):
            x[i % 6] += part[0] * 0.01
        return part * 1

    mine, theirs = X.copy(), X.copy()
    np.testing.assert_allclose(mlc.jit(followed)(mine), followed(theirs))
    np.testing.assert_allclose(mine, theirs)


def test_without_source() -> None:
    space: dict[str, Any] = {}
    exec(
        "def hidden(x):\n    for i in range(20):\n"
        "        x = x - i if x[0] > 0 else x + i\n    return x",
        space,
    )
    with pytest.raises(mlc.TracerBoolError) as caught:
        mlc.jit(space["hidden"])(X)
    assert "the source of hidden is not at hand" in str(caught.value)
    assert "use mlc.cond and mlc.while_loop" in str(caught.value)


def test_conditions_of_expressions_are_no_matter_of_source() -> None:
    @mlc.op
    def positive(a: Any) -> Any:
        return te.compute(a.shape, lambda i: a[i] if a[i] > 0 else 0)

    with pytest.raises(mlc.TracerBoolError, match=r"use te\.select") as caught:
        positive(np.ones(2))
    assert "not at hand" not in str(caught.value)


@pytest.mark.parametrize("make", [np.zeros, np.empty, np.ones, np.arange, lambda n: np.full(n, 2)])
def test_sizes_that_data_decide_are_refused_in_native_loops(make: Any) -> None:
    def sized(x: Any) -> Any:
        n = int(x.sum())
        return make(n)

    def looped(x: Any) -> Any:
        return mlc.fori_loop(0, 3, lambda i, total: total + sized(x).sum(), 0.0)

    with pytest.raises(mlc.ArgumentError, match="cannot become a Python integer for a shape"):
        mlc.jit(looped)(X)
    assert mlc.jit(sized)(np.array([1, 2])).shape == (3,)
    assert mlc.jit(make)(3).shape == (3,)


async def waited(x: Any) -> Any:
    return x


def test_what_runs_after_tracing_is_refused() -> None:
    with pytest.raises(mlc.ArgumentError, match="compiles a function, got the coroutine waited"):
        mlc.jit(waited)(X)


def test_an_argument_may_not_change_places_with_its_copy() -> None:
    def swapped(a: Any, b: Any) -> Any:
        for _ in range(5000):
            b[0] = a[0] + 1
            a, b = b, a
        return a

    with pytest.raises(mlc.UnsupportedError, match="an argument is written to and then given"):
        mlc.jit(swapped)(X.copy(), X.copy())


def test_lengths_that_leave_a_loop() -> None:
    def left(x: Any) -> Any:
        part = x[:1]
        for i in range(1, 5000):
            part = x[: i % 6]
        return part

    np.testing.assert_array_equal(mlc.jit(left)(X), left(X))


def test_numbers_of_python_stay_so() -> None:
    def counted(x: Any) -> Any:
        count, total, found = 0, 0, False
        for i in range(len(x)):
            if x[i] > 2:
                count += 1
                total += x[i]
                found = True
        return count, total, found

    x = np.arange(500, dtype=np.float32)
    got = mlc.jit(counted)(x)
    expected = counted(x)
    assert [type(v) for v in got][:2] == [type(v) for v in expected][:2]
    assert got == expected


def test_results_that_are_no_arrays_are_named_as_such() -> None:
    def chosen(x: Any) -> Any:
        for i in range(len(x)):
            if x[i] > 0:
                return b"above"
        return x

    wanted = r"the if statement gives the result a bytes, which is no array or number\n"
    with pytest.raises(mlc.MlcError, match=wanted):
        mlc.jit(chosen)(np.zeros(300))


def test_results_that_may_be_arguments_are_named_as_such() -> None:
    def picked(x: Any) -> Any:
        if x.sum() > 0:
            return x
        return x + 1

    def written(x: Any) -> Any:
        y = picked(x)
        y[0] = 9
        return y

    with pytest.raises(mlc.MlcError, match="after a branch or loop the result and an array from"):
        mlc.jit(written)(np.ones(3))


def test_errors_of_loops_are_of_a_class_that_users_know():
    def collected(x):
        found = {"": x}
        while x.sum() < 100:
            found["k" * len(found)] = x
            x = x + 1
        return found

    with pytest.raises(mlc.UnsupportedError, match="the loop changes the items of found") as caught:
        mlc.jit(collected)(np.ones(5))
    assert caught.type is mlc.UnsupportedError


def test_what_is_read_after_a_statement_is_found_at_once_for_all() -> None:
    function = ast.parse(inspect.getsource(converted.__globals__["_compiled"])).body[0]
    assert isinstance(function, ast.FunctionDef)
    kinds = ast.If, ast.For, ast.Try, ast.Match
    found = exposed_after(function.body, kinds)
    assert len(found) > 3
    for n, (read, surely) in found.items():
        defined: set[str] = set()
        assert read == exposed(function.body[n + 1 :], defined)
        assert surely == defined


def test_annotations_of_inner_functions_stay_texts() -> None:
    def doubled(x: Any) -> Any:
        def twice(v: NowhereDefined) -> NowhereDefined:  # type: ignore[name-defined]  # noqa: F821
            return 2 * v

        if x[0] > 1:
            x = x + 1
        return twice(x)

    np.testing.assert_array_equal(mlc.jit(doubled)(X), doubled(X))
