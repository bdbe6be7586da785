"""Products with vectors and of few rows: every layout and size, against NumPy in float64."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

import mlc
from mlc.backends.llvm.target import host_target
from mlc.schedules.defaults import machine

FLOATS = st.sampled_from([np.float32, np.float64])


def numbers(dtype: Any, shape: tuple[int, ...], layout: str, seed: int) -> np.ndarray[Any, Any]:
    """Normal numbers, in order, transposed, or a part of something larger."""
    rng = np.random.default_rng(seed)
    if layout == "transposed":
        return rng.standard_normal(shape[::-1]).astype(dtype).T
    if layout == "strided":
        large = rng.standard_normal(tuple(2 * n for n in shape)).astype(dtype)
        return large[tuple(slice(1, 2 * n, 2) for n in shape)]
    return rng.standard_normal(shape).astype(dtype)


def check(got: Any, x: Any, y: Any, want: Any) -> None:
    """Within the rounding of sums of as many products."""
    unit = np.finfo(x.dtype).eps
    scale = np.abs(x).astype(np.float64) @ np.abs(y).astype(np.float64)
    assert got.dtype == x.dtype and got.shape == want.shape
    assert (np.abs(got - want) <= 2 * x.shape[-1] * unit * (scale + 1)).all()


LAYOUTS = st.sampled_from(["plain", "transposed", "strided"])


@hypothesis.given(FLOATS, st.integers(1, 70), st.integers(1, 300), LAYOUTS, st.booleans())
def test_matrix_times_vector(dtype: Any, rows: int, depth: int, layout: str, column: bool) -> None:
    a = numbers(dtype, (rows, depth), layout, 1)
    x = numbers(dtype, (depth, 1) if column else (depth,), "plain", 2)
    bias = numbers(dtype, (rows, 1) if column else (rows,), "plain", 3)
    got = mlc.jit(lambda a, x, b: np.maximum(a @ x + b, 0))(a, x, bias)
    wide = a.astype(np.float64) @ x
    check(got, a, x, np.maximum(wide + bias, 0))


@hypothesis.given(FLOATS, st.integers(1, 5), st.integers(1, 20), st.integers(20, 200))
@hypothesis.settings(max_examples=10)
def test_batches_of_vectors(dtype: Any, batch: int, rows: int, depth: int) -> None:
    a = numbers(dtype, (batch, rows, depth), "plain", 4)
    x = numbers(dtype, (batch, depth), "plain", 5)
    got = mlc.jit(lambda a, x: np.einsum("bij,bj->bi", a, x))(a, x)
    want = np.einsum("bij,bj->bi", a.astype(np.float64), x)
    np.testing.assert_allclose(got, want, rtol=1e-3, atol=depth * np.finfo(dtype).eps * 20)


@hypothesis.given(FLOATS, st.integers(1, 70), st.integers(20, 300), st.integers(2, 13), LAYOUTS)
@hypothesis.settings(max_examples=12)
def test_few_columns(dtype: Any, rows: int, depth: int, columns: int, layout: str) -> None:
    a = numbers(dtype, (rows, depth), "plain", 15)
    b = numbers(dtype, (depth, columns), layout, 16)
    check(mlc.jit(lambda a, b: a @ b)(a, b), a, b, a.astype(np.float64) @ b)
    batch = mlc.jit(lambda a, b: (a @ b) * 2)(np.stack([a, -a]), np.stack([b, b + 1]))
    check(batch[1] / 2, -a, b + 1, -a.astype(np.float64) @ (b + 1))


LARGE = host_target().l2_bytes // 8 // 512  # as many columns by 512 do not fit into the cache


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("rows", "depth", "columns"),
    [
        (2, 512, LARGE + 1),
        (8, 515, LARGE + 130),
        (12, 520, LARGE + 77),
        (5, LARGE + 9, 530),
        (7, 512, LARGE + 3),
        (16, 512, LARGE + 64),
        (47, 512, LARGE + 1),
        (49, 514, LARGE + 9),
        (37, 531, LARGE + 5),
    ],
)
def test_few_rows_times_a_large_matrix(rows: int, depth: int, columns: int, turned: bool) -> None:
    a = numbers(np.float64, (rows, depth), "plain", 6)
    layout = "transposed" if turned else "plain"
    b = numbers(np.float64, (depth, columns), layout, 7)
    bias = numbers(np.float64, (columns,), "plain", 8)
    check(mlc.jit(lambda a, b: a @ b)(a, b), a, b, a @ b)
    got = mlc.jit(lambda a, b, c: np.maximum(a @ b + c, 0))(a, b, bias)
    check(got, a, b, np.maximum(a @ b + bias, 0))


@pytest.mark.parametrize("rows", [11, 17, 40])
@pytest.mark.parametrize("across", [False, True])
def test_some_rows_take_no_turned_copy_of_a_large_matrix(rows: int, across: bool) -> None:
    a = numbers(np.float32, (rows, 1030), "transposed" if across else "plain", 16)
    b = numbers(np.float32, (1030, 2 * LARGE + 3), "transposed", 17)
    product = mlc.jit(lambda a, b: a @ b)
    check(product(a, b), a, b, a @ b)
    text = str(product.lower(a, b).program)
    assert "matmul_lanes" in text and "b_packed" not in text and "b_turned" not in text
    assert ("a_turned" in text) is across


@pytest.mark.parametrize(("rows", "depth"), [(8, 1024), (8, 1030), (20, 1024), (60, 1024)])
def test_rows_that_push_each_other_out_are_copied(rows: int, depth: int) -> None:
    a = numbers(np.float32, (rows, depth), "plain", 20)
    b = numbers(np.float32, (depth, 2 * LARGE), "plain", 21)
    text = str(mlc.jit(lambda a, b: a @ b).lower(a, b).program)
    assert ("a_packed" in text) is (depth == 1024 and rows < 48)
    assert ("b_stack" in text or "b_packed" in text) is (rows > 48)


@pytest.mark.parametrize("layout", ["plain", "transposed"])
def test_narrow_operands_are_converted_once(layout: str) -> None:
    a = numbers(np.float16, (37, 130), layout, 22)
    b = numbers(np.float16, (130, 90), layout, 23)
    product = mlc.jit(lambda a, b: np.maximum(a @ b, 0))
    wide = np.maximum(a.astype(np.float32) @ b.astype(np.float32), 0)
    np.testing.assert_allclose(product(a, b).astype(np.float32), wide, 2e-3, 2e-2)
    text = str(product.lower(a, b).program)
    inner = [
        line for line in text.splitlines() if line.lstrip().startswith("matmul[") and "+=" in line
    ]
    assert inner and not any("T.float32" in line for line in inner)
    assert "a_float32" not in str(product.lower(a[:5], b).program)


def test_few_rows_by_few_columns_of_long_sums() -> None:
    a = numbers(np.float32, (7, 3001), "plain", 18)
    b = numbers(np.float32, (3001, 5), "transposed", 19)
    product = mlc.jit(lambda a, b: a @ b)
    check(product(a, b), a, b, a @ b)
    assert "matmul_lanes" in str(product.lower(a, b).program)


def test_a_vector_is_loaded_once_for_several_rows() -> None:
    a, x = numbers(np.float32, (64, 640), "plain", 9), numbers(np.float32, (640,), "plain", 10)
    text = str(mlc.jit(lambda a, x: a @ x).lower(a, x).program)
    assert "matmul_lanes" in text and "in T.unrolled(4)" in text


@pytest.mark.skipif(host_target().vector_bits < 512, reason="a tile fills AVX-512's registers")
@pytest.mark.parametrize("turned", [False, True])
def test_the_tiles_of_few_rows_have_no_spills(turned: bool) -> None:
    a = numbers(np.float32, (8, 1024), "plain", 11)
    b = numbers(np.float32, (1024, 2048), "transposed" if turned else "plain", 12)
    text = mlc.jit(lambda a, b: a @ b).lower(a, b).asm
    loops = [part for part in text.split(".LBB") if part.count("vfmadd") >= 16]
    assert loops
    for loop in loops:
        inner = loop[: loop.rfind("vfmadd")]
        assert inner[inner.find("vfmadd") :].count("(%rsp)") == 0


@pytest.mark.parametrize("column", [False, True])
def test_vector_times_a_large_matrix(column: bool) -> None:
    a = numbers(np.float64, (LARGE * 8 + 3, 517), "plain", 13)
    x = numbers(np.float64, (LARGE * 8 + 3, 1) if column else (LARGE * 8 + 3,), "plain", 14)
    got = mlc.jit(lambda a, x: a.T @ x)(a, x)
    check(got, a.T, x, a.T @ x)


@pytest.mark.parametrize(("rows", "wide", "evened"), [(77, 80, True), (64, 64, False)])
def test_five_vectors_of_a_block_of_rows_are_one_tile(rows, wide, evened):
    """Four and one would leave sums that wait for each other."""
    if host_target().vector_bits < 512:
        pytest.skip("short vectors")

    def attention(q, k, v):
        s = q @ np.swapaxes(k, -1, -2)
        e = np.exp(s - s.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True) @ v

    rng = np.random.default_rng(4)
    q, k, v = (rng.standard_normal((16, rows, wide)).astype(np.float32) * 0.3 for _ in range(3))
    f = mlc.jit(attention)
    made = f(q, k, v)
    np.testing.assert_allclose(made, attention(*map(np.float64, (q, k, v))), rtol=1e-4, atol=1e-5)
    assert ("[None, 5, 16]" in str(f.lower(q, k, v).schedule)) == evened


@pytest.mark.parametrize(("l2", "asks"), [(256 << 10, 1), (1 << 20, 0)])
@pytest.mark.skipif(host_target().vector_bits < 512, reason="short vectors")
def test_rows_from_behind_the_second_cache_are_asked_for_a_tile_early(l2, asks, monkeypatch):
    real = machine.machine_of
    monkeypatch.setattr(machine, "machine_of", lambda *given: replace(real(*given), l2=l2))

    def attention(q, k, v):
        e = np.exp(q @ np.swapaxes(k, -1, -2) * (1 / l2))  # others to the cache
        return e / e.sum(-1, keepdims=True) @ v

    rng = np.random.default_rng(4)
    q, k, v = (rng.standard_normal((20, 64, 64)).astype(np.float32) * 0.3 for _ in range(3))
    f = mlc.jit(attention)
    np.testing.assert_allclose(
        f(q, k, v), attention(*map(np.float64, (q, k, v))), rtol=1e-4, atol=1e-5
    )
    assert str(f.lower(q, k, v).schedule).count("s.prefetch('matmul', 'q', ") == asks


@pytest.mark.parametrize(
    ("l1", "l2", "steps"),
    [
        (48 << 10, 256 << 10, 128),
        (32 << 10, 256 << 10, 64),
        (256 << 10, 256 << 10, 0),
        (32 << 10, 1 << 20, 0),  # the next one is enough for tiles of six rows
    ],
)
@pytest.mark.skipif(host_target().vector_bits < 512, reason="other tiles")
def test_blocks_of_rows_go_by_what_the_nearest_cache_holds(l1, l2, steps, monkeypatch) -> None:
    real = machine.machine_of

    def changed(*given):
        return replace(real(*given), l1=l1, l2=l2)

    monkeypatch.setattr(machine, "machine_of", changed)

    def attention(q, k, v):
        e = np.exp(q @ np.swapaxes(k, -1, -2) * (1 / (l1 + l2)))  # others to the cache
        return e / e.sum(-1, keepdims=True) @ v

    rng = np.random.default_rng(4)
    q, k, v = (rng.standard_normal((20, 256, 64)).astype(np.float32) * 0.3 for _ in range(3))
    f = mlc.jit(attention)
    np.testing.assert_allclose(
        f(q, k, v), attention(*map(np.float64, (q, k, v))), rtol=1e-4, atol=1e-5
    )
    text = str(f.lower(q, k, v).schedule)
    assert text.count("s.split(k_1, [None, ") == bool(steps)
    assert not steps or f"s.split(k_1, [None, {steps}])" in text
