"""Iterators that others hold, too: how many items are taken of them the data decide."""

# ruff: noqa: B007

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import mlc
import mlc.testing
from mlc.control.iterators import is_iterator, progress, within


def left_by_a_break(x: Any) -> Any:
    it = iter(range(10))
    for i in it:
        if x[i % 4] > i:
            break
    return next(it, None), list(it)


def generator_left_by_a_break(x: Any) -> Any:
    it = (v * 2 for v in range(9))
    for i in it:
        if x[i % 4] > i:
            break
    return list(it), sum(it)


def enumerate_left_by_a_break(x: Any) -> Any:
    it = enumerate(x)
    for i, v in it:
        if v > 1:
            break
    return [w for _, w in it], i


def within_a_zip(x: Any) -> Any:
    it = iter(range(10))
    for at, v in zip(it, x):
        if v > 1:
            break
    return at, next(it)


def under_a_condition(x: Any) -> Any:
    it = iter([1, 2, 3])
    if x[0] > 0:
        a, b = next(it), list(it)
    else:
        a, b = 0, []
    return a, b, list(it)


def in_a_second_side(x: Any) -> Any:
    it = iter([1.0, 2.0, 3.0])
    both = x[0] > 0 and next(it) > 0
    return next(it), bool(both)


def of_a_generator_function(x: Any) -> Any:
    def items() -> Any:
        for v in (1.0, 2.0, 3.0):
            yield v * x[0]

    found = items()
    first = next(found) if x[1] > 0 else x[2]
    return first, list(found)


def made_for_the_loop(x: Any) -> Any:
    for i in iter(range(300)):
        if x[i % 4] > i:
            break
    return i


FUNCTIONS = [
    left_by_a_break, generator_left_by_a_break, enumerate_left_by_a_break, within_a_zip,
    under_a_condition, in_a_second_side, of_a_generator_function, made_for_the_loop,
]  # fmt: skip
INPUTS = ([1.0, 2, 3, 4], [-1.0, -2, -3, -4], [50.0, 60, 70, -3], [0.0, -1, 300, 2])


@pytest.mark.parametrize("function", FUNCTIONS)
def test_as_python_does(function: Any) -> None:
    compiled = mlc.jit(function)
    for x in INPUTS:
        assert repr(compiled(np.array(x))) == repr(function(np.array(x)))


def test_what_is_refused() -> None:
    def native_loop(x: Any) -> Any:
        it, i = iter([1.0, 2.0, 3.0, 4.0]), 0
        while x[i] > 0 and i < 3:
            x[i] += next(it)
            i += 1
        return x

    def unpacked(x: Any) -> Any:
        it, a = iter([1.0, 2.0]), 0.0
        if x[0] > 0:
            a, *_ = it
        return a, list(it)

    with pytest.raises(mlc.UnsupportedError, match="an item of a list_iterator from before a loop"):
        mlc.jit(native_loop)(np.ones(4))
    with pytest.raises(mlc.UnsupportedError, match="takes items of a list_iterator"):
        mlc.jit(unpacked)(np.ones(4))


@pytest.mark.parametrize(
    "iterator",
    [
        iter([1, 2]), iter((1, 2)), iter({1: 2}), iter({1, 2}), iter(range(3)), iter("ab"),
        enumerate([1, 2]), zip([1], [2]), map(abs, [1]), filter(None, [1]), reversed([1, 2]),
        itertools.count(), itertools.chain([1], [2]), itertools.islice([1, 2], 2),
        (v for v in (1, 2)),
    ],
    ids=lambda iterator: type(iterator).__name__,
)  # fmt: skip
def test_progress_shows(iterator: Any) -> None:
    before = progress(iterator)
    assert is_iterator(iterator) and progress(iterator) == before
    next(iterator)
    assert progress(iterator) != before


def test_iterators_in_iterators() -> None:
    inner = iter([1, 2])
    for outer in (zip(inner, [3]), enumerate(inner), map(abs, inner), (v for v in inner)):
        assert any(part is inner for part in within(outer))


def test_changes_among_many_objects() -> None:
    """All lists and objects at hand are looked at, however many."""

    @mlc.jit
    def among_lists(x: Any) -> Any:
        items = [[float(i)] for i in range(4000)]

        def change() -> None:
            items[3999][0] = 5.0

        if x[0] > 0:
            change()
        return items[3999][0]

    assert among_lists(np.ones(2)) == 5.0
    assert among_lists(-np.ones(2)) == 3999.0


def longer_on_the_way(x: Any) -> Any:
    q, c = [0.5, 2.0, 3.0], 0
    for _, v in enumerate(q):
        c += 1
        for w in x:
            if w > 0 and c < 5:
                q.append(v)
            if w > 2:
                break
    return c, q


def shorter_on_the_way(x: Any) -> Any:
    q, c = [0.5, 2.0, 3.0], 0
    for v, _ in zip(reversed(q), range(9)):
        c += v
        for w in x:
            if q:
                q.pop()
            if w > 2:
                break
    return c, q


def read_as_a_whole_on_the_way(x: Any) -> Any:
    q, r, d = [0.5, 2.0], [1, 4, 2], {1: 0.5, 3: 2.0}
    e = {}
    for _ in x:
        e = {w % 3: w for w in r}
        d[max(r, default=0) % 5] = min(x)
        q.extend([1.5, 1.0])
        if q:
            break
        if 1 in r:
            r.remove(4)
    return r, e, d, q


def taken_before_and_after(x: Any) -> Any:
    q = [x[0], x[1]]
    it = iter(q)
    s = next(it)
    for w in x:
        q.append(w)
        if w > 2:
            break
    return s * 2 + next(it), [v * 2 for v in it], next(it, -1)


@pytest.mark.parametrize(
    "function",
    [
        longer_on_the_way,
        shorter_on_the_way,
        read_as_a_whole_on_the_way,
        taken_before_and_after,
    ],
)
@pytest.mark.parametrize("values", [(3.0, 1.0), (1.0, 3.0), (-1.0, 0.0, 0.5, 0.25, 1.0)])
def test_lists_that_become_arrays_on_the_way(function: Any, values: Any) -> None:
    mlc.testing.check_against_numpy(function, np.array(values))
