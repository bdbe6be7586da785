"""Dicts and sets whose keys data choose, beside Python's own."""

from collections import Counter, defaultdict, deque
from typing import Any

import numpy as np
import pytest

import mlc

RNG = np.random.default_rng(0)
LABELS = RNG.integers(-2, 4, 40)
EDGES = RNG.integers(0, 12, (20, 2))
GRID = RNG.random((8, 8)) < 0.7
VALUES = np.array([0.5, -0.0, 2.0, 0.0, 0.5, 3.25, 2.0, -1.5] * 4)


def same(a: Any, b: Any) -> bool:
    """Whether two results are of the same classes, with the same things in the same order."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return same(list(a.items()), list(b.items()))
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b if isinstance(a, set) else np.array_equal(a, b)


def counted(labels: Any) -> Any:
    counts = {}
    for label in labels:
        counts[label] = counts.get(label, 0) + 1
    return counts


def counted_by_membership(labels: Any) -> Any:
    counts = {}
    for label in labels:
        label = int(label)
        if label in counts:
            counts[label] += 1
        else:
            counts[label] = 1
    best, most = -1, 0
    for label, count in counts.items():
        if count > most:
            best, most = label, count
    return best, most, len(counts), max(counts, key=counts.get), max(counts.values())


def counted_by_default(labels: Any) -> Any:
    counts, sums = defaultdict(int), defaultdict(float)
    for i in range(len(labels)):
        counts[int(labels[i])] += 1
        sums[int(labels[i]), i % 2] += 0.5
    return counts, sums, sorted(counts)


def counted_by_counter(labels: Any) -> Any:
    counts = Counter(labels.tolist())
    return counts, counts.most_common(2), counts[77], counts.total()


def asked_for(labels: Any) -> Any:
    places, total, missing = {}, 0, 0

    def place_of(label: Any) -> Any:
        found = places.get(int(label))
        return -1 if found is None else found

    for i in range(len(labels) // 2):
        before = places.get(labels[i])
        if before is None:
            places[int(labels[i])] = i
        else:
            total += before
    for label in labels:
        found = places.get(int(label) + 3)
        if found is not None:
            total += found
        else:
            missing += 1
    return total, missing, place_of(labels[3]), place_of(labels[0] + 50), places.get(77)


def seen_before(labels: Any) -> Any:
    seen, firsts = set(), []
    for label in labels:
        if label not in seen:
            seen.add(label)
            firsts.append(label)
    return seen, firsts, len(seen)


def of_sets(labels: Any) -> Any:
    even, large = set(), {9}
    for label in labels:
        if label % 2 == 0:
            even.add(int(label))
        if label > 1:
            large.add(int(label))
    both = even & large
    found = even | large, both, sorted(even - large), even ^ large
    return *found, both <= even, sum(even), max(even)


def breadth_first(grid: Any) -> Any:
    n = grid.shape[0]
    queue, seen = deque([(0, 0, 0)]), {(0, 0)}
    while queue:
        i, j, steps = queue.popleft()
        if i == n - 1 and j == n - 1:
            return steps
        for di, dj in ((0, 1), (1, 0), (0, -1), (-1, 0)):
            a, b = i + di, j + dj
            if 0 <= a < n and 0 <= b < n and grid[a, b] and (a, b) not in seen:
                seen.add((a, b))
                queue.append((a, b, steps + 1))
    return -1


def components(edges: Any) -> Any:
    parent = {}

    def root(x: Any) -> Any:
        while parent[x] != x:
            parent[x] = parent[parent[x]]
            x = parent[x]
        return x

    for u, v in edges:
        if u not in parent:
            parent[u] = u
        if v not in parent:
            parent[v] = v
        a, b = root(u), root(v)
        if a != b:
            parent[a] = b
    return sum(1 for x in list(parent) if parent[x] == x) if len(edges) < 0 else parent


def prefix_sums(x: Any) -> Any:
    seen, total, found = {0: 1}, 0, 0
    for value in x:
        total += value
        if total - 2 in seen:
            found += seen[total - 2]
        seen[total] = seen.get(total, 0) + 1
    return found


def taken_out(labels: Any) -> Any:
    """Keys go and come again; those after them keep their order."""
    held, gone = {}, set()
    for i in range(len(labels)):
        key = int(labels[i])
        if key in held and i % 3 == 0:
            del held[key]
            gone.add(key)
        else:
            held[key] = i
            gone.discard(key)
    last = held.pop(int(labels[-1]), -5)
    return held, gone, last, list(held.keys()), list(held.values()), held.popitem()


def of_floats(values: Any) -> Any:
    """Zeros are equal, and ints equal floats."""
    places = {}
    for i in range(len(values)):
        places.setdefault(values[i], i)
    return places, 2 in places, 7 in places


def many(x: Any) -> Any:
    """More keys than there is room for at first."""
    seen, hits = set(), 0
    for i in range(20000):
        key = (i * 7919) % 15013
        if key in seen:
            hits += 1
        seen.add(key + int(x[0]))
    return len(seen), hits


def in_each_iteration(x: Any) -> Any:
    """A table of its own in each iteration of a loop."""
    sizes = np.zeros(x.shape[0], int)
    for i in range(x.shape[0]):
        seen = set()
        for j in range(x.shape[1]):
            seen.add(x[i, j])
        sizes[i] = len(seen)
    return sizes


def means(labels: Any, x: Any) -> Any:
    """Arrays as values."""
    sums, counts = {}, {}
    for i in range(len(labels)):
        key = int(labels[i])
        if key in sums:
            sums[key] = sums[key] + x[i]
            counts[key] += 1
        else:
            sums[key], counts[key] = x[i], 1
    return {key: sums[key] for key in counts} if len(labels) < 0 else (sums, counts)


def under_a_branch(x: Any) -> Any:
    seen = {1: 10, 2: 20}
    if x[0] > 0:
        seen[5] = 1
    else:
        seen[int(x[1])] = 7
    return seen, seen.get(5, 0)


def gone_through_twice(labels: Any) -> Any:
    counts = Counter(labels.tolist())
    pairs = [(count, key) for key, count in counts.items()]
    total = 0
    for key in counts:
        total += key * counts[key]
    backwards = list(reversed(counts))
    counts[100] += 1
    return pairs, total, backwards, counts


def ranked(labels: Any) -> Any:
    order = {label: n for n, label in enumerate(sorted(set(labels.tolist())))}
    places = [(int(label), n) for n, label in enumerate(labels)]
    return [order[label] for label in labels.tolist()], order, dict(places)


def of_rows_and_columns(board: Any) -> Any:
    used = set(board[1]) | set(board[:, 2])
    used.difference_update(board[0, :2])
    free = [v for v in range(-2, 5) if v not in used]
    return free, sorted(used | set(board[2:, 0]))


@pytest.mark.parametrize(
    "function, arguments",
    [
        (of_rows_and_columns, (LABELS.reshape(4, 10),)),
        (gone_through_twice, (LABELS,)), (ranked, (LABELS[:24],)),
        (counted, (LABELS,)), (counted, (LABELS[:3],)), (counted_by_membership, (LABELS,)),
        (counted_by_default, (LABELS,)), (counted_by_counter, (LABELS,)), (seen_before, (LABELS,)),
        (asked_for, (LABELS,)),
        (of_sets, (LABELS,)), (breadth_first, (GRID,)), (components, (EDGES,)),
        (prefix_sums, (LABELS,)), (taken_out, (LABELS,)), (of_floats, (VALUES,)),
        (many, (LABELS,)), (in_each_iteration, (EDGES,)), (means, (LABELS, VALUES.repeat(5))),
        (under_a_branch, (LABELS,)), (under_a_branch, (-LABELS,)),
    ],
)  # fmt: skip
def test_tables_are_as_python_has_them(function: Any, arguments: Any) -> None:
    assert same(mlc.jit(function)(*arguments), function(*arguments))


def test_one_compilation_serves_all_keys() -> None:
    compiled = mlc.jit(counted)
    for seed in range(4):
        labels = np.random.default_rng(seed).integers(-9, 9, len(LABELS))
        assert same(compiled(labels), counted(labels))
    assert len(compiled.cache_info().rows) == 1


def missing(x: Any) -> Any:
    held = {}
    for i in range(len(x)):
        held[int(x[i])] = i
    return held[99]


def missing_element(x: Any) -> Any:
    held = set()
    for i in range(len(x)):
        held.add(int(x[i]))
    held.remove(int(x[0]) + 99)
    return len(held)


@pytest.mark.parametrize("function", [missing, missing_element])
def test_a_key_that_is_not_there_is_a_key_error(function: Any) -> None:
    with pytest.raises(KeyError):
        mlc.jit(function)(LABELS)


def of_bytes(x: Any) -> Any:
    held, i = {0: b"none"}, 0
    while x[i] < 3:
        held[int(x[i])] = b"some"
        i += 1
    return len(held)


def with_none_as_a_key(x: Any) -> Any:
    held, i = {0: 1}, 0
    while x[i] < 3:
        held[None] = i
        i += 1
        held[int(x[i])] = i
    return len(held)


@pytest.mark.parametrize(
    "function, message",
    [
        (of_bytes, "holds a bytes; its items can be numbers"),
        (with_none_as_a_key, "None is a key of a dict or set that data decide about"),
    ],
)
def test_what_tables_do_not_hold_is_refused(function: Any, message: str) -> None:
    with pytest.raises(mlc.MlcError, match=message):
        mlc.jit(function)(np.sort(LABELS))


def joined_in_place(x: Any, count: int) -> Any:
    seen, taken, found = {1, 2}, {1, 2, 3}, {1: 0.5}
    for i in range(count):
        seen |= {3}
        taken -= {2, 7}
        taken.difference_update([3])
        found.update({4: 2.0})
        x[i] += 1
    return sorted(seen), sorted(taken), found


def taken_under_a_test(x: Any, count: int) -> Any:
    seen = {1, 2}
    for i in range(count):
        seen.remove(1) if 1 in seen else 0
        seen.intersection_update({2, 5})
        x[i] += 1
    return sorted(seen)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_what_known_sets_and_dicts_add_is_not_there_before_the_first_iteration(count: int) -> None:
    x = np.zeros(4)
    assert mlc.jit(joined_in_place)(x.copy(), count) == joined_in_place(x, count)
    assert mlc.jit(taken_under_a_test)(x.copy(), count) == taken_under_a_test(x, count)


def test_sets_of_python_that_a_native_loop_would_change_are_refused() -> None:
    def f(x: Any) -> Any:
        seen, n = {1, 2}, 0
        while n < 3 and x[n] > 0:
            seen &= {1}
            n += 1
        return sorted(seen)

    with pytest.raises(mlc.MlcError, match="changes the items of a set"):
        mlc.jit(f)(np.zeros(4))
