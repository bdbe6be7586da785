"""Lists, stacks, queues and heaps that data decide about, beside Python's own."""

import heapq
import importlib.util
import math
import random
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mlc

X = np.array([3.0, -1.0, 4.0, 1.0, -5.0, 9.0, 2.0, -6.0])
GRID = np.random.default_rng(0).random((9, 11)) < 0.7


def same(a: Any, b: Any) -> bool:
    """Whether two results are of the same classes, with the same numbers in them."""
    if type(a) is not type(b):
        return False
    if isinstance(a, (list, tuple, deque)):
        return len(a) == len(b) and all(map(same, a, b))
    return np.asarray(a).dtype == np.asarray(b).dtype and np.array_equal(a, b, equal_nan=True)


def conditional(x: Any) -> Any:
    kept, places = [], []
    for i in range(x.shape[0]):
        if x[i] > 0:
            kept.append(x[i] * 2)
            places.append((i, x[i]))
    return kept, places, len(kept), sum(kept), max(kept)


def beside_numbers(x: Any) -> Any:
    """Python's numbers and NumPy's in one list come back as what they were."""
    found = [0.0, 1]
    for i in range(x.shape[0]):
        if x[i] > 1:
            found.append(x[i])
        else:
            found.append(i)
    return found


def inner_loops(x: Any) -> Any:
    found = []
    for i in range(x.shape[0]):
        j = i
        while j < x.shape[0] and x[j] > 0:
            found.append(j)
            j += 1
        if len(found) > 6:
            break
    return found


def flood_fill(grid: Any, i: int, j: int) -> Any:
    filled = np.zeros(grid.shape, bool)
    stack = [(i, j)]
    while stack:
        i, j = stack.pop()
        if i < 0 or j < 0 or i >= grid.shape[0] or j >= grid.shape[1]:
            continue
        if filled[i, j] or not grid[i, j]:
            continue
        filled[i, j] = True
        stack.append((i + 1, j))
        stack.append((i - 1, j))
        stack.extend([(i, j + 1), (i, j - 1)])
    return filled


def breadth_first(grid: Any, i: int, j: int) -> Any:
    steps = np.full(grid.shape, -1)
    steps[i, j] = 0
    queue = deque([(i, j)])
    while queue:
        i, j = queue.popleft()
        for di, dj in ((0, 1), (1, 0), (0, -1), (-1, 0)):
            a, b = i + di, j + dj
            if 0 <= a < grid.shape[0] and 0 <= b < grid.shape[1]:
                if grid[a, b] and steps[a, b] < 0:
                    steps[a, b] = steps[i, j] + 1
                    queue.append((a, b))
    return steps


def labelled(grid: Any) -> Any:
    """A stack that is made in a native loop."""
    labels, count = np.zeros(grid.shape, int), 0
    for i in range(grid.shape[0]):
        for j in range(grid.shape[1]):
            if grid[i, j] and labels[i, j] == 0:
                count += 1
                labels[i, j] = count
                stack = [(i, j)]
                while stack:
                    a, b = stack.pop()
                    for k in range(4):
                        c, d = a + (k == 0) - (k == 1), b + (k == 2) - (k == 3)
                        if 0 <= c < grid.shape[0] and 0 <= d < grid.shape[1]:
                            if grid[c, d] and labels[c, d] == 0:
                                labels[c, d] = count
                                stack.append((c, d))
    return labels, count


def shortest(x: Any) -> Any:
    """A heap of tuples."""
    n = x.shape[0]
    best = np.full(n, np.inf)
    best[0] = 0.0
    heap = [(0.0, 0)]
    while heap:
        far, u = heapq.heappop(heap)
        if far > best[u]:
            continue
        for v in range(n):
            if best[u] + abs(x[u] - x[v]) + 1 < best[v]:
                best[v] = best[u] + abs(x[u] - x[v]) + 1
                heapq.heappush(heap, (best[v], v))
    return best


def hull(x: Any) -> Any:
    """Arrays in a list, of which the last ones are read."""
    points = np.stack([x, x[::-1] * 0.5 + x * x], axis=1)
    points = points[np.argsort(points[:, 0])]
    found = []
    for p in points:
        while len(found) >= 2 and (
            (found[-1][0] - found[-2][0]) * (p[1] - found[-2][1])
            <= (found[-1][1] - found[-2][1]) * (p[0] - found[-2][0])
        ):
            found.pop()
        found.append(p)
    return np.array(found)


def levels(x: Any) -> Any:
    """A list that gets another one's name."""
    front, sizes = [0], []
    seen = np.zeros(x.shape[0], bool)
    while front:
        sizes.append(len(front))
        after = []
        for u in front:
            for v in range(x.shape[0]):
                if not seen[v] and x[v] > x[u] - 3:
                    seen[v] = True
                    after.append(v)
        front = after
    return sizes


def history(x: Any) -> Any:
    """A list that a while loop makes longer, as the data decide."""
    errors, value = [], x[0]
    while abs(value * value - 2) > 1e-9:
        value = value - (value * value - 2) / (2 * value)
        errors.append(abs(value * value - 2))
    return errors, np.array(errors), errors[-1], errors[::-1], errors[-2:]


def by_place(x: Any) -> Any:
    """A list whose items are set and read at places that data choose."""
    parent = list(range(x.shape[0]))

    def find(u: Any) -> Any:
        while parent[u] != u:
            parent[u] = parent[parent[u]]
            u = parent[u]
        return u

    for i in range(x.shape[0]):
        for j in range(i):
            if abs(x[i] - x[j]) < 3:
                parent[find(i)] = find(j)
    return parent


def changed_elsewhere(x: Any) -> Any:
    """A function that is called changes the list."""
    items: list[Any] = []

    def keep(value: Any) -> None:
        if value > 0:
            items.append(value)

    for i in range(x.shape[0]):
        keep(x[i])
        keep(-x[i])
    other = items
    for i in range(x.shape[0]):
        if x[i] > 3:
            other.pop(0)
    return items, len(other)


GRIDS = {flood_fill: (GRID, 4, 5), breadth_first: (GRID, 4, 5), labelled: (GRID,)}
PROGRAMS = [
    conditional, beside_numbers, inner_loops, flood_fill, breadth_first, labelled, shortest, hull,
    levels, history, by_place, changed_elsewhere,
]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS)
def test_lists_are_those_of_python(program: Any) -> None:
    args = GRIDS.get(program, (X,))
    assert same(mlc.jit(program)(*args), program(*args))


def test_a_known_list_in_an_order_that_data_decide() -> None:
    """As long as its items are known by number, none of them need be arrays."""

    def busiest(spans: Any) -> Any:
        events, places = [], []
        for first, last in spans:
            events.append((first, 1))
            events.append((last, -1))
            places.append(len(places))
        events.sort()
        places.sort(key=lambda k: spans[k, 1], reverse=True)
        depth = best = 0
        where = None
        for x, change in events:
            depth += change
            if depth > best:
                best, where = depth, x
        return best, where, places

    spans = np.sort(np.random.default_rng(0).integers(0, 30, (6, 2)), axis=1)
    assert mlc.jit(busiest)(spans) == busiest(spans)


def test_one_code_serves_all_lengths() -> None:
    def positive(x: Any) -> Any:
        found = []
        for i in range(x.shape[0]):
            if x[i] > 0:
                found.append(x[i])
        return found

    f = mlc.jit(positive)
    for x in (X, -X, np.abs(X), -np.abs(X)):
        assert same(f(x), positive(x))
    assert len(f.cache_info()) == 1


def test_a_list_that_gets_longer_than_its_room() -> None:
    def counted(n: Any) -> Any:
        found = []
        i = n * 0
        while i < n:
            if i % 3 != 0:
                found.append(i)
            i = i + 1
        return found

    f = mlc.jit(counted)
    for n in (100, 9000, 50):
        assert same(f(np.int64(n)), counted(np.int64(n)))
    g = mlc.jit(counted)
    for n in (*[100] * 20, 9000):  # once native code makes the call
        found = g(np.int64(n))
    assert same(found, counted(np.int64(n)))


def test_the_room_for_a_list_that_is_taken_as_an_array() -> None:
    def doubled(n: Any) -> Any:
        found = []
        i = n * 0
        while i < n:
            if i % 2 == 0:
                found.append(i)
            i = i + 1
        return np.array(found) * 2

    f = mlc.jit(doubled)
    for n in (9000, 7):
        assert same(f(np.int64(n)), doubled(np.int64(n)))


@pytest.mark.parametrize("many", [1, 3])
def test_errors_of_lists_are_those_of_python(many: int) -> None:
    def emptied(x: Any) -> Any:
        stack = [x[0]]
        for i in range(x.shape[0]):
            if x[i] > 0:
                stack.append(x[i])
        while x.sum() < 100:
            x = x + stack.pop() * 0
            if len(stack) < 0:
                x = x + 1
        return x

    with pytest.raises(IndexError) as caught:
        mlc.jit(emptied)(X[:many])
    assert str(caught.value).splitlines()[0] == "pop from empty list"


def test_an_index_outside_of_a_list() -> None:
    def read(x: Any, place: Any) -> Any:
        found = []
        for i in range(x.shape[0]):
            if x[i] > 0:
                found.append(x[i])
        return found[place]

    f = mlc.jit(read)
    assert f(X, np.int64(-5)) == read(X, np.int64(-5))
    with pytest.raises(IndexError, match="list index out of range"):
        f(X, np.int64(5))


def test_arrays_in_a_list_that_are_written_to() -> None:
    """Python's list would see what is written: it is not lost."""

    def kept(x: Any) -> Any:
        found = []
        while x.sum() < 100:
            if x[0] > 0:
                found.append(x)
            x += 1
        return found

    with pytest.raises(mlc.MlcError):
        mlc.jit(kept)(np.ones(3))


def test_items_of_several_kinds_are_refused() -> None:
    def mixed(x: Any) -> Any:
        found = []
        while x.sum() < 100:
            if x[0] > 3:
                found.append((1, x[0]))
            else:
                found.append(x[0])
            x = x + 1
        return found

    with pytest.raises(mlc.UnsupportedError):
        mlc.jit(mixed)(np.ones(3))


STEPS = [
    "a.append(v)", "b.append(i)", "a.insert(0, v)", "a.insert(-1, v * 2)", "a.extend(b)",
    "b.extend([i, i + 1])", "a += [v, v]", "s = s + len(a)", "a.reverse()", "b.clear()",
    "s = s + sum(b)", "b = b[1:]", "b = b[::-1]", "b = list(b)", "b = b + [i]",
    "b.append(b.count(i))", "for w in b: s = s + w",
    "for k, w in enumerate(a): s = s + k * w", "for p, q in zip(a, b): s = s + p * q",
]  # fmt: skip
GUARDED = [
    "s = s + a.pop()", "s = s + a.pop(0)", "s = s + b.pop() if b else s", "del a[-1]",
    "s = s + a[-1]", "a[0] = v", "s = s + a[len(a) // 2]", "a.remove(a[0])", "s = s + max(a)",
    "s = s + a.index(a[-1])", "a.pop(len(a) // 2)", "a[-1] += v", "heapq.heapify(a)",
]  # fmt: skip


def program_text(seed: int) -> str:
    """A random program over two lists."""
    chance = random.Random(seed)
    lines = ["import heapq", "def program(x):", "    a, b, s = [x[0]], [0], 0.0",
             "    for i in range(x.shape[0]):", "        v = x[i]"]  # fmt: skip
    for _ in range(chance.randint(3, 5)):
        test = chance.choice(["v > 0", "len(a) < 6", "v < s", "i % 3 == 1", "len(b) > 2"])
        lines.append(f"        if {test} and len(a) < 12 and len(b) < 12:")
        lines.append(f"            {chance.choice(STEPS)}")
        lines.append("        if len(a) > 1:")
        lines.append(f"            {chance.choice(GUARDED)}")
    return "\n".join([*lines, "    return a, b, s + 0 * x[0]"]) + "\n"


@pytest.mark.parametrize("seed", range(5))
def test_random_programs(seed: int, tmp_path: Path) -> None:
    path = tmp_path / f"program_{seed}.py"
    path.write_text(program_text(seed), encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    chance = np.random.default_rng(seed)
    f = mlc.jit(module.program)
    for _ in range(3):
        x = np.round(chance.normal(size=7) * 4)
        assert same(f(x), module.program(x)), program_text(seed)


def test_a_list_with_two_names() -> None:
    """What is appended by one name shows under the other, or is refused."""

    def renamed(x: Any) -> Any:
        found = [x[0]]
        other = found
        for i in range(x.shape[0]):
            if x[i] > 0:
                found.append(x[i])
            if x[i] > 5:
                found = [x[i]]
        return found, other

    for x in (X, -X):
        try:
            got = mlc.jit(renamed)(x)
        except mlc.MlcError:
            continue
        assert same(got, renamed(x))


class Two:
    def __init__(self, value: Any) -> None:
        self.kept: list[Any] = []
        self.made = [value, value]


def test_a_list_that_cannot_be_arrays_beside_one_that_has_to() -> None:
    def beside(x: Any) -> Any:
        least, found, others, two = x[0], [1.0, x[1]], [x[2], 3.0], Two(x[3])
        for i in range(4):
            if least < 1 and x[i] not in two.made:
                while two.kept == others:
                    two.kept.extend(others[:1])
                found = two.made[1:3]
        return found, others, two.kept, two.made, len(found)

    jitted = mlc.jit(beside)
    for x in ([1.0, 2, 3, 0.5], [-1.0, -2, -3, -4], [0.0, 0.5, -1, 2], [2.0, 1, 0, 0]):
        assert same(jitted(np.array(x)), beside(np.array(x)))


def test_a_list_that_is_empty_where_it_is_looked_through() -> None:
    def counted(x: Any) -> Any:
        found: list[Any] = []
        steps = 0
        while steps < 4 and found.count(x[1]) + sum(found) < x[0]:
            steps += 1
            found.append(x[steps])
        return found, steps

    def outside(x: Any) -> Any:
        found: list[Any] = []
        steps = 0
        while steps < 4 and found.count(x[1]) * found[0] > x[0]:
            steps += 1
            found.append(x[steps])
        return found

    for x in (X, -X, X[::-1].copy()):
        assert same(mlc.jit(counted)(x), counted(x))
        with pytest.raises(IndexError, match="list index out of range"):
            mlc.jit(outside)(x)


def test_lists_that_cannot_all_be_arrays_are_refused() -> None:
    def endless(x: Any) -> Any:
        least, found, others, two, steps = x[0], [1.0, x[1]], [], Two(x[3]), 0
        while steps < 4 and sum([w * 2.0 for w in found]) not in found:
            steps += 1
            for least in x:  # noqa: B007
                for _ in range(5):
                    found.append(sum(found))
                    others.append(len(two.made))
                    found.append(2.0)
                if sum(p * q for p, q in zip(two.kept, others)) not in others:
                    two.made = list(two.made)
            if others and len(others) > 1:
                two.made.append(least)
                two.kept.append(x[steps % 4])
        return found, others, two.kept, two.made, len(found)

    with pytest.raises(mlc.UnsupportedError):
        mlc.jit(endless)(np.array([1.0, 2, 3, 0.5]))


def test_loops_over_what_is_sorted_are_native() -> None:
    def program(x: Any) -> Any:
        total = 0.0
        for v, k in sorted((x[k] * x[-k], k) for k in range(40)):
            total = total * 0.5 + math.sin(v) * math.cos(v * k)
        return total

    compiled, x = mlc.jit(program), np.random.default_rng(3).random(40)
    np.testing.assert_allclose(compiled(x), program(x))
    assert "def loop" in str(compiled.lower(x).program)
