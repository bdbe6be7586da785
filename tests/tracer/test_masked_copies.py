"""What a traced mask selects, written to and read again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.testing import check_against_numpy

X = np.array([6, 4.5, -2])


@pytest.mark.parametrize(
    "after",
    [
        lambda u: u.astype(np.float32),
        lambda u: u.copy(),
        lambda u: u + 1,
        lambda u: u.sum(),
        lambda u: u[u > 5],
        lambda u: np.sort(u),
    ],
)
def test_what_was_written_is_read(after: Callable[[Any], Any]) -> None:
    def program(x: Any) -> Any:
        chosen = x[x > 0]
        copied = chosen.copy()
        copied[0] = 9
        return after(copied), copied, chosen

    check_against_numpy(program, X)


def test_a_diagonal_has_axes_of_one_size() -> None:
    check_against_numpy(lambda x: np.einsum("...ii->...i", x), np.ones((4, 2, 2)))
    for shape in ((2, 3), (0, 2), (1, 2)):
        with pytest.raises(mlc.ShapeError, match="one label stands for axes of several sizes"):
            mlc.jit(lambda x: np.einsum("ii->i", x))(np.ones(shape))
