"""Contractions of 16-bit floats under the default schedule, against float64."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import mlc
from mlc.ir.program import Program
from mlc.schedules.defaults import gpu_tensor_cores
from mlc.schedules.defaults.gpu import GpuMachine, default_gpu_schedule
from mlc.testing.cuda import assert_compiles

Array = np.ndarray[Any, Any]
FEW = GpuMachine(processors=1)  # for which the largest tiles are chosen


def operand(shape: tuple[int, ...], dtype: Any, seed: int) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def check(
    function: Callable[..., Any], *arrays: Array, uses: bool = True, roundings: int = 1
) -> str:
    """Runs ``function`` emulated, and compares with float64; returns the source."""
    compiled = mlc.jit(function, target="cuda-emulated")
    made = compiled(*arrays)
    wanted = function(*(a.astype(np.float64) for a in arrays))
    assert made.dtype == arrays[0].dtype and made.shape == wanted.shape
    if made.dtype == np.float16:
        assert function(*arrays).dtype == np.float16
    step = (2.0**-11 if made.dtype == np.float16 else 2.0**-8) * roundings
    limit = step * np.abs(wanted).max() if roundings > 1 else step / 16
    np.testing.assert_allclose(made.astype(np.float64), wanted, rtol=step, atol=limit)
    source = str(compiled.lower(*arrays).cuda)
    assert ("mma_16x16x16" in source) == uses
    return source


@pytest.mark.parametrize(
    ("turned", "dtype"),
    [((False, False), np.float16), ((True, False), np.float16), ((False, True), np.float16),
     ((True, True), np.float16), ((True, False), ml_dtypes.bfloat16)],
)  # fmt: skip
def test_all_transposes(turned: tuple[bool, bool], dtype: Any) -> None:
    a = operand((48, 32) if turned[0] else (32, 48), dtype, 0)
    b = operand((64, 48) if turned[1] else (48, 64), dtype, 1)

    def product(a: Array, b: Array) -> Array:
        return (a.T if turned[0] else a) @ (b.T if turned[1] else b)

    source = check(product, a, b)
    assert f"mma_load_{'km' if turned[0] else 'mk'}" in source
    assert f"mma_load_{'nk' if turned[1] else 'kn'}" in source


@pytest.mark.parametrize(("m", "n", "k"), [(17, 33, 19), (9, 40, 100), (33, 16, 8), (9, 24, 104)])
def test_odd_sizes(m: int, n: int, k: int) -> None:
    source = check(np.matmul, operand((m, k), np.float16, 0), operand((k, n), np.float16, 1))
    assert ("mlc_cp_async_16_zero" in source) == (k >= 100)


@pytest.mark.parametrize(("columns", "size"), [(72, 16), (68, 8), (70, 4), (71, 0)])
def test_rows_are_fetched_as_wide_as_they_begin(columns: int, size: int) -> None:
    a, b = operand((20, columns), np.float16, 0), operand((24, columns), np.float16, 1)
    source = check(lambda a, b: a @ b.T, a, b)
    sizes = set(re.findall(r"mlc_cp_async_(\d+)_zero\(", source))
    assert sizes == ({str(size)} if size else set())


def test_long_ones_fetch_ahead() -> None:
    arrays = operand((16, 160), np.float16, 0), operand((160, 16), np.float16, 1)
    assert "mlc_cp_async_wait<1>" in check(np.matmul, *arrays)


def test_few_rows_go_another_way() -> None:
    arrays = operand((4, 32), np.float16, 0), operand((32, 32), np.float16, 1)
    check(np.matmul, *arrays, uses=False)


def test_what_follows_is_in_the_same_kernel() -> None:
    def layer(x: Array, w: Array, b: Array, r: Array) -> Array:
        return np.maximum(x @ w + b, 0) + r

    shapes = (32, 16), (16, 48), (48,), (32, 48)
    source = check(layer, *(operand(s, np.float16, n) for n, s in enumerate(shapes)), roundings=3)
    assert source.count("__global__") == 1


def test_what_follows_a_product_in_parts_takes_sums_from_registers() -> None:
    def layer(x: Array, w: Array, b: Array) -> Array:
        return np.maximum(x @ w + b, 0)

    shapes = (16, 1024), (1024, 16), (16,)
    source = check(layer, *(operand(s, np.float16, n) for n, s in enumerate(shapes)), roundings=2)
    assert source.count("__global__") == 2 and "  float matmul = " in source


def test_batches() -> None:
    check(np.matmul, operand((3, 16, 24), np.float16, 0), operand((3, 24, 16), np.float16, 1))


def test_float32_stays_float32() -> None:
    a, b = operand((32, 32), np.float32, 0), operand((32, 32), np.float32, 1)
    compiled = mlc.jit(np.matmul, target="cuda-emulated")
    assert "mma" not in str(compiled.lower(a, b).cuda)
    np.testing.assert_allclose(compiled(a, b), a @ b, rtol=1e-5, atol=1e-5)


def product_program(m: int, n: int, k: int, dtype: str = "float16") -> Program:
    from mlc import script as T

    @T.program
    def product(A: T.Buffer((m, k), dtype), B: T.Buffer((k, n), dtype), C: T.Buffer((m, n))):
        for i, j, l in T.grid(m, n, k):
            with T.block("C"):
                vi, vj, vl = T.remap("SSR", [i, j, l])
                with T.init():
                    C[vi, vj] = 0.0
                C[vi, vj] += T.float32(A[vi, vl]) * T.float32(B[vl, vj])

    return product


def title(tile: gpu_tensor_cores.WarpTile) -> str:
    rows, columns = tile.block
    return f"{rows}x{columns}"


@pytest.mark.parametrize("tile", gpu_tensor_cores.TILES[:4], ids=title)
def test_every_tile(tile: gpu_tensor_cores.WarpTile) -> None:
    m, n, k = *tile.block, 32
    s = default_gpu_schedule(product_program(m, n, k), FEW)
    a, b = operand((m, k), np.float16, 0), operand((k, n), np.float16, 1)
    made = np.zeros((m, n), np.float32)
    kernel = mlc.build(s, target="cuda-emulated")
    assert f"{32 * tile.across * tile.along})" in str(kernel.lower().cuda)
    number = gpu_tensor_cores.TILES.index(tile)
    with mlc.config.override(emulated_order=("forward", "reverse", "random")[number % 3]):
        kernel(a, b, made)
    np.testing.assert_allclose(made, a.astype(float) @ b.astype(float), rtol=1e-5, atol=1e-5)


def test_tiles_are_as_large_as_the_machine_allows() -> None:
    def grid(processors: int) -> str:
        s = default_gpu_schedule(
            product_program(4096, 4096, 4096), GpuMachine(processors=processors)
        )
        return str(mlc.build(s, target="cuda").lower().cuda)

    assert "32 x 32 blocks of 32 x 2 x 2 threads" in grid(108)
    assert "32 x 64 blocks of 32 x 2 threads" in grid(1500)  # tiles half as wide


def test_large_ones_compile_for_cards(nvrtc: None) -> None:
    s = default_gpu_schedule(product_program(4096, 4096, 4096, "bfloat16"))
    assert_compiles(mlc.build(s, target="cuda").lower().compiled.device_module)


@pytest.mark.parametrize(("shape", "turned"), [((33, 1999, 35), False), ((20, 2222, 24), True)])
def test_parts_of_steps_that_no_number_divides(shape: tuple[int, int, int], turned: bool) -> None:
    """Parts are whole tiles, the last one with zeros, on tensor cores; the second kernel sums them
    up, with what follows."""
    m, k, n = shape
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(size).astype(np.float16) for size in ((m, k), (k, n)))
    b = np.ascontiguousarray(b.T) if turned else b
    layer = mlc.jit(lambda a, b: np.maximum(a @ (b.T if turned else b), 0), target="cuda-emulated")
    exact = a.astype(np.float64) @ (b.T if turned else b).astype(np.float64)
    np.testing.assert_allclose(layer(a, b), np.maximum(exact, 0), rtol=2e-3, atol=5e-2)
    module = layer.lower(a, b).compiled.device_module
    assert [launch.grid[2] > 4 for launch in module.launches] == [True, False]
    assert "mma_16x16x16_float16" in module.source
    assert_compiles(module)


def cast_first(a: Any, b: Any, c: Any) -> Any:
    return np.maximum(a.astype(np.float32) @ b.astype(np.float32) + c, 0)


def cast_within(a: Any, b: Any, c: Any) -> Any:
    return np.maximum(np.matmul(a, b, dtype=np.float32) + c, 0)


@pytest.mark.parametrize(("function", "architecture", "shape", "call"), [
    (cast_first, "sm_80", (100, 40, 72), "mma_16x16x16_float16("),
    (cast_within, "sm_80", (100, 40, 72), "mma_16x16x16_float16("),
    (cast_within, "sm_90a", (1408, 64, 1280), "wgmma_"),
])  # fmt: skip
def test_results_of_halves_in_float32(
    function: Callable[..., Any], architecture: str, shape: tuple[int, int, int], call: str
) -> None:
    """Products of halves are exact in float32: tensor cores make them, with what follows."""
    m, k, n = shape
    a, b = operand((m, k), np.float16, 0), operand((k, n), np.float16, 1)
    c = operand((n,), np.float32, 2)
    with mlc.config.override(cuda_architecture=architecture, emulated_checks=False):
        layer = mlc.jit(function, target="cuda-emulated")
        made, source = layer(a, b, c), str(layer.lower(a, b, c).cuda)
    assert made.dtype == np.float32 and source.count("__global__") == 1 and call in source
    exact = np.maximum(a.astype(np.float64) @ b.astype(np.float64) + c, 0)
    np.testing.assert_allclose(made, exact, rtol=1e-5, atol=1e-5)
