"""Objects of the user's that data choose in native loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc

RNG = np.random.default_rng(4)
POINTS = RNG.random((30, 2))


class Node:
    """A part of a decision tree: a leaf has a value."""

    def __init__(self, *parts: Any, value: Any = None) -> None:
        self.axis, self.limit, self.left, self.right = parts or (None,) * 4
        self.value = value

    @property
    def is_leaf(self) -> bool:
        return self.value is not None


class Entry:
    """A part of a search tree."""

    def __init__(self, key: int) -> None:
        self.key = key
        self.left: Any = None
        self.right: Any = None

    def insert(self, key: int) -> None:
        side = "left" if key < self.key else "right"
        if getattr(self, side) is None:
            setattr(self, side, Entry(key))
        else:
            getattr(self, side).insert(key)

    def side(self, key: Any) -> Any:
        return self.left if key < self.key else self.right


def grown(depth: int) -> Node:
    if not depth:
        return Node(value=float(RNG.integers(9)))
    return Node(int(depth % 2), RNG.random(), grown(depth - 1), grown(depth - 1))


TREE, ROOT = grown(4), Entry(20)
for number in RNG.permutation(40):
    ROOT.insert(int(number))


def predicted(points: Any) -> Any:
    out = []
    for x in points:
        node = TREE
        while node.value is None:
            node = node.left if x[node.axis] <= node.limit else node.right
        out.append(node.value)
    return np.array(out)


def by_branches(points: Any) -> Any:
    total = 0.0
    for x in points:
        node = TREE
        while not node.is_leaf:
            if x[node.axis] <= node.limit:
                node = node.left
            else:
                node = node.right
        total += node.value
    return total


def found(points: Any) -> Any:
    out = []
    for x in points:
        node, depth = ROOT, 0
        while node is not None and node.key != int(x[0] * 60):
            node, depth = node.side(int(x[0] * 60)), depth + 1
        out.append(-1 if node is None else depth)
    return out


def gone_through(points: Any) -> Any:
    stack, total, last = [ROOT], 0, None
    while stack:
        node = stack.pop()
        total = total * 3 % 1000 + node.key
        if node.left is not None and node.key > points[0, 0] * 40:
            stack.append(node.left)
        if node.right:
            stack.append(node.right)
        last = node
    return total, last


def from_state_to_state(points: Any) -> Any:
    class State:
        def __init__(self, name: str) -> None:
            self.name = name
            self.on: Any = None
            self.off: Any = self

    idle, runs, ended = State("idle"), State("runs"), State("ended")
    idle.on, runs.on, runs.off = runs, runs, ended
    here, changes = idle, 0
    for x, _ in points:
        after = here.on if x > 0.5 else here.off
        if after is None:
            break
        changes += after is not here
        here = after
    return changes, here.name


@pytest.mark.parametrize(
    "function", [predicted, by_branches, found, gone_through, from_state_to_state]
)
def test_objects_are_chosen_by_data(function: Any) -> None:
    got, want = mlc.jit(function)(POINTS), function(POINTS)
    if isinstance(want, np.ndarray):
        assert got.dtype == want.dtype and np.array_equal(got, want)
    else:
        assert got == want and type(got) is type(want)


def test_trees_are_looked_at_anew_when_they_change() -> None:
    fast = mlc.jit(predicted)
    assert np.array_equal(fast(POINTS), predicted(POINTS))
    node = TREE
    while node.value is None:
        node = node.left
    node.value, held = 77.0, node.value
    assert np.array_equal(fast(POINTS), predicted(POINTS))
    TREE.limit, limit = 0.9, TREE.limit
    assert np.array_equal(fast(POINTS), predicted(POINTS))
    node.value, TREE.limit = held, limit


def test_attributes_that_some_lack_are_errors_of_the_call() -> None:
    @mlc.jit
    def marked(points: Any) -> Any:
        node, total = ROOT, 0.0
        for x, _ in points:
            total += node.mark
            node = ROOT if node.left is None or x < 0.5 else node.left
        return total

    ROOT.mark = 1.0  # type: ignore[attr-defined]
    assert marked(np.zeros((20, 2))) == 20
    with pytest.raises(AttributeError, match="mark"):
        marked(np.ones((20, 2)))


def test_what_data_choose_is_not_written_to() -> None:
    @mlc.jit
    def counted(points: Any) -> Any:
        node = TREE
        for x, _ in points:
            node = node.left if x < 0.5 and node.left is not None else TREE
            node.value = 3.0
        return node

    with pytest.raises(mlc.MlcError, match=r"one of 31 objects \(Node\)"):
        counted(POINTS)
