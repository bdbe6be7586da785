"""Long list comprehensions over traced arrays and ranges are native loops."""

from typing import Any

import numpy as np
import pytest

import mlc

X = np.random.default_rng(3).standard_normal((90, 3))


class Counter:
    def __init__(self) -> None:
        self.count = 0.0

    def add(self, row: Any) -> Any:
        self.count = self.count + row[0]
        return self.count


def norms(x):
    return np.array([np.linalg.norm(row - x[0]) for row in x])


def table(x):
    return np.array([[np.dot(a, b) for a in x[:30]] for b in x])


def by_index(x):
    return [x[i, : i % 3 + 1].sum() for i in range(len(x))]


def of_pairs(x):
    return [(i, a * b) for i, (a, b) in enumerate(zip(x[:, 0], x[:, 1]))][-1]


def chosen(x):
    return np.array([v if v > 0 else -2 * v for v in x[:, 0]])


def numbers(x):
    found = [float(row.sum()) for row in x]
    return max(found), sum(found), found[3], sorted(found)[0], len(found)


def written_to(x):
    rows = [row * 2 for row in x]
    rows[3][1] = 7
    rows[0] = rows[1]
    rows.append(rows[2])
    return rows[0], rows[3], np.array(rows)


def through_an_object(x):
    counter = Counter()
    return np.array([counter.add(row) for row in x]), counter.count


def of_many_kinds(x):
    return [None if i == 0 else x[i] * 2 for i in range(len(x))][:3]


def from_an_iterator(x):
    rows = iter(x)
    return [(a * b).sum() for a, b in zip(rows, rows)]


FUNCTIONS = [
    norms, table, by_index, of_pairs, chosen, numbers, written_to, through_an_object,
    of_many_kinds, from_an_iterator,
]  # fmt: skip


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_the_same_as_python(function: Any) -> None:
    got, expected = mlc.jit(function)(X), function(X)
    if not isinstance(expected, (list, tuple)):
        got, expected = [got], [expected]
    assert type(got) is type(expected) and len(got) == len(expected)
    for one, other in zip(got, expected):
        assert type(one) is type(other)
        if other is not None:
            np.testing.assert_allclose(one, other, rtol=1e-12)


@pytest.mark.parametrize(("function", "most"), [(norms, 20), (table, 400)])
def test_no_item_has_code_of_its_own(function: Any, most: int) -> None:
    assert len(mlc.jit(function).lower(X).graph.splitlines()) < most


def test_errors_are_those_of_python() -> None:
    def unknown(x: Any) -> Any:
        return [row + missing for row in x]  # type: ignore[name-defined]  # noqa: F821

    def indivisible(x: Any) -> Any:
        return [row / 0 + len(x) // 0 for row in x]

    with pytest.raises(NameError, match="missing"):
        mlc.jit(unknown)(X)
    with pytest.raises(ZeroDivisionError):
        mlc.jit(indivisible)(X)


# Conditions, and generators that Python's functions go through


def counts_of_items(x: Any) -> Any:
    return sum(1 for v in x if v > 0.5), len([v for v in x if v > 0.2 if v < 0.7])


def quantified_items(x: Any) -> Any:
    large = any(v > 0.99 for v in x), any(v > 5 for v in x if v > 0.5)
    return *large, all(v < 2 for v in x), all(v > 0.6 for v in x if v > 0.5)


def extremes_of_items(x: Any) -> Any:
    first = max((v for v in x if v > 0.3), key=lambda v: -v)
    return min(v for v in x if v > 0.25), max(v * 2 for v in x if v < 0.5), first


def sums_of_items(x: Any) -> Any:
    rest = sum((x[i] for i in range(0, len(x), 2)), 3.0)
    pairs = sum(a * b for a, b in zip(x, x[::-1]) if a > b)
    return sum(v for v in x if v > 0.5), sum(v * v for v in x), rest, pairs


def lists_of_items(x: Any) -> Any:
    places = [i for i, v in enumerate(x) if v > 0.95]
    chosen = np.array([v for v in x if v > 0.9])
    large = list(v for v in x if v > 0.9)  # noqa: C400
    return sorted(v for v in x if v > 0.9), large, places, chosen


def known_items(x: Any) -> Any:
    thirds = sum(i for i in range(1000) if i % 3 == 0)
    return [i for i in range(30) if i % 7 == 0], thirds, any(i > 5 for i in range(50)), x[0]


def items_in_native_loops(x: Any) -> Any:
    total = 0.0
    for i in range(200):
        kept = [v for v in x[:30] if v > x[i]]
        if any(v > 0.9 for v in kept):
            total += sum(kept)
    return total


@pytest.mark.parametrize(
    "function",
    [counts_of_items, quantified_items, extremes_of_items, sums_of_items, lists_of_items,
     known_items, items_in_native_loops],
)  # fmt: skip
def test_items_under_conditions(function: Any) -> None:
    x = np.random.default_rng(0).random(300)
    wanted, found = function(x), mlc.jit(function)(x)
    pairs = zip(wanted, found, strict=True) if isinstance(wanted, tuple) else [(wanted, found)]
    for theirs, ours in pairs:
        assert type(theirs) is type(ours)
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_no_items_under_conditions() -> None:
    def smallest(x: Any) -> Any:
        return min(v for v in x if v > 2)

    with pytest.raises(ValueError, match="empty"):
        mlc.jit(smallest)(np.linspace(0, 1, 300))


# Several sources, tables, defaults


def peaks(x):
    v = x[:, 1]
    return [i for i in range(1, len(v) - 1) if v[i - 1] < v[i] > v[i + 1]]


def rows_of_choice(x):
    return np.array([row for row in x if row[0] < row[1]]), len([r for r in x if r[2] > 9])


def in_pairs(x):
    v = x[:30, 2]
    return [(i, j) for i in range(len(v)) for j in range(i) if v[i] < v[j]], any(
        a == b for i, a in enumerate(v) for b in v[:i]
    )


def extremes_of_choice(x):
    v = x[:, 1]
    lowest = min((a for a in v if a > 100), default=-1.0)
    return max(i for i in range(len(v)) if v[i] < 0), lowest * 2, sorted(a for a in v if a > 1)


def nested_choice(x):
    return [len([b for b in x[:, 0] if abs(a - b) < 0.25]) for a in x[:, 0] if a > 0]


def tables_of_choice(x):
    near = {i: v for i, v in enumerate(x[:, 0]) if v > 1}
    return sum(near.values()), {int(4 * v) for v in x[:, 1] if v > 0}


CHOOSING = [
    peaks, rows_of_choice, in_pairs, extremes_of_choice, nested_choice,
    tables_of_choice,
]  # fmt: skip


@pytest.mark.parametrize("function", CHOOSING, ids=lambda f: f.__name__)
def test_data_choose_the_items(function: Any) -> None:
    """Once for data that choose other items, by the same code."""
    compiled = mlc.jit(function)
    for x in (X, -X[::-1].copy()):
        expected = function(x)
        got, expected = (v if isinstance(v, tuple) else (v,) for v in (compiled(x), expected))
        assert len(got) == len(expected)
        for one, other in zip(got, expected):
            assert np.shape(one) == np.shape(other)
            assert one == other if isinstance(other, (set, bool)) else np.allclose(one, other)


def test_what_is_known_chooses_as_in_python() -> None:
    def function(x: Any) -> Any:
        arrays = {"a": x, "b": 2 * x, "c": None}
        even = [x[i] for i in range(40) if i % 2 == 0]
        return (
            [v.sum() for v in arrays.values() if v is not None],
            np.array(even),
            sum(i * j for i in range(3) for j in range(i)),
        )

    got, expected = mlc.jit(function)(X), function(X)
    assert type(got[0]) is list and got[2] == expected[2]
    np.testing.assert_allclose(got[0], expected[0])
    np.testing.assert_array_equal(got[1], expected[1])


def squares_of_each(counts):
    total = 0
    for n in counts:
        squares = [v * v for v in range(int(n))]
        total += sum(squares) if squares else 0
    return total


def kept_of_each(counts):
    rows, k = [], 0
    while k < len(counts):
        n = int(counts[k])
        rows.append(len([j for j in range(n) if j != k]))
        k += 1
    return rows


@pytest.mark.parametrize("function", [squares_of_each, kept_of_each])
def test_ranges_that_data_decide_about_are_gone_through_in_native_loops(function):
    counts = np.random.default_rng(0).integers(0, 8, 30)
    jitted = mlc.jit(function)
    assert jitted(counts) == function(counts)
    assert jitted(counts[::-1].copy() + 1) == function(counts[::-1] + 1)


def rooted(parents: Any) -> Any:
    up = parents.tolist()

    def root(n: Any) -> Any:
        while up[n] != n:
            up[n] = up[up[n]]
            n = up[n]
        return n

    return np.array([root(n) for n in range(len(up))])


def test_a_comprehension_whose_items_take_loops_is_one() -> None:
    parents = np.maximum(np.arange(20) - 3, 0)
    fast = mlc.jit(rooted)
    np.testing.assert_array_equal(fast(parents), rooted(parents))
    assert len(fast.lower(parents).graph.splitlines()) < 120  # not a loop for each of its items
