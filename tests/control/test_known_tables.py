"""Loops over the elements of arrays that are known while tracing: native where they may be, and
written out where the elements have to be known."""

import numpy as np
import pytest

import mlc

GRID = np.linspace(-2, 2, 40)
X = np.linspace(0.3, 1.7, 12)
RANDOM = np.random.default_rng(5)
ROWS = RANDOM.standard_normal((60, 12))
EDGES = RANDOM.integers(0, 12, (60, 2))


def density(x):
    grid = np.linspace(-1, 1, 9)
    out = np.zeros((9, 9))
    for i, a in enumerate(grid):
        for j, b in enumerate(grid):
            u = (x - np.array([a, b])[:, None]) / 2
            out[i, j] = np.mean(np.exp(-0.5 * np.sum(u * u, axis=0)))
    return out


def outside(x):
    total = 0.0
    for a, b in zip(GRID, GRID[::-1]):
        total += np.sum(np.cos(a * x) * b) ** 2
    return total


def numbered(x):
    total = 0.0
    for n in np.arange(1, 41):
        total += np.sum(np.sin(n * x)) / n
    return total, n


def last_value(x):
    for t in np.linspace(0, 3, 50):
        if np.sum(np.cos(t * x) + t) > 14.0:
            break
    return t


def listed(x):
    out = []
    for t in np.linspace(0, 3, 50):
        out.append(np.sum(np.exp(-t * x)) + np.sin(t))
    return np.array(out)


def written(x):
    steps = np.linspace(0, 1, 30)
    total = np.zeros(30)
    for i, s in enumerate(steps):
        total[i] = np.sum(x * s) + np.cos(s) * np.sin(s) + x[0] * s
        if i < 29:
            steps[i + 1] = total[i] % 1.0
    return total, steps


def sizes(x):
    total = 0.0
    for n in np.arange(1, 31):
        total += np.sum(x[: n % 12]) + np.sum(np.ones((n, 2)) * x[0] + np.cos(x[1]) * np.sin(x[2]))
    return total


def kinds(x):
    found = []
    for v in np.linspace(0, 1, 30, dtype=np.float32):
        found.append(v * x[:3] + np.sin(x[0]) * np.cos(x[1]) + np.tan(x[2]))
    return found


def decided(x):
    total = 0.0
    for v in np.linspace(-1, 1, 31):
        if v < 0:
            total += np.sum(np.sin(v * x))
        elif v == 0:
            total += np.sum(x) * 100
        else:
            total -= np.sum(np.cos(v * x)) * float(v)
    return total


def texts(x):
    table = {}
    for v in np.linspace(0, 1, 30):
        table[f"{v:.3f}"] = np.sum(np.sin(v * x)) + np.cos(x[0]) * np.sin(x[1]) * np.tan(x[2])
    return table["1.000"], len(table)


@pytest.mark.parametrize(
    "function",
    [density, outside, numbered, last_value, listed, written, sizes, kinds, decided, texts],
)
def test_loops_over_known_arrays(function):
    x = np.stack([X, X[::-1]]) if function is density else X
    want, found = function(x), mlc.jit(function)(x)
    for a, b in zip(np.atleast_1d(want), np.atleast_1d(found), strict=True):
        assert np.asarray(a).dtype == np.asarray(b).dtype
        np.testing.assert_allclose(b, a, rtol=1e-5 if function is kinds else 1e-12)


def test_nested_loops_over_known_arrays_are_native():
    lowered = mlc.jit(density).lower(np.stack([X, X[::-1]]))
    assert len(str(lowered.graph).splitlines()) < 60


def rows_as_loop(x):
    total, largest = 0.0, np.zeros(60)
    for i, row in enumerate(ROWS):
        total += np.sum(row * x)
        largest[i] = np.max(row - x)
    return total, largest, row


def rows_as_list(x):
    return np.array([np.dot(row, x) for row in ROWS])


def rows_unpacked(x):
    out = np.zeros(12)
    for i, j in EDGES:
        out[i] += x[j]
    return out, np.array([np.hypot(a - x[0], b - x[1]) for a, b in ROWS[:, :2]])


def rows_of_complex_numbers(x):
    waves = np.exp(1j * np.outer(np.arange(50), np.arange(12)))
    out = np.zeros(50, complex)
    for i, wave in enumerate(waves):
        out[i] = np.sum(wave * x)
    return out


def rows_of_masks(x):
    return np.array([np.sum(np.where(mask, x, 0)) for mask in ROWS > 0])


def matrices(x):
    total = 0.0
    for part in zip(ROWS.reshape(30, 2, 12), ROWS):
        total += np.sum(part[0] @ x) * part[1][0]
    return total


def written_rows(x):
    made = np.zeros((40, 12))
    for i, row in enumerate(made):
        row[:] = x * i
    few = np.zeros((3, 12))
    for row in few:
        row[0] = x[0]
    for row in few:
        row[1] += 2
    return made, few


def rows_as_keys(x):
    return sum({tuple(row): np.sum(row * x) for row in ROWS}.values())


def chosen_row(x):
    for row in ROWS:
        if np.sum(row * x) > 3:
            break
    return row


@pytest.mark.parametrize(
    "function, count",
    [
        (rows_as_loop, 20),
        (rows_as_list, 20),
        (rows_unpacked, 30),
        (rows_of_complex_numbers, 20),
        (rows_of_masks, 20),
        (matrices, 200),
        (written_rows, 200),
        (rows_as_keys, 400),
        (chosen_row, 20),
    ],
)
def test_rows_of_known_arrays(function, count):
    jitted, want = mlc.jit(function), function(X)
    found = jitted(X)
    is_one = not isinstance(want, tuple)
    for a, b in zip([want] if is_one else want, [found] if is_one else found, strict=True):
        assert np.asarray(a).dtype == np.asarray(b).dtype
        np.testing.assert_allclose(b, a, rtol=1e-12, atol=1e-12)
    assert len(str(jitted.lower(X).graph).splitlines()) <= count


def test_rows_of_arrays_from_outside_are_not_written_to():
    kept = ROWS.copy()

    @mlc.jit
    def written(x):
        for row in kept:
            row += x
        return x

    with pytest.raises(mlc.MlcError, match="was not made in the function"):
        written(X)
    np.testing.assert_array_equal(kept, ROWS)
