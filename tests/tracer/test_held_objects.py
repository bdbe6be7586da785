"""Objects inside lists and dicts that are passed, and objects with slots."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc


class Particle:
    """Two arrays and a number."""

    def __init__(self, place: list[float], speed: list[float]) -> None:
        self.place, self.speed, self.mass = np.array(place, float), np.array(speed, float), 2.0

    def move(self, dt: float) -> None:
        self.place += self.speed * dt
        self.mass = self.mass * dt


class Slotted:
    """The same, without a dict."""

    __slots__ = ("__age", "mass", "place", "speed", "unset")

    def __init__(self, place: list[float], speed: list[float]) -> None:
        self.place, self.speed, self.mass = np.array(place, float), np.array(speed, float), 2.0
        self.__age = 0.0

    def move(self, dt: float) -> None:
        self.place = self.place + self.speed * dt
        self.mass = self.mass * dt
        self.__age += dt

    @property
    def age(self) -> float:
        return self.__age


class Tagged(Slotted):
    """Slots, and a dict too."""

    def __init__(self, place: list[float], speed: list[float]) -> None:
        super().__init__(place, speed)
        self.tag = np.zeros(2)

    def move(self, dt: float) -> None:
        super().move(dt)
        self.tag = self.tag + self.place


def state(value: Any) -> Any:
    """All that can be compared."""
    match value:
        case list() | tuple():
            return [state(item) for item in value]
        case dict():
            return {key: state(item) for key, item in value.items()}
        case Particle():
            return state(vars(value))
        case Slotted():
            held = [value.place, value.speed, value.mass, value.age, hasattr(value, "unset")]
            return state([*held, getattr(value, "tag", None)])
        case np.ndarray():
            return value.tolist()
    return value


def check(function: Callable[..., Any], *arguments: Any, calls: int = 3, most: int = 2) -> None:
    """Three calls with the same objects: what is returned and what the objects hold after each."""
    mine, theirs = copy.deepcopy(arguments), copy.deepcopy(arguments)
    jitted = mlc.jit(function)
    for _ in range(calls):
        assert state(jitted(*mine)) == state(function(*theirs))
        assert state(mine) == state(theirs)
    assert len(jitted.cache_info()) <= most


def advance(particles: list[Any], dt: float) -> Any:
    for particle in particles:
        particle.move(dt)
    return sum(p.mass * (p.place**2).sum() for p in particles)


def one(held: dict[str, Any], dt: float) -> Any:
    held["first"].move(dt)
    return held["first"].place.sum() + held["w"].sum()


def read(particles: Any) -> Any:
    return particles[1].place * particles[0].mass


KINDS = [Particle, Slotted, Tagged]


@pytest.mark.parametrize("kind", KINDS)
def test_objects_in_a_list_are_read_and_set(kind: Any) -> None:
    check(advance, [kind([1, 2], [3, 4]), kind([5, 6], [7, 8])], 0.5)


@pytest.mark.parametrize("kind", KINDS)
def test_objects_in_a_dict_beside_arrays(kind: Any) -> None:
    check(one, {"first": kind([1, 2], [3, 4]), "w": np.ones(3)}, 0.5)


@pytest.mark.parametrize("kind", KINDS)
def test_objects_in_a_tuple_that_are_only_read(kind: Any) -> None:
    a, b, c = kind([1, 2], [3, 4]), kind([5, 6], [7, 8]), kind([9, 9], [0, 0])
    jitted = mlc.jit(read)
    for pair in ((a, b), (b, a), (a, c), (a, b)):
        np.testing.assert_array_equal(jitted(pair), read(pair))
    b.place = np.array([0.5, 0.25])
    a.mass = 3.0
    np.testing.assert_array_equal(jitted((a, b)), read((a, b)))


def test_an_object_with_slots_as_the_argument() -> None:
    def step(particle: Slotted, force: Any) -> Any:
        particle.speed = particle.speed + force
        particle.unset = force * 2
        particle.move(0.5)
        return particle.place * particle.unset

    mine, theirs = Slotted([1, 2], [3, 4]), Slotted([1, 2], [3, 4])
    jitted, force = mlc.jit(step), np.ones(2)
    for _ in range(3):
        np.testing.assert_array_equal(jitted(mine, force), step(theirs, force))
        assert state(mine) == state(theirs)
        np.testing.assert_array_equal(mine.unset, theirs.unset)


@pytest.mark.parametrize("kind", KINDS)
def test_a_native_loop_carries_what_an_object_holds(kind: Any) -> None:
    def run(particle: Any, steps: int, x: Any) -> Any:
        for _ in range(steps):
            particle.move(0.5)
            x = x + particle.place
        return x

    check(run, kind([1, 2], [3, 4]), 40, np.ones(2))


def test_an_object_put_into_a_list_that_was_passed() -> None:
    def grow(particles: list[Any], x: Any) -> Any:
        particles.append(particles[0])
        return x + 1

    particles = [Particle([1], [2])]
    mlc.jit(grow)(particles, np.ones(2))
    assert len(particles) == 2 and particles[0] is particles[1]


def test_what_a_first_trace_wrote_is_put_back() -> None:
    class Counter:
        """An array that is written in place, in a native loop."""

        def __init__(self) -> None:
            self.place, self.rate = np.ones(2), 2.0

        def move(self) -> None:
            self.place += 0.5
            self.rate = self.rate * 0.5

    def run(counter: Counter, x: Any) -> Any:
        for _ in range(40):
            counter.move()
            x = x + counter.place
        return x

    mine, theirs, jitted = Counter(), Counter(), mlc.jit(run)
    for _ in range(3):
        np.testing.assert_array_equal(jitted(mine, np.ones(2)), run(theirs, np.ones(2)))
        np.testing.assert_array_equal(mine.place, theirs.place)
        assert mine.rate == theirs.rate
    assert len(jitted.cache_info()) == 1


def test_what_a_method_of_a_base_class_reads_is_watched() -> None:
    class Base:
        """A number that a method reads, which `super` alone finds."""

        def __init__(self) -> None:
            self.rate = 2.0

        def scaled(self, x: Any) -> Any:
            return x * self.rate

    class Derived(Base):
        """Another method of that name."""

        def scaled(self, x: Any) -> Any:
            return super().scaled(x) + 1

    model = Derived()
    jitted = mlc.jit(lambda model, x: model.scaled(x))
    np.testing.assert_array_equal(jitted(model, np.ones(2)), [3.0, 3.0])
    model.rate = 5.0
    np.testing.assert_array_equal(jitted(model, np.ones(2)), [6.0, 6.0])


class Counting:
    def __init__(self) -> None:
        self.count = 0
        self.kept: list[list[Any]] = [[], [], []]

    def keep(self, place: Any, value: Any) -> None:
        self.count += 1
        self.kept[place].append(value)


def test_what_is_traced_twice_counts_once() -> None:
    for value in (1.0, 2, np.float64(3)):
        held, jitted = Counting(), mlc.jit(Counting.keep)
        jitted(held, 1, value)
        assert (held.count, held.kept) == (1, [[], [value], []])
        jitted(held, 2, value)
        assert (held.count, held.kept) == (2, [[], [value], [value]])


def test_what_is_refused_changes_nothing() -> None:
    held = Counting()
    with pytest.raises(mlc.UnsupportedError):
        mlc.jit(lambda h, x: (h.keep(0, 1.0), x.tobytes()))(held, np.ones(3))
    assert (held.count, held.kept) == (0, [[], [], []])
