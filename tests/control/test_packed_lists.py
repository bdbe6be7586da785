"""Lists of many numbers among the arguments, which are passed as one array."""

import copy

import numpy as np
import pytest

import mlc
from mlc.runtime.native_call import is_native
from mlc.specialization import SLOW_CALLS

NUMBERS = [(7 * n) % 31 for n in range(48)]
GRID = [[(5 * i + 3 * j) % 11 for j in range(9)] for i in range(8)]


def compared(function, *args, count=1):
    """The result of ``function``, compiled, which is Python's, and so is what it leaves in the
    arguments: the same lists, with numbers of the same types."""
    compiled = mlc.jit(function)
    for _ in range(2):
        plain, given = copy.deepcopy(args), copy.deepcopy(args)
        inner = [list(map(id, box)) for box in given if isinstance(box, list)]
        wanted, found = function(*plain), compiled(*given)
        assert repr(found) == repr(wanted)
        assert repr(given) == repr(plain)
        for box, ids in zip([box for box in given if isinstance(box, list)], inner):
            if box and all(isinstance(item, list) for item in box):
                kept = [id(item) for item in box[: len(ids)]]
                assert kept == ids[: len(kept)]
    assert len(compiled.cache_info()) == count
    return compiled


def test_a_list_is_one_array_of_the_signature():
    def total(values):
        s = 0
        for value in values:
            s += value
        return s, values[0], len(values)

    compiled = compared(total, NUMBERS)
    assert compiled.cache_info().rows[0].signature == "values: (int64[48])"
    assert compiled(NUMBERS[::-1])[0] == sum(NUMBERS)
    assert len(compiled.cache_info()) == 1
    assert compiled(NUMBERS[1:])[0] == sum(NUMBERS[1:])
    assert len(compiled.cache_info()) == 2


def test_lists_of_lists_are_told_apart_by_their_lengths():
    def corners(grid):
        return grid[0][0], grid[-1][-1], len(grid), len(grid[0])

    compiled = compared(corners, GRID)
    tall = [row[:4] for row in GRID + GRID + GRID]
    assert compiled(tall) == corners(tall)
    ragged = [NUMBERS[: 3 * n] for n in range(1, 9)]
    assert compiled(ragged) == corners(ragged)
    assert len(compiled.cache_info()) == 3


def test_a_list_is_an_array_as_numpy_makes_it():
    def array(values, grid):
        return np.array(values), np.array(grid), np.array(values[2:40:3])

    compared(array, [n / 4 for n in NUMBERS], GRID)


def test_items_at_places_that_data_choose():
    def chain(values):
        at = steps = 0
        while steps < 100 and at < len(values):
            at = values[at] + 1
            steps += 1
        return at, steps

    compared(chain, NUMBERS)


def test_a_list_is_sorted_in_place():
    def bubbles(values):
        for i in range(len(values)):
            for j in range(len(values) - 1 - i):
                if values[j] > values[j + 1]:
                    values[j], values[j + 1] = values[j + 1], values[j]

    compared(bubbles, NUMBERS)


def test_items_are_appended_and_taken():
    def filtered(values):
        for i in range(len(values)):
            if values[i] > 12:
                values.append(values[i] * 2)
        while values[-1] > 30:
            values.pop()
        return len(values)

    compared(filtered, NUMBERS)


def test_lists_in_lists_are_written_in_place():
    def sums(grid):
        for i in range(1, len(grid)):
            for j in range(len(grid[0])):
                grid[i][j] = grid[i - 1][j] + grid[i][j]
        return grid[-1][-1]

    compared(sums, GRID)


def test_lists_of_several_lengths_grow():
    def spread(rows):
        for k in range(64):
            rows[k % 8].append(rows[(k * 3) % 8][0] + k)
        return [len(row) for row in rows]

    compared(spread, [NUMBERS[: 3 * n] for n in range(1, 9)])


def test_rows_are_gone_through():
    def most(grid):
        best = 0
        for row in grid:
            s = 0
            for value in row:
                s += value
            if s > best:
                best = s
        return best

    compared(most, GRID)


def test_tuples_of_several_types():
    def degrees(n, edges):
        near, weight = [0] * n, 0.0
        for u, v, w in edges:
            near[u] += 1
            near[v] += 1
            weight += w
        return near, weight, edges[1]

    edges = [(n % 7, (n * 3) % 7, n / 8) for n in range(20)]
    compiled = compared(degrees, 7, edges)
    assert compiled.cache_info().rows[0].signature == "n=7, edges: (int64[40], float64[20])"


def test_pythons_functions_of_a_list():
    def many(values):
        return sum(values), max(values), min(values), sorted(values)[3], 30 in values, any(values)

    compared(many, NUMBERS)
    compared(many, [n / 8 for n in NUMBERS])


def test_a_loop_that_makes_its_list_longer():
    def doubled(values):
        for value in values:
            if len(values) < 56 and value > 0:
                values.append(value - 1)
        return sum(values)

    compared(doubled, NUMBERS)


def test_sizes_are_wanted_of_numbers():
    def rooms(values):
        return np.zeros(values[3] + 1).shape, values[40]

    compared(rooms, NUMBERS)


def test_lists_in_dicts():
    def spent(model):
        model["n"] += 1
        return sum(model["weights"]) * model["n"]

    compared(spent, {"n": 2, "weights": NUMBERS})


@pytest.mark.skipif(not is_native(), reason="calls are not native on this platform")
def test_native_calls_take_lists_apart():
    def ends(values, grid):
        return values[0] + values[-1], grid[0][0] * grid[7][8]

    compiled = compared(ends, [n / 4 for n in NUMBERS], GRID)
    for _ in range(SLOW_CALLS):
        compiled([0.5] * 48, GRID)
    slow, compiled._slow = compiled._slow, None
    try:
        assert compiled([1.5] * 48, GRID) == (3.0, GRID[0][0] * GRID[7][8])
    finally:
        compiled._slow = slow
    assert compiled([1.5] * 47 + [2], GRID)[0] == 3.5


def test_int_too_large():
    compiled = mlc.jit(lambda values: values[0])
    with pytest.raises(mlc.ArgumentError, match=r"argument values\[5\] .* does not fit int64"):
        compiled([*NUMBERS[:5], 1 << 70, *NUMBERS])


def test_one_list_in_two_places():
    @mlc.jit
    def moved(a, b):
        for i in range(len(a)):
            a[i] = b[len(b) - 1 - i]
        return a[0]

    values = list(NUMBERS)
    with pytest.raises(mlc.UnsupportedError, match="in several places"):
        moved(values, values)


def test_numbers_that_are_passed_each_on_its_own_after_all():
    """Lists change places with one that is made in the loop, as the trace finds once it is late."""

    def waved(rows, before):
        fresh = [[0.0] * len(rows[0]) for _ in range(len(rows))]
        for i in range(1, len(rows) - 1):
            for j in range(1, len(rows[0]) - 1):
                fresh[i][j] = 2 * rows[i][j] - before[i][j]
        return fresh

    def steps(t, rows, before):
        while t < 0.5:
            t += 0.25
            fresh = waved(rows, before)
            before = rows
            rows = fresh
        return rows

    args = 0.0, [[3 * i + j for j in range(12)] for i in range(5)], [[0] * 12] * 5
    compared(steps, *args)


def test_rows_that_long_nests_add_to_are_arrays():
    def product(a, b):
        n, m, depth = len(a), len(b[0]), len(b)
        c = [[0.0] * m for _ in range(n)]
        for i in range(n):
            for j in range(m):
                for k in range(depth):
                    c[i][j] += a[i][k] * b[k][j]
        return c

    rows = [[(5 * i + 3 * j) % 11 / 8 for j in range(14)] for i in range(14)]
    compiled = compared(product, rows, rows[::-1])
    assert str(compiled.lower(rows, rows[::-1]).program).count("for ") < 30
    assert len(str(compiled.lower(rows, rows[::-1]).program)) < 20_000
