"""Lists and dicts whose items are None at times, as the data decide."""

from __future__ import annotations

import heapq
from collections import deque
from typing import Any

import numpy as np
import pytest

import mlc

RNG = np.random.default_rng(3)
NEAR = np.triu(RNG.random((9, 9)) < 0.3, 1)
NEAR = NEAR | NEAR.T
WEIGHTS = np.where(NEAR, RNG.integers(1, 9, (9, 9)), 0).astype(float)
WALLS = (RNG.random((7, 7)) < 0.25) & ~np.eye(7, dtype=bool)
LABELS = RNG.integers(0, 6, 25)


def shortest_path(weights: Any, start: int, end: int) -> Any:
    distance, before = {start: 0.0}, {start: None}
    heap = [(0.0, start)]
    while heap:
        d, u = heapq.heappop(heap)
        if d > distance[u]:
            continue
        for v in range(len(weights)):
            if weights[u, v] > 0 and (v not in distance or d + weights[u, v] < distance[v]):
                distance[v], before[v] = d + weights[u, v], u
                heapq.heappush(heap, (distance[v], v))
    if end not in before:
        return None
    path, node = [], end
    while node is not None:
        path.append(node)
        node = before[node]
    return path[::-1]


def through_a_maze(walls: Any, start: Any, goal: Any) -> Any:
    queue, came_from = deque([start]), {start: None}
    while queue:
        here = queue.popleft()
        if here == goal:
            break
        r, c = here
        for dr, dc in ((0, 1), (1, 0), (0, -1), (-1, 0)):
            place = (r + dr, c + dc)
            if 0 <= place[0] < 7 and 0 <= place[1] < 7 and not walls[place]:
                if place not in came_from:
                    came_from[place] = here
                    queue.append(place)
    if goal not in came_from:
        return came_from
    path, here = [], goal
    while here:
        path.append(here)
        here = came_from[here]
    return path, came_from


def predecessors(near: Any) -> Any:
    parent, level = [None] * len(near), [None] * len(near)
    queue, level[0] = [0], 0
    while queue:
        u = queue.pop(0)
        for v in range(len(near)):
            if near[u, v] and level[v] is None:
                level[v], parent[v] = level[u] + 1, u
                queue.append(v)
    return parent, level


def has_cycle(near: Any) -> bool:
    seen, stack = [False] * len(near), [(0, None)]
    seen[0] = True
    while stack:
        u, parent = stack.pop()
        for v in range(len(near)):
            if near[u, v]:
                if not seen[v]:
                    seen[v] = True
                    stack.append((v, u))
                elif v != parent:
                    return True
    return False


def gaps(labels: Any) -> Any:
    last, found = [None] * 6, []
    for i, v in enumerate(labels):
        if last[v] is not None:
            found.append(i - last[v])
        last[v] = i
    return found, last


def pages(labels: Any) -> Any:
    held, at, faults = [None] * 3, 0, 0
    for v in labels:
        if v not in held:
            held[at] = v
            at = (at + 1) % 3
            faults += 1
    return faults, held, held.count(None), None in held


def coins(values: Any, total: int) -> Any:
    least = [None] * (total + 1)
    least[0] = 0
    for t in range(1, total + 1):
        for c in values:
            if c <= t and least[t - c] is not None:
                if least[t] is None or least[t - c] + 1 < least[t]:
                    least[t] = least[t - c] + 1
    return least


def linked(labels: Any) -> Any:
    after, head = [None] * len(labels), None
    for i in range(len(labels)):
        if head is None or labels[i] <= labels[head]:
            after[i], head = head, i
        else:
            here = head
            while after[here] is not None and labels[after[here]] < labels[i]:
                here = after[here]
            after[i] = after[here]
            after[here] = i
    out, here = [], head
    while here is not None:
        out.append(labels[here])
        here = after[here]
    return np.array(out)


def taken_out(labels: Any) -> Any:
    held, found = {}, []
    for i, v in enumerate(labels):
        found.append(held.pop(v, None))
        if i % 3:
            held[v] = i if v > 2 else None
    return found, held, held.get(labels[0])


def board(moves: Any) -> Any:
    cells, player = [[None] * 3 for _ in range(2)], 1
    for m in moves:
        if cells[m // 3][m % 3] is None:
            cells[m // 3][m % 3] = player
            player = 3 - player
    return cells


def has(value: Any) -> bool:
    return value is not None


def back(before: Any, node: Any) -> Any:
    while node is not None:
        yield node
        node = before[node]


def in_functions_as_they_are(near: Any) -> Any:
    parent, _ = predecessors(near)
    ordered = sorted(range(len(near)), key=lambda v: (parent[v] is None, v))
    return list(back(parent, 8)), [has(p) for p in parent], ordered


def truths(labels: Any) -> Any:
    last, total = [None] * 6, 0
    for i, v in enumerate(labels):
        total += (last[v] or 7) + (1 if last[v] else 2)
        last[v] = i
    return total


def is_same(a: Any, b: Any) -> bool:
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(is_same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and is_same(list(a.values()), list(b.values()))
    return type(a) is type(b) and np.array_equal(a, b)


@pytest.mark.parametrize(
    "function, args",
    [
        (shortest_path, (WEIGHTS, 0, 8)),
        (through_a_maze, (WALLS, (0, 0), (6, 6))),
        (predecessors, (NEAR,)),
        (has_cycle, (NEAR,)),
        (gaps, (LABELS,)),
        (pages, (LABELS,)),
        (coins, (np.array([4, 7]), 17)),
        (linked, (LABELS,)),
        (taken_out, (LABELS,)),
        (board, (LABELS,)),
        (in_functions_as_they_are, (NEAR,)),
        (truths, (LABELS,)),
    ],
)
def test_items_are_none_at_times(function: Any, args: Any) -> None:
    assert is_same(function(*args), mlc.jit(function)(*args))


def test_none_is_no_number_where_one_is_asked_for() -> None:
    @mlc.jit
    def added(labels: Any) -> Any:
        last, total = [None] * 6, 0
        for i, v in enumerate(labels):
            if i:
                total += last[v]
            last[v] = i
        return total

    assert added(np.full(40, 2)) == sum(range(39))
    with pytest.raises(TypeError, match="None"):
        added(np.arange(40) % 6)


def test_what_was_asked_for_is_read_without_a_check() -> None:
    import ast

    from mlc.control.certainty import SURE, mark_certain

    def marked(text: str) -> list[int]:
        made = ast.parse(f"def f(a):\n{text}").body[0]
        assert isinstance(made, ast.FunctionDef)
        mark_certain(made)
        return sorted({n.lineno - 1 for n in ast.walk(made) if hasattr(n, SURE)})

    assert marked(" if a is None:\n  return a\n g(a)\n a = h()\n g(a)") == [3]
    assert marked(" while a is not None:\n  g(a)\n  a = b[a]\n  g(a)\n g(a)") == [2, 3]
    assert marked(" g(a is None or a > 1)\n g(a is not None or a > 1)") == [1]
    assert marked(" if not (a is None or b):\n  g(a)\n else:\n  g(a)") == [2]
    assert marked(" if a is not None:\n  for i in b:\n   g(a)\n   a = None\n  g(a)") == []
    assert marked(" if a is not None:\n  h = lambda: a\n  g(lambda a: a)") == []
