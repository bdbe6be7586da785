"""``np.mgrid`` and ``np.ogrid`` of slices whose ends the data choose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.testing import check_against_numpy

WHOLE = np.array([2, 5, 1])


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.mgrid[0 : x[0], 0:3],
        lambda x: np.mgrid[x[0] : x[1], 0 : x[0]],
        lambda x: np.mgrid[: int(x[1]) : 2, 1:3, 4:5],
        lambda x: np.mgrid[x[0] : x[1]],
        lambda x: np.mgrid[x[0] : x[1] : 0.5],
        lambda x: np.mgrid[0 : x[1] : 5j],
        lambda x: np.mgrid[0 : x[1] : 5j, x[2] : 2],
        lambda x: np.mgrid[x[0] : x[1] : 1j, 0:2],
        lambda x: np.ogrid[0 : x[0], 0:3],
        lambda x: np.ogrid[0 : x[0] : 3j, x[2] : x[1]],
        lambda x: np.ogrid[x[0] : x[1]],
    ],
)
def test_grids_between_traced_ends(function: Callable[..., Any]) -> None:
    check_against_numpy(function, WHOLE)
    check_against_numpy(function, WHOLE * np.float32(1.25))


def test_grids_are_made_of_slices_with_ends() -> None:
    with pytest.raises(mlc.ArgumentError, match=r"np\.mgrid takes slices with an end"):
        mlc.jit(lambda x: np.mgrid[x[0] :, 0:2])(WHOLE)
    with pytest.raises(mlc.ArgumentError, match=r"np\.ogrid takes slices with an end"):
        mlc.jit(lambda x: np.ogrid[x, 0:2])(WHOLE)
