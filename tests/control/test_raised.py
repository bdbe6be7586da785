"""Errors that the user's own code raises while a loop or branch is traced that the data may not
enter: the call raises them where Python would, and only there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc

ABOVE, BELOW = np.ones(3), -np.ones(3)


def second_side(x: Any) -> Any:
    limit = 3
    return (x > 0).all() and (limit < 5).any()  # type: ignore[attr-defined]


def unknown_name(x: Any) -> Any:
    return (x > 0).any() or missing  # type: ignore[name-defined]  # noqa: F821


def loop_over_nothing(x: Any) -> Any:
    steps = 0
    while (x > 0).any():
        x[3 % len(x)] -= 1
        x[1:] = 0
        steps += 1
    return x, steps


def one_branch(x: Any) -> Any:
    names: list[str] = []
    if x.sum() > 0:
        part = 7 % len(names)
    else:
        part = x.sum()
    return part


def both_sides(x: Any) -> Any:
    return 1 // 0 if x.sum() > 0 else [][2]


def branch_in_a_loop(x: Any) -> Any:
    table: dict[str, float] = {}
    for i in range(300):
        if x[i % 3] > 300:
            x[0] += table["a"]
        x[1] += 1
    return x


def in_a_try(x: Any) -> Any:
    try:
        if x.sum() > 0:
            part = 1 // 0
        else:
            part = 2
    except ZeroDivisionError:
        part = 5
    return part


def positive(v: Any) -> Any:
    if v < 0:
        raise ValueError("negative")
    return v


def try_around_a_helper(x: Any) -> Any:
    try:
        return positive(x.sum())
    except ValueError:
        return -1.0


def try_inside(x: Any) -> Any:
    while x.sum() > 0:
        try:
            x = x - 1 // 0
        except ZeroDivisionError:
            x = x - 2
    return x


def in_an_assert(x: Any) -> Any:
    assert x.sum() > 0 or 1 // 0, "neither"
    return x


def outside_of_a_known_array(x: Any) -> Any:
    known = np.ones(3)
    if x.sum() > 0:
        return known[7]
    return known[0]


def the_first_of_two(x: Any) -> Any:
    """The second error is certain, and the first one comes before it."""
    if x.sum() > 0:
        raise ValueError("first")
    x = x + positive(x[0] + 200)
    return x % int("second")


def both_sides_of_a_branch_in_one(x: Any) -> Any:
    if x.sum() > -100:
        if x[0] > 0:
            return x[0] % one  # type: ignore[name-defined]  # noqa: F821
        elif x[0] + two <= 1.5:  # type: ignore[name-defined]  # noqa: F821
            return x[1]
    return x


def a_loop_that_is_unrolled(x: Any) -> Any:
    steps, n = [0.5, x[1], 1.0], 0  # a list that no native loop takes an item of
    for j in range(30):
        if x[1] >= (x[0] if x[0] <= 0.0 else steps[j % 4]):
            n += 1
    return n


FUNCTIONS = [
    second_side, unknown_name, loop_over_nothing, one_branch, both_sides, branch_in_a_loop,
    in_a_try, try_around_a_helper, try_inside, in_an_assert, outside_of_a_known_array,
    the_first_of_two, both_sides_of_a_branch_in_one,
    a_loop_that_is_unrolled,
]  # fmt: skip


def outcome(function: Callable[..., Any], *given: Any) -> str:
    try:
        return repr(function(*(np.array(g) if isinstance(g, np.ndarray) else g for g in given)))
    except Exception as error:
        return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_call_raises_where_python_does(function: Callable[..., Any]) -> None:
    jitted = mlc.jit(function)
    for x in (ABOVE, BELOW, ABOVE, np.zeros(0)) if function is loop_over_nothing else (
        ABOVE, BELOW, ABOVE, 300 * ABOVE,
    ):  # fmt: skip
        assert outcome(jitted, x) == outcome(function, x)


def test_errors_of_loops_that_may_have_no_iteration() -> None:
    def bad(x: Any, n: Any) -> Any:
        for i in range(n):
            x[i] /= (0).bar  # type: ignore[attr-defined]
        return x

    jitted = mlc.jit(bad)
    for n in (np.int64(0), np.int64(2)):
        assert outcome(jitted, ABOVE, n) == outcome(bad, ABOVE, n)


def test_a_known_index_of_a_traced_array_in_a_branch() -> None:
    @mlc.jit
    def outside(x: Any) -> Any:
        if x.sum() > 0:
            x[7] = 1
        return x

    assert outside(BELOW.copy())[0] == -1
    with pytest.raises(IndexError, match="index 7 is out of bounds"):
        outside(ABOVE.copy())


def test_what_is_refused_while_tracing_stays_refused() -> None:
    """Whether shapes fit is ours to say; and a traced value may be to blame for a TypeError."""

    @mlc.jit
    def shapes(x: Any) -> Any:
        if x.sum() > 0:
            x = x + x[:2]
        return x

    with pytest.raises(mlc.ShapeError):
        shapes(BELOW)

    @mlc.jit
    def index(x: Any) -> Any:
        n = 0
        while x[n] < 0:
            n += 1
            [].insert(n, n)
        return x

    with pytest.raises(mlc.MlcError):
        index(np.array([-1.0, 1.0]))


def test_a_try_around_a_loop_is_refused() -> None:
    @mlc.jit
    def tried(x: Any) -> Any:
        try:
            while (x > 0).any():
                x[3 % len([])] = 0
        except ZeroDivisionError:
            return -x
        return x

    with pytest.raises(mlc.UnsupportedError, match="with a try statement around it"):
        tried(BELOW)


def unknown_kind(kind: str, x: Any) -> Any:
    if kind == "relu":
        return np.maximum(x, 0)
    raise ValueError(f"unknown kind {kind!r}")


def test_an_error_of_a_helper_is_told_where_a_long_loop_reads_what_it_left_unset() -> None:
    def layers(x: Any, rate: float, kind: str, n: int = 30) -> Any:
        assert 0 < rate < 1, "no rate"
        v = unknown_kind(kind, x)
        for m in range(n - 1, -1, -1):
            v = np.maximum(v[:-1] + v[1:], unknown_kind(kind, rate ** np.arange(m + 1.0)))
        return v[0]

    x = np.linspace(-1, 1, 31)
    with pytest.raises(ValueError, match="unknown kind 'elu'"):
        mlc.jit(layers)(x, 0.5, "elu")
    with pytest.raises(AssertionError, match="no rate"):
        mlc.jit(layers)(x, 1.5, "elu")
    np.testing.assert_allclose(mlc.jit(layers)(x, 0.5, "relu"), layers(x, 0.5, "relu"))
