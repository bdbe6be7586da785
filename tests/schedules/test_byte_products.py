"""Products of bytes by the instruction for them: exact for every pair of types and layouts."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

import mlc
from mlc import te
from mlc.backends.llvm.target import host_target
from mlc.dtypes import int32
from mlc.ir.expr import cast
from mlc.records import replace
from mlc.schedules.defaults.cpu import default_schedule
from mlc.schedules.defaults.machine import Machine
from mlc.te.program import Nest

BYTES = (np.int8, np.uint8)


@pytest.fixture(autouse=True, scope="module")
def without_tiles() -> Iterator[None]:
    """Processors that have matrix tiles would use those: see `test_tile_products`."""
    mlc.config.matrix_tiles = False
    yield
    del mlc.config.matrix_tiles


def numbers(dtype: Any, shape: tuple[int, ...], seed: int) -> np.ndarray[Any, Any]:
    """Any bytes, the extreme ones often: sums of neighbours must not saturate."""
    rng = np.random.default_rng(seed)
    info = np.iinfo(dtype)
    x = rng.integers(info.min, info.max, shape, dtype, endpoint=True)
    return np.where(rng.random(shape) < 0.3, rng.choice([info.min, info.max], shape), x).astype(
        dtype
    )


@hypothesis.given(
    st.tuples(st.integers(2, 70), st.integers(8, 70), st.integers(8, 70)),
    st.tuples(*[st.sampled_from(BYTES)] * 2),
    st.tuples(st.booleans(), st.booleans()),
    st.sampled_from([np.int32, np.int64, np.float32]),
)
@hypothesis.settings(max_examples=20)
def test_products_are_exact(
    sizes: tuple[int, int, int], dtypes: Any, turned: tuple[bool, bool], result: Any
) -> None:
    m, k, n = sizes
    a = numbers(dtypes[0], (k, m), 1).T if turned[0] else numbers(dtypes[0], (m, k), 1)
    b = numbers(dtypes[1], (n, k), 2).T if turned[1] else numbers(dtypes[1], (k, n), 2)

    @mlc.jit
    def product(a: Any, b: Any) -> Any:
        return np.matmul(a, b, dtype=result)

    got, want = product(a, b), a.astype(np.int64) @ b.astype(np.int64)
    assert got.dtype == result
    np.testing.assert_array_equal(got, want)  # all of these numbers are float32 ones, too


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("dtypes", [*itertools.product(BYTES, BYTES)])
def test_panels_of_large_matrices_are_made_one_by_one(dtypes: Any, turned: bool) -> None:
    a, b = numbers(dtypes[0], (5, 1030), 11), numbers(dtypes[1], (1030, 1050), 12)
    if turned:
        b = b.T.copy().T
    product = mlc.jit(lambda a, b: np.matmul(a, b, dtype=np.int32))
    want = a.astype(np.int64) @ b.astype(np.int64)
    np.testing.assert_array_equal(product(a, b), want)
    if host_target().has_dot4 and not turned and host_target().l2_bytes <= 4 << 20:
        text = str(product.lower(a, b).schedule)
        assert "s.compute_at('b_packed'" in text


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_make_panels_of_their_own(threads: int) -> None:
    a, b = (te.placeholder((256, 256), "int8", name=name) for name in "ab")
    r = te.reduce_axis(256)
    wide = lambda x: cast(x, int32)
    y = te.compute((256, 256), lambda i, j: te.sum(wide(a[i, r]) * wide(b[r, j]), axis=r), name="y")
    machine = Machine(has_dot4=True, threads=threads)
    done = default_schedule("f", [Nest((y,), y.op)], 0, [a, b], [y], machine)
    assert ("s.compute_at('b_packed'" in str(done.schedule)) is (threads == 2)


@pytest.mark.parametrize(("vector_bytes", "registers"), [(16, 16), (32, 16), (64, 32)])
@pytest.mark.parametrize("shape", [(5, 1030, 1100), (20, 256, 64)])
def test_other_processors_mean_the_same(
    shape: tuple[int, int, int], vector_bytes: int, registers: int
) -> None:
    m, k, n = shape
    a, b = te.placeholder((m, k), "int8", name="a"), te.placeholder((k, n), "int8", name="b")
    r = te.reduce_axis(k)
    wide = lambda x: cast(x, int32)
    y = te.compute((m, n), lambda i, j: te.sum(wide(a[i, r]) * wide(b[r, j]), axis=r), name="y")
    machine = Machine(vector_bytes, registers, l2=256 << 10, has_dot4=True)
    done = default_schedule("f", [Nest((y,), y.op)], 0, [a, b], [y], machine)
    kernel = mlc.build(replace(done.program, outputs=len(done.scratch) + 1))
    x, z = numbers(np.int8, (m, k), 17), numbers(np.int8, (k, n), 18)
    made = [np.zeros(buffer.shape, np.int32) for buffer in done.program.params[2:]]
    kernel(x, z, *made)
    np.testing.assert_array_equal(made[-1], x.astype(np.int64) @ z.astype(np.int64))


@pytest.mark.parametrize("rows", [1, 2, 10, 60])
@pytest.mark.parametrize("dtypes", [*itertools.product(BYTES, BYTES)])
def test_rows_times_rows(rows: int, dtypes: Any) -> None:
    """Few rows, one among them, are multiplied as both operands lie."""
    a, b = numbers(dtypes[0], (rows, 256), 13), numbers(dtypes[1], (37, 256), 14)
    product = mlc.jit(lambda a, b: np.matmul(a, b.T, dtype=np.int32))
    np.testing.assert_array_equal(product(a, b), a.astype(np.int64) @ b.astype(np.int64).T)
    if host_target().has_dot4:
        text = product.lower(a, b).asm
        assert "vpdpbusd" in text or "usdot" in text


def test_a_matrix_times_a_vector() -> None:
    a, x = numbers(np.int8, (45, 320), 15), numbers(np.int8, (320,), 16)
    product = mlc.jit(lambda a, x: np.matmul(a, x, dtype=np.int32))
    np.testing.assert_array_equal(product(a, x), a.astype(np.int64) @ x.astype(np.int64))
    if host_target().has_dot4:
        text = product.lower(a, x).asm
        assert "vpdpbusd" in text or "usdot" in text
        assert "vpmulld" not in text


@pytest.mark.parametrize("dtype", BYTES)
def test_a_product_of_bytes_wraps_as_numpy_says(dtype: Any) -> None:
    a, b = numbers(dtype, (3, 21, 40), 3), numbers(dtype, (40, 33), 4)
    got = mlc.jit(lambda a, b: a @ b)(a, b)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, a @ b)


def test_what_follows_stays_in_the_kernel() -> None:
    a, b = numbers(np.uint8, (50, 64), 5), numbers(np.int8, (64, 48), 6)
    scale = np.linspace(0.01, 0.1, 48, dtype=np.float32)

    @mlc.jit
    def dense(a: Any, b: Any, scale: Any) -> Any:
        return np.maximum(np.matmul(a, b, dtype=np.int32) * scale, 0)

    total = a.astype(np.int32) @ b.astype(np.int32)
    want = np.maximum(total * scale.astype(np.float64), 0)
    np.testing.assert_allclose(dense(a, b, scale), want, rtol=1e-6)


def test_sums_of_two_axes() -> None:
    a, b = numbers(np.int8, (9, 5, 30), 7), numbers(np.int8, (5, 30, 17), 8)

    @mlc.jit
    def product(a: Any, b: Any) -> Any:
        return np.einsum("ipk,pkj->ij", a, b, dtype=np.int32)

    want = np.einsum("ipk,pkj->ij", a.astype(int), b.astype(int))
    np.testing.assert_array_equal(product(a, b), want)


@pytest.mark.skipif(not host_target().has_dot4, reason="the processor has no such instruction")
def test_the_instruction_is_used() -> None:
    a, b = numbers(np.int8, (64, 64), 9), numbers(np.int8, (64, 64), 10)
    text = mlc.jit(lambda a, b: np.matmul(a, b, dtype=np.int32)).lower(a, b).asm
    assert "vpdpbusd" in text or "usdot" in text
