"""Random numbers and clocks that compiled code cannot follow are refused, or said to be frozen."""

from __future__ import annotations

import datetime
import os
import random
import secrets
import time
import uuid
from typing import Any

import numpy as np
import pytest

import mlc


def state_of(rng: np.random.Generator) -> int:
    return int(rng.bit_generator.state["state"]["state"])  # type: ignore[call-overload]


def kept(rng: np.random.Generator) -> Any:
    before = rng.bit_generator.state
    drawn = rng.random()
    rng.bit_generator.state = before
    return drawn


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (lambda g: g.bit_generator.random_raw() % 97, "changes a random generator from outside"),
        (lambda g: np.random.Generator(g.bit_generator).random(), "other ways than by drawing"),
        (lambda g: g.bit_generator.advance(3).random_raw() % 97, "other ways than by drawing"),
        (lambda g: g.bit_generator.seed_seq.spawn(1)[0].generate_state(1), "other ways than"),
        (lambda g: g.spawn(1)[0].random(), r"spawn\(\) of a generator from outside"),
        (kept, r"reads or sets its bit_generator\.state"),
        (lambda g: np.random.default_rng(np.random.PCG64()).random(), r"PCG64\(\) without a seed"),
        (lambda g: np.random.SeedSequence().generate_state(1), r"SeedSequence\(\) without a seed"),
        (lambda g: random.SystemRandom().random(), r"SystemRandom\(\) draws from the system"),
        (lambda g: secrets.randbelow(9), r"randbelow\(\) draws from the system"),
        (lambda g: os.urandom(1)[0], r"urandom\(\) draws from the system"),
        (lambda g: uuid.uuid4().int % 97, r"uuid4\(\) draws from the system"),
    ],
)
def test_what_would_be_the_same_at_each_call_is_refused(function: Any, sentence: str) -> None:
    rng = np.random.default_rng(3)
    before = state_of(rng)
    with pytest.raises(mlc.UnsupportedError, match=sentence):
        mlc.jit(lambda x, g: x + function(g))(np.ones(2), rng)
    assert state_of(rng) == before


def test_bit_generators_of_a_known_seed_are_followed() -> None:
    def drawn(x: Any) -> Any:
        one = np.random.default_rng(5)
        other = one.spawn(2)[1]
        made = np.random.Generator(np.random.PCG64(3))
        state = one.bit_generator.state
        first = one.random()
        one.bit_generator.state = state
        raw = made.bit_generator.random_raw() % 97
        return x + first - one.random() + other.random() + made.random() + raw

    f, x = mlc.jit(drawn), np.ones(2)
    assert np.array_equal(f(x), drawn(x)) and np.array_equal(f(x), drawn(x))


def test_states_that_are_read_are_those_of_the_call() -> None:
    f = mlc.jit(lambda x, g: x + g.bit_generator.state["state"]["state"] % 97)
    rng, x = np.random.default_rng(3), np.ones(2)
    for _ in range(2):
        assert np.array_equal(f(x, rng), x + state_of(rng) % 97)
        rng.random()


def test_pythons_generator_without_a_seed_is_another_one_at_each_call() -> None:
    f = mlc.jit(lambda x: x + random.Random().random())
    assert len({float(f(np.ones(1))[0]) for _ in range(3)}) == 3


@pytest.mark.parametrize("clock", [time.perf_counter, time.time_ns, datetime.datetime.now])
def test_clocks_are_read_once_and_that_is_said(clock: Any) -> None:
    reading = clock.__name__
    with pytest.warns(UserWarning, match=rf"{reading}\(\) in a jitted function is called once"):
        mlc.jit(lambda x: (x, clock())[0] + 1)(np.ones(2))
