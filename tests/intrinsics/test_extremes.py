"""Where the greatest or least of a row stands, at every place of a step and of what is left."""

import numpy as np
import pytest

import mlc
from mlc.backends.llvm.target import Target, host_target
from mlc.intrinsics.extremes import TYPES

SIZES = 64, 129, 300, 1023, 1024, 1031, 1151, 1152, 1280, 2049


def rows(rng, n, dtype):
    """Many equal elements, few, rising and falling ones; of floats what is odd about them."""
    kind = np.dtype(dtype)
    few, many = rng.integers(0, 3, n).astype(kind), rng.integers(0, 10**6, n).astype(kind)
    yield from (few, many, np.sort(many), np.sort(many)[::-1].copy(), np.zeros(n, kind))
    if kind.kind == "f":
        for value in (np.nan, np.inf, -np.inf, -0.0):
            for row in (few - 1, np.full(n, -np.inf, kind), np.zeros(n, kind)):
                row[rng.integers(0, n, 2)] = value
                yield row


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_places_of_extremes(name, dtype, n):
    find = mlc.jit(getattr(np, name))
    for row in rows(np.random.default_rng(n), n, dtype):
        assert find(row) == getattr(np, name)(row)


@pytest.mark.skipif(host_target().vector_bits != 256, reason="vectors of another length")
def test_long_rows_of_short_vectors_are_looked_at_again():
    find = mlc.jit(np.argmax)
    assert "tzcnt" in find.lower(np.zeros(1024, np.float32)).asm
    assert "tzcnt" not in find.lower(np.zeros(1000, np.float32)).asm


@pytest.mark.parametrize("seen", [False, True])
@pytest.mark.parametrize(
    ("dtype", "shape", "axis"), [("f4", 5000, 0), ("u1", 5000, 0), ("f4", (600, 200), 0)]
)
def test_rows_are_asked_for_where_the_processor_does_not_see_them(
    monkeypatch, seen, dtype, shape, axis
):
    monkeypatch.setattr(Target, "looks_ahead", property(lambda target: seen))
    x = np.random.default_rng(3).integers(0, 200, shape).astype(dtype)
    find = mlc.jit(lambda x: np.argmax(x, axis=axis) + seen)  # other code, as it stays in memory
    np.testing.assert_array_equal(find(x), np.argmax(x, axis=axis) + seen)
    assert ("@llvm.prefetch" in find.lower(x).llvm) == (not seen)


@pytest.mark.parametrize("axis", [0, 1, None])
def test_rows_in_main_memory_are_asked_for_by_all_processors(monkeypatch, axis):
    monkeypatch.setattr(Target, "looks_ahead", property(lambda target: True))
    monkeypatch.setattr(Target, "past_bytes", property(lambda target: 0))
    rows = host_target().l2_bytes // (300 * 4)
    find = mlc.jit(lambda x: np.argmax(x, axis))
    texts = [find.lower(np.zeros((n, 300), np.float32)).llvm for n in (rows, rows + 1)]
    assert ["call void @llvm.prefetch" in text for text in texts] == [False, True]
