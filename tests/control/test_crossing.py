"""Arrays joined of what is before and behind a place, as in genetic searches, and put on lists."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc

RNG = np.random.default_rng(1)
X, CUTS = RNG.random((40, 8)), RNG.integers(-9, 10, 40)


def crossed(x: Any, cuts: Any) -> Any:
    out = np.zeros_like(x)
    for k in range(len(cuts)):
        out[k] = np.concatenate([x[k][: cuts[k]], x[k - 1][cuts[k] :]])
    return out


def children(x: Any, cuts: Any) -> Any:
    found = []
    k = 0
    while len(found) < 20:
        cut = cuts[k]
        child = np.concatenate([x[k][:cut], x[k - 1][cut:]])
        if child[0] > 0.5:
            child[cut % 8] += 1
        found.append(child)
        k += 1
    return np.vstack([x[:3], found])


@pytest.mark.parametrize("program", [crossed, children])
def test_parts_of_two_arrays_that_make_one(program: Any) -> None:
    np.testing.assert_array_equal(mlc.jit(program)(X, CUTS), program(X, CUTS))


def test_arrays_that_are_written_after_they_were_put_on_a_list() -> None:
    def program(x: Any, cuts: Any) -> Any:
        found = []
        row = x[0].copy()
        k = 0
        while k < 30:
            row[k % 8] += 1
            found.append(row)
            k += 1 if cuts[k] < 5 else 2
        return found

    with pytest.raises(mlc.UnsupportedError, match="changes the items of found"):
        mlc.jit(program)(X, CUTS)
