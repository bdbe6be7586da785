"""np.nditer over a traced array: the elements in NumPy's order, in native loops, too."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.control import runtime

NUMBERS = np.random.default_rng(5).normal(size=(7, 5))


def slopes(x: Any) -> Any:
    """Central differences of the sum of cubes."""
    step = 1e-4
    found = np.zeros_like(x)
    it = np.nditer(x, flags=["multi_index"], op_flags=["readwrite"])
    while not it.finished:
        place = it.multi_index
        before = x[place]
        x[place] = float(before) + step
        high = np.sum(x**3)
        x[place] = before - step
        found[place] = (high - np.sum(x**3)) / (2 * step)
        x[place] = before
        it.iternext()
    return found


def doubled(x: Any) -> Any:
    with np.nditer(x, op_flags=[["readwrite"]]) as it:
        for value in it:
            value[...] = 2 * value
    return x


def visited(x: Any) -> Any:
    it = np.nditer(x, flags=["c_index", "multi_index"])
    found = []
    for value in it:
        found += [it.index, *it.multi_index, value + 1]
    return np.array(found)


def in_order(x: Any) -> Any:
    it = np.nditer(x, ["f_index"], order="F")
    found = []
    while not it.finished:
        found += [it.index, it[0] * 2, it.value]
        if not it.iternext():
            break
    it.reset()
    return np.array([*found, it[0], it.itersize])


def ended(x: Any) -> Any:
    it = np.nditer(x, flags=["multi_index"])
    rows = 0
    while not it.finished and x[it.multi_index] < 2.5:
        rows = it.multi_index[0]
        it.iternext()
    return rows


@pytest.mark.parametrize("function", [slopes, doubled, visited, in_order, ended])
@pytest.mark.parametrize("order", ["C", "F"])
def test_it_is_as_in_numpy(function: Callable[..., Any], order: Any) -> None:
    x = np.array(NUMBERS[:3] if function in (visited, in_order) else NUMBERS, order=order)
    there, here = x.copy("K"), x.copy("K")
    wanted, found = function(there), mlc.jit(function)(here)
    np.testing.assert_allclose(found, wanted, rtol=1e-7)  # of differences
    assert np.asarray(found).dtype == np.asarray(wanted).dtype
    np.testing.assert_allclose(here, there, rtol=1e-12)


def test_a_loop_over_it_is_native(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_MOST_UNROLLED", 0)
    x = np.random.default_rng(6).normal(size=(40, 50))
    assert len(mlc.jit(slopes).lower(x.copy()).graph.splitlines()) < 40
    np.testing.assert_allclose(mlc.jit(slopes)(x.copy()), slopes(x.copy()), rtol=1e-6, atol=1e-6)


def test_what_it_does_not_do_is_said() -> None:
    with pytest.raises(mlc.UnsupportedError, match=r"np.nditer is traced for one array, with"):
        mlc.jit(lambda x: [a + b for a, b in np.nditer([x, x])])(NUMBERS)
    with pytest.raises(mlc.UnsupportedError, match=r"neither C's nor Fortran's; give order='C'"):
        mlc.jit(lambda x: [value + 1 for value in np.nditer(x)])(NUMBERS[:, ::2])
    with pytest.raises(ValueError, match=r"Iterator is not tracking multi"):
        mlc.jit(lambda x: np.nditer(x).multi_index)(NUMBERS)
