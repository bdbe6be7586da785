"""Loops that do something beside arrays run as Python's own, or are refused: never once for all."""

import itertools
from random import Random

import numpy as np
import pytest

import mlc


def random_numbers(x):
    r = Random(7)
    s = x * 0
    for _ in range(500):
        s = s + x * r.random()
    return s


class Counter:
    def __init__(s):
        s.n = 0

    def next(s):
        s.n += 1
        return s.n


def a_counter_in_an_object(x):
    c = Counter()
    s = x * 0
    for _ in range(500):
        s = s + x * c.next()
    return s


def an_iterator(x):
    it = itertools.count()
    s = x * 0
    for _ in range(500):
        s = s + x * next(it)
    return s


def numpy_random_numbers(x):
    g = np.random.default_rng(0)
    s = x * 0
    for _ in range(500):
        s = s + x * g.random()
    return s


def a_dictionary(x):
    d = {"n": 0}
    s = x * 0
    for _ in range(500):
        d["n"] += 1
        s = s + x * d["n"]
    return s


def an_attribute(x):
    c = Counter()
    s = x * 0
    for i in range(500):
        c.n += i
        s = s + x * c.n
    return s


def a_table(x):
    table = [float(k % 7) for k in range(500)]
    s = x * 0
    for i in range(500):
        s = s + x * table[i]
    return s


def a_growing_list(x):
    s = x * 0
    names = []
    for i in range(500):
        names.append(i)
        s = s + x * len(names)
    return s


K = 0


def a_global(x):
    global K
    K = 0
    s = x * 0
    for _i in range(500):
        K += 2
        s = s + x * K
    return s


def a_branch_on_the_index(x):
    s = x * 0
    for i in range(500):
        if i % 3 == 0:
            s = s + x * i
        else:
            s = s - x
    return s


def a_known_array(x):
    w = np.arange(500.0)
    s = x * 0
    for i in range(500):
        s = s + x * w[i] * w[-i]
    return s


def a_list_of_functions(x):
    f = [lambda v: v + 1, lambda v: v * 2]
    s = x * 0
    for i in range(500):
        s = f[i % 2](s * 0.5) + x
    return s


PROGRAMS = [
    random_numbers, a_counter_in_an_object, an_iterator, numpy_random_numbers, a_dictionary,
    an_attribute, a_table, a_growing_list, a_global, a_branch_on_the_index, a_known_array,
    a_list_of_functions,
]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_as_python(program):
    x = np.arange(5.0)
    np.testing.assert_allclose(mlc.jit(program)(x), program(x))


def test_where_only_a_native_loop_would_do_it_is_refused():
    def f(x, n):
        draw, s = itertools.count().__next__, x * 0
        for _ in range(n):
            s = s + x * draw()
        return s

    with pytest.raises(mlc.MlcError, match="something else each time it is traced"):
        mlc.jit(f)(np.arange(5.0), np.int64(500))

    def g(x, n):
        numbers, s = itertools.count(), x * 0
        for _ in range(n):
            s = s + x * next(numbers)
        return s

    with pytest.raises(mlc.MlcError, match="an item of a count from before a loop"):
        mlc.jit(g)(np.arange(5.0), np.int64(500))


def _made_longer(x):
    found = []
    for i in range(len(x)):
        found += [x[i] * 2]
    return np.array(found)


def _chosen(x):
    found = []
    for value in x[:5]:
        if value > 3:
            found += [value]
    return np.array(found)


def _until(x):
    found, i = [], 0
    while i < len(x):
        found += [x[i] * 2]
        i += 1
    return np.array(found)


@pytest.mark.parametrize("function", [_made_longer, _chosen, _until])
def test_lists_that_an_operator_makes_longer(function):
    x = np.arange(60.0)
    np.testing.assert_array_equal(mlc.jit(function)(x), function(x))


def test_a_refusal_is_no_error_for_handlers_of_the_function() -> None:
    """Traced with Python's own loops, ``sorted`` is refused, which ``except`` must not take."""

    class Held:
        def __init__(self) -> None:
            self.row = np.zeros(3)

        def first(self, values, limit):
            for n, v in enumerate(values):
                for m in range(2):
                    if v > limit + m:
                        self.row[n % 3] += v
                        return n + m
            return -1

    def f(x):
        held, values = Held(), [0.5, 2.0]
        try:
            values = sorted(x)
        except Exception:
            pass
        else:
            held.first(values, 1.5)
        return values[-1]

    x = np.array([0.0, -2.0, -1.5, 1.75])
    try:
        assert mlc.jit(f)(x) == f(x)
    except mlc.UnsupportedError as error:
        assert "does something else each time it is traced" in str(error)
