"""``try`` statements that a ``break``, ``continue`` or ``return`` leaves: no ``else`` runs then."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc.testing


def known(x: Any) -> Any:
    c = 0
    for i in range(3):
        try:
            if i < 2:
                continue
        except ValueError:
            c += 1
        else:
            c += 10
    return c, x


def by_data(x: Any) -> Any:
    c = 0
    for v in x:
        try:
            if v < 0:
                continue
            if v > 3:
                break
        except ValueError:
            c += 1
        else:
            c += 10
        finally:
            c += 100
        c += 1000
    return c


def returned(x: Any) -> Any:
    def weighed(v: Any) -> Any:
        try:
            if v < 2:
                return 5.0
            v = v * 2
        except ValueError:
            return 6.0
        else:
            return 7 + v

    return [weighed(v) for v in x]


def from_handlers(x: Any) -> Any:
    c = 0
    for v in x:
        try:
            if v > 1:
                raise ValueError
            c += 1
        except ValueError:
            if v > 3:
                continue
            c += 10
        else:
            x[0] = 9.0
            c += 100
        c += 1000
    return c, x


@pytest.mark.parametrize("function", [known, by_data, returned, from_handlers])
def test_else_is_left_out(function: Any) -> None:
    for x in (np.array([1.0, -2.0, 0.5]), np.array([2.0, 4.0, 0.0, 1.0]), np.array([0.0, 7.0])):
        mlc.testing.check_against_numpy(function, x)
