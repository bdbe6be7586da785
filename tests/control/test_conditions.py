"""Conditions that do something: what they change, and what they refuse, is Python's."""

import numpy as np
import pytest

import mlc


def lowered(values):
    values[0] -= 1
    return values[0]


def counted_down(values):
    rounds = 0
    while lowered(values) > 0:
        rounds += 1
    return rounds, values


def both_sides(values, n):
    return (1 if n > 0 and lowered(values) > 0 else 0), values


def either_side(values, n):
    return (1 if n > 0 or lowered(values) > 0 else 0), values


def chained(values, n):
    return (1 if 0 < n < lowered(values) else 0), values


def three(values, n):
    return (1 if n > 0 and n < 9 and lowered(values) > 0 and lowered(values) > 0 else 0), values


def until(values, n):
    while n > 0 and lowered(values) > 0:
        n = n - 1
    return n, values


def in_a_loop(values, n):
    found = 0
    for i in range(200):
        if n > i and lowered(values) > -3:
            found += 1
    return found, values


def named(values):
    rounds = 0
    while (next_value := values[0] - 1) > 0:
        values[0] = next_value
        rounds += 1
        if rounds == 5:
            break
    return rounds, values, next_value


def in_a_known_array(n):
    known = np.array([4.0, 1.0])
    found = 1 if n > 0 and lowered(known) > 0 else 0
    return found, known


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (counted_down, ()),
        (named, ()),
        *((f, (n,)) for f in (both_sides, either_side, chained, three, until, in_a_loop)
          for n in (-1, 0, 1, 2, 9)),
    ],
)  # fmt: skip
def test_what_a_condition_changes(function, arguments):
    expected = function(np.array([4.0, 1.0]), *arguments)
    values = np.array([4.0, 1.0])
    found = mlc.jit(function)(values, *arguments)
    assert str(found) == str(expected)
    np.testing.assert_array_equal(values, expected[1])


@pytest.mark.parametrize("n", [-1, 1])
def test_a_known_array_changes_where_the_side_is_asked(n):
    assert str(mlc.jit(in_a_known_array)(n)) == str(in_a_known_array(n))


def refused_later(x, n):
    rounds = 0
    while x**n > 0:
        n = n - 1
        rounds += 1
    return rounds


def refused_in_a_while_loop(x, n):
    return mlc.while_loop(lambda n: x**n > 0, lambda n: n - 1, n)


def nothing_selected(x, n):
    chosen = np.ones(6, bool)
    while x[chosen].max() > n:
        chosen = chosen & (x > x[chosen].min())
    return chosen


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (refused_later, (np.int64(2), np.int64(2))),
        (refused_in_a_while_loop, (np.int64(2), np.int64(2))),
        (nothing_selected, (np.arange(6), -1)),
    ],
)
def test_what_the_condition_of_a_loop_refuses(function, arguments):
    with pytest.raises(ValueError, match=r"negative integer powers|zero-size array") as expected:
        function(*arguments)
    with pytest.raises(ValueError, match=str(expected.value)[:40]):
        mlc.jit(function)(*arguments)


@pytest.mark.parametrize("n", [np.int64(-2), np.int64(2)])
def test_a_side_that_is_not_asked_refuses_nothing(n):
    x, chosen = np.int64(2), np.arange(6) == n
    for function in (
        lambda x, n, chosen: n >= 0 and x**n > 3,
        lambda x, n, chosen: n < 0 or x**n > 3,
        lambda x, n, chosen: n > 0 and np.arange(6)[chosen].max() > 1,
    ):
        assert mlc.jit(function)(x, n, chosen) == function(x, n, chosen)


def test_the_truth_of_many_elements_is_refused_as_by_numpy():
    for choose in (lambda x: x if x else 0, lambda x: 1 if not x else 2):
        with pytest.raises(ValueError, match="is ambiguous"):
            mlc.jit(choose)(np.ones(3))
