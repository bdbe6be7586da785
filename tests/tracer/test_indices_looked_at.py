"""Debug mode looks at every index that data decide, read or written; writes say NumPy's words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc


def put_number(x: Any, i: Any) -> Any:
    x[i] = 100.0
    return x


def put_in_a_row(x: Any, i: Any) -> Any:
    x = x.reshape(1, -1)
    x[0, i] += 1
    return x


def put_through_a_view(x: Any, i: Any) -> Any:
    whole = np.zeros((3, 5))
    row = whole[:, i]
    row += 1
    return whole


def put_in_a_loop(x: Any, i: Any) -> Any:
    for k in range(1000):
        x[i] = k
    return x


def picked(x: Any, i: Any) -> Any:
    return x[i] * 2


def added(x: Any, i: Any) -> Any:
    np.add.at(x, np.stack((i, i)), 1.0)
    return x


CASES = [put_number, put_in_a_row, put_through_a_view, put_in_a_loop, picked, added]


@pytest.mark.parametrize("function", CASES, ids=lambda f: f.__name__)
def test_an_index_outside_is_refused_and_named(function: Callable[..., Any]) -> None:
    compiled = mlc.jit(function)
    with mlc.config.override(debug=True):
        for inside in (4, -5):
            expected = function(np.arange(5.0), np.int64(inside))
            np.testing.assert_array_equal(compiled(np.arange(5.0), np.int64(inside)), expected)
        for outside in (5, -6, 2**40):
            said = f"index {outside} is out of bounds for axis "
            with pytest.raises(mlc.BoundsError, match=said):
                compiled(np.arange(5.0), np.int64(outside))


def test_written_places_are_looked_at_without_debug_mode() -> None:
    @mlc.jit
    def written(x: Any, i: Any) -> Any:
        x[:, i] = 1.0
        return x

    with pytest.raises(IndexError, match="index -7 is out of bounds for axis 1"):
        written(np.zeros((2, 6)), np.array([0, -6, -7, 9]))


def looked_up_on_two_lines(x: Any, y: Any, i: Any) -> Any:
    doubled = x * 2
    first = doubled[i]
    return first + y[i + 1]


def written_on_a_line(x: Any, i: Any) -> Any:
    z = x + 1
    z[i] = 0.0
    return z


@pytest.mark.parametrize(
    ("function", "arguments", "line", "name"),
    [
        (looked_up_on_two_lines, (np.arange(3.0), np.arange(9.0), np.array([3])), 2, "multiply"),
        (looked_up_on_two_lines, (np.arange(9.0), np.arange(3.0), np.array([2])), 3, "y"),
        (written_on_a_line, (np.arange(3.0), np.array([3])), 2, "add"),
    ],
)
def test_the_line_that_asks_is_named(
    function: Callable[..., Any], arguments: Any, line: int, name: str
) -> None:
    with mlc.config.override(debug=True), pytest.raises(mlc.BoundsError) as caught:
        mlc.jit(function)(*arguments)
    assert caught.value.message == f"index 3 is out of bounds for axis 0 of {name} with size 3"
    assert caught.value.location is not None
    assert caught.value.location.line == function.__code__.co_firstlineno + line
    assert caught.value.location.function == function.__name__


def test_lines_that_look_alike_are_all_named() -> None:
    @mlc.jit
    def both(x: Any, i: Any, j: Any) -> Any:
        first = x[i]
        return first * x[j]

    with mlc.config.override(debug=True), pytest.raises(mlc.BoundsError) as caught:
        both(np.arange(3.0), 1, 3)
    head, tail = caught.value.message.split("; one of these lines asks for it: ")
    assert head == "index 3 is out of bounds for axis 0 of x with size 3"
    assert tail.count(__file__) == 2


def test_what_a_native_loop_changes_is_called_as_in_the_function() -> None:
    @mlc.jit
    def filled(x: Any, n: Any) -> Any:
        for k in range(n):
            x[k] = k
        return x

    with mlc.config.override(debug=True), pytest.raises(mlc.BoundsError) as caught:
        filled(np.zeros(3), 5)
    assert caught.value.message == "index 3 is out of bounds for axis 0 of x with size 3"


def test_code_for_many_sizes_looks_too() -> None:
    picked = mlc.jit(lambda x, i: x[i], dynamic=True)
    with mlc.config.override(debug=True):
        for n in (5, 6):
            with pytest.raises(IndexError, match=f"index {n} is out of bounds"):
                picked(np.arange(float(n)), np.array([1, n]))


OUTSIDE = [
    (lambda x, i: np.delete(x, i), [6, -7, np.array([1, 6])], [5, -6, np.array([0, -1])]),
    (lambda x, i: np.choose(i, [x, -x]), [2, -1, np.array([0] * 5 + [2])], [0, np.int8(1)]),
    (lambda x, i: np.unravel_index(i, (2, 3)), [6, -1, np.array([0, 9], np.uint8)], [5, [[1, 4]]]),
    (lambda x, i: np.ravel_multi_index((i, i), (2, 3)), [2, -1, np.array([0, 3])], [1, [0, 1]]),
]


@pytest.mark.parametrize(("function", "outside", "inside"), OUTSIDE)
def test_places_outside_are_errors_as_in_numpy(
    function: Callable[..., Any], outside: Any, inside: Any
) -> None:
    x, compiled = np.arange(6.0), mlc.jit(function)
    for places in inside:
        places = np.asarray(places)[()]
        np.testing.assert_array_equal(compiled(x, places), function(x, places))
    for places in outside:
        with pytest.raises((IndexError, ValueError)) as theirs_raised:
            function(x, places)
        with pytest.raises(theirs_raised.type):
            compiled(x, places)


PARTS: dict[str, Callable[..., Any]] = {
    "slice": lambda x, i: x[1:4][i],
    "reversed": lambda x, i: x[1:4][::-1][i],
    "transposed": lambda x, i: x.reshape(2, 3).T[i, 0],
    "row": lambda x, i: x.reshape(2, 3)[1][i],
    "computed": lambda x, i: (x * 2)[:3][i],
    "joined": lambda x, i: np.concatenate([x[:2], x[:1]])[i],
    "take_along_axis": lambda x, i: np.take_along_axis(x[1:4], np.reshape(i, (1,)), 0),
}


@pytest.mark.parametrize("name", PARTS)
def test_places_in_parts_of_arrays_are_looked_at(name: str) -> None:
    x, compiled = np.arange(6.0), mlc.jit(PARTS[name])
    with mlc.config.override(debug=True):
        for inside in (2, -3):
            np.testing.assert_array_equal(compiled(x, inside), PARTS[name](x, inside))
        for outside in (3, -4):
            with pytest.raises(IndexError, match=f"index {outside} is out of bounds for axis 0"):
                compiled(x, outside)


def test_errors_name_the_array_of_the_function_that_failed() -> None:
    with mlc.config.override(debug=True):
        for name in ("first", "second"):
            made = eval(f"lambda {name}, i: {name}[i]")
            with pytest.raises(IndexError, match=f"axis 0 of {name} with size 6"):
                mlc.jit(made)(np.arange(6.0), 7)
