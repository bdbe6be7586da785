"""NumPy's functions take lists whose length the data decide, and so do Python's operators."""

import copy
from typing import Any

import numpy as np
import pytest

import mlc


def _places(x: np.ndarray) -> list[int]:
    places = []
    for i in range(len(x)):
        if x[i] > 0.5:
            places.append(i)
    return places


def _times(x: np.ndarray) -> list[float]:
    time = 0.0
    times = [time]
    while time < 3:
        time += x[0]
        times.append(time)
    return times


def _written(x: np.ndarray) -> Any:
    y, m = np.zeros(len(x)), np.ones((len(x), 3))
    places = _places(x)
    y[places] += x[places]
    m[places, 0] = 5
    np.add.at(y, places, 1)
    return y, m


def _ordered(x: np.ndarray) -> Any:
    places = _places(x)
    places.sort(key=lambda place: -x[place])
    return places


def _doubled(x: np.ndarray) -> Any:
    places = _places(x)
    places *= 2
    return places


CASES: dict[str, Any] = {
    "array of Python's and NumPy's numbers": lambda x: np.array(_times(x)),
    "mean of both": lambda x: (np.mean(_times(x)), np.asarray(_times(x))[-1]),
    "index": lambda x: (x[_places(x)], np.outer(x, x)[_places(x)][:, _places(x)]),
    "take": lambda x: np.take(x, _places(x)),
    "arrays of lists": lambda x: np.array([_places(x), _places(x)]),
    "repeated": lambda x: (_places(x) * 2, 2 * _places(x)),
    "copied": lambda x: (copy.copy(_places(x)), copy.deepcopy(_places(x))),
    "folds": lambda x: (np.max(_places(x)), np.diff(_places(x)), np.isin(2, _places(x))),
    "joined": lambda x: np.concatenate([_places(x), [7]]),
    "writes": _written,
    "sort": _ordered,
    "repeated in place": _doubled,
}


def _leaves(value: Any) -> list[Any]:
    return [leaf for part in value for leaf in _leaves(part)] if type(value) in (list, tuple) else [
        value
    ]  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_lists_in_arrays_are_taken_as_lists(name: str) -> None:
    fast = mlc.jit(CASES[name])
    for x in (np.array([0.9, 0.8, 0.2, 0.7]), np.array([0.6, 0.9, 0.2, 0.1])):
        got, want = _leaves(fast(x)), _leaves(CASES[name](x))
        assert len(got) == len(want)
        for g, w in zip(got, want):
            np.testing.assert_allclose(g, w, rtol=1e-12)
            assert np.asarray(g).dtype == np.asarray(w).dtype


def _pairs(x: Any) -> Any:
    """Lines, each of two points."""
    lines = []
    for i in range(len(x) - 1):
        if x[i] > x[i + 1]:
            lines.append(((i, x[i]), (i + x[i + 1], i + 1)))
    return np.array(lines)


def test_tuples_of_tuples_make_arrays_of_more_axes() -> None:
    x = np.random.default_rng(0).random(30)
    found, want = mlc.jit(_pairs)(x), _pairs(x)
    np.testing.assert_array_equal(found, want)
    assert found.dtype == want.dtype and found.shape[1:] == (2, 2)


def test_uneven_tuples_make_no_array() -> None:
    def f(x: Any) -> Any:
        lines = []
        for i in range(len(x)):
            if x[i] > 0.5:
                lines.append((i, (x[i], i)))
        return np.array(lines)

    with pytest.raises(mlc.MlcError, match="tuples of such that are alike"):
        mlc.jit(f)(np.random.default_rng(0).random(30))
