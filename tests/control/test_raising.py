"""raise and assert under conditions on traced values: the call raises what NumPy's Python would."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

import mlc

X = np.arange(6.0)


def validated(x: Any) -> Any:
    """Two checks, the second with a static one inside."""
    if (x < 0).any():
        raise ValueError("negative")
    assert x.ndim == 1
    assert np.isfinite(x).all(), "not finite"
    y = np.zeros_like(x)
    for i in range(1, len(x)):
        y[i] = y[i - 1] + x[i]
    return y


def in_a_loop(x: Any) -> Any:
    for i in range(len(x)):
        if x[i] > 3:
            raise IndexError("bad value", 3) from KeyError("cause")
        x[i] += 1
    return x


def root(v: Any) -> Any:
    if v < 0:
        raise ArithmeticError("negative")
    return np.sqrt(v)


def with_helper(x: Any) -> Any:
    total = 0.0
    for i in range(len(x)):
        total += root(x[i])
    return total


def halved(x: Any) -> Any:
    n = 0
    while abs(x) > 1e-3:
        x = x / 2
        n += 1
        if n > 20:
            raise RuntimeError("no convergence")
    return x, n


def helped(x: Any) -> Any:
    while x != 0:  # NaN never is
        x = root(x - 1)
    return x


def moved(place: Any, way: Any) -> Any:
    i, j = place
    if way == 0:
        return [max(i - 1, 0), j]
    elif way == 1:
        return [i, j + 1]
    else:
        raise AssertionError("no way")


def walked(x: Any) -> Any:
    place, steps = [5, 0], 0
    while place != [2, 3]:
        place = moved(place, x[steps % len(x)])
        steps += 1
    return steps, *place


def at_the_end(x: Any) -> Any:
    if x.sum() > 5:
        return x
    raise LookupError


CASES: list[tuple[Any, Any]] = [
    (validated, X), (validated, X - 1), (validated, X + np.inf), (validated, np.full(900, np.nan)),
    (in_a_loop, X), (in_a_loop, X / 2), (in_a_loop, np.ones(500)), (in_a_loop, np.ones(500) * 4),
    (with_helper, np.arange(300.0)), (with_helper, 9 - np.arange(300.0)),
    (halved, 4.0), (halved, 1e30), (at_the_end, X), (at_the_end, X * 0), (helped, 5.0),
    (helped, 1.5), (walked, np.array([0, 1])), (walked, np.array([1, 0, 2])),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("target", ["cpu", "interpret"])
def test_the_call_raises_what_python_raises(target: str) -> None:
    jitted = {f: mlc.jit(f, target=target) for f, _ in CASES}
    for function, x in CASES:
        if target == "interpret" and np.size(x) > 100:
            continue
        wanted = outcome(function, x)
        for _ in range(2):
            got = outcome(jitted[function], x)
            assert type(got) is type(wanted)
            if isinstance(wanted, Exception):
                assert _told(got) == _told(wanted)
                assert repr(got.__cause__) == repr(wanted.__cause__)
            else:
                np.testing.assert_allclose(got, wanted, rtol=1e-12)


def _told(error: Exception) -> Any:
    """What the error holds, without what pytest adds to those of assert."""
    if isinstance(error, AssertionError):
        return str(error).partition("\n")[0]
    return error.args


def outcome(function: Any, x: Any) -> Any:
    try:
        return function(np.copy(x) if np.ndim(x) else x)
    except Exception as error:
        return error


def test_errors_are_fresh_and_nothing_is_written() -> None:
    def writes(x: Any, out: Any) -> None:
        out[:] = x
        if x.sum() > 5:
            raise ValueError("after writing")

    jitted, out = mlc.jit(writes), np.zeros(6)
    found = [outcome(lambda x: jitted(x, out), X) for _ in range(2)]
    assert found[0] is not found[1]
    assert not out.any()
    jitted(X / 10, out)
    assert np.array_equal(out, X / 10)
    into = np.zeros(6)
    checked: Any = mlc.jit(validated)
    with pytest.raises(ValueError, match="negative"):
        checked(-X, out=into)
    assert np.array_equal(checked(X, out=into), validated(X))


def test_a_static_condition_within_a_traced_one() -> None:
    def chosen(x: Any, mode: int) -> Any:
        if x.sum() > 5:
            if mode == 1:
                y = x * 2
            else:
                raise ValueError("mode")
        else:
            y = x
        return y

    jitted: Any = mlc.jit(chosen, static_argnames="mode")
    assert np.array_equal(jitted(X, 1), X * 2)
    assert np.array_equal(jitted(X / 9, 2), X / 9)
    with pytest.raises(ValueError, match="mode"):
        jitted(X, 2)


def test_conditions_that_are_known_raise_while_tracing() -> None:
    def shaped(x: Any) -> Any:
        if x.ndim != 2:
            raise ValueError(f"expected 2 axes, got {x.ndim}")
        assert x.shape[0] > 1, "rows"
        return x

    jitted = mlc.jit(shaped)
    with pytest.raises(ValueError, match="expected 2 axes, got 1"):
        jitted(X)
    with pytest.raises(AssertionError, match="rows"):
        jitted(X[None])


def test_what_cannot_be_noted_is_refused() -> None:
    def caught(x: Any) -> Any:
        at = 0
        while x[at] > 0:
            try:
                if x[at] > 1:
                    raise ValueError("a")
            except ValueError:
                x[at] = 1
            at += 1
        return x

    with pytest.raises(mlc.UnsupportedError, match="with a try statement around it"):
        mlc.jit(caught)(np.array([1.0, 2.0, 0.0]))


def test_what_a_try_catches_the_data_choose() -> None:
    def caught(x: Any) -> Any:
        try:
            if x.sum() > 0:
                raise ValueError("a")
        except ValueError:
            return x
        return -x

    jitted = mlc.jit(caught)
    for x in (X, -X, X):
        assert repr(jitted(x)) == repr(caught(x))


def test_a_program_may_exit():
    def total(x):
        found = 0.0
        for i in range(len(x)):
            if x[i] < 0:
                sys.exit("a negative number")
            found += x[i]
        return found

    compiled = mlc.jit(total)
    assert compiled(np.ones(300)) == 300.0
    with pytest.raises(SystemExit) as caught:
        compiled(-np.ones(300))
    assert caught.value.code == "a negative number"


def test_errors_of_ours_name_the_function() -> None:
    def checked(x: Any) -> Any:
        if x.sum() > 3:
            raise mlc.ShapeError("bad")
        return x

    with pytest.raises(mlc.ShapeError, match=r"bad\n  at .*test_raising.py:\d+ in checked$"):
        mlc.jit(checked)(np.ones(5))
