"""What is done with the class of a traced value: it is that of what the value stands for."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.testing import check_against_numpy

X = np.arange(4.0)
NUMBERS_OF = {np.ndarray: 10, float: 20, np.float64: 30}
ARRAY = np.ndarray
KINDS = (list, np.ndarray)


@functools.singledispatch
def stepped(x: Any) -> Any:
    return 0


@stepped.register(np.ndarray)
def _(x: Any) -> Any:
    return x + 1 if x.sum() > 3 else x


@stepped.register(float)
def _(x: Any) -> Any:
    return x + 2


@stepped.register(np.float64)
def _(x: Any) -> Any:
    return x + 3


class Stepping:
    @functools.singledispatchmethod
    def stepped(self, x: Any) -> Any:
        return 0 * x

    @stepped.register(np.ndarray)
    def _(self, x: Any) -> Any:
        return x + 1 if x.sum() > 3 else x


ASKED = {
    "class": lambda x: x + NUMBERS_OF[x.__class__],
    "type in a table": lambda x: x + NUMBERS_OF.get(type(x), 0),
    "of an element": lambda x: x + NUMBERS_OF.get(type(np.ravel(x)[0]), 0),
    "equal": lambda x: x + (type(x) in [ARRAY]) + (x.__class__ in KINDS),
    "same": lambda x: x + 1 if x.__class__ is np.ndarray else x,
    "name": lambda x: x + len(type(x).__name__) + len(f"{x.__class__}"),
    "subclass": lambda x: x + issubclass(type(x), KINDS) + issubclass(type(x), np.ndarray),
    "dispatched": lambda x: stepped(x) * 2,
    "dispatched directly": stepped,
    "dispatched by a method": lambda x: Stepping().stepped(x) * 2,
}


@pytest.mark.parametrize("name", ASKED)
def test_as_numpy(name: str) -> None:
    for value in (X, 2.5, np.float64(1.5)):
        check_against_numpy(ASKED[name], value, reference=ASKED[name])


def test_functions_that_are_registered_later_are_called() -> None:
    @functools.singledispatch
    def chosen(x: Any) -> Any:
        return x * 0

    class Choosing:
        @functools.singledispatchmethod
        def chosen(self, x: Any) -> Any:
            return x * 0

    choosing = Choosing()
    calls = [mlc.jit(lambda x: chosen(x)), mlc.jit(chosen), mlc.jit(lambda x: choosing.chosen(x))]
    assert [call(X).sum() for call in calls] == [0, 0, 0]
    for added in (1, 2):
        chosen.register(np.ndarray)(lambda x, n=added: x + n)
        Choosing.__dict__["chosen"].register(np.ndarray)(lambda self, x, n=added: x + n)
        assert [call(X).tolist() for call in calls] == [(X + added).tolist()] * 3


def test_functions_of_python_are_compiled_alone() -> None:
    threes = np.vectorize(lambda v: v * 3 if v > 1 else v, otypes=[float])
    for function in (max, sum, sorted, threes, Stepping().stepped):
        np.testing.assert_array_equal(mlc.jit(function)(X), function(X))
