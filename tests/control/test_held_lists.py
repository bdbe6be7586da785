"""Lists that objects and dicts hold, in loops that change them; arrays in lists that are written
to."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import mlc
import mlc.testing

from .test_lists import X, same

POINTS = np.random.default_rng(0).standard_normal((30, 3))
LABELS = (POINTS[:, 0] > 0) * 1.0


class Descent:
    def __init__(self, n: int = 100, tol: float = 1e-4) -> None:
        self.n, self.tol, self.w = n, tol, None
        self.losses: list[float] = []
        self.history: dict[str, Any] = {"loss": [], "error": []}

    def fit(self, x: Any, y: Any) -> Any:
        self.w = np.zeros(x.shape[1])
        for i in range(self.n):
            e = x @ self.w - y
            loss = np.mean(e**2)
            self.w -= 0.1 * x.T @ e / len(y)
            self.losses.append(loss)
            if i > 0 and abs(self.losses[-2] - loss) < self.tol:
                break
        return self

    def fit_with_history(self, x: Any, y: Any) -> Any:
        self.w = np.zeros(x.shape[1])
        for i in range(self.n):
            e = x @ self.w - y
            self.w -= 0.1 * x.T @ e / len(y)
            self.history["loss"].append(np.mean(e**2))
            self.history["error"].append(np.mean((x @ self.w > 0.5) != y))
            if i > 0 and self.history["loss"][-2] - self.history["loss"][-1] < self.tol:
                break
        return self


def fitted(x: Any, y: Any) -> Any:
    model = Descent().fit(x, y)
    return model.w, model.losses, len(model.losses), min(model.losses)


def fitted_twice(x: Any, y: Any) -> Any:
    model = Descent().fit(x, y)
    model.tol = 1e-6
    return model.fit(x, y).losses


def with_history(x: Any, y: Any) -> Any:
    model = Descent().fit_with_history(x, y)
    return model.history["loss"], model.history["error"]


def in_a_dict(x: Any, y: Any) -> Any:
    found: Any = dict(loss=[], w=[])  # noqa: C408
    w, last = np.zeros(x.shape[1]), np.inf
    for i in range(60):
        e = x @ w - y
        loss = (e * e).mean()
        w = w - 0.1 * x.T @ e / len(y)
        found["loss"].append(loss)
        if i % 10 == 0:
            found["w"].append(w.copy())
        if last - loss < 1e-3:
            break
        last = loss
    return found["loss"], found["w"]


class Stack:
    def __init__(self) -> None:
        self.items: list[Any] = []

    def push(self, value: Any) -> None:
        self.items.append(value)

    def is_empty(self) -> bool:
        return len(self.items) == 0


def next_larger(x: Any) -> Any:
    stack, found = Stack(), np.full(len(x), -1)
    for i in range(len(x)):
        while not stack.is_empty() and x[stack.items[-1]] < x[i]:
            found[stack.items.pop()] = i
        stack.push(i)
    return found, stack.items


@dataclass
class Kept:
    values: list[Any] = field(default_factory=list)
    count: int = 0


def of_a_data_class(x: Any) -> Any:
    kept = Kept()
    for v in x:
        if v > 0:
            kept.values.append(v)
            kept.count += 1
    return kept.values, kept.count


def sorted_out(x: Any) -> Any:
    found: dict[str, list[Any]] = {"positive": [], "others": []}
    for v in x:
        found["others"].append(-v)
        if v > 0:
            found["positive"].append(v)
    return found["positive"], found["others"]


@pytest.mark.parametrize(
    "function", [fitted, fitted_twice, with_history, in_a_dict], ids=lambda f: f.__name__
)
def test_lists_of_models(function: Any) -> None:
    got, expected = mlc.jit(function)(POINTS, LABELS), function(POINTS, LABELS)
    assert len(got) == len(expected)
    for a, b in zip(got, expected):
        assert type(a) is type(b)
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(
    "function", [next_larger, of_a_data_class, sorted_out], ids=lambda f: f.__name__
)
def test_lists_of_objects(function: Any) -> None:
    assert same(mlc.jit(function)(X), function(X))


def test_a_history_that_a_break_ends_is_one_loop() -> None:
    text = str(mlc.jit(fitted).lower(POINTS, LABELS).graph)
    assert len(text.splitlines()) < 200


def written_later(x: Any) -> Any:
    found, y = [], x.copy()
    for i in range(100):
        y[1] = 5
        y = y + 1
        if x[i % 8] > 0:
            found.append(y)
    return found


def written_after(x: Any) -> Any:
    found, y = [], x.copy()
    for i in range(100):
        y = y + 1
        if x[i % 8] > 0:
            found.append(y)
    y[2] = 7
    return found


def written_in_the_other_branch(x: Any) -> Any:
    found, y = [], x.copy()
    for i in range(8):
        if x[i] > 0:
            y = y + 1
            found.append(y)
        else:
            y[0] = 9
    return found


def test_short_loops_are_python_s_where_lists_hold_what_is_written() -> None:
    assert same(mlc.jit(written_later)(X), written_later(X))


@pytest.mark.parametrize("function", [written_after, written_in_the_other_branch])
def test_an_array_in_a_list_is_written_to_by_no_other_name(function: Any) -> None:
    with pytest.raises(mlc.MlcError, match=r"an array that is in a list is written to"):
        mlc.jit(function)(X)


def test_a_copy_in_a_list_stays_what_it_is() -> None:
    def f(x: Any) -> Any:
        found, y = [], x.copy()
        for i in range(100):
            y[1] = 5
            y = y + 1
            if x[i % 8] > 0:
                found.append(y.copy())
        return found

    assert same(mlc.jit(f)(X), f(X))


def in_dicts(x: Any) -> Any:
    beams: list[Any] = [{"score": 0.0, "length": 0}]
    for i in range(len(x)):
        if x[i] > 0:
            beams.append({"score": x[i], "length": i})
        beams[-1]["length"] += 100
    return beams


def changed_after(x: Any) -> Any:
    found = []
    for i in range(len(x)):
        item = [i, 0]
        if x[i] > 0:
            found.append(item)
        item[1] = 7
    return found


def by_another_name(x: Any) -> Any:
    found = [[0, 0]]
    first = found[0]
    for i in range(len(x)):
        first[0] += 1
        if x[i] > 0:
            found.append([i, 1])
    return found


def read_alone(x: Any) -> Any:
    stack, total = [[0, 3]], 0.0
    while stack:
        i, j = stack.pop()
        total += x[i]
        if x[j] > 0 and j < 7:
            stack.append([i, j + 1])
    return total


@pytest.mark.parametrize("function", [in_dicts])
def test_lists_in_lists_are_changed_by_no_compiled_code(function: Any) -> None:
    with pytest.raises(mlc.MlcError, match="a list or dict that is an item of a list is changed"):
        mlc.jit(function)(X)


@pytest.mark.parametrize("function", [changed_after, by_another_name, read_alone])
def test_lists_in_lists(function: Any) -> None:
    assert same(mlc.jit(function)(X), function(X))


def bound_anew_by_a_helper(x: Any) -> Any:
    q, p, s, v = [0.5, 2.0], [(1, 0.5)], 0.0, 0.0

    def kept(w: Any) -> Any:
        nonlocal q
        q = q[:6]
        return s * 0.5 + w

    for _, i in zip(q, range(4)):
        for j, w in enumerate(x):
            v = w + (i + j) * 0.25
            for u in sorted(q)[:4]:
                s += u * 0.5
                q.append(kept(v) % 2.0)
                p = sorted(p)[:4]
            if p[-1][0] > int((x > 2.0).sum()):
                break
    return v, s


@pytest.mark.parametrize("values", [(0.5, -1.0, 0.75), (2.0, 0.25, 1.5)])
def test_lists_that_each_run_makes_anew(values: Any) -> None:
    mlc.testing.check_against_numpy(bound_anew_by_a_helper, np.array(values))
