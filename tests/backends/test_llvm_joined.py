"""Neighbours that are put together to one number: as it lies in memory, or mixed from vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc
from mlc.backends.llvm.target import host_target

WIDE = {2: np.uint16, 4: np.uint32, 8: np.uint64}
KNOWN = host_target().arch in ("x86_64", "aarch64")


def put_together(parts: list[Any], wide: Any) -> Any:
    total = parts[0].astype(wide)
    for n, part in enumerate(parts[1:], 1):
        total = total | (part.astype(wide) << (parts[0].dtype.itemsize * 8 * n))
    return total


@pytest.mark.parametrize("count", [2, 4, 8])
@pytest.mark.parametrize("n", [1, 5, 16, 70])
def test_neighbours_are_the_number_that_lies_there(count: int, n: int) -> None:
    x = np.random.default_rng(n).integers(0, 256, (3, count * n), np.uint8)

    @mlc.jit
    def words(x: Any) -> Any:
        return put_together([x[:, place::count] for place in range(count)], WIDE[count])

    np.testing.assert_array_equal(words(x), x.view(WIDE[count]))


def test_pairs_of_sixteen_bits() -> None:
    x = np.random.default_rng(1).integers(0, 1 << 16, (3, 38), np.uint16)
    got = mlc.jit(lambda x: put_together([x[:, ::2], x[:, 1::2]], np.uint32))(x)
    np.testing.assert_array_equal(got, x.view(np.uint32))


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (1, 0, 2, 3), (0, 1, 2, 2)])
def test_others_are_what_they_say(order: tuple[int, ...]) -> None:
    """In another order, or the same one twice, they are no number in memory."""
    x = np.random.default_rng(2).integers(0, 256, (3, 4 * 37), np.uint8)

    def words(x: Any) -> Any:
        return put_together([x[:, place::4] for place in order], np.uint32)

    np.testing.assert_array_equal(mlc.jit(words)(x), words(x))


@pytest.mark.parametrize("rows", [2, 4])
@pytest.mark.parametrize("n", [1, 7, 64, 83])
def test_rows_are_mixed(rows: int, n: int) -> None:
    x = np.random.default_rng(n).integers(-128, 128, (rows, n), np.int8)
    wide = WIDE[rows]

    @mlc.jit
    def words(x: Any) -> Any:
        return put_together([x[row].astype(np.uint8) for row in range(rows)], wide)

    np.testing.assert_array_equal(words(x), x.view(np.uint8).T.copy().view(wide)[:, 0])


def test_what_was_written_before_is_read() -> None:
    """A number that was put together is not at hand any more once its parts have changed."""
    x = np.random.default_rng(3).integers(0, 256, (64,), np.uint8)

    def words(x: Any) -> Any:
        before = put_together([x[place::4] for place in range(4)], np.uint32)
        x[1::4] += 1
        return before, put_together([x[place::4] for place in range(4)], np.uint32)

    ours, theirs = x.copy(), x.copy()
    for got, want in zip(mlc.jit(words)(ours), words(theirs), strict=True):
        np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.skipif(not KNOWN, reason="bytes are put together one by one")
def test_one_load_does_it() -> None:
    x = np.zeros((3, 64), np.uint8)
    text = mlc.jit(lambda x: put_together([x[:, n::4] for n in range(4)], np.uint32)).lower(x).llvm
    assert "shl" not in text
    assert "shufflevector" not in text
