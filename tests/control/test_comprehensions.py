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
