"""Lists and dicts among the arguments that a function changes: the caller's own change."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc

X = np.arange(4.0)


def appended(out: Any, x: Any) -> Any:
    for value in x:
        out.append(value * 2)
    return len(out)


def updated(params: Any, grads: Any) -> Any:
    for key in params:
        params[key] = params[key] - 0.1 * grads[key]
    return params


def nested(state: Any, x: Any) -> Any:
    state["w"][0] = state["w"][0] + x
    state["t"] += 1
    state["new"] = [x.sum()]
    return state["w"], x


def counted(items: Any) -> Any:
    for i in range(len(items)):
        items[i] += i
    items.pop()
    items.insert(0, 7)


def chosen(found: Any, x: Any) -> Any:
    if x.sum() > 3:
        found.append(x.max())
    return x + 1


def replaced(state: Any, x: Any) -> Any:
    state["a"], state["b"] = state["b"], state["a"]
    state["a"] = state["a"] + x
    del state["c"]


CASES: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
    (appended, ([1.0], X)),
    (updated, ({"w": X, "b": 2.0}, {"w": X, "b": 1.0})),
    (nested, ({"w": [X, X + 1], "t": 0}, X)),
    (counted, ([1, 2.5, 3],)),
    (chosen, ([1.0], X)),
    (chosen, ([], X - 2)),
    (replaced, ({"a": X, "b": X * 2, "c": 1}, X)),
]


def _same(got: Any, want: Any) -> None:
    assert type(got) is type(want)
    if isinstance(want, dict):
        assert list(got) == list(want)
        got, want = list(got.values()), list(want.values())
    if isinstance(want, (list, tuple)):
        assert len(got) == len(want)
        for mine, theirs in zip(got, want):
            _same(mine, theirs)
    else:
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("function, args", CASES)
def test_as_python(function: Callable[..., Any], args: tuple[Any, ...]) -> None:
    compiled = mlc.jit(function)
    for _ in range(2):
        ours, theirs = copy.deepcopy(args), copy.deepcopy(args)
        _same(compiled(*ours), function(*theirs))
        _same(list(ours), list(theirs))


def test_what_is_returned_is_the_caller_s_own() -> None:
    params: dict[str, Any] = {"w": [X], "b": 2.0}
    inner = params["w"]

    def step(state: Any, x: Any) -> Any:
        state["n"] = x.sum()
        return state, state["w"]

    got = mlc.jit(step)(params, x=X)
    assert got[0] is params
    assert got[1] is params["w"] is inner
    assert params["n"] == 6.0


def test_one_list_in_two_places_is_refused() -> None:
    def both(a: Any, b: Any) -> Any:
        a.append(1.0)
        return len(b)

    shared = [2.0]
    with pytest.raises(mlc.UnsupportedError, match="it gets in several places; pass a copy"):
        mlc.jit(both)(shared, shared)
