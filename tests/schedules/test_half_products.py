"""Products of bfloat16: two at a time where the processor can, the same sums everywhere."""

from __future__ import annotations

from collections.abc import Iterator

import ml_dtypes
import numpy as np
import pytest

import mlc
import mlc.te as te
from mlc.backends.base import backend
from mlc.backends.llvm.target import host_target
from mlc.dtypes import float32
from mlc.ir.expr import cast
from mlc.lower.pipeline import lower
from mlc.schedules.defaults.cpu import default_schedule
from mlc.schedules.defaults.machine import Machine
from mlc.te.program import Nest

SHAPES = [(16, 32, 16), (17, 33, 70), (64, 101, 40), (130, 64, 129)]


@pytest.fixture(autouse=True, scope="module")
def without_tiles() -> Iterator[None]:
    """Processors that have matrix tiles would use those: see `test_tile_products`."""
    mlc.config.matrix_tiles = False
    yield
    del mlc.config.matrix_tiles


def whole_numbers(*shape: int, seed: int) -> np.ndarray:
    """Sums of products of these are exact in float32, in any order."""
    rng = np.random.default_rng(seed)
    return rng.integers(-12, 13, shape).astype(ml_dtypes.bfloat16)


def exact(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a.astype(np.float32) @ b.astype(np.float32)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_products_are_rounded_once(shape: tuple[int, int, int]) -> None:
    m, k, n = shape
    a, b = whole_numbers(m, k, seed=1), whole_numbers(k, n, seed=2)
    want = exact(a, b)
    got = mlc.jit(lambda a, b: a @ b)(a, b)
    np.testing.assert_array_equal(got, want.astype(ml_dtypes.bfloat16))
    turned = mlc.jit(lambda a, b: np.maximum(a.T @ b.T, 0))(a.T.copy(), b.T.copy())
    np.testing.assert_array_equal(turned, np.maximum(want, 0).astype(ml_dtypes.bfloat16))
    wide = mlc.jit(lambda a, b: a.astype(np.float32) @ b.astype(np.float32) + 0.5)(a, b)
    np.testing.assert_array_equal(wide, want + np.float32(0.5))


def test_many_products_at_once_and_numbers_that_are_none() -> None:
    a, b = whole_numbers(3, 20, 40, seed=3), whole_numbers(3, 40, 24, seed=4)
    a[0, 5, 7], a[1, 6, 8], b[2, 9, 3] = np.inf, np.nan, -np.inf
    with np.errstate(invalid="ignore"):
        want = exact(a, b).astype(ml_dtypes.bfloat16)
    got = mlc.jit(lambda a, b: a @ b)(a, b)
    np.testing.assert_array_equal(got.astype(np.float32), want.astype(np.float32))


def test_sums_of_any_numbers() -> None:
    rng = np.random.default_rng(5)
    a, b = (rng.standard_normal((300, 300)).astype(ml_dtypes.bfloat16) for _ in "ab")
    got = mlc.jit(lambda a, b: a.astype(np.float32) @ b.astype(np.float32))(a, b)
    wide = a.astype(np.float64), b.astype(np.float64)
    granted = 300 * 2.0**-24 * (abs(wide[0]) @ abs(wide[1]))
    assert (abs(got - wide[0] @ wide[1]) <= granted).all()


@pytest.mark.skipif(not host_target().has_dot2, reason="there is no such instruction")
def test_the_instruction_is_used_without_spills() -> None:
    a, b = whole_numbers(64, 64, seed=6), whole_numbers(64, 64, seed=7)
    text = mlc.jit(lambda a, b: a @ b).lower(a, b).asm
    loops = [part for part in text.split(".LBB") if part.count("vdpbf16ps") >= 12]
    assert loops and "vfmadd" not in text
    for loop in loops:
        assert "(%rsp)" not in loop[loop.find("vdpbf16ps") : loop.rfind("vdpbf16ps")]


@pytest.mark.parametrize("shape", SHAPES[:2], ids=str)
def test_the_form_means_the_same_to_the_interpreter(shape: tuple[int, int, int]) -> None:
    m, k, n = shape
    a, b = (
        te.placeholder((m, k), "bfloat16", name="a"),
        te.placeholder((k, n), "bfloat16", name="b"),
    )
    r = te.reduce_axis(k)
    wide = lambda x: cast(x, float32)
    y = te.compute((m, n), lambda i, j: te.sum(wide(a[i, r]) * wide(b[r, j]), axis=r), name="y")
    done = default_schedule("f", [Nest((y,), y.op)], 0, [a, b], [y], Machine(has_dot2=True))
    copied = ["a_packed", "b_packed"] if k % 2 else ["b_packed"]  # pairs are read where they lie
    assert [t.name for t in done.scratch] == copied
    arrays = whole_numbers(m, k, seed=8), whole_numbers(k, n, seed=9)
    for program in (done.program, lower(done.program)):
        scratch = [np.zeros(t.shape, t.dtype.numpy) for t in done.scratch]
        out = np.full((m, n), np.nan, np.float32)
        backend("interpret").compile(program)(*arrays, *scratch, out)
        np.testing.assert_array_equal(out, exact(*arrays))


@pytest.mark.skipif(not host_target().has_bf16, reason="there is no such instruction")
def test_subnormal_numbers_count_where_that_is_asked_for() -> None:
    a = np.full((32, 64), 2.0**-130, ml_dtypes.bfloat16)
    b = np.full((64, 32), 2.0**120, ml_dtypes.bfloat16)
    host = host_target()
    usual, key = mlc.jit(lambda a, b: a @ b), host.key()
    assert (usual(a, b) == 0).all()
    try:
        mlc.config.bfloat16_subnormals = True
        assert host.key() != key
        assert (mlc.jit(lambda a, b: a @ b)(a, b) == 2.0**-4).all()
    finally:
        del mlc.config.bfloat16_subnormals
    assert (usual(a, b) == 0).all()
