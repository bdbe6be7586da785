"""Complex arguments of no axes: a write to them or to what shares their memory is never lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc


def _part(z: Any) -> None:
    z.real += 1


def _same_elements(z: Any) -> None:
    view = z[...]
    view += 1


def _turned(z: Any) -> None:
    view = z.T
    view += 1


def _squeezed(z: Any) -> None:
    view = z.squeeze()
    view *= 2


def _real_part(z: Any) -> None:
    part = z.real
    part += 1


def _written(z: Any) -> None:
    z[...] += 1


@pytest.mark.parametrize(
    "change", [_part, _same_elements, _turned, _squeezed, _real_part, _written]
)
def test_writes_to_arrays_are_not_lost(change: Callable[[Any], None]) -> None:
    def f(z: Any) -> Any:
        change(z)
        return z * 2

    wanted, z = np.array(1 + 2j), np.array(1 + 2j)
    assert mlc.jit(f)(z) == f(wanted)
    assert z == wanted != 1 + 2j


def test_parts_of_scalars_are_scalars() -> None:
    def f(z: Any) -> Any:
        part = z.real
        part += 1
        z += part
        return z, part

    for z in (np.complex128(1 + 2j), 1 + 2j):
        assert mlc.jit(f)(z) == f(z) == (3 + 2j, 2.0)


def test_complex_values_are_not_added_to_real_arrays() -> None:
    def f(x: Any, v: Any) -> Any:
        np.add.at(x, [0, 2, 2], v)
        return x

    x = np.ones(3)
    with pytest.raises(mlc.DTypeError) as error:
        mlc.jit(f)(x, np.array([1j, 2, 3]))
    assert str(error.value).startswith(
        "np.add.at would store complex values in a float64 array, which would lose their "
        "imaginary parts; pass value.real, or make the array with dtype=complex"
    )
    assert (x == 1).all()
