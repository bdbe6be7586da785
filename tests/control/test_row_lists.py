"""Lists of lists that data decide about, beside Python's own."""

import heapq
from collections import defaultdict, deque
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.tracer import again

from .test_tables import same

RNG = np.random.default_rng(1)
EDGES = RNG.integers(0, 9, (15, 2))
WORTH = RNG.integers(1, 20, 8)
WEIGHTS = RNG.integers(1, 9, 8)


def knapsack(weights: Any, worth: Any, most: int) -> Any:
    n = len(weights)
    best = [[0] * (most + 1) for _ in range(n + 1)]
    for i in range(1, n + 1):
        for c in range(most + 1):
            best[i][c] = best[i - 1][c]
            if weights[i - 1] <= c:
                other = best[i - 1][c - weights[i - 1]] + worth[i - 1]
                best[i][c] = max(best[i][c], other)
    return best[n][most]


def distances(edges: Any, n: int) -> Any:
    near = [[] for _ in range(n)]
    for u, v in edges:
        near[u].append(v)
        near[v].append(u)
    steps = [-1] * n
    steps[0] = 0
    queue = deque([0])
    while queue:
        u = queue.popleft()
        for v in near[u]:
            if steps[v] < 0:
                steps[v] = steps[u] + 1
                queue.append(v)
    return np.array(steps)


def cheapest(edges: Any, costs: Any, n: int) -> Any:
    near = [[] for _ in range(n)]
    for k in range(len(edges)):
        u, v = edges[k]
        near[u].append((v, costs[k]))
        near[v].append((u, costs[k]))
    total = [np.inf] * n
    total[0] = 0.0
    heap = [(0.0, 0)]
    while heap:
        so_far, u = heapq.heappop(heap)
        if so_far > total[u]:
            continue
        for v, cost in near[u]:
            if so_far + cost < total[v]:
                total[v] = so_far + cost
                heapq.heappush(heap, (so_far + cost, v))
    return np.array(total)


def grouped(labels: Any, x: Any) -> Any:
    groups = defaultdict(list)
    for i in range(len(labels)):
        groups[int(labels[i])].append(i)
    sums = np.zeros(9)
    for label in groups:
        for i in groups[label]:
            sums[label] += x[i]
        sums[label] /= len(groups[label])
    return sums


def coins(values: Any, amount: int) -> Any:
    fewest = [0] + [10**9] * amount
    for value in values:
        for a in range(value, amount + 1):
            fewest[a] = min(fewest[a], fewest[a - value] + 1)
    return fewest[amount]


def swapped(x: Any) -> Any:
    table = [[0, 0], [1, 1]]
    for v in x:
        table[0], table[1] = table[1], table[0]
        table[int(abs(v)) % 2][0] += 1
    return table


@pytest.mark.parametrize(
    "function, arguments",
    [
        (knapsack, (WEIGHTS, WORTH, 9)), (distances, (EDGES, 9)),
        (cheapest, (EDGES, RNG.random(15), 9)), (grouped, (EDGES[:, 0], RNG.random(15))),
        (coins, (np.array([1, 5, 10]), 63)), (swapped, (RNG.integers(-9, 9, 8),)),
    ],
)  # fmt: skip
def test_rows_are_as_python_has_them(function: Any, arguments: Any) -> None:
    assert same(mlc.jit(function)(*arguments), function(*arguments))


def returned(edges: Any, n: int) -> Any:
    near = [[] for _ in range(n)]
    for u, v in edges:
        near[u].append(v)
    return near, near[2]


def as_array(x: Any, n: int) -> Any:
    table = [[0.5] * n for _ in range(n)]
    for k in range(len(x)):
        table[x[k, 0]][x[k, 1]] += 1.0
    return np.array(table)


@pytest.mark.parametrize("function", [returned, as_array])
def test_rows_are_results(function: Any) -> None:
    assert same(mlc.jit(function)(EDGES, 9), function(EDGES, 9))


def test_one_list_at_two_places_is_refused() -> None:
    def f(x: Any) -> Any:
        table = [[0] * 3] * 3
        for k in range(len(x)):
            table[x[k, 0]][x[k, 1]] += 1
        return table

    with pytest.raises(mlc.MlcError):
        mlc.jit(f)(EDGES % 3)


def folds(x: Any, labels: Any, k: int) -> Any:
    rows = [[] for _ in range(k)]
    for i in range(len(labels)):
        rows[labels[i]].append(x[i])
    out = []
    for j in range(k):
        if len(rows[j]) > 0:
            out.append((np.sum(rows[j]), np.mean(rows[j]), np.std(rows[j]), np.max(rows[j])))
        else:
            out.append((np.sum(x[:0]), np.float64(0.0), np.float64(0.0), np.min(x)))
    return out


@pytest.mark.parametrize("x", [RNG.random(15), RNG.integers(0, 9, 15)])
def test_numpy_folds_a_row(x: Any) -> None:
    labels = EDGES[:, 0] % 4
    for got, want in zip(mlc.jit(folds)(x, labels, 4), folds(x, labels, 4), strict=True):
        for one, other in zip(got, want, strict=True):
            assert type(one) is type(other) and np.isclose(one, other, rtol=1e-14, atol=1e-15)


def clusters_of(x: Any, k: int) -> Any:
    centers = [x[i] for i in range(k)]
    for _ in range(4):
        clusters = [[] for _ in range(k)]
        for p in x:
            near = np.argmin([np.sum((p - c) ** 2) for c in centers])
            clusters[near].append(p)
        for j in range(k):
            centers[j] = np.mean(clusters[j], axis=0)
    return np.array(centers)


def test_means_of_rows_of_arrays() -> None:
    x = RNG.random((20, 2))
    np.testing.assert_allclose(mlc.jit(clusters_of)(x, 3), clusters_of(x, 3), rtol=1e-13)


def test_the_mean_of_an_empty_row_of_arrays_is_refused() -> None:
    def first(x: Any, n: Any) -> Any:
        rows: list[Any] = [[], []]
        for i in range(4):
            rows[n[i]].append(x[i])
        return np.mean(rows[1], axis=0)

    x = RNG.random((4, 2))
    n = np.array([0, 1, 1, 0])
    compiled = mlc.jit(first)
    np.testing.assert_allclose(compiled(x, n), first(x, n), rtol=1e-14)
    with pytest.raises(ValueError, match="no arrays whose shape the result could be of"):
        compiled(x, np.zeros(4, int))


def test_a_dict_of_rows_is_given_back() -> None:
    def places(labels: Any) -> Any:
        found = defaultdict(list)
        for i in range(len(labels)):
            found[labels[i]].append(i)
        return dict(found)

    labels = EDGES[:, 1]
    assert same(mlc.jit(places)(labels), places(labels))


def test_lists_with_another_name_stay_what_they_are() -> None:
    def at_a_place(i: Any) -> Any:
        first: list[Any] = []
        both = [first, [3]]
        both[i].append(i)
        return first, both

    def in_a_loop(n: Any) -> Any:
        first: list[Any] = []
        both = [row for row in (first, [3], [4]) if row != [4]]
        for k in range(n):
            both[k % 2].append(k)
        return first, both

    for i in (0, 1, 4):
        assert mlc.jit(in_a_loop)(i) == in_a_loop(i)
    for i in (0, 1):
        assert mlc.jit(at_a_place)(i) == at_a_place(i)


def test_lists_of_a_loop_that_are_appended_under_a_condition(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def kept(x: Any) -> Any:
        rows = []
        for i in range(len(x)):
            row = []
            for j in range(len(x)):
                if x[j] > i:
                    row.append(j)
            if len(row) > 1:
                rows.append(row)
        return rows

    def no_other_way(*args: Any) -> Any:
        raise AssertionError("rows come first")

    monkeypatch.setattr(again, "_unhurried", no_other_way)  # which takes several times as long
    monkeypatch.setattr(again, "_otherwise", no_other_way)
    x = np.array([3.0, 2, 5, 1, 7] * 2 + [-1] * 20)
    assert mlc.jit(kept)(x) == kept(x)


def test_lists_that_are_changed_after_they_were_appended() -> None:
    def at_once(x: Any) -> Any:
        rows = []
        i = 0
        while x[i] > 0:
            row = []
            for j in range(len(x)):
                if x[j] > i:
                    row.append(j)
            rows.append(row)
            row.append(-1)
            i += 1
        return rows

    def in_the_next_round(x: Any) -> Any:
        rows = []
        row = []
        for i in range(len(x)):
            if x[i] > 2:
                row.append(i)
                rows.append(row)
        return rows

    def at_a_place(x: Any) -> Any:
        rows = [[] for _ in range(3)]
        for i in range(len(x)):
            row = []
            for j in range(len(x)):
                if x[j] > i:
                    row.append(j)
            rows[int(x[i]) % 3] = row
            row.append(7)
        return rows

    x = np.array([3.0, 2, 5, 1, 7] * 2 + [-1] * 20)
    for function in (at_once, in_the_next_round, at_a_place):
        with pytest.raises(mlc.UnsupportedError, match=r"is changed|changes the items"):
            mlc.jit(function)(x)


def test_lists_that_name_another_after_they_were_appended() -> None:
    def runs(x: Any) -> Any:
        found, run = [], []
        for i in range(len(x)):
            if x[i] > 2:
                run.append(i)
            else:
                if len(run) > 0:
                    found.append(run)
                run = []
        return found

    x = np.array([3.0, 2, 5, 1, 7] * 2 + [-1] * 20)
    assert mlc.jit(runs)(x) == runs(x)


def rows_looked_for(x: Any) -> Any:
    rows = x.tolist()
    shares = [rows.count(row) / len(rows) for row in [[0, 0], [0, 1], [1, 0]]]
    found = rows.count([1, 0]), rows.index([0, 1]), [1, 1] in rows, (1, 0) in rows
    rows.remove([1, 0])
    return shares, found, rows


def pairs_looked_for(x: Any) -> Any:
    rows: Any = []
    pairs: Any = []
    for row in x:
        if row[0] + row[1] > 0:
            rows.append([int(row[0]), int(row[1])])
            pairs.append((int(row[0]), int(row[1])))
    found = rows.count([1, 0]), rows.index([1, 1]), (1, 0) in rows, rows.count((1, 0))
    return found, (pairs.count((1, 0)), pairs.index((1, 1)), [1, 0] in pairs)


@pytest.mark.parametrize("function", [rows_looked_for, pairs_looked_for])
def test_rows_are_found_among_rows(function: Any) -> None:
    x = np.array([[1, 0], [0, 1], [1, 0], [0, 0], [1, 1]])
    same(mlc.jit(function)(x), function(x))
