"""Kernels by hand on the emulator compute what a card would."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from mlc.backends.cuda.device import Argument, DeviceModule, Launch
from mlc.config import config
from mlc.errors import ArgumentError, CompileError, UnsupportedError
from mlc.runtime.cuda import emulate

from .conftest import one_kernel

Run = Callable[..., None]

MATMUL = """
extern "C" __global__ void __launch_bounds__(64)
k(const float* __restrict__ A, const float* __restrict__ B, float* __restrict__ C) {
  MLC_SHARED(float, a, 0);
  MLC_SHARED(float, b, 256);
  int x = threadIdx.x, y = threadIdx.y, i = blockIdx.y * 8 + y, j = blockIdx.x * 8 + x;
  float sum = 0.0f;
  for (int step = 0; step < 32; step += 8) {
    a[y * 8 + x] = A[i * 32 + step + x];
    b[y * 8 + x] = B[(step + y) * 32 + j];
    mlc_barrier();
    for (int n = 0; n < 8; n++) sum += a[y * 8 + n] * b[n * 8 + x];
    mlc_barrier();
  }
  C[i * 32 + j] = sum;
}
"""


def test_shared_memory_and_barriers(run: Run, order: str) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 32, 32), np.float32)
    c = np.full_like(a, np.nan)
    run(MATMUL, [a, b, c], grid=(4, 4, 1), block=(8, 8, 1), shared=512)
    np.testing.assert_allclose(c, a @ b, rtol=1e-4, atol=1e-5)


def test_without_checks_the_result_is_the_same(run: Run) -> None:
    a = np.arange(1024, dtype=np.float32).reshape(32, 32)
    c = np.zeros_like(a)
    with config.override(emulated_checks=False):
        run(MATMUL, [a, a, c], grid=(4, 4, 1), block=(8, 8, 1), shared=512)
    np.testing.assert_array_equal(c, a @ a)


SHUFFLES = """
extern "C" __global__ void k(const int* A, int* B) {
  int t = threadIdx.x, v = A[t];
  B[0 * 64 + t] = mlc_shfl(v, t / 2 + 1);
  B[1 * 64 + t] = mlc_shfl_down(v, 3);
  B[2 * 64 + t] = mlc_shfl_up(v, 5);
  B[3 * 64 + t] = mlc_shfl_xor(v, 12);
  B[4 * 64 + t] = mlc_shfl(v, 3, 8);
  B[5 * 64 + t] = mlc_shfl_down(v, 3, 8);
  B[6 * 64 + t] = mlc_shfl_up(v, 3, 16);
  B[7 * 64 + t] = mlc_ballot(v % 3 == 0);
  B[8 * 64 + t] = mlc_any(v == 40) * 2 + mlc_all(v >= 32);
}
"""


def test_shuffles_and_votes(run: Run, order: str) -> None:
    a = np.arange(64, dtype=np.int32)
    b = np.zeros((9, 64), np.int32)
    run(SHUFFLES, [a, b], block=64)
    lane, base, segment = a % 32, a // 32 * 32, a // 8 * 8

    def at(to: Any, width: int) -> Any:
        """Where a shuffle by a distance reads: a lane keeps its own past the end."""
        within = (to >= a // width * width) & (to < (a // width + 1) * width)
        return np.where(within, to, a)

    np.testing.assert_array_equal(b[0], base + (a // 2 + 1) % 32)
    np.testing.assert_array_equal(b[1], at(a + 3, 32))
    np.testing.assert_array_equal(b[2], at(a - 5, 32))
    np.testing.assert_array_equal(b[3], base + (lane ^ 12))
    np.testing.assert_array_equal(b[4], segment + 3)
    np.testing.assert_array_equal(b[5], at(a + 3, 8))
    np.testing.assert_array_equal(b[6], at(a - 3, 16))
    votes = [sum(1 << n for n in range(32) if (start + n) % 3 == 0) for start in (0, 32)]
    np.testing.assert_array_equal(b[7].view(np.uint32), np.repeat(votes, 32))
    np.testing.assert_array_equal(b[8], np.repeat([0, 3], 32))


def test_values_of_any_size_are_shuffled(run: Run) -> None:
    source = """
    extern "C" __global__ void k(const double* A, double* B, const mlc_half* C, mlc_half* D) {
      int t = threadIdx.x;
      B[t] = mlc_shfl_xor(A[t], 31);
      D[t] = mlc_shfl_down(C[t], 16);
    }
    """
    a = np.random.default_rng(1).standard_normal(32)
    c = a.astype(np.float16)
    b, d = np.zeros_like(a), np.zeros_like(c)
    run(source, [a, b, c, d])
    np.testing.assert_array_equal(b, a[::-1])
    np.testing.assert_array_equal(d, np.concatenate([c[16:], c[16:]]))


def test_a_warp_reduction_and_atomics_over_blocks(run: Run, order: str) -> None:
    source = """
    extern "C" __global__ void k(const int* A, int* sum, int* most, float* real, double* wide) {
      MLC_SHARED(int, part, 0);
      int t = threadIdx.x, v = A[blockIdx.x * 128 + t], own = v;
      for (int n = 16; n; n /= 2) v += mlc_shfl_down(v, n);
      if (t % 32 == 0) part[t / 32] = v;
      mlc_barrier();
      if (t == 0) mlc_atomic_add(sum, part[0] + part[1] + part[2] + part[3]);
      mlc_atomic_max(most, own);
      mlc_atomic_add(real, 0.5f);
      mlc_atomic_min(wide, (double)own);
    }
    """
    a = np.random.default_rng(2).integers(-1000, 1000, 1024).astype(np.int32)
    total, most = np.zeros(1, np.int32), np.full(1, -9999, np.int32)
    real, wide = np.zeros(1, np.float32), np.full(1, np.inf)
    run(source, [a, total, most, real, wide], grid=8, block=128, shared=16)
    assert (total[0], most[0], real[0], wide[0]) == (a.sum(), a.max(), 512, a.min())


def test_an_atomic_sum_with_half_precision_rounds_each_time(run: Run) -> None:
    source = """
    extern "C" __global__ void k(mlc_half* A, mlc_bfloat16* B) {
      mlc_atomic_add(A, mlc_half(0.25f));
      mlc_atomic_add(B, mlc_bfloat16(0.25f));
    }
    """
    a, b = np.zeros(1, np.float16), np.zeros(1, ml_dtypes.bfloat16)
    run(source, [a, b], grid=2)
    assert (float(a[0]), float(b[0])) == (16.0, 16.0)


SMALL_FLOATS = """
extern "C" __global__ void k(const double* A, const float* F, mlc_half* H, mlc_bfloat16* B,
                             mlc_half* G, float* R) {
  int i = blockIdx.x * 256 + threadIdx.x;
  H[i] = mlc_half(A[i]);
  B[i] = mlc_bfloat16(A[i]);
  G[i] = mlc_half(F[i]) + mlc_half(1);
  R[i] = float(H[i]) - float(B[i]);
}
"""


def test_small_floats_round_once(run: Run) -> None:
    """From float64 too, where a detour by float32 would round twice."""
    rng = np.random.default_rng(3)
    every = np.arange(1 << 16, dtype=np.uint16)
    halves = every.view(np.float16).astype(np.float64)
    with np.errstate(all="ignore"):
        brains = every.view(ml_dtypes.bfloat16).astype(np.float64)
    near = 1 + rng.integers(0, 2048, 4096) / 2048 + rng.choice([-1e-12, 0, 1e-12], 4096)
    wild = rng.standard_normal(4096) * 10.0 ** rng.integers(-46, 42, 4096)
    a = np.concatenate([halves, brains, near, wild])
    with np.errstate(all="ignore"):
        f = a.astype(np.float32)
        h, r = np.zeros(a.shape, np.float16), np.zeros(a.shape, np.float32)
        g, b = np.zeros_like(h), np.zeros(a.shape, ml_dtypes.bfloat16)
        run(SMALL_FLOATS, [a, f, h, b, g, r], grid=len(a) // 256, block=256)
        np.testing.assert_array_equal(h, a.astype(np.float16))
        np.testing.assert_array_equal(g, f.astype(np.float16) + np.float16(1))
        exact = b.astype(np.float64)
        np.testing.assert_array_equal(r, (h.astype(np.float32) - b.astype(np.float32)))
        np.testing.assert_array_equal(np.isnan(exact), np.isnan(a))
        # The nearest one: neither neighbour of a result is nearer to the value.
        bits = b.view(np.uint16).astype(np.int32)
        finite = np.isfinite(exact) & (exact != 0) & (np.abs(a) < 3e38)
        for step in (-1, 1):
            other = (bits + step).astype(np.uint16).view(ml_dtypes.bfloat16).astype(np.float64)
            fits = finite & np.isfinite(other)
            assert (np.abs(exact - a) <= np.abs(other - a))[fits].all()


def test_asynchronous_copies_arrive_at_the_wait(run: Run, order: str) -> None:
    source = """
    extern "C" __global__ void k(const float* A, float* B) {
      MLC_SHARED(float, tile, 0);
      int t = threadIdx.x;
      mlc_cp_async_16(tile + t * 4, A + t * 4);
      mlc_cp_async_commit();
      mlc_cp_async_16_zero(tile + 128 + t * 4, A + 128 + t * 4, t == 31 ? 8u : 16u);
      mlc_cp_async_commit();
      mlc_cp_async_wait<1>();
      mlc_barrier();
      for (int n = 0; n < 4; n++) B[n * 32 + t] = tile[n * 32 + t];
      mlc_cp_async_wait<0>();
      mlc_barrier();
      for (int n = 4; n < 8; n++) B[n * 32 + t] = tile[n * 32 + t];
    }
    """
    a, b = np.arange(254, dtype=np.float32) + 1, np.zeros(256, np.float32)
    run(source, [a, b], shared=1024)
    np.testing.assert_array_equal(b, np.append(a, [0, 0]))


def test_vectors(run: Run) -> None:
    source = """
    extern "C" __global__ void k(const float* A, float* B) {
      int t = threadIdx.x;
      float4 v = reinterpret_cast<const float4*>(A)[t];
      float2 w = make_float2(v.w, v.z);
      reinterpret_cast<float4*>(B)[t] = make_float4(w.x, w.y, v.y, v.x);
    }
    """
    a, b = np.arange(128, dtype=np.float32), np.zeros(128, np.float32)
    run(source, [a, b])
    np.testing.assert_array_equal(b.reshape(32, 4), a.reshape(32, 4)[:, ::-1])


def test_launches_run_in_order_over_one_workspace() -> None:
    source = """
    extern "C" __global__ void first(const int* A, int* W) {
      W[threadIdx.x] = A[threadIdx.x] * 2;
    }
    extern "C" __global__ void second(const int* W, int* B) {
      B[threadIdx.x] = W[31 - threadIdx.x] + 1;
    }
    """
    one, many = (1, 1, 1), (32, 1, 1)
    array, space = (lambda n: Argument("array", n)), Argument("workspace", 256)
    module = DeviceModule(
        "two", source,
        (Launch("first", one, many, 0, (array(0), space)),
         Launch("second", one, many, 0, (space, array(1)))), 512,
    )  # fmt: skip
    a, b = np.arange(32, dtype=np.int32), np.zeros(32, np.int32)
    emulate.run_arrays(module, [a, b])
    np.testing.assert_array_equal(b, a[::-1] * 2 + 1)


def test_libraries_come_from_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = 'extern "C" __global__ void k(int* A) { A[threadIdx.x] = 7; }'
    a = np.zeros(32, np.int32)
    with config.override(cache_dir=tmp_path):
        emulate.run_arrays(one_kernel(source, 1), [a])
        monkeypatch.setattr(emulate, "_libraries", {})
        monkeypatch.setattr(emulate, "_run", lambda *_: pytest.fail("compiled again"))
        a[:] = 0
        emulate.run_arrays(one_kernel(source, 1), [a])
    assert (a == 7).all()


def test_what_kernels_include_is_compiled_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And stands for its text: this compiles where the text is not found."""
    path, flags = emulate.compiler(), (*emulate._FLAGS, *emulate._CHECKS)
    header = emulate._header(path, flags)
    if not header:
        pytest.skip("the compiler is not GCC")
    with monkeypatch.context() as patch:
        patch.setattr(emulate, "_run", lambda *_: pytest.fail("compiled again"))
        assert emulate._header(path, flags) is header
        patch.setattr(emulate, "_compiled", {})
        assert emulate._header(path, flags) == header  # from the disk
    (tmp_path / "emulated.h.gch").write_bytes(header)
    kernel = tmp_path / "kernels.cpp"
    kernel.write_text(emulate.source_of(one_kernel(MATMUL, 3)))
    emulate._run([path, *flags, "-fsyntax-only", str(kernel)], "k", MATMUL)
    (tmp_path / "emulated.h.gch").unlink()
    with pytest.raises(CompileError, match="No such file"):
        emulate._run([path, *flags, "-fsyntax-only", str(kernel)], "k", MATMUL)


def test_no_compiler() -> None:
    with config.override(cxx="no-such-compiler"), pytest.raises(UnsupportedError) as caught:
        emulate.load(one_kernel("", 0))
    assert caught.value.message == (
        "target 'cuda-emulated' needs a C++ compiler, and none was found ('no-such-compiler' "
        "(mlc.config.cxx)); install one ('apt install g++', 'dnf install gcc-c++', 'conda install "
        "gxx'), or set MLC_CXX to its path"
    )


def test_a_text_that_does_not_compile() -> None:
    source = 'extern "C" __global__ void k(int* A) {\n  A[0] = nowhere;\n}'
    with pytest.raises(CompileError, match=r"(?s)the CUDA text of k does not.*k\.cu:2.*nowhere"):
        emulate.load(one_kernel(source, 1))


def test_local_arrays_must_fit_the_stack() -> None:
    source = 'extern "C" __global__ void k(int* A) { volatile int x[90000]; A[0] = x[1]; }'
    with pytest.raises(CompileError, match="frame size"):
        emulate.load(one_kernel(source, 1))


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ({"block": (32, 32, 2)}, "blocks of 32 x 32 x 2 threads; a block has 1 to 1024"),
        ({"grid": (1, 70000, 1)}, "a grid of (1, 70000, 1) blocks; extents are at least 1"),
        ({"shared": 300000}, "300000 bytes of shared memory; no card has more than 232448"),
    ],
)
def test_launches_that_no_card_takes(shape: dict[str, Any], said: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        emulate.load(one_kernel('extern "C" __global__ void k() {}', 0, **shape))
    assert said in caught.value.message


def test_arrays_must_be_contiguous() -> None:
    with pytest.raises(ArgumentError, match="C-contiguous"):
        emulate.run_arrays(one_kernel("", 1), [np.zeros((4, 4)).T[:2]])


def test_kernels_of_one_text_run_one_at_a_time(run: Run) -> None:
    """The emulator's memory in a library is that of one launch, whoever made it."""
    outputs = [np.zeros((32, 32), np.float32) for _ in range(4)]
    a = np.arange(1024, dtype=np.float32).reshape(32, 32)
    grids = {"grid": (4, 4, 1), "block": (8, 8, 1), "shared": 512}
    run(MATMUL, [a, a, outputs[0]], **grids)  # compiled, and loaded by each thread anew
    threads = [
        threading.Thread(target=run, args=(MATMUL, [a, a, c]), kwargs=grids) for c in outputs
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for c in outputs:
        np.testing.assert_array_equal(c, a @ a)
