"""Slices of lists that data decide about, which are assigned to and deleted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc

X = np.array([1, 3, 5, 4, 2])


def next_permutation(x: Any) -> Any:
    a = list(x)
    i = len(a) - 2
    while i >= 0 and a[i] >= a[i + 1]:
        i -= 1
    if i >= 0:
        j = len(a) - 1
        while a[j] <= a[i]:
            j -= 1
        a[i], a[j] = a[j], a[i]
    a[i + 1 :] = a[i + 1 :][::-1]
    return a


def chosen(x: Any) -> list[Any]:
    """A list whose length the data decide: here 1, 3, 5, 4."""
    made = [7]
    made.pop()
    for v in x:
        if v != 2:
            made.append(int(v))
    return made


def replaced(x: Any) -> Any:
    found = []
    for key in (slice(1, 3), slice(-2, None), slice(3, 1), slice(None, 0), slice(9, 20)):
        a = chosen(x)
        a[key] = [10, 20, 30]
        a.append(len(a))
        found.append(a)
    return tuple(found)


def by_itself(x: Any) -> Any:
    a, b = chosen(x), chosen(x)
    a[1:] = a
    a[int(x[0]) : int(x[4])] = x
    b[:2] = ()
    b[len(b) :] = [v * 2 for v in b]
    return a, b


def deleted(x: Any) -> Any:
    a, b, c = chosen(x), chosen(x), chosen(x)
    del a[1 : int(x[1])]
    del b[-1:]
    del c[:]
    return a, b, c


def in_a_loop(x: Any) -> Any:
    a = chosen(x)
    n = 0
    while len(a) < 20 and a[0] > 0:
        a[n:n] = [int(x[n % 5]), n]
        n += 2
    return a


@pytest.mark.parametrize("function", [next_permutation, replaced, by_itself, deleted, in_a_loop])
def test_slices_are_as_python_has_them(function: Any) -> None:
    jitted = mlc.jit(function)
    assert jitted(X) == function(X)
    assert jitted(X[::-1].copy()) == function(X[::-1].copy())


def untangled(distances: Any) -> Any:
    tour, count = list(range(len(distances))), 0
    for i in range(1, len(tour) - 2):
        for j in range(i + 1, len(tour) - 1):
            a, b, c, d = tour[i - 1], tour[i], tour[j], tour[j + 1]
            if distances[a, b] + distances[c, d] > distances[a, c] + distances[b, d]:
                tour[i : j + 1] = reversed(tour[i : j + 1])
                tour += reversed(tour[:1])
                tour.pop()
                count += 1
    return tour, count


def test_what_goes_backwards_through_a_list_is_put_into_one() -> None:
    distances = np.random.default_rng(0).random((12, 12))
    fast = mlc.jit(untangled)
    assert fast(distances) == untangled(distances)
    assert len(fast.lower(distances).graph.splitlines()) < 40  # the loops are native


def with_a_step(x: Any) -> Any:
    a = chosen(x)
    a[::2] = [8, 9]
    return a


def without_a_step(x: Any) -> Any:
    a = chosen(x)
    del a[::2]
    return a


@pytest.mark.parametrize(
    "function, done", [(with_a_step, "assigned to"), (without_a_step, "deleted")]
)
def test_slices_with_steps_are_refused(function: Any, done: str) -> None:
    with pytest.raises(mlc.UnsupportedError, match=f"a slice with a step .* is {done}; "):
        mlc.jit(function)(X)


def extended_by_parts(x: Any) -> Any:
    runs, places, larger, i = [], [], [], 0
    while i < len(x):
        j = i
        while j < len(x) and x[j] == x[i]:
            j += 1
        runs.extend(x[i:j])
        places.extend([i] * (j - i - 1))
        larger.extend(x[x > x[i]])
        i = j
    return np.array(runs), np.array(places), np.array(larger)


def repeated_items(x: Any) -> Any:
    found = []
    for i in mlc.range(len(x)):
        n = int(x[i]) - 2
        row = [i] * n
        for k in range(n):
            row[k] += k
        found.append(sum(row) + len(row) * 100)
    return np.array(found)


@pytest.mark.parametrize("function", [extended_by_parts, repeated_items])
def test_as_many_items_as_the_data_say(function: Any) -> None:
    x = np.repeat(X, [1, 3, 2, 4, 2])
    compiled = mlc.jit(function)
    for given in (x, x[::-1].copy()):
        ours, numpys = compiled(given), function(given)
        pairs = zip(ours, numpys) if isinstance(ours, tuple) else [(ours, numpys)]
        for one, other in pairs:
            np.testing.assert_array_equal(one, other)


def test_one_list_in_as_many_places_as_the_data_say_is_refused() -> None:
    def shared(x: Any) -> Any:
        total = 0
        for i in mlc.range(len(x)):
            rows = [[0]] * x[i]
            rows[0][0] += 1
            total += sum(row[0] for row in rows)
        return total

    with pytest.raises(mlc.MlcError):
        mlc.jit(shared)(X)
