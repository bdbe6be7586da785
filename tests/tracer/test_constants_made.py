"""Arrays that NumPy makes of constants inside a traced function: its own, to be written to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc
from mlc.errors import OutsideArrayError
from mlc.testing import check_against_numpy

TABLE = np.arange(12.0).reshape(3, 4)
X = np.array([1.0, 2.0, 2.5])
MAKERS: dict[str, Any] = {
    "logspace": lambda: np.logspace(0, 1, 4) * np.int8(3),
    "geomspace": lambda: 2 - np.geomspace(1, 8, 4)[::-1],
    "indices": lambda: np.indices((2, 3)),
    "mgrid": lambda: np.mgrid[0:3, 0:2],
    "ogrid": lambda: np.ogrid[0:3, 0:2][0],
    "r_": lambda: np.r_[1:4, 0, 5.0],
    "meshgrid": lambda: np.meshgrid([1, 2], [3.0, 4.0])[1],
    "vander": lambda: np.vander([1, 2, 3.0]),
    "fromfunction": lambda: np.fromfunction(lambda i, j: i + j, (2, 3)),
    "fromiter": lambda: np.fromiter(range(4), float),
    "windows": lambda: np.hanning(5) + np.hamming(5) * np.blackman(5) - np.kaiser(5, 3.0),
    "fftfreq": lambda: np.fft.fftfreq(6),
    "fft": lambda: np.fft.fft([1, 2, 3, 4]),
    "tile": lambda: np.tile([1.0, 2.0], (2, 2)),
    "stack": lambda: np.stack([[1, 2], [3, 4]]),
    "named": lambda: np.linalg.eigh(np.diag([2.0, 3.0])).eigenvalues,
    "copied": lambda: np.broadcast_to(3.0, (3,)).copy(),
    "outside": lambda: np.dot(TABLE, TABLE.T),
    "made of a made one": lambda: np.cumsum(np.bartlett(5))[1:-1],
}


@pytest.mark.parametrize("name", MAKERS)
def test_traced_values_are_written_to_it(name: str) -> None:
    make = MAKERS[name]

    def program(x: Any) -> Any:
        made = make()
        made = made if made.dtype.kind in "fc" else made.astype(float)
        made[0] += x[0]
        for i in range(1, len(made)):
            made[i] += made[i - 1] * x[1]
        return made, made.shape

    check_against_numpy(program, X)


SIZES: dict[str, Any] = {
    "reshape": lambda x: x.reshape(np.sort([3, 1])),
    "full": lambda x: np.full(np.cumsum([1, 2]), x[0]),
    "broadcast_to": lambda x: np.broadcast_to(x, np.cumsum([1, 2])),
    "tile": lambda x: np.tile(x, np.cumsum([1, 1])),
    "roll": lambda x: np.roll(x[None], np.cumsum([1, 1]), np.cumsum([0, 1])),
    "moveaxis": lambda x: np.moveaxis(x[None] * 2, np.argsort([1, 0]), np.sort([1, 0])),
    "repeat": lambda x: np.repeat(x, np.argsort([2, 0, 1])),
    "insert": lambda x: np.insert(x, np.argsort([2, 0, 1])[:1], 1.0),
    "pad": lambda x: np.pad(x[None], np.tile([1, 2], (2, 1))),
    "tensordot": lambda x: np.tensordot(x[None], x[None], np.tile([[0, 1]], (2, 1))),
    "split": lambda x: np.split(x, np.cumsum([1, 1]))[1],
    "ix_": lambda x: x[np.ix_(np.argsort([2, 0, 1]))],
    "key": lambda x: TABLE[np.triu_indices(3)] * x[0],
    "loop": lambda x: sum(w * v for w, v in zip(np.hanning(3), x)),
    "number": lambda x: [10, 20, 30][np.argsort([2, 0, 1])[0]] * x,
}


@pytest.mark.parametrize("name", SIZES)
def test_it_says_what_is_done(name: str) -> None:
    check_against_numpy(SIZES[name], X)


def test_views_of_arrays_from_elsewhere_stay_views() -> None:
    given = np.zeros(4)

    def program(x: Any) -> Any:
        np.reshape(given, (2, 2))[0, 0] = 5.0
        return x + given

    with pytest.raises(OutsideArrayError, match="program writes to given, an array from outs"):
        mlc.jit(program)(np.ones(4))


def test_what_numpy_lets_nobody_write_to() -> None:
    @mlc.jit
    def program(x: Any) -> Any:
        made = np.broadcast_to(3.0, (3,))
        made[0] = x
        return made

    with pytest.raises(mlc.UnsupportedError, match="assignment destination is read-only; write to"):
        program(1.0)


def test_views_that_are_not_followed_are_not_written_to() -> None:
    @mlc.jit
    def program(x: Any) -> Any:
        places = np.argsort([2, 0, 1])
        (key,) = np.meshgrid(places, copy=False)
        places[0] = 0
        return x[key]

    with pytest.raises(mlc.UnsupportedError, match="neither can be written to; take the view"):
        program(X)


def test_open_meshes_are_views() -> None:
    def program(x: Any) -> Any:
        places = np.argsort([2, 0, 1])
        key = np.ix_(places)
        places[0] = 0
        return x[key]

    np.testing.assert_array_equal(mlc.jit(program)(X), program(X))


def test_made_like_a_traced_array() -> None:
    def made(x: Any) -> Any:
        ones = np.ones((2, 2), like=x)
        ones[0] = x[:2]
        return ones, np.zeros(2, int, like=x), np.full(2, 3, like=x), np.array([1, 2], like=x)

    check_against_numpy(made, X)
