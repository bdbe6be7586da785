"""Lists that grow in loops of known length: native loops, whose rows are read when asked for."""

from typing import Any

import numpy as np
import pytest

import mlc
from mlc.control import growing


def _sums(x):
    out, s = [], 0.0
    for i in range(300):
        s = s + x[i % 10] * np.exp(-s)
        out.append(s)
    return out, sum(out[:3]), np.array(out), np.mean(out), out[-1], len(out)


def _arrays(x):
    path = [x]
    for _ in range(100):
        x = x + 0.1 * np.sin(x)
        path.append(x)
    x *= 2  # path[-1] is the same array
    return path, np.array(path)


def _reads_the_last(x):
    path = [x]
    for _ in range(100):
        path.append(path[-1] + 0.1 * np.cos(path[-1]))
    return np.array(path)


def _written_before(x):
    out, y = [], x.copy()
    for _ in range(100):
        y = y + 1
        out.append(y)
        y[0] = 0
    return np.array(out), y


def _pairs(x):
    path, i = [], 0
    for _ in range(200):
        path.append((i, x[i]))
        i = (i * 3 + 1) % 10
    return path, np.array(path)


class _Log:
    def __init__(self):
        self.sums, self.more = [], {"large": []}


def _in_objects(x):
    log = _Log()
    for _ in range(100):
        x = x * 0.9
        log.sums.append(x.sum())
        log.more["large"].append(x.max() > 0.5)
    return log.sums, log.more["large"], any(log.more["large"])


def _two_at_a_time(x):
    out = [1.0]
    for t, v in enumerate(np.tile(x, 20)):
        out.append(v * t)
        out.append(v + t)
    return out


def _rows_of_rows(x):
    rows = []
    for i in range(30):
        row = []
        for j in range(60):
            row.append(x[j % 10] * i)
        rows.append(row)
    return np.array(rows)


def _known_at_first(x):
    history, w = [], np.zeros(10)
    for _ in range(100):
        history.append(w.copy())
        w -= 0.1 * (w - x)
    return history, w


def _small(x):
    out = []
    for i in range(100):
        out.append(np.float32(i) * x.astype(np.float32)[0])
    return out, np.asarray(out), np.stack([out[0], out[1]]), out[::7]


def _downwards(x):
    out = []
    for i in range(400, 3, -2):
        out.append(x[i % 10] + i)
    return out


def _until_settled(x):
    history, guess = [], x[0] + 1
    for step in range(200):
        better = 0.5 * (guess + x[1] / guess)
        history.append((step, better))
        if abs(better - guess) < 1e-12:
            break
        guess = better
    else:
        guess = -guess
    return history, guess, np.array(history)


def _never_left(x):
    out = []
    for i in range(100):
        out.append(x[i % 10] + i)
        if x[0] > 3:
            break
    return out


def _left_at_once(x):
    out = []
    for i in range(100):
        x = x + i
        out.append(x)
        if x[0] < 3:
            break
    x += 1
    return out, x


NATIVE = [
    _sums, _arrays, _reads_the_last, _written_before, _pairs, _in_objects, _two_at_a_time,
    _rows_of_rows, _known_at_first, _small, _downwards, _until_settled, _never_left, _left_at_once,
]  # fmt: skip


def _the_same_array(x):
    out = []
    for _ in range(100):
        x[0] += 1
        out.append(x)
    return np.array(out)


def _written_after(x):
    out, y = [], x.copy()
    for _ in range(100):
        y[1] = 5
        y = y + 1
        out.append(y)
    y[2] = 77
    return np.array(out), y


def _asks_for_the_length(x):
    out = []
    for i in range(100):
        out.append(x[len(out) % 2] * i)
    return out


def _reads_others(x):
    out = []
    for i in range(100):
        x = x + 1
        out.append(x.copy())
        if i > 3:
            out[-2][0] = 9
    return out


def _in_two_lists(x):
    a, b = [], []
    for _ in range(100):
        x = x * 1.01
        a.append(x)
        b.append(x)
    a[3][0] = 5
    return a, b


def _window(x):
    out = []
    for i in range(100):
        out.append(x[i % 10] * i)
        if len(out) > 3:
            out.pop(0)
    return out


def test_the_data_choose_how_long_the_list_is():
    fast = mlc.jit(_until_settled)
    for last in (0.1, 2.0, 1e6, 2.0):
        x = np.array([1.0, last])
        _same(fast(x), _until_settled(x))


UNROLLED = [
    _the_same_array, _written_after, _asks_for_the_length, _reads_others, _in_two_lists, _window,
]  # fmt: skip


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each loop that appends became native."""
    found: list[bool] = []
    run = growing._Native.run

    def noted(self: Any) -> bool:
        found.append(run(self))
        return found[-1]

    monkeypatch.setattr(growing._Native, "run", noted)
    return found


def _check(function: Any) -> None:
    x = np.random.default_rng(0).random(10)
    fast = mlc.jit(function)
    for _ in range(2):
        theirs, ours = x.copy(), x.copy()
        expected, got = function(theirs), fast(ours)
        _same(got, expected)
        assert np.array_equal(theirs, ours)


def _same(got: Any, expected: Any) -> None:
    assert type(got) is type(expected)
    if isinstance(expected, (list, tuple)):
        assert len(got) == len(expected)
        for a, b in zip(got, expected):
            _same(a, b)
        return
    assert np.asarray(got).dtype == np.asarray(expected).dtype
    np.testing.assert_allclose(got, expected, rtol=1e-12 if np.asarray(got).itemsize > 4 else 1e-6)


@pytest.mark.parametrize("function", NATIVE, ids=lambda f: f.__name__.strip("_"))
def test_what_iterations_append_are_rows_of_an_array(function, done):
    _check(function)
    assert done and all(done)


@pytest.mark.parametrize("function", UNROLLED, ids=lambda f: f.__name__.strip("_"))
def test_other_loops_that_append_are_unrolled(function, done):
    _check(function)
    assert not any(done)


def test_a_long_list_is_one_array_and_one_output():
    def f(x):
        out = []
        for i in range(5000):
            x = x * 0.999
            out.append(x[i % 4] + i)
        return out

    lowered = mlc.jit(f).lower(np.ones(4))
    assert len(str(lowered.graph).splitlines()) < 20


def test_rows_that_are_returned_are_arrays_of_their_own():
    @mlc.jit
    def f(x):
        out = []
        for _ in range(100):
            x = x + 1
            out.append(x)
        return out

    made = f(np.zeros(3))
    made[4][0] = 100.0
    assert made[5][0] == 6 and made[4].base is None and made[4].flags.owndata


def test_a_list_that_a_branch_holds_as_one_stays_one_in_the_loops_of_the_branch():
    """All behind the first error is a branch, in which the list cannot be arrays: that loops in it
    try to append rows first must not make it forget so."""

    def solved(table: Any) -> Any:
        table = np.copy(table)
        n = table.shape[0]
        found: list[Any] = []
        for k in range(n):
            if abs(table[k, k]) < 1e-8:
                raise ValueError("singular")
            if k:
                for i in range(k, n):
                    table[i] -= table[i, k - 1] / table[k - 1, k - 1] * table[k - 1]
        for k in range(n - 1, -1, -1):
            x = table[k, -1] / table[k, k]
            found.insert(0, x)
            for i in range(k - 1, -1, -1):
                table[i, -1] -= table[i, k] * x
        return np.asarray(found)

    table = np.random.default_rng(0).standard_normal((7, 8)) + 7 * np.eye(7, 8)
    compiled = mlc.jit(solved)
    np.testing.assert_allclose(compiled(table), solved(table), rtol=1e-13)
    with pytest.raises(ValueError, match="singular"):
        compiled(table * 0)


def test_lists_to_which_nothing_is_ever_appended():
    def empty(x: Any) -> Any:
        q: list[Any] = []
        for _ in range(1, len(x)):
            if (x > 0).any():
                continue
            q.reverse()
        pairs = [(v, n) for n, v in enumerate(q)], list(zip(q, [1, 2])), list(reversed(q))
        return sum(q, 0.5), max(q, default=1.0), len(q), any(q), pairs

    def largest(x: Any) -> Any:
        q: list[Any] = []
        for v in x:
            if v < 0:
                q.reverse()
        return max(q)

    x = np.arange(4.0)
    assert mlc.jit(empty)(x) == empty(x)
    with pytest.raises(ValueError, match="empty sequence"):
        mlc.jit(largest)(x)
