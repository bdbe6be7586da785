"""Searches: nothing is proposed twice, good ones are followed, models learn what matters."""

from __future__ import annotations

import random

import numpy as np
import pytest

import mlc
from mlc.looking.machine import Facts
from mlc.schedules.schedule import Schedule
from mlc.tune.candidate import Candidate
from mlc.tune.model.features import features, speed_of_threads
from mlc.tune.model.ridge import CostModel
from mlc.tune.search import NAMES, search_named
from mlc.tune.space import Space, Template
from mlc.tune.spaces.structural import structural_space
from mlc.tune.targets import workloads_for
from mlc.tune.workload import workload_of

from .test_space import product

PLACES = 12


def places(s: Schedule) -> None:
    """Two decisions of many values, which leave different programs."""
    i, j, _ = s.loops("C")
    for loop in (i, j):
        factor = s.sample_categorical([*range(2, 2 + PLACES)])
        s.split(loop, [None, factor])


def made_space() -> Space:
    return Space(workload_of(product(32, 32, 8)), [Template("places", places)])


def seconds(candidate: Candidate) -> float:
    """Best at (9, 3)."""
    _, a, b = candidate.decisions
    return 1.0 + abs(a - 9) + abs(b - 3)


def best_after(name: str, trials: int, seed: int) -> float:
    search = search_named(name, made_space(), seed)
    best = float("inf")
    while trials > 0:
        batch = list(search.propose(min(8, trials)))
        if not batch:
            break
        trials -= len(batch)
        for candidate in batch:
            search.observe(candidate, seconds(candidate))
            best = min(best, seconds(candidate))
    return best


def test_candidates_are_drawn_when_they_are_asked_for() -> None:
    made = workload_of(product(32, 32, 8))
    space = Space(made, [Template(f"places {n}", places) for n in range(3)])
    proposed = search_named("random", space, 0).propose(5)
    assert space.draws == 0
    next(proposed)
    assert space.draws == 1  # the others while this one is built
    assert len(list(proposed)) == 4


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_proposed_twice_and_spaces_end(name: str) -> None:
    search = search_named(name, made_space(), 0)
    seen = []
    while batch := list(search.propose(16)):
        for candidate in batch:
            search.observe(candidate, seconds(candidate))
        seen += [candidate.decisions for candidate in batch]
    assert len(seen) == len(set(seen))
    assert len(seen) > PLACES**2 * (0.99 if name == "grid" else 0.8)


@pytest.mark.parametrize("name", ["evolutionary", "greedy"])
def test_what_was_good_is_followed(name: str) -> None:
    guided = np.mean([best_after(name, 40, seed) for seed in range(6)])
    blind = np.mean([best_after("random", 40, seed) for seed in range(6)])
    assert guided < blind


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_proposes_the_same(name: str) -> None:
    one, other = (
        [c.decisions for c in search_named(name, made_space(), 7).propose(10)] for _ in "ab"
    )
    assert one == other


def test_failures_are_no_parents() -> None:
    search = search_named("evolutionary", made_space(), 0)
    for candidate in search.propose(8):
        search.observe(candidate, None)
    assert search.best == []


def test_unknown_searches_are_named() -> None:
    with pytest.raises(mlc.ArgumentError, match="unknown search 'best'; expected one of"):
        search_named("best", made_space(), 0)


def lanes(s: Schedule) -> None:
    i, j, k = s.loops("C")
    width = s.sample_categorical([1, 2, 4, 8, 16])
    rows = s.sample_categorical([1, 2, 4, 8])
    j0, j1 = s.split(j, [None, width])
    i0, i1 = s.split(i, [None, rows])
    s.reorder(i0, j0, k, i1, j1)
    s.unroll(i1)
    if width > 1:
        s.vectorize(j1)


def test_a_model_learns_what_it_is_shown() -> None:
    space = Space(workload_of(product(64, 64, 64)), [Template("lanes", lanes)])
    model = CostModel(space.workload, Facts())
    candidates = list(space.grid())
    random.Random(0).shuffle(candidates)

    def time(candidate: Candidate) -> float:  # the other way round than anybody would think
        _, width, rows = candidate.decisions
        return 2.0**width * 1.5**rows

    assert not model.is_trusted
    for candidate in candidates[:12]:
        model.learn(candidate, time(candidate))
    assert model.is_trusted
    ranked = [time(candidate) for candidate in model.ranked(candidates[12:])]
    assert np.mean(ranked[:3]) < np.mean(ranked[-3:])


def test_a_model_that_learns_noise_is_not_trusted() -> None:
    space = Space(workload_of(product(64, 64, 64)), [Template("lanes", lanes)])
    model, draw = CostModel(space.workload, Facts()), random.Random(1)
    for candidate in space.grid():
        model.learn(candidate, draw.random())
    assert not model.is_trusted


def test_the_first_guess_is_the_analytic_one() -> None:
    space = Space(workload_of(product(64, 64, 64)), [Template("lanes", lanes)])
    model = CostModel(space.workload, Facts())
    draw = random.Random(0)
    slow, fast = (space.make("lanes", given, draw, "") for given in ((0, 0), (4, 2)))
    assert slow is not None and fast is not None
    assert model.ranked([slow, fast]) == [fast, slow]


def test_features_see_threads_and_what_is_written_out() -> None:
    s = Schedule(product(60, 64, 8))
    i, _, k = s.loops("C")
    plain = features(s.program, Facts())
    s.parallel(i, grain=20)
    s.unroll(k)
    after = features(s.program, Facts())
    assert plain is not None and after is not None and plain.shape == after.shape
    assert speed_of_threads(s.program, 2) == 1.5  # three tasks for two threads
    assert np.isfinite(after).all() and after[-4] > plain[-4]


def test_every_schedule_that_is_drawn_has_features() -> None:
    def halved(x):
        while x.sum() > 4:
            x = x * np.float32(0.5)
        return np.sort(x @ x.T, -1)

    x = np.random.default_rng(0).uniform(0, 1, (24, 16)).astype(np.float32)
    draw, seen = random.Random(0), 0
    for workload in workloads_for(mlc.jit(halved), (x,), {}):
        assert features(workload.program, Facts()) is not None
        assert features(workload.default, Facts()) is not None
        space = structural_space(workload, Facts())
        for candidate in (*space.seeds(draw), *(space.sample(draw) for _ in range(4))):
            if candidate is not None:
                found = features(candidate.program(workload), Facts())
                assert found is not None and np.isfinite(found).all()
                seen += 1
    assert seen >= 3
