"""Attention is one kernel, whatever it is written as, and scores are never in global memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import mlc
from mlc.testing.cuda import assert_compiles

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(7)


def draw(*shape: int, dtype: Any = np.float32) -> Array:
    return RNG.standard_normal(shape).astype(dtype)


def softmax(s: Array) -> Array:
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def plain(q: Array, k: Array, v: Array) -> Array:
    return softmax(q @ np.swapaxes(k, -1, -2) * 0.25) @ v


def causal(q: Array, k: Array, v: Array) -> Array:
    s = q @ np.swapaxes(k, -1, -2) * 0.25
    return softmax(np.where(np.tril(np.ones(s.shape[-2:], bool)), s, -np.inf)) @ v


def compared(q: Array, k: Array, v: Array) -> Array:
    s = np.einsum("bhqd,bhkd->bhqk", q, k)
    rows, keys = np.arange(s.shape[-2])[:, None], np.arange(s.shape[-1])[None, :]
    return np.einsum("bhqk,bhkd->bhqd", softmax(np.where(keys > rows + 3, -np.inf, s)), v)


def divided_last(q: Array, k: Array, v: Array) -> Array:
    s = (q * 0.25) @ k.transpose(0, 2, 1)
    e = np.exp(s - s.max(-1, keepdims=True))
    return (e @ v) / e.sum(-1, keepdims=True)


def heads_inside(q: Array, k: Array, v: Array) -> Array:
    """Heads as parts of the rows, turned outwards and back."""
    q, k, v = (x.reshape(*x.shape[:2], 4, -1).transpose(0, 2, 1, 3) for x in (q, k, v))
    made = softmax(q @ k.transpose(0, 1, 3, 2) * 0.3) @ v
    return made.transpose(0, 2, 1, 3).reshape(made.shape[0], made.shape[2], -1)


def grouped(q: Array, k: Array, v: Array) -> Array:
    """Two heads of queries for each of keys."""
    k, v = np.repeat(k, 2, axis=1), np.repeat(v, 2, axis=1)
    return softmax(q @ np.swapaxes(k, -1, -2)) @ v


def library(q: Array, k: Array, v: Array) -> Array:
    return mlc.nn.scaled_dot_product_attention(q, k, v, is_causal=True)


def causal_rows(q: Array, k: Array, v: Array) -> Array:
    s = q @ np.swapaxes(k, -1, -2) * q.dtype.type(0.125)
    rows, keys = np.arange(s.shape[-2])[:, None], np.arange(s.shape[-1])[None, :]
    return softmax(np.where(keys > rows + 150, q.dtype.type(-np.inf), s)) @ v


def check(
    fn: Callable[..., Array],
    *arrays: Array,
    bound: float,
    precision: Any = None,
    on_cards: bool = True,
    orders: Sequence[str] = ("forward",),
) -> Any:
    """One kernel, no memory between kernels, the values of NumPy in every order of threads, and
    code that cards take."""
    jitted = mlc.jit(fn, target="cuda-emulated", precision=precision)
    lowered = jitted.lower(*arrays)
    module = lowered.compiled.device_module
    assert [launch.kernel for launch in module.launches] == ["attention_kernel"]
    assert module.workspace_bytes == 0
    if on_cards:
        assert_compiles(module)
    wide = [a.astype(np.float64) if a.dtype != bool else a for a in arrays]
    with np.errstate(invalid="ignore"):
        reference = plain_causal(*wide) if fn is library else fn(*wide)
    for order in orders:
        with mlc.config.override(emulated_order=order):
            got = jitted(*arrays)
        np.testing.assert_allclose(got.astype(np.float64), reference, 0, bound, err_msg=order)
    return lowered


def plain_causal(q: Array, k: Array, v: Array) -> Array:
    s = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    return softmax(np.where(np.tri(*s.shape[-2:], dtype=bool), s, -np.inf)) @ v


ORDERS = ("forward", "reverse", "random")
EXACT = 4e-6
HALF = 6e-3  # scores of about 5 are rounded to 2**-9, and that is what weights are off by
BRAIN = 5e-2  # the same with 3 bits less


def test_odd_sizes() -> None:
    q, k, v = draw(2, 70, 40), draw(2, 90, 40), draw(2, 90, 33)
    check(plain, q, k, v, bound=EXACT, on_cards=False, orders=ORDERS)


@pytest.mark.parametrize(
    ("dtype", "depth", "columns", "bound"),
    [
        (np.float16, 33, 256, HALF),
        (ml_dtypes.bfloat16, 64, 64, BRAIN),
        (np.float32, 256, 130, EXACT),
        (np.float64, 32, 32, 1e-14),
    ],
)
def test_types_and_widths(dtype: Any, depth: int, columns: int, bound: float) -> None:
    q, k = draw(1, 37, depth, dtype=dtype), draw(1, 77, depth, dtype=dtype)
    q = (q / np.float32(np.sqrt(depth) / 4)).astype(dtype)
    lowered = check(causal, q, k, draw(1, 77, columns, dtype=dtype), bound=bound)
    assert ("mlc_mma_" in str(lowered.cuda)) == (np.dtype(dtype).itemsize == 2)


@pytest.mark.parametrize(
    ("fn", "shapes"),
    [
        (compared, ((1, 2, 20, 16), (1, 2, 34, 16), (1, 2, 34, 16))),
        (divided_last, ((2, 20, 16), (2, 34, 16), (2, 34, 16))),
        (heads_inside, ((1, 20, 64), (1, 34, 64), (1, 34, 64))),
        (grouped, ((1, 4, 20, 16), (1, 2, 34, 16), (1, 2, 34, 16))),
        (library, ((1, 2, 20, 16), (1, 2, 20, 16), (1, 2, 20, 16))),
    ],
)
def test_ways_to_write_it(fn: Callable[..., Array], shapes: Any) -> None:
    check(fn, *(draw(*shape) for shape in shapes), bound=EXACT, on_cards=False)


def test_keys_and_values_come_while_those_before_are_multiplied() -> None:
    q, k, v = draw(1, 40, 64, dtype=np.float16), *draw(2, 1, 230, 64, dtype=np.float16)
    lowered = check(causal_rows, q, k, v, bound=HALF, orders=ORDERS)
    loop = str(lowered.cuda).partition("mlc_cp_async_wait<0>();")[2]
    assert loop.count("mlc_cp_async_16(&keys[") == loop.count("mlc_cp_async_16(&values[") == 1
    short = mlc.jit(causal_rows, target="cuda-emulated").lower(q, k[:, :100], v[:, :100])
    assert "mlc_cp_async" not in str(short.cuda)  # two tiles are not worth it


def capped(q: Array, k: Array, v: Array) -> Array:
    """Scores that a tanh keeps small, of keys that are not far behind."""
    s = np.tanh(q @ np.swapaxes(k, -1, -2) / q.dtype.type(30)) * q.dtype.type(5)
    rows, keys = np.arange(s.shape[-2])[:, None], np.arange(s.shape[-1])[None, :]
    return softmax(np.where(keys + 200 < rows, q.dtype.type(-np.inf), s)) @ v


@pytest.mark.parametrize(
    ("dtype", "fn", "rows", "keys", "depth", "columns"),
    [
        (np.float16, plain, 65, 193, 64, 64),  # two tiles of rows for a warp
        (ml_dtypes.bfloat16, capped, 150, 129, 48, 33),
        (np.float16, causal, 70, 100, 128, 128),
        (ml_dtypes.bfloat16, plain, 80, 65, 128, 120),  # queries stay in shared memory
        (np.float16, plain, 17, 40, 200, 256),
    ],
)
def test_scores_stay_in_registers(
    dtype: Any, fn: Callable[..., Array], rows: int, keys: int, depth: int, columns: int
) -> None:
    q, k = draw(1, rows, depth, dtype=dtype), draw(1, keys, depth, dtype=dtype)
    q = (q / np.float32(np.sqrt(depth) / 4)).astype(dtype)
    bound = HALF if dtype is np.float16 else BRAIN
    lowered = check(fn, q, k, draw(1, keys, columns, dtype=dtype), bound=bound, on_cards=False)
    shared = re.findall(r"MLC_SHARED\(\w+, (\w+)", str(lowered.cuda))
    assert sorted(shared) == ["keys", "query", "values"]
    assert "mlc_shfl_down" not in str(lowered.cuda)


@pytest.mark.parametrize(("depth", "ahead"), [(128, True), (256, False)])
def test_blocks_leave_room_in_shared_memory(depth: int, ahead: bool) -> None:
    arrays = draw(3, 1, 512, depth, dtype=np.float16)
    lowered = mlc.jit(plain, target="cuda-emulated").lower(*arrays)
    (launch,) = lowered.compiled.device_module.launches
    assert launch.shared_bytes <= 96 << 10
    assert ("mlc_cp_async" in str(lowered.cuda)) == ahead


def test_a_mask_that_is_added_takes_what_numpy_takes_from_a_score() -> None:
    def added(q: Array, k: Array, v: Array, mask: Array) -> Array:
        return softmax(q @ np.swapaxes(k, -1, -2) + mask) @ v

    q, k, v = draw(1, 80, 16, dtype=np.float16) / 8, *draw(2, 1, 72, 16, dtype=np.float16)
    mask = np.where(RNG.random((80, 72)) < 0.5, 0, np.finfo(np.float16).min).astype(np.float16)
    mask[7] = np.finfo(np.float16).min  # a row of equal scores
    jitted = mlc.jit(added, target="cuda-emulated")
    with np.errstate(over="ignore"):
        got, expected = jitted(q, k, v, mask), added(q, k, v, mask)
    np.testing.assert_allclose(got.astype(float), expected.astype(float), atol=1e-2)
    np.testing.assert_allclose(got[0, 7].astype(float), v[0].astype(float).mean(axis=0), atol=1e-3)


def test_rows_of_halves_that_see_nothing_are_nan() -> None:
    q, k, v = draw(1, 70, 16, dtype=np.float16), *draw(2, 1, 200, 16, dtype=np.float16)

    def late(q: Array, k: Array, v: Array) -> Array:
        s = q @ np.swapaxes(k, -1, -2)
        rows, keys = np.arange(70)[:, None], np.arange(200)[None, :]
        return softmax(np.where(keys >= rows * 4, s, q.dtype.type(-np.inf))) @ v

    with np.errstate(invalid="ignore"):
        expected = late(*(x.astype(np.float64) for x in (q, k, v)))
    assert np.isnan(expected[0, 50:]).all() and not np.isnan(expected[0, :50]).any()
    got = mlc.jit(late, target="cuda-emulated")(q, k, v)
    np.testing.assert_allclose(got.astype(np.float64), expected, atol=HALF)


def test_tf32_when_asked() -> None:
    q, k, v = draw(1, 20, 24), draw(1, 40, 24), draw(1, 40, 24)
    lowered = check(plain, q, k, v, bound=1e-2, precision="tf32")
    assert "mlc_mma_m16n8k8_tf32" in str(lowered.cuda)


def test_rows_that_see_nothing_are_nan_as_in_numpy() -> None:
    def masked(q: Array, k: Array, v: Array, mask: Array) -> Array:
        return softmax(q @ k.T + np.where(mask, 0, -np.inf).astype(q.dtype)) @ v

    q, k, v = draw(20, 16), draw(100, 16), draw(100, 16)
    mask = RNG.random((20, 100)) < 0.3
    mask[3], mask[4, :64], mask[5, 64:] = False, False, False
    with np.errstate(invalid="ignore"):
        expected = masked(q, k, v, mask)
    assert np.isnan(expected[3]).all() and not np.isnan(expected[[4, 5]]).any()
    check(masked, q, k, v, mask, bound=EXACT, on_cards=False)


def test_nan_and_infinity_go_where_numpy_has_them() -> None:
    q, k, v = draw(12, 16), draw(80, 16), draw(80, 16)
    q[2, 3], v[70, 1], v[5, 2] = np.nan, np.inf, np.nan
    with np.errstate(invalid="ignore"):
        expected = plain(q, k, v)
    got = mlc.jit(plain, target="cuda-emulated")(q, k, v)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=EXACT)


def test_scores_that_are_wanted_are_made() -> None:
    def both(q: Array, k: Array, v: Array) -> tuple[Array, Array]:
        s = q @ k.T
        return s, softmax(s) @ v

    q, k, v = draw(16, 16), draw(32, 16), draw(32, 16)
    jitted = mlc.jit(both, target="cuda-emulated")
    assert "attention" not in str(jitted.lower(q, k, v).cuda)


@pytest.mark.parametrize("other", ["no maximum", "another", "sum of others"])
def test_what_only_looks_like_it(other: str) -> None:
    def like(q: Array, k: Array, v: Array) -> Array:
        s = q @ k.T
        peak = {"no maximum": 0 * s[:, :1], "another": (s * 2).max(-1, keepdims=True)}.get(
            other, s.max(-1, keepdims=True)
        )
        e = np.exp(s - peak)
        under = (e * e).sum(-1, keepdims=True) if other == "sum of others" else e.sum(-1)[:, None]
        return (e / under) @ v

    q, k, v = draw(16, 16) / 4, draw(32, 16), draw(32, 16)
    jitted = mlc.jit(like, target="cuda-emulated")
    assert "attention" not in str(jitted.lower(q, k, v).cuda)


def test_several_in_one_function() -> None:
    def twice(q: Array, k: Array, v: Array) -> Array:
        return plain(plain(q, k, v), k, v)

    q, k, v = draw(16, 24), draw(32, 24), draw(32, 24)
    jitted = mlc.jit(twice, target="cuda-emulated")
    np.testing.assert_allclose(jitted(q, k, v), twice(q, k, v), rtol=1e-4, atol=EXACT)
    source = str(jitted.lower(q, k, v).cuda)
    assert len(re.findall("__global__ void", source)) == 2


def test_arrays_with_strides() -> None:
    q, k, v = draw(16, 40)[:, ::2], draw(24, 32).T[:20].T, draw(32, 17).T[:, :32].T
    k = draw(20, 32).T
    jitted = mlc.jit(plain, target="cuda-emulated")
    np.testing.assert_allclose(jitted(q, k, v), plain(q, k, v), rtol=1e-4, atol=EXACT)
    assert "attention" in str(jitted.lower(q, k, v).cuda)


def masked(mask: Array, adds: bool = False) -> Callable[..., Array]:
    def fn(q: Array, k: Array, v: Array) -> Array:
        s = q @ np.swapaxes(k, -1, -2) * q.dtype.type(0.125)
        made = s + mask.astype(q.dtype) if adds else np.where(mask, s, q.dtype.type(-np.inf))
        return softmax(made) @ v

    return fn


HALF_OPEN = np.tri(70, 100, -3, dtype=bool) | (np.arange(100) < 1)


@pytest.mark.parametrize(
    ("mask", "adds", "is_read"),
    [
        (np.tri(70, 100, dtype=bool), False, False),
        (~np.triu(np.ones((1, 70, 100), bool), 40), False, False),
        (np.triu(np.full((70, 100), -np.inf), 1), True, False),
        (np.tri(70, 100, 99), True, False),
        (np.tri(70, 100, dtype=bool) & ~np.tri(70, 100, -20, dtype=bool), False, False),
        (HALF_OPEN, False, True),
        (np.triu(np.full((70, 100), -np.inf), 1) - np.eye(70, 100), True, True),
    ],
)  # fmt: skip
def test_masks_that_a_diagonal_divides_are_comparisons(mask, adds, is_read) -> None:
    for dtype in (np.float16, np.float32) if not is_read else (np.float16,):
        q, k, v = draw(2, 70, 32, dtype=dtype), *draw(2, 2, 100, 32, dtype=dtype)
        fn = masked(mask, adds)
        lowered = check(fn, q, k, v, bound=HALF if dtype is np.float16 else EXACT, on_cards=False)
        (launch,) = lowered.compiled.device_module.launches
        assert len(launch.arguments) == 4 + is_read
