"""np.reshape to sizes that the rounds of a loop decide."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc

R = np.random.default_rng(5)
X = R.random(211)
FEW, MANY = np.array([3, 10, 33]), np.arange(2, 40)


def parted(x: Any, sizes: Any) -> Any:
    found = np.zeros(len(sizes))
    for i, n in enumerate(sizes):
        k = int(np.floor(len(x) / float(n)))
        found[i] = np.mean(np.std(np.reshape(x[: int(k * n)], (k, int(n))), axis=1))
    return found


def joined(x: Any, sizes: Any) -> Any:
    found = np.zeros((len(sizes), 4))
    for i, n in enumerate(sizes):
        k = len(x) // n
        r, s = x[: k * n].reshape(k, n), (x[: k * n] * 2).reshape((k, n))
        found[i, 0] = (r + s).sum() + len(r)
        found[i, 1] = r.ravel()[-1] + r.reshape(-1)[0]
        found[i, 2] = np.ptp(r, axis=0).mean()
        found[i, 3] = r.T[n - 1, 0] + r.shape[0] + r[k - 1].sum()
    return found


def of_rows(x: Any, sizes: Any) -> Any:
    found, rows = np.zeros(len(sizes)), x[:210].reshape(70, 3)
    for i, n in enumerate(sizes):
        found[i] = rows[:n].ravel()[2:].sum() + rows[: 2 * (n // 2)].reshape(2, -1)[1, 0]
        found[i] += x[: 3 * n].reshape(n, -1)[-1, -1] + rows[: n + 1].reshape(n + 1, 3, 1).max()
    return found


def of_known_length(x: Any, sizes: Any) -> Any:
    found = np.zeros(len(sizes))
    for i, n in enumerate(sizes):
        if 210 % n == 0:
            found[i] = x[:210].reshape(n, 210 // n).max(axis=0).sum()
    return found


def written(x: Any, sizes: Any) -> Any:
    y = x.copy()
    for i, n in enumerate(sizes):
        k = len(y) // n
        r = y[: k * n].reshape(k, n)
        r[0, :] = i
        r[:, 1] += 2.5
    return y


@pytest.mark.parametrize("sizes", [FEW, MANY], ids=["few", "many"])
@pytest.mark.parametrize("function", [parted, joined, of_rows, of_known_length, written])
def test_reshaped(function: Any, sizes: Any) -> None:
    compiled = mlc.jit(function)
    for given in (sizes, sizes[::-1].copy()):
        np.testing.assert_allclose(compiled(X, given), function(X, given), rtol=1e-12)


def test_another_number_of_elements_is_numpys_error() -> None:
    def function(x: Any, sizes: Any) -> Any:
        found = np.zeros(len(sizes))
        for i, n in enumerate(sizes):
            found[i] = x[: 4 * n].reshape(n, 2 + n // 20).sum()
        return found

    compiled = mlc.jit(function)
    x, sizes = R.random(240), np.arange(40, 60)
    with pytest.raises(ValueError, match="cannot reshape array"):
        compiled(x, MANY)
    np.testing.assert_allclose(compiled(x, sizes), function(x, sizes), rtol=1e-12)


def test_more_than_there_is_room_for_is_refused_with_what_to_do() -> None:
    def function(x: Any, sizes: Any) -> Any:
        found = np.zeros(len(sizes))
        for i, n in enumerate(sizes):
            found[i] = x[: n * n].reshape(n, n)[-1].sum()
        return found

    with pytest.raises(mlc.MlcError, match=r"5000 x 5000 elements; loop over the parts"):
        mlc.jit(function)(np.zeros(5000), np.arange(2, 70).repeat(4))


def test_sizes_that_an_array_holds() -> None:
    def function(x: Any, sizes: Any) -> Any:
        n = sizes[0]
        tiled = np.tile(x[:n], (2, n)).sum() + np.full_like(x, 2.0, shape=(n, 2)).sum()
        spread = np.broadcast_to(x[:n], (n, n)).mean(axis=0)
        return np.reshape(x[: 2 * n], np.array([2, n]))[1], spread, tiled

    compiled = mlc.jit(function)
    for found, expected in zip(compiled(X, FEW), function(X, FEW)):
        np.testing.assert_allclose(found, expected, rtol=1e-12)
