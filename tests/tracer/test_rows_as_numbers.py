"""Arrays of one element where one number is to be: what the NumPy at hand says of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc

X = np.arange(4.0)


def stored(x: Any, part: Any) -> Any:
    out = np.zeros((2, 3))
    out[1, 2] = part
    return out + x[0]


def stored_in_a_loop(x: Any) -> Any:
    for i in range(len(x) - 1):
        x[i + 1] = 2 * x[i : i + 1]
    return x


@pytest.mark.parametrize(
    "function",
    [
        lambda x: stored(x, x[:1]),
        lambda x: stored(x, [x[0]]),
        lambda x: stored(x, x[None, None, 2]),
        stored_in_a_loop,
        lambda x: float(x[:1]),
        lambda x: int(x[1:2]) + x,
    ],
)
@pytest.mark.filterwarnings("ignore:Conversion of an array:DeprecationWarning")
def test_as_numpy_has_it(function: Any) -> None:
    try:
        wanted = function(X.copy())
    except (ValueError, TypeError) as error:
        with pytest.raises(type(error), match=str(error)):
            mlc.jit(function)(X.copy())
    else:
        assert np.array_equal(mlc.jit(function)(X.copy()), wanted)


def several(x: Any) -> Any:
    out = np.zeros((2, 3))
    out[0, 1] = x[3]
    out[1, 1:2] = x[1:2]
    out[..., 2] = x[2:3]
    out[[0], [0]] = x[3:]
    return out, bool(x[1:2]), x[2:3].item()


def test_what_takes_them() -> None:
    for found, wanted in zip(mlc.jit(several)(X), several(X)):
        assert np.array_equal(found, wanted) and type(found) is type(wanted)
