"""np.arange and np.r_ between the numbers of native loops."""

import numpy as np
import pytest

import mlc

X = np.linspace(0.5, 2.0, 40)


def others(x):
    n = len(x)
    out = np.zeros(n)
    for i in range(n):
        rest = np.concatenate((np.r_[0:i], np.r_[i + 1 : n]))
        out[i] = np.sum(np.sin(x[rest]) * np.cos(x[i]))
    return out


def joined(x):
    n = len(x)
    out = np.zeros(n)
    for i in range(n):
        rest = np.r_[0:i, i + 1 : n]
        out[i] = np.sum(np.sin(x[rest]) * np.cos(x[i])) + len(rest)
    return out


def ranges(x):
    n = len(x)
    out = np.zeros(n)
    for i in range(n):
        a, b, c = np.arange(i), np.arange(i, n), np.arange(2 * i - 9, n - i)
        out[i] = np.sum(x[a]) - np.sum(x[b] * b) + np.sum(c * c) + len(c)
    return out


def falling(x):
    total = 0.0
    for i in range(len(x) - 1, -1, -1):
        total += np.sum(np.arange(i, len(x), dtype=np.float32)) + np.sum(x[np.arange(i + 1)])
    return total


def parts_of_known(x):
    table, count = np.arange(40), 0
    total = np.float64(0.0)
    for i in range(len(x)):
        total += np.sum(table[:i]) + np.sum(np.ones(40)[:i] * np.sin(x[0])) * np.cos(x[1])
        count += np.max(table[: i + 1])
    return total + count


@pytest.mark.parametrize("function", [others, joined, ranges, falling, parts_of_known])
def test_ranges_between_numbers_of_a_loop(function):
    lowered = mlc.jit(function).lower(X)
    assert len(str(lowered.graph).splitlines()) < 60  # not written out
    found, want = mlc.jit(function)(X), function(X)
    assert np.asarray(found).dtype == np.asarray(want).dtype
    np.testing.assert_allclose(found, want, rtol=1e-12)


def stepped(x, first, last, step):
    total = np.float32(0.0)
    for i in range(first, last, step):
        total = total * np.float32(0.5) + x[i] * i
    return total


def backwards(x, first, last, step):
    total = np.float32(0.0)
    for i in reversed(range(first, last, step)):
        total = total * np.float32(0.5) + x[i] * i
    return total


def multiples(x, first, last, step):
    found = np.ones(last, dtype=bool)
    for i in range(2, last):
        if found[i]:
            for j in range(i * i, last, i):
                found[j] = False
    return found


@pytest.mark.parametrize("function", [stepped, backwards, multiples])
@pytest.mark.parametrize(
    "bounds", [(3, 37, 4), (3, 38, 5), (38, -1, -6), (3, 2, 1), (2, 9, -1), (0, 40, np.uint8(39))]
)
def test_data_decide_the_step_of_a_range(function, bounds):
    x, bounds = X.astype(np.float32), tuple(map(np.asarray, bounds))
    bounds = (bounds[0][()], max(int(bounds[1]), 3) if function is multiples else bounds[1][()],
              bounds[2][()])  # fmt: skip
    found, want = mlc.jit(function)(x, *bounds), function(x, *bounds)
    assert np.asarray(found).dtype == np.asarray(want).dtype
    np.testing.assert_allclose(found, want, rtol=1e-6)


def test_long_loops_of_traced_steps_are_native():
    jitted = mlc.jit(multiples)
    np.testing.assert_array_equal(jitted(X, 0, 9000, 0), multiples(X, 0, 9000, 0))


def test_a_step_of_nothing_raises_pythons_error():
    jitted = mlc.jit(stepped)
    x, zero = X.astype(np.float32), np.int64(0)
    assert jitted(x, zero, 9, np.int64(2)) == stepped(x, zero, 9, np.int64(2))
    with pytest.raises(ValueError, match=r"range\(\) arg 3 must not be zero"):
        jitted(x, zero, 9, zero)
    with pytest.raises(TypeError, match="must be integers"):
        jitted(x, zero, 9, np.float32(2.0))
