"""Tensor core functions of the prelude, emulated by the layouts that PTX describes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from mlc.errors import SimulationError, UnsupportedError
from mlc.runtime.cuda import toolkit
from mlc.testing.cuda import assert_compiles

from .conftest import one_kernel

Run = Callable[..., None]

# Each element is put into its register by hand: what ldmatrix is held against.
BY_HAND = """
extern "C" __global__ void __launch_bounds__(32) k(const mlc_TYPE* A, const mlc_TYPE* B, float* C) {
  int lane = threadIdx.x, i = lane / 4, j = lane % 4 * 2;
  uint32_t a[4], b[2];
  float d[4];
  for (int n = 0; n < 4; n++)
    a[n] = *(const uint32_t*)(A + (i + n % 2 * 8) * 16 + j + n / 2 * 8);
  for (int n = 0; n < 2; n++) {
    mlc_TYPE pair[2] = {B[(j + n * 8) * 8 + i], B[(j + 1 + n * 8) * 8 + i]};
    b[n] = mlc_bits<uint16_t>(pair[0]) | (uint32_t)mlc_bits<uint16_t>(pair[1]) << 16;
  }
  for (int n = 0; n < 4; n++) d[n] = C[(i + n / 2 * 8) * 8 + j + n % 2];
  mlc_mma_m16n8k16_SHORT(d, a, b);
  for (int n = 0; n < 4; n++) C[(i + n / 2 * 8) * 8 + j + n % 2] = d[n];
}
"""
# The same from shared memory, with b stored row by row.
LOADED = """
extern "C" __global__ void __launch_bounds__(32) k(const mlc_TYPE* A, const mlc_TYPE* B, float* C) {
  MLC_SHARED(mlc_TYPE, left, 0);
  MLC_SHARED(mlc_TYPE, right, 512);
  int lane = threadIdx.x, i = lane / 4, j = lane % 4 * 2;
  for (int n = lane; n < 256; n += 32) left[n] = A[n];
  for (int n = lane; n < 128; n += 32) right[n] = B[n];
  mlc_syncwarp();
  uint32_t a[4], b[2];
  float d[4];
  mlc_ldmatrix_x4(a, left + lane % 16 * 16 + lane / 16 * 8);
  mlc_ldmatrix_x2_trans(b, right + lane % 16 * 8);
  for (int n = 0; n < 4; n++) d[n] = C[(i + n / 2 * 8) * 8 + j + n % 2];
  mlc_mma_m16n8k16_SHORT(d, a, b);
  for (int n = 0; n < 4; n++) C[(i + n / 2 * 8) * 8 + j + n % 2] = d[n];
}
"""
TYPES = {"half": ("f16", np.float16), "bfloat16": ("bf16", ml_dtypes.bfloat16)}


def text(source: str, name: str) -> str:
    return source.replace("TYPE", name).replace("SHORT", TYPES[name][0])


@pytest.mark.parametrize("source", [BY_HAND, LOADED], ids=["by hand", "loaded"])
@pytest.mark.parametrize("name", TYPES)
def test_a_product(name: str, source: str, run: Run, order: str) -> None:
    rng = np.random.default_rng(0)
    dtype: Any = TYPES[name][1]
    a, b = rng.standard_normal((16, 16)).astype(dtype), rng.standard_normal((16, 8)).astype(dtype)
    c = rng.standard_normal((16, 8)).astype(np.float32)
    wanted = c + a.astype(np.float64) @ b.astype(np.float64)
    run(text(source, name), [a, b, c], shared=768)
    np.testing.assert_allclose(c, wanted, rtol=1e-6, atol=1e-6)


def test_transposed_matrices(run: Run, order: str) -> None:
    source = """
    extern "C" __global__ void k(const uint16_t* A, uint32_t* B, uint32_t* C) {
      MLC_SHARED(uint16_t, tile, 0);
      for (int n = threadIdx.x; n < 256; n += 32) tile[n] = A[n];
      mlc_syncwarp();
      uint32_t plain[4], turned[4];
      mlc_ldmatrix_x4(plain, tile + threadIdx.x * 8);
      mlc_ldmatrix_x4_trans(turned, tile + threadIdx.x * 8);
      for (int n = 0; n < 4; n++) {
        B[n * 32 + threadIdx.x] = plain[n];
        C[n * 32 + threadIdx.x] = turned[n];
      }
    }
    """
    a = np.arange(256, dtype=np.uint16)
    b, c = np.zeros((2, 4, 32), np.uint32)
    run(source, [a, b, c], shared=512)
    np.testing.assert_array_equal(b.view(np.uint16).reshape(4, 8, 8), a.reshape(4, 8, 8))
    turned = a.reshape(4, 8, 8).transpose(0, 2, 1)
    np.testing.assert_array_equal(c.view(np.uint16).reshape(4, 8, 8), turned)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  mlc_syncwarp();\n", "", "no barrier lies between them"),
        ("lane % 16 * 8)", "lane % 16 * 8 + 1)", "whose address is no multiple of 16 (line 12)"),
        ("  mlc_mma", "  if (lane < 9) return;\n  mlc_mma", "waits in mlc_mma_m16n8k16_f16 at"),
    ],
)
def test_wrong_uses_are_errors(old: str, new: str, said: str, run: Run) -> None:
    source = text(LOADED, "half")
    assert old in source
    arrays = [np.zeros((16, 16), "f2"), np.zeros((16, 8), "f2"), np.zeros((16, 8), "f4")]
    with pytest.raises(SimulationError) as caught:
        run(source.replace(old, new, 1), arrays, shared=768)
    assert said in caught.value.message


@pytest.mark.parametrize("source", [BY_HAND, LOADED], ids=["by hand", "loaded"])
@pytest.mark.parametrize("name", TYPES)
def test_they_compile_for_cards(name: str, source: str) -> None:
    try:
        toolkit.toolkit()
    except UnsupportedError as error:
        pytest.skip(error.message)
    assert_compiles(one_kernel(text(source, name), 3))
