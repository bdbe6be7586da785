"""Decisions: drawn by chance, named in the trace, changed in it, adapted to other sizes."""

from __future__ import annotations

import json
from collections import Counter

import pytest

import mlc
from mlc.errors import ScheduleError
from mlc.ir.program import For, walk
from mlc.schedules import Decision, replay
from mlc.schedules.schedule import Schedule

from .samples import assert_round_trips, assert_same_results, matmul


@mlc.schedule
def sampled(s):
    i, j, k = s.loops("C")
    t = s.sample_perfect_tile(i, n=3, max_innermost=4)
    s.split(i, t)
    width = s.sample_categorical([2, 4, 8], probabilities=[1, 1, 2])
    s.split(j, [None, width])
    s.unroll(k)


def extents(program) -> list[int]:
    return [n.extent for n in walk(program.body) if isinstance(n, For)]


@pytest.mark.parametrize("seed", range(5))
def test_what_is_sampled_is_named_in_the_source(seed: int) -> None:
    s = sampled.on(matmul(m=24), seed=seed)
    again = sampled.on(matmul(m=24), seed=seed)
    assert s.source() == again.source(), "the seed decides"
    t = s.trace[0].made
    assert t[0] * t[1] * t[2] == 24 and t[2] <= 4
    source = s.source()
    assert (
        f"t, t_1, t_2 = s.sample_perfect_tile(i, 3, max_innermost=4, decision={list(t)})" in source
    )
    assert "s.split(i, [t, t_1, t_2])" in source
    assert (
        "t_3 = s.sample_categorical([2, 4, 8], probabilities=[1.0, 1.0, 2.0], decision=" in source
    )
    assert "s.split(j, [None, t_3])" in source
    assert_same_results(s.program, s.original)
    assert_round_trips(s)


def test_seeds_make_a_difference() -> None:
    assert len({sampled.on(matmul(m=24), seed=n).source() for n in range(12)}) > 4
    s = Schedule(matmul())
    s.seed(3)
    first = s.sample_categorical(range(100))
    s.undo()
    s.seed(3)
    assert s.sample_categorical(range(100)) == first


def test_each_tile_is_as_likely_as_any_other() -> None:
    s = Schedule(matmul(m=12), seed=0)
    i = s.loops("C")[0]
    drawn = Counter(tuple(s.sample_perfect_tile(i, 2, max_innermost=12)) for _ in range(600))
    assert set(drawn) == {(1, 12), (2, 6), (3, 4), (4, 3), (6, 2), (12, 1)}
    assert min(drawn.values()) > 60


def test_a_changed_decision_changes_the_steps_that_use_it() -> None:
    s = Schedule(matmul(m=24))
    i = s.loops("C")[0]
    s.split(i, s.sample_perfect_tile(i, 2, decision=[6, 4]))
    content = json.loads(s.to_json())
    content["steps"][0]["with"]["decision"] = [12, 2]
    replayed = replay(json.dumps(content), matmul(m=24))
    assert extents(replayed.program)[:2] == [12, 2]


def test_a_decision_is_adapted_to_another_size() -> None:
    s = Schedule(matmul(m=24))
    i = s.loops("C")[0]
    s.split(i, s.sample_perfect_tile(i, 3, decision=[2, 3, 4]))
    replayed = replay(s, matmul(m=30))
    assert [row.status for row in replayed.report.rows] == ["adapted", "adapted"]
    assert extents(replayed.program)[:3] == [5, 2, 3]
    assert_same_results(replayed.program, matmul(m=30))


def test_arithmetic_forgets_where_a_number_came_from() -> None:
    s = Schedule(matmul(m=24))
    i, j, _ = s.loops("C")
    width = s.sample_categorical([2, 4], decision=0)
    assert isinstance(width, Decision) and width == 2 and hash(width) == hash(2)
    assert type(width * 2) is int
    s.split(i, [None, width * 2])
    s.split(j, [None, width])
    assert "s.split(i, [None, 4])" in s.source() and "s.split(j, [None, t])" in s.source()


@pytest.mark.parametrize(
    ("take", "sentence"),
    [
        (lambda s, i: s.sample_perfect_tile(i, 2, decision=[5, 2]), "must be 2 factors of 6, the"),
        (lambda s, i: s.sample_perfect_tile(i, 2, 2, decision=[2, 3]), "is 3, more than 2"),
        (lambda s, i: s.sample_perfect_tile(i, 1), "a tile has two or more factors"),
        (lambda s, i: s.sample_categorical([]), "there are no candidates"),
        (lambda s, i: s.sample_categorical([1, 2], decision=2), "a place among the 2 candidates"),
        (lambda s, i: s.sample_categorical([1, 2], [0.0, 0.0]), "probabilities must be 2 numbers"),
        (lambda s, i: s.sample_categorical(["a"]), "candidates are whole numbers; to choose among"),
    ],
)
def test_decisions_that_are_refused(take, sentence: str) -> None:
    s = Schedule(matmul())
    with pytest.raises(ScheduleError, match=sentence):
        take(s, s.loops("C")[0])
