"""Loops over arrays made in the function, whose later rows the body writes traced values to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlc.testing import check_against_numpy


def of_floats(x: Any) -> Any:
    s, y = 0.0, np.zeros(3)
    for v in y:
        s += v
        y[2] = x[0]
    return s


def of_integers(x: Any) -> Any:
    s, y = 0, np.zeros(3, int)
    for v in y:
        s += v
        y[int((x > 0).sum()) % 3] = 5
    return s


def of_rows(x: Any) -> Any:
    s, y = 0, np.zeros((3, 2), int)
    for row in y:
        row[0] = int(x.sum()) + len(x)
        s += row[1]
        y[2, 1] = 4
    return s, y


def of_views(x: Any) -> Any:
    s, y = 0.0, np.zeros(3)
    for v in y[::-1]:
        s += v
        y[0] += x[1]
    return s


def over_again(x: Any) -> Any:
    y = np.zeros(4)
    for _ in range(2):
        for v in y:
            y[3] += x[0] + v
            y[0] += 1
    return y


def in_comprehensions(x: Any) -> Any:
    y = np.zeros(3)

    def read(v: Any) -> Any:
        y[2] = x[0]
        return v

    return np.array([read(v) for v in y])


@pytest.mark.parametrize(
    "program", [of_floats, of_integers, of_rows, of_views, over_again, in_comprehensions]
)
def test_rows_are_read_when_they_are_reached(program: Any) -> None:
    check_against_numpy(program, np.array([0.75, 1.5, -2.0]))
