"""Sums of small whole numbers in narrow types: as exact as in 64 bits."""

from __future__ import annotations

import re

import numpy as np
import pytest

import mlc

SHAPES = [
    ((300, 257), 0),
    ((300, 257), 1),
    ((40_000,), None),
    ((70_000, 3), 0),
    ((9, 400, 65), (0, 1)),
]


def extremes(shape, dtype):
    """Arrays whose sums go as far as sums of the type can."""
    info = np.iinfo(dtype)
    yield np.full(shape, info.max, dtype)
    yield np.full(shape, info.min, dtype)
    yield np.random.default_rng(0).integers(info.min, info.max, shape, dtype, endpoint=True)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
def test_sums_and_means_do_not_overflow(dtype):
    for shape, axis in SHAPES:
        total = mlc.jit(lambda x, axis=axis: (x.sum(axis), x.mean(axis), (x > 1).sum(axis)))
        for x in extremes(shape, dtype):
            wanted = x.sum(axis), x.astype(np.int64).sum(axis) / (x.size / x.sum(axis).size)
            found = total(x)
            for a, b in zip(found, (*wanted, (x > 1).sum(axis)), strict=True):
                np.testing.assert_array_equal(a, b)
                assert np.asarray(a).dtype == np.asarray(b).dtype


def test_counts_of_truth_values():
    rng = np.random.default_rng(2)
    count = mlc.jit(lambda x, y: (x.sum(0), np.count_nonzero(x), np.sum(y, where=x), x.mean(1)))
    for x in (rng.random((700, 300)) < 0.5, np.ones((700, 300), bool)):
        y = rng.integers(-128, 128, x.shape).astype(np.int8)
        wanted = x.sum(0), np.count_nonzero(x), np.sum(y, where=x), x.mean(1)
        for a, b in zip(count(x, y), wanted, strict=True):
            np.testing.assert_array_equal(a, b)


def test_partial_sums_are_as_narrow_as_they_may_be():
    def kinds(dtype, shape, axis):
        text = str(mlc.jit(lambda x: x.sum(axis)).lower(np.ones(shape, dtype)).program)
        return set(re.findall(r'sum_narrow\w*(?:: T.Buffer| = T.alloc)\(.*?"(\w+)"', text))

    assert kinds(bool, (512, 4096), 0) == {"uint8"}
    assert kinds(np.uint8, (512, 4096), 0) == {"int16"}
    assert kinds(np.int8, (512, 4096), 1) == {"int16"}
    assert kinds(np.int16, (512, 4096), 0) == {"int32"}
    assert kinds(np.int32, (512, 4096), 0) == set()
    assert kinds(np.uint8, (100, 3), 0) == set()


def test_channels_of_images_are_added_up_in_whole_vectors():
    rng = np.random.default_rng(4)
    image = rng.integers(0, 256, (90, 121, 3)).astype(np.uint8)
    total = mlc.jit(lambda x: (x.sum((0, 1)), x.mean((0, 1)), x.mean()))
    for x in (image, np.full_like(image, 255)):
        for a, b in zip(total(x), (x.sum((0, 1)), x.mean((0, 1)), x.mean()), strict=True):
            np.testing.assert_array_equal(a, b)
    whole = mlc.jit(lambda x: x.sum((0, 1))).lower(np.ones((96, 128, 3), np.uint8))
    assert "gather" not in whole.llvm
