"""How often the body of a loop is traced until its types are settled."""

import itertools

import ml_dtypes
import numpy as np
import pytest

import mlc
from mlc.control import carry, rounds
from mlc.control.fitting import Fitting
from mlc.errors import HostStateError


@pytest.fixture
def attempts(monkeypatch):
    """Whether each attempt has settled what is carried."""
    settled = []
    attempt = rounds.attempt

    def counted(*args):
        settled.append(False)
        place = len(settled) - 1
        made = attempt(*args)
        settled[place] = made is not None
        return made

    monkeypatch.setattr(carry, "attempt", counted)
    return settled


def test_a_settled_loop_is_traced_once_more_to_compare(attempts):
    def f(x):
        y = np.zeros(400)
        s = 0
        for i in range(400):
            s = s + x[i]
            y[i] = s
        return s, y

    x = np.arange(400) * 0.5
    np.testing.assert_array_equal(mlc.jit(f)(x)[1], f(x)[1])
    assert attempts == [False, False, True, True]


def places_around_places(x):
    """Places that a generator reads are variables of a closure."""
    y = np.zeros(x.shape)
    for p in np.ndindex(x.shape):
        for q in np.ndindex(x.shape):
            y[p] += x[tuple((a + b) % n for a, b, n in zip(p, q, x.shape))]
    return y


@pytest.mark.parametrize("ndim", [2, 3, 4])
def test_deep_nests_are_traced_no_more_often_than_flat_ones(ndim, attempts):
    x = np.random.default_rng(ndim).random((7, 6, 5, 4)[:ndim])
    np.testing.assert_allclose(mlc.jit(places_around_places)(x), places_around_places(x), 1e-12)
    assert len(attempts) < 30 * ndim  # not some power of two by each axis


@pytest.mark.parametrize("period", [2, 3])
def test_what_changes_each_time_is_found_whatever_its_period(period):
    draw = itertools.cycle(range(period)).__next__

    @mlc.jit
    def f(x):
        return mlc.fori_loop(0, 10, lambda i, s: s + x[i] * draw(), 0.0)

    with pytest.raises(HostStateError):
        f(np.ones(10))


def items_in_branches(x):
    """Each branch changes a part of what the one around it changes."""
    held = [0.0] * 6
    for v in x:
        if v > 0:
            held[0] += v
            if v > 1:
                held[1] += v
                if v > 2:
                    held[2] += v
                    if v > 3:
                        held[3] += v
                        if v > 4:
                            held[4] += v
                        else:
                            held[5] += 1
    return np.array(held)


def numbers_in_branches(x):
    """Each number gets its first value in a branch, an int on one way, a float on the other."""
    total = 0.0
    for v in x:
        if v > 0:
            if v > 1:
                if v > 2:
                    if v > 3:
                        a = v if v > 4 else 4
                    else:
                        a = 3
                    b = a * 2
                else:
                    b = v
                c = b + 1
            else:
                c = 1
        else:
            c = v
        total += c
    return total


def pushed(rows, v):
    if v > 0:
        rows[0] += v
    return rows


def arrays_in_a_function(x):
    """What a function writes to is made anew each time that the loop around it is traced."""
    best = 0.0
    for v in x:
        rows = np.zeros(3)
        for w in x:
            if w > v:
                for u in x:
                    if u < w:
                        rows = pushed(rows, u)
        best = max(best, rows[0])
    return best


@pytest.mark.parametrize("f, most", [
    (items_in_branches, 100), (numbers_in_branches, 20), (arrays_in_a_function, 40),
])  # fmt: skip
def test_what_parts_of_nests_carry_is_remembered(f, most, attempts):
    x = np.random.default_rng(3).uniform(-1, 6, 200)
    np.testing.assert_allclose(mlc.jit(f)(x), f(x), 1e-12)
    assert len(attempts) <= most


def accumulated(x):
    total = 0
    for v in x:
        total = total + (v if v > 1 else 0)
    return total


@pytest.mark.parametrize("first", [np.float64, np.int64])
def test_what_was_found_of_other_types_is_not_taken_over(first):
    def f(x, y):
        return accumulated(x), accumulated(y)

    x = np.arange(200).astype(first)
    y = np.arange(200).astype(np.int64 if first is np.float64 else np.float64)
    for got, want in zip(mlc.jit(f)(x, y), f(x, y)):
        assert np.asarray(got).dtype == np.asarray(want).dtype
        assert got == want


def test_items_that_a_branch_leaves_alone_are_passed_over(monkeypatch):
    looked = []
    add = Fitting.add

    def counted(fitting, n, held):
        looked.append(n)
        add(fitting, n, held)

    def f(x):
        flags = [0] * 100
        for k in (0, 3, 5):
            if x[k] > 0:
                flags[k] = 1
        return flags

    monkeypatch.setattr(Fitting, "add", counted)
    x = np.random.default_rng(4).standard_normal(60)
    assert mlc.jit(f)(x) == f(x)
    assert 3 <= len(set(looked)) < len(looked) < 100  # not each item, for each branch


def near(x, y, across, radius):
    grid = [[False for _ in range(across)] for _ in range(across)]
    for i in range(across):
        for j in range(across):
            for a, b in zip(x, y):
                if np.hypot(a - i, b - j) <= radius:
                    grid[i][j] = True
                    break
    return grid


def test_many_branches_that_change_lists_in_lists_make_them_rows(attempts):
    x, y = np.random.default_rng(5).uniform(0, 12, (2, 9)).tolist()
    f = mlc.jit(near, static_argnames="across")
    np.testing.assert_array_equal(f(x, y, 12, 1.5), near(x, y, 12, 1.5))
    assert len(attempts) < 12 * 12 * 9  # not some for each place and each point


def weighed(values, left, at, a, b, c, d):
    if at == len(values) or left <= 0:
        return a + b * 2 + c * 3 + d * 4
    most = weighed(values, left, at + 1, a, b, c, d)
    other = weighed(values, left - values[at], at + 1, a + values[at], b + 1, c, d + a)
    return max(most, other) + a - b + c - d


def test_all_lists_of_a_recursion_become_arrays_at_once(attempts):
    values = np.array([3, 1, 4, 1, 5])
    start = np.int64(0)
    args = values, np.int64(8), start, start, start, start, start
    assert mlc.jit(weighed)(*args) == weighed(*args)
    assert len(attempts) < 90


def widened_on_one_way(x, n):
    """One side returns, the other makes a complex number of a real one."""
    step, count = -3.5, 0
    while abs(step) > 0.1 and count < n:
        x = x * 0.5
        if abs(x) < 1e-9:
            return x
        step = x * 1j
        count += 1
    return x


def test_a_number_that_one_side_makes_complex_is_carried_as_such_by_both():
    for x, n in [(3 + 1j, 20), (1e-10 + 0j, 20), (3 + 1j, 2)]:
        assert mlc.jit(widened_on_one_way)(x, n) == widened_on_one_way(x, n)


def test_a_lookup_of_ours_that_fails_is_no_error_of_the_users(monkeypatch):
    """It is not noted as what the call is to raise if the data come there."""
    monkeypatch.setattr(Fitting, "end_with", lambda fitting, n, end: True)
    with pytest.raises(KeyError) as caught:
        mlc.jit(widened_on_one_way).lower(3 + 1j, 20)
    assert caught.traceback[-1].path.name == "rounds.py"


KEPT = []


def table(rows, columns):
    return [[0 for _ in range(columns)] for _ in range(rows)]


def one_row(rows, columns):
    row = [0] * columns
    return [row, [1] * columns, row]


def kept_row(rows, columns):
    made = table(rows, columns)
    KEPT[:] = made[1:2]
    return made


def filled(make, x):
    made = make(len(x), len(x[0]))
    for i in range(len(x)):
        for j in range(len(x[0])):
            total = 0
            for k in range(len(x)):
                total += x[k][j] * x[i][k]
            made[i][j] += total
    return made


def test_rows_that_a_function_has_made_become_arrays(attempts):
    x = [[0.5 * i - j for j in range(10)] for i in range(10)]
    assert mlc.jit(lambda x: filled(table, x))(x) == filled(table, x)
    assert len(attempts) < 60  # not for each element


@pytest.mark.parametrize("make", [one_row, kept_row])
def test_rows_that_others_know_are_written_to_in_place(make):
    x = [[0.5 * i - j for j in range(3)] for i in range(3)]
    wanted = filled(make, x), [list(row) for row in KEPT]
    KEPT.clear()
    assert (mlc.jit(lambda x: filled(make, x))(x), KEPT) == wanted
    KEPT.clear()


WITHOUT_SOURCE = """
def f(x):
    y, fails, counts = np.zeros(10) + x[0], [], []

    def body(i, s):
        y[i] = s
        if fails:
            raise mlc.UnsupportedError("not now")
        return s + x[i]

    for is_failing in (False, False, True, False, False):
        fails[:] = [1] * is_failing
        before = len(attempts)
        try:
            mlc.fori_loop(0, 10, body, 0.0)
        except mlc.UnsupportedError:
            pass
        counts.append(len(attempts) - before)
    found.append(counts)
    return y
"""


def test_what_fails_whatever_was_found_is_no_reason_to_find_all_anew_forever(attempts):
    found = []
    space = {"np": np, "mlc": mlc, "attempts": attempts, "found": found}
    exec(WITHOUT_SOURCE, space)
    mlc.jit(space["f"])(np.arange(10.0))
    ((first, second, _, after, last),) = found
    assert last == second < first == after


def test_a_variable_that_a_function_in_the_function_changes_is_carried_once(attempts):
    def f(x):
        s, n = 0.0, 0

        def add(v):
            nonlocal s
            s += v
            return s

        while s < 10.0:
            s += x[n % 3]
            add(x[n % 3] * 0.5)
            n += 1
        return s, n

    x = np.array([1.0, 2.0, 0.5])
    assert mlc.jit(f)(x) == f(x)
    assert len(attempts) < 12  # and not without end


def counted_in_a_nest(x):
    calls = 0

    def count(v):
        nonlocal calls
        calls += 1
        return v

    s = 0.0
    for i in mlc.range(4):
        for j in mlc.range(4):
            for k in mlc.range(4):
                if x[k] > 1.0 and x[j] > x[k]:
                    s += count(x[i])
    return s, calls


def drawn_in_a_nest(x, seed=0):
    rng = np.random.default_rng(seed)
    s = 0.0
    for i in mlc.range(4):
        for j in mlc.range(4):
            for k in mlc.range(4):
                if x[k] > 1.0 and x[j] > x[k]:
                    s += x[i] * rng.normal()
    return s, rng.random()


@pytest.mark.parametrize(("f", "most"), [(counted_in_a_nest, 70), (drawn_in_a_nest, 150)])
def test_what_functions_change_is_found_once_in_a_nest(f, most, attempts):
    x = np.array([1.0, 2.0, 0.5, 3.0])
    np.testing.assert_array_equal(mlc.jit(f)(x), f(x))
    assert len(attempts) < most  # not some power of two by each level


@pytest.mark.parametrize("dtype", [ml_dtypes.bfloat16, np.float16])
@pytest.mark.parametrize("count", [3, 12])
def test_a_python_float_to_which_narrow_floats_are_added_becomes_one(dtype, count):
    def f(x):
        total = 0.0
        for i in range(len(x)):
            for j in range(i + 1, len(x)):
                total += x[j] - x[i]
        return total

    found = mlc.jit(f)(np.arange(count).astype(dtype) % 3)  # the longer loop is native
    assert found.dtype == dtype and found == f(np.arange(count) % 3)


def test_calls_that_are_long_to_trace_become_a_loop_early(attempts):
    def queens(board):
        n = board.shape[0]

        def is_safe(row, col):
            for i in range(col):
                if board[row, i] == 1:
                    return False
            for i, j in zip(range(row, -1, -1), range(col, -1, -1)):
                if board[i, j] == 1:
                    return False
            is_free = True
            for i, j in zip(range(row, n), range(col, -1, -1)):
                is_free = is_free and board[i, j] == 0
            return is_free

        def solve(col):
            if col >= n:
                return True
            for i in range(n):
                if is_safe(i, col):
                    board[i, col] = 1
                    if solve(col + 1):
                        return True
                    board[i, col] = 0
            return False

        return solve(0), board

    found, want = mlc.jit(queens)(np.zeros((6, 6), int)), queens(np.zeros((6, 6), int))
    assert found[0] == want[0]
    np.testing.assert_array_equal(found[1], want[1])
    assert len(attempts) < 450  # each call was traced four times as often
