"""Objects of the user's classes that a jitted function makes and returns."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np
import pytest

import mlc

X = np.arange(1.0, 5.0)


class Kind(Enum):
    WARM = 1


class Vector:
    def __init__(self, x: Any, y: Any) -> None:
        self.x, self.y, self.kind, self.apply = x, y, Kind.WARM, np.tanh

    def __add__(self, other: Vector) -> Vector:
        return Vector(self.x + other.x, self.y + other.y)

    def __mul__(self, factor: Any) -> Vector:
        return type(self)(self.x * factor, self.y * factor)

    def dot(self, other: Vector) -> Any:
        return self.x * other.x + self.y * other.y

    @classmethod
    def twice(cls, x: Any) -> Vector:
        return cls(x, x)


@dataclass(frozen=True)
class State:
    place: Any
    speed: Any
    name: str = "a"
    times: list[Any] = field(default_factory=list)


class Slotted:
    __slots__ = ("inner", "items")

    def __init__(self, x: Any) -> None:
        self.inner, self.items = Vector(x, 2.0), [x, 3]


def held(value: Any) -> Any:
    """What an object holds, in words."""
    if isinstance(value, (Vector, State)):
        return type(value).__name__, {k: held(v) for k, v in vars(value).items()}
    if isinstance(value, Slotted):
        return "Slotted", held(value.inner), held(value.items)
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, *map(held, value)]
    if isinstance(value, dict):
        return {key: held(item) for key, item in value.items()}
    array = np.asarray(value)
    return (type(value).__name__, array.dtype.str, array.tolist()) if array.dtype != object else (
        value
    )  # fmt: skip


def unit(v: Any, w: Any) -> Any:
    total = v + w
    return total * (1.0 / total.dot(total))


def step(state: Any, dt: Any) -> Any:
    return State(state.place + dt * state.speed, state.speed * 1, state.name, [*state.times, dt])


def many(x: Any) -> Any:
    made = [Vector(x[k], x.sum()) for k in range(3)]
    return {"all": made, "slotted": Slotted(x * 2), "twice": (Vector.twice(x - 1), 7)}


def summed(x: Any) -> Any:
    total = Vector(0.0, 1.0)
    for k in range(len(x)):
        total = total + Vector(x[k], x[k] * 2)
    return total


@pytest.mark.parametrize(
    ("function", "args"),
    [
        (unit, (Vector(X, 2.0), Vector(1.0, X))),
        (step, (State(X, X + 1), 0.5)),
        (many, (X,)),
        (summed, (X,)),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_they_are_made_at_each_call(function: Any, args: Any) -> None:
    jitted = mlc.jit(function)
    first, again, expected = jitted(*args), jitted(*args), function(*args)
    assert held(first) == held(again) == held(expected)
    assert first is not again


def test_each_call_has_its_own() -> None:
    jitted = mlc.jit(lambda x: State(x * 2, X))
    first, second = jitted(X), jitted(X + 1)
    first.times.append(1)
    first.place[0] = 9.0
    assert second.times == [] and second.place[0] == 4.0 and jitted(X).place[0] == 2.0


def test_what_cannot_be_made_again_is_refused() -> None:
    def pair(x: Any) -> Any:
        v = Vector(x * 2, 1.0)
        return v, v

    def other(x: Any, v: Any) -> Any:
        return State(x * 2, v)

    def later(x: Any) -> Any:
        v = Vector(x * 2, 1.0)
        v.apply = lambda: v.x
        return v

    for function, args, what in (
        (pair, (X,), "pair returns a Vector that it has made, and that stands in several"),
        (other, (X, Vector(1.0, 2.0)), "its speed is or holds a Vector from elsewhere, which"),
        (later, (X,), "its apply is or holds a function from elsewhere, which cannot be made"),
    ):
        with pytest.raises(mlc.UnsupportedError, match=what):
            mlc.jit(function)(*args)


def test_copies_of_numbers_are_numbers() -> None:
    def copied(x: Any, n: Any) -> Any:
        return copy.deepcopy([n, x]), copy.copy(n)

    (number, array), again = mlc.jit(copied)(X, 3)
    assert (type(number), type(again), number, again) == (int, int, 3, 3)
    assert array.tolist() == X.tolist()


class Alone(Vector):
    __array_ufunc__ = None  # no operand of NumPy's

    def __rmul__(self, factor: Any) -> Any:
        return type(self)(self.x * factor, self.y * factor)


class Scaled(Vector):
    def __rmul__(self, factor: Any) -> Any:
        return type(self)(self.x * factor, self.y * factor)


def test_operators_of_objects_that_numpy_leaves_alone() -> None:
    def scaled(v: Any, w: Any, x: Any, factor: Any) -> Any:
        return x * v, v * 2.0, factor * w, x.sum() * w

    args = Alone(X, 3.0), Scaled(X, 3.0), X, 2.5
    for found, expected in zip(mlc.jit(scaled)(*args), scaled(*args)):
        assert held(found.x) == held(expected.x) and type(found) is type(expected)


class Grid:
    """Numbers in lists of lists."""

    def __init__(self, size: int) -> None:
        self.size, self.parent = size, None
        self.rows = [[1.0 for _ in range(size)] for _ in range(size)]


def test_objects_without_arrays_are_new_at_each_call() -> None:
    def even(x: Any) -> Any:
        made = Grid(len(x))
        total = sum(map(sum, made.rows))
        for i in range(made.size):
            for j in range(made.size):
                made.rows[i][j] /= total
        return made

    compiled, x = mlc.jit(even), np.ones(20)
    first, second = compiled(x), compiled(x)
    assert vars(first) == vars(second) == vars(even(x))
    assert type(first.rows) is list and type(first.rows[0]) is list
    assert first is not second and first.rows[0] is not second.rows[0]


@dataclass
class Pair:
    """What NumPy takes for an array."""

    x: Any
    y: Any

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.array([self.x, self.y], dtype)


def test_objects_that_numpy_takes_for_arrays() -> None:
    def halves(x: Any) -> Any:
        return Pair(x / 2, [x - 1, 3])

    compiled = mlc.jit(halves)
    for x in (3.0, 5.0):
        assert compiled(x) == halves(x)
    first, second = mlc.jit(lambda x: Pair(x / 2, x))(X), Pair(X / 2, X)
    np.testing.assert_array_equal(np.asarray(first), np.asarray(second))
