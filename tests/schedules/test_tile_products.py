"""Products of bytes and of bfloat16 in matrix tiles: the default schedules, exact everywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hypothesis
import hypothesis.strategies as st
import ml_dtypes
import numpy as np
import pytest

import mlc
import mlc.te as te
from mlc.backends.base import backend
from mlc.backends.llvm.target import host_target
from mlc.dtypes import float32, int32
from mlc.ir.expr import cast
from mlc.lower.pipeline import lower
from mlc.schedules.defaults.cpu import default_schedule
from mlc.schedules.defaults.machine import Machine
from mlc.te.program import Nest

Array = np.ndarray[Any, Any]
TILES = Machine(has_byte_tiles=True, has_half_tiles=True)


def numbers(dtype: Any, shape: tuple[int, ...], seed: int) -> Array:
    """Any bytes, the extreme ones often; whole numbers of bfloat16, whose sums are exact."""
    rng = np.random.default_rng(seed)
    if dtype is ml_dtypes.bfloat16:
        return rng.integers(-12, 13, shape).astype(dtype)
    info = np.iinfo(dtype)
    x = rng.integers(info.min, info.max, shape, dtype, endpoint=True)
    return np.where(rng.random(shape) < 0.3, rng.choice([info.min, info.max], shape), x).astype(
        dtype
    )


def run(function: Callable[..., Any], *args: Array, exact: Array) -> None:
    """The result is exact, and made in tiles where there are any."""
    compiled = mlc.jit(function)
    np.testing.assert_array_equal(
        np.asarray(compiled(*args)).astype(np.float64), exact.astype(np.float64)
    )
    is_half = any(a.dtype == ml_dtypes.bfloat16 for a in args)
    host = host_target()
    expected = host.has_half_tiles if is_half else host.has_byte_tiles
    assert ("\ttdp" in compiled.lower(*args).asm) is expected


@hypothesis.given(
    st.tuples(st.integers(40, 330), st.integers(41, 150), st.integers(40, 200)),
    st.tuples(*[st.sampled_from((np.int8, np.uint8))] * 2),
    st.tuples(st.booleans(), st.booleans()),
)
@hypothesis.settings(max_examples=12)
def test_products_of_bytes_are_exact(
    sizes: tuple[int, int, int], dtypes: Any, turned: tuple[bool, bool]
) -> None:
    m, k, n = sizes
    a = numbers(dtypes[0], (k, m), 1).T if turned[0] else numbers(dtypes[0], (m, k), 1)
    b = numbers(dtypes[1], (n, k), 2).T if turned[1] else numbers(dtypes[1], (k, n), 2)
    exact = a.astype(np.int64) @ b.astype(np.int64)
    run(lambda a, b: np.matmul(a, b, dtype=np.int32), a, b, exact=exact)


def test_many_products_at_once_and_what_follows() -> None:
    a, b = numbers(np.int8, (3, 50, 70), 3), numbers(np.int8, (3, 70, 60), 4)
    wide = a.astype(np.int64) @ b.astype(np.int64)
    run(lambda a, b: np.matmul(a, b, dtype=np.int32), a, b, exact=wide)
    one = a.astype(np.int64) @ b[0].astype(np.int64)
    run(lambda a, b: np.matmul(a, b, dtype=np.int32), a, b[0], exact=one)
    run(lambda a, b: a @ b, a, b, exact=wide.astype(np.int8))
    scale = np.linspace(0, 8, 60).astype(np.int8).astype(np.float32) / 8
    run(
        lambda a, b, s: np.maximum(np.matmul(a, b, dtype=np.int32) * s + 1, 0),
        a[0], b[0], scale, exact=np.maximum(wide[0] * scale.astype(np.float64) + 1, 0),
    )  # fmt: skip
    run(
        lambda a, b: np.matmul(a[:, ::2], b[::2], dtype=np.int32), a[0], b[0],
        exact=a[0, :, ::2].astype(np.int64) @ b[0, ::2].astype(np.int64),
    )  # fmt: skip


@pytest.mark.parametrize("shape", [(300, 64, 16), (8, 1100, 40), (40, 40, 2100)], ids=str)
def test_few_rows_and_columns_and_many(shape: tuple[int, int, int]) -> None:
    m, k, n = shape
    a, b = numbers(np.uint8, (m, k), 5), numbers(np.int8, (k, n), 6)
    exact = a.astype(np.int64) @ b.astype(np.int64)
    run(lambda a, b: a.astype(np.int32) @ b.astype(np.int32), a, b, exact=exact)


def test_a_weight_is_packed_once() -> None:
    a, w = numbers(np.int8, (64, 256), 7), numbers(np.int8, (256, 128), 8)
    run(
        lambda a: np.matmul(a, w, dtype=np.int32), a,
        exact=a.astype(np.int64) @ w.astype(np.int64),
    )  # fmt: skip


def test_products_of_bfloat16() -> None:
    a, b = (numbers(ml_dtypes.bfloat16, s, 9) for s in ((3, 50, 70), (3, 70, 60)))
    wide = a.astype(np.float64) @ b.astype(np.float64)
    rounded = wide.astype(np.float32).astype(ml_dtypes.bfloat16)
    run(lambda a, b: a @ b, a, b, exact=rounded)
    run(lambda a, b: np.maximum(a @ b.T, 0), a[0], b[0].T.copy(), exact=np.maximum(rounded[0], 0))
    run(lambda a, b: a.T @ b, a[0].T.copy(), b[0], exact=rounded[0])
    run(
        lambda a, b: a.astype(np.float32) @ b.astype(np.float32) + np.float32(0.5), a, b,
        exact=wide + 0.5,
    )  # fmt: skip


def test_sums_of_any_bfloat16_and_numbers_that_are_none() -> None:
    rng = np.random.default_rng(10)
    a, b = (rng.standard_normal((300, 300)).astype(ml_dtypes.bfloat16) for _ in "ab")
    product = mlc.jit(lambda a, b: a.astype(np.float32) @ b.astype(np.float32))
    wide = a.astype(np.float64), b.astype(np.float64)
    granted = 300 * 2.0**-24 * (abs(wide[0]) @ abs(wide[1]))
    assert (abs(product(a, b) - wide[0] @ wide[1]) <= granted).all()
    a[5, 7], a[6, 8], b[9, 3] = np.inf, np.nan, -np.inf
    with np.errstate(invalid="ignore"):
        expected = a.astype(np.float64) @ b.astype(np.float64)
    got = product(a, b)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(expected))
    np.testing.assert_array_equal(np.isinf(got), np.isinf(expected))


def test_subnormal_numbers_count_where_that_is_asked_for() -> None:
    a = np.full((64, 64), 2.0**-130, ml_dtypes.bfloat16)
    b = np.full((64, 64), 2.0**120, ml_dtypes.bfloat16)
    try:
        mlc.config.bfloat16_subnormals = True
        assert not host_target().has_half_tiles
        assert (mlc.jit(lambda a, b: a @ b)(a, b) == 2.0**-4).all()
    finally:
        del mlc.config.bfloat16_subnormals


@pytest.mark.parametrize("kind", ["int8", "bfloat16"])
def test_the_schedule_means_the_same_to_the_interpreter(kind: str) -> None:
    m, k, n = 34, 40, 50
    a, b = te.placeholder((m, k), kind, name="a"), te.placeholder((k, n), kind, name="b")
    r, total = te.reduce_axis(k), int32 if kind == "int8" else float32
    y = te.compute(
        (m, n), lambda i, j: te.sum(cast(a[i, r], total) * cast(b[r, j], total), axis=r), name="y"
    )
    done = default_schedule("f", [Nest((y,), y.op)], 0, [a, b], [y], TILES)
    text = str(done.program)
    assert f"amx_{kind}" in text
    assert "for p1, p0, " in text  # rows of B as they lie, all panels of each
    given = [
        numbers(np.int8 if kind == "int8" else ml_dtypes.bfloat16, s, 11) for s in ((m, k), (k, n))
    ]
    exact = given[0].astype(np.float64) @ given[1].astype(np.float64)
    for program in (done.program, lower(done.program)):
        scratch = [np.zeros(t.shape, t.dtype.numpy) for t in done.scratch]
        out = np.zeros((m, n), total.numpy)
        backend("interpret").compile(program)(*given, *scratch, out)
        np.testing.assert_array_equal(out, exact)


@pytest.mark.skipif(not host_target().has_byte_tiles, reason="the processor has no matrix tiles")
def test_tiles_can_be_switched_off() -> None:
    a, b = numbers(np.int8, (64, 64), 12), numbers(np.int8, (64, 64), 13)
    host, product = host_target(), lambda a, b: np.matmul(a, b, dtype=np.int32)
    with_tiles, key = mlc.jit(product), host.key()
    expected = with_tiles(a, b)
    try:
        mlc.config.matrix_tiles = False
        assert host.key() != key and not host.has_byte_tiles
        without = mlc.jit(product)
        assert "\ttdp" not in without.lower(a, b).asm
        np.testing.assert_array_equal(without(a, b), expected)
    finally:
        del mlc.config.matrix_tiles
    assert host.key() == key
