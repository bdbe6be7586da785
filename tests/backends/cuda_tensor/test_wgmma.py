"""Products by four warps from shared memory: emulated, and compiled for cards that have them."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import mlc
from mlc import dtypes
from mlc import script as T
from mlc.errors import SimulationError
from mlc.intrinsics.wgmma import wgmma
from mlc.ir.program import Program
from mlc.testing.cuda import assert_compiles

from .tiles import done

M, N, K = 64, 64, 32


def product(dtype: str, gap: int = 0, N: int = N, step: int = 16) -> Program:
    """A product of two steps, or one; ``gap`` elements lie between the rows of a piece."""
    tile = wgmma(getattr(dtypes, dtype), N, step)
    shape, wide, rows = (8, K // 8, 8, 8), (N // 8, K // 8, 8, 8), 8 + gap
    strides = (K // 8 * 8 * rows, 8 * rows, rows, 1)

    @T.program
    def multiply(A: T.Buffer((M, K), dtype), B: T.Buffer((N, K), dtype), C: T.Buffer((M, N))):
        for _x in T.thread_binding(1, "blockIdx.x"):
            left = T.alloc(shape, dtype, strides=strides, scope="shared")
            right = T.alloc(wide, dtype, strides=strides, scope="shared")
            sums = T.alloc((M, N), "float32", scope=tile.scope_c)
            for i in T.serial(M * K // 128):
                for x in T.thread_binding(128, "threadIdx.x"):
                    with T.block("fetch"):
                        row = T.axis.spatial(M, (i * 128 + x) // K)
                        column = T.axis.spatial(K, (i * 128 + x) % K)
                        left[row // 8, column // 8, row % 8, column % 8] = A[row, column]
            for i in T.serial(N * K // 128):
                for x in T.thread_binding(128, "threadIdx.x"):
                    with T.block("fetch_right"):
                        row = T.axis.spatial(N, (i * 128 + x) // K)
                        column = T.axis.spatial(K, (i * 128 + x) % K)
                        right[row // 8, column // 8, row % 8, column % 8] = B[row, column]
            with T.block("fill"):
                done(tile.fill, sums[0:M, 0:N])
            for k in T.serial(K // step):
                with T.block("multiply"):
                    vk = T.axis.reduce(K // step, k)
                    first, last = vk * (step // 8), vk * (step // 8) + step // 8
                    done(
                        tile.product,
                        left[0:8, first:last, 0:8, 0:8],
                        right[0 : N // 8, first:last, 0:8, 0:8],
                        sums[0:M, 0:N],
                    )
            with T.block("store"):
                done(tile.store, sums[0:M, 0:N], C[0:M, 0:N])

    return multiply


@pytest.mark.parametrize(
    ("dtype", "columns", "step"), [("float16", 64, 16), ("bfloat16", 64, 32), ("float16", 128, 32)]
)
def test_a_product(dtype: str, columns: int, step: int, order: str) -> None:
    kind: Any = ml_dtypes.bfloat16 if dtype == "bfloat16" else np.float16
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-64, 64, (n, K)).astype(kind) / kind(8) for n in (M, columns))
    c = np.zeros((M, columns), np.float32)
    mlc.build(product(dtype, N=columns, step=step), target="cuda-emulated")(a, b, c)
    np.testing.assert_array_equal(c, a.astype(np.float64) @ b.astype(np.float64).T)


def test_pieces_have_no_gaps() -> None:
    arrays = np.zeros((64, K), np.float16), np.zeros((64, K), np.float16), np.zeros((M, N), "f4")
    with pytest.raises(SimulationError, match="pieces of 8 x 8 must lie in one row"):
        mlc.build(product("float16", gap=8), target="cuda-emulated")(*arrays)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_it_compiles_for_cards(dtype: str, nvrtc: None) -> None:
    module = mlc.build(product(dtype), target="cuda").lower().compiled.device_module
    assert_compiles(module)


def test_what_is_refused() -> None:
    with pytest.raises(mlc.ArgumentError) as caught:
        wgmma(dtypes.float16, 96)
    assert caught.value.message == (
        "wgmma has 64, 128 or 256 columns and a depth that is a multiple of 16 here, got 96 and 16"
    )
    with pytest.raises(mlc.ArgumentError, match="wgmma multiplies float16 and bfloat16 here, got "):
        wgmma(dtypes.float32)
