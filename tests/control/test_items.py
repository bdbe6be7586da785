"""Loops over ``enumerate``, ``zip``, ``itertools``, ``np.ndindex``, ``np.ndenumerate`` and
``x.flat``."""

import itertools

import numpy as np
import pytest

import mlc


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def numbered(x):
    s = 0.0
    for n, row in enumerate(x, 3):
        s = s * 0.5 + n * row[0] - row.sum()
    return s


def numbered_elements(x):
    s, last = 0.0, 0
    for n, v in enumerate(x.flat):
        if v > 0.5:
            s += v * n
            last = n
    return s, last


def in_pairs(x):
    s = np.zeros(x.shape[1])
    for k, row, first in zip(range(2, 400, 3), x, x[:, 0]):
        s = s * first + row * k
    return s


def numbered_pairs(x):
    y = np.empty(x.shape[0])
    for i, (row, v) in enumerate(zip(x, x[:, 1])):
        y[i] = row.max() - v
    return y


def places(x):
    out = np.empty(x.shape, dtype=x.dtype)
    for i in np.ndindex(out.shape):
        out[i] = x[i] * 2 + i[0] - i[-1]
    return out


def places_apart(x):
    s = 0.0
    for i, j in np.ndindex(*x.shape):
        if i > j:
            continue
        s = s * 0.9 + x[i, j]
    return s


def products(x):
    s = 0.0
    for n, (i, j) in enumerate(itertools.product(range(len(x) - 1, -1, -1), range(x.shape[1]))):
        s = s * 0.9 + x[i, j] * n
    for i, j in itertools.product(range(2), repeat=2):
        s = s + x[i, j] * i
    return s


def repeated(x):
    s = 0.0
    for factor in itertools.repeat(x[0, 0], len(x) ** 2):
        s = s * 0.9 + factor * np.sin(s)
    for _ in itertools.repeat(None, times=-1):
        s = 0.0
    rest = itertools.repeat(2.0, 300)
    s = s + next(rest)
    for factor in rest:
        s = s * 0.5 + factor
    return s, len(list(rest)), list(zip(range(2), itertools.repeat(7.0)))[1][0]


def pairs(x):
    s = 0.0
    for (i, j), v in np.ndenumerate(x):
        if v < -1.5:
            break
        s = s * 0.9 + v * i - j
    return s, i, j


def transposed(x):
    s = 0.0
    for v in x.T.flat:
        s = s * 0.9 + v
    return s


def written_to(x):
    x = x.copy()
    s = 0.0
    for v in x.flat:
        x[-1, -1] = v
        s = s * 0.9 + v
    return s, x


def bound_before(x):
    for i, j in np.ndindex(x.shape):
        if i == 0 and j == 0:
            s = x[0, 0]
        s = s * 0.9 + x[i, j]
    return s


def put_together(x):
    found = []
    for n, (a, b) in enumerate(zip(x[0], x[1])):
        found.append(a * n + b)
    return np.array(found)


def by_hand(x):
    rows = enumerate(x)
    n, first = next(rows)
    s = first.sum() + n
    for n, row in rows:
        s = s * 0.5 + row[0] * n
    return s, sum(k for k, _ in rows)


def left_behind(x):
    rows = enumerate(x)
    s = 0.0
    for pair in zip(rows, range(1)):
        s = s + pair[0][1].sum()
    return s, next(rows)[0]


def no_axes(x):
    s = 0.0
    for at in np.ndindex(()):
        for _ in range(2):
            s = s + x[0, 0] * x[0, 1] + x[1, 0] * x[1, 1] - np.sin(x[0, 0]) + len(at)
            s = s + x[0, 0] * x[0, 1] + x[1, 0] * x[1, 1] - np.sin(x[0, 0]) * np.exp(x[1, 1])
    for v in x[0, :1].reshape(()).flat:
        s = s + v
    return s


def used_up(x):
    rows = zip(x, x[:, 0])
    s = 0.0
    for row, v in rows:
        s = s * 0.5 + row[1] * v
    return s, len(list(rows))


def chosen(x):
    areas, count = [], 0
    for i, j, k in itertools.combinations(range(min(len(x), 9)), 3):
        one, other = x[j] - x[i], x[k] - x[i]
        areas.append(np.abs(one[0] * other[1] - one[1] * other[0]))
        if areas[-1] > 1:
            count += 1
    pairs = itertools.permutations(range(3), 2)
    first = next(pairs)
    return np.array(areas), count, first, list(pairs), x[first[1]]


FUNCTIONS = (
    chosen, numbered, numbered_elements, in_pairs, numbered_pairs, places, places_apart, products,
    repeated, pairs, transposed, written_to, bound_before, put_together, by_hand, left_behind,
    no_axes, used_up,
)  # fmt: skip


@pytest.mark.parametrize("shape", [(3, 2), (90, 7)])
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_loops_mean_what_they_mean_in_python(function, shape, rng):
    if function is pairs:
        x = np.abs(rng.standard_normal(shape))
        x[-1, 0] = -2.0
    else:
        x = rng.standard_normal(shape)
    expected, found = function(x), mlc.jit(function)(x)
    for a, b in zip(np.atleast_1d(expected) if not isinstance(expected, tuple) else expected,
                    np.atleast_1d(found) if not isinstance(found, tuple) else found):  # fmt: skip
        assert np.shape(a) == np.shape(b)
        np.testing.assert_allclose(b, a, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    "function",
    [numbered, in_pairs, numbered_pairs, places, places_apart, products, pairs, transposed],
)
def test_long_loops_are_native(function, rng):
    short, long = rng.standard_normal((170, 5)), rng.standard_normal((4000, 5))
    jitted = mlc.jit(function)
    counts = [len(str(jitted.lower(x).graph).splitlines()) for x in (short, long)]
    assert counts[0] == counts[1]


def test_many_choices_among_numbers_are_one_loop(rng):
    x = rng.standard_normal((14, 2))  # 9 rows, 84 choices
    assert len(str(mlc.jit(chosen).lower(x).graph).splitlines()) < 120


def test_lengths_that_differ_are_refused(rng):
    def strict(x):
        s = 0.0
        for a, b in zip(x, x[2:], strict=True):
            s = s + a[0] * b[0]
        return s

    with pytest.raises(ValueError, match="zip\\(\\) argument 2 is shorter than argument 1"):
        mlc.jit(strict)(rng.standard_normal((5, 3)))


def test_whole_numbers_stay_pythons(rng):
    def halves(x):
        y = np.zeros(x.shape, np.float32)
        for n, row in enumerate(x):
            y[n] = row * (n / 2)
        return y * n

    x = rng.standard_normal((300, 3)).astype(np.float32)
    found = mlc.jit(halves)(x)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, halves(x))
