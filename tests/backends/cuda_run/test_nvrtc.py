"""NVRTC compiles all of the prelude for cards that are not here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.config import config
from mlc.errors import ArgumentError, CompileError, UnsupportedError
from mlc.runtime.cuda import emulate, nvrtc, toolkit
from mlc.testing.cuda import assert_compiles

from .conftest import one_kernel
from .test_emulate import MATMUL, SHUFFLES, SMALL_FLOATS

EVERYTHING = """
extern "C" __global__ void __launch_bounds__(128)
k(const float* __restrict__ A, float* __restrict__ B, int* I, int64_t* L, mlc_half* H,
  mlc_bfloat16* F) {
  MLC_SHARED(float, t, 0);
  int i = threadIdx.x + blockIdx.x * blockDim.x;
  mlc_cp_async_16(t + 4 * i, A + 4 * i);
  mlc_cp_async_8(t + 2 * i, A + 2 * i);
  mlc_cp_async_4(t + i, A + i);
  mlc_cp_async_16_zero(t + 4 * i, A + 4 * i, 12u);
  mlc_cp_async_8_zero(t + 2 * i, A + 2 * i, 4u);
  mlc_cp_async_4_zero(t + i, A + i, 0u);
  mlc_cp_async_commit();
  mlc_cp_async_wait<0>();
  mlc_barrier();
  float v = t[i];
  v += mlc_shfl_down(v, 1) + mlc_shfl_xor(v, 2, 16) + mlc_shfl_up(v, 1) + mlc_shfl(v, 0);
  mlc_half h = mlc_half(v) + mlc_half(1.0) * mlc_half(3);
  mlc_bfloat16 b = mlc_bfloat16(float(h));
  h = mlc_shfl_xor(h, 1);
  b = mlc_shfl_down(b, 1);
  if (mlc_any(v > 0) && mlc_all(v > 1)) v += mlc_ballot(v > 2) + mlc_shfl(L[0], 0);
  mlc_atomic_add(B, v);
  mlc_atomic_max(B, v);
  mlc_atomic_min(B, 3);
  mlc_atomic_exchange(B, 1.0f);
  mlc_atomic_cas(I, 1, 2);
  mlc_atomic_add(I, 1);
  mlc_atomic_and(I, 1);
  mlc_atomic_or(I, 1);
  mlc_atomic_xor(I, 1);
  mlc_atomic_add(L, 1);
  mlc_atomic_max(L, 1);
  mlc_atomic_add((uint64_t*)L, 1);
  mlc_atomic_add((double*)L, 1);
  mlc_atomic_add(H, h);
  mlc_atomic_add(F, b);
  mlc_atomic_max(H, h);
  mlc_syncwarp();
  mlc_threadfence();
  float4 f = *(const float4*)(A + 4 * i);
  *(float4*)(B + 4 * i) = make_float4(f.x, __int_as_float(I[0]), v, f.w);
  B[i] = rsqrtf(v) + __expf(v) + __ldg(A) + float(mlc_lane());
}
"""


@pytest.fixture(autouse=True)
def need_nvrtc() -> None:
    try:
        toolkit.toolkit()
    except UnsupportedError as error:
        pytest.skip(error.message)


@pytest.mark.parametrize("source", [MATMUL, SHUFFLES, SMALL_FLOATS, EVERYTHING], ids=range(4))
def test_kernels_compile(source: str) -> None:
    assert_compiles(one_kernel(source, source.count("*")))


def test_tensor_cores_headers_are_there() -> None:
    assert_compiles(one_kernel('#include <mma.h>\nextern "C" __global__ void k() {}', 0))


def test_the_same_text_compiles_for_the_processor() -> None:
    emulate.load(one_kernel(EVERYTHING, 6))


def test_an_error_shows_the_line() -> None:
    source = 'extern "C" __global__ void k(int* A) {\n  A[0] = nowhere;\n}'
    with pytest.raises(CompileError) as caught:
        nvrtc.compile_module(one_kernel(source, 1), "sm_90a")
    assert caught.value.message.startswith(
        "NVRTC refused the CUDA text of k (--gpu-architecture=sm_90a -std=c++17 -default-device):\n"
        '  k.cu(2): error: identifier "nowhere" is undefined\n'
    )
    assert caught.value.message.endswith("line 2 of k.cu is: A[0] = nowhere;")


def test_cubins_come_from_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = one_kernel('extern "C" __global__ void k() {}', 0)
    with config.override(cache_dir=tmp_path):
        first = nvrtc.compile_module(module, "sm_80")
        monkeypatch.setattr(nvrtc._Nvrtc, "compile", lambda *_: b"compiled again")
        assert nvrtc.compile_module(module, "sm_80") == first
        assert nvrtc.compile_module(module, "sm_90") == b"compiled again"
        assert nvrtc.compile_module(module, "sm_80", ["-lineinfo"]) == b"compiled again"


def test_an_architecture_has_a_name_of_its_kind() -> None:
    with pytest.raises(ArgumentError, match="a name such as 'sm_90a', got 'hopper'"):
        nvrtc.compile_module(one_kernel("", 0), "hopper")


ASYNCHRONOUS = """extern "C" __global__ void k(const float *a, float *b) {
  MLC_SHARED(float, tile, 0);
  mlc_cp_async_4(tile, a);
  mlc_cp_async_commit();
  mlc_cp_async_wait<0>();
  b[0] = tile[0];
}
"""


def test_cards_that_it_does_not_know() -> None:
    module = one_kernel(ASYNCHRONOUS, 2)
    least = nvrtc.architectures()[0]
    for arch in (f"sm_{least - 5}", "sm_999a"):
        with pytest.raises(UnsupportedError) as caught:
            nvrtc.compile_module(module, arch)
        assert caught.value.message.startswith(f"k was to be compiled for {arch}, and NVRTC ")
        assert "a newer card needs a newer NVRTC" in caught.value.message
    if least < 80:
        with pytest.raises(UnsupportedError) as caught:
            nvrtc.compile_module(module, f"sm_{least}")
        assert "as cards can from sm_80 on, and were to be compiled for" in caught.value.message


def test_no_nvrtc(tmp_path: Path) -> None:
    with config.override(cuda_path=tmp_path), pytest.raises(UnsupportedError) as caught:
        nvrtc.nvrtc_version()
    assert caught.value.message == (
        "target 'cuda' needs NVIDIA's compiler NVRTC, and it was not found; pip install "
        "'mlc[cuda13]' (or 'mlc[cuda12]' for a driver older than version 580), or set "
        "MLC_CUDA_PATH to a CUDA toolkit"
    )


@pytest.mark.parametrize(
    ("driver", "taken"), [(12040, "12"), (13020, "13"), (0, "13"), (11080, "13")]
)
def test_the_compiler_is_one_whose_code_the_driver_loads(
    driver: int, taken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = []
    for major in "13", "12":
        (tmp_path / major).mkdir()
        (tmp_path / major / f"libnvrtc.so.{major}").touch()
        (tmp_path / major / "cuda_fp16.h").touch()
        folders.append(([tmp_path / major], [tmp_path / major]))
    monkeypatch.setattr(toolkit, "_candidates", lambda wanted: folders)
    monkeypatch.setattr(toolkit, "driver_version", lambda: driver)
    found = toolkit._toolkit.__wrapped__(None)
    assert found.nvrtc == tmp_path / taken / f"libnvrtc.so.{taken}"


def test_version_and_architectures() -> None:
    major = int(nvrtc.nvrtc_version().partition(".")[0])
    assert major >= 12
    assert {80, 90} <= set(nvrtc.architectures())


def test_sums_of_products_are_rounded_as_numpy_does() -> None:
    x = np.zeros(8, np.float32)
    made = mlc.jit(lambda a, b: a * a - b * b, target="cuda").lower(x, x).compiled.device_module
    for number in nvrtc.architectures()[-1], 90:  # compilers of other cards simplify otherwise
        ptx = nvrtc.ptx_text(made, f"sm_{number}")
        assert "mul.rn.f32" in ptx and "fma.rn.f32" not in ptx and "mul.f32" not in ptx


def attention(q: Any, k: Any, v: Any) -> Any:
    scores = q @ np.swapaxes(k, -1, -2)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True) @ v


def causal(q: Any, k: Any, v: Any) -> Any:
    """That which takes the most registers."""
    scores = q @ np.swapaxes(k, -1, -2)
    scores = np.where(np.tril(np.ones(scores.shape[-2:], bool)), scores, np.float16(-np.inf))
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True) @ v


@pytest.mark.parametrize(
    ("function", "shapes"),
    [(np.matmul, [(1536, 256), (256, 2048)]), (attention, [(4, 520, 64)] * 3),
     (causal, [(1, 512, 128)] * 3)],
)  # fmt: skip
def test_products_of_hopper_go_on(function: Any, shapes: Any) -> None:
    """Of a compiler that finds sums touched on the way each waits for the one before."""
    given = [np.zeros(shape, np.float16) for shape in shapes]
    with config.override(cuda_architecture="sm_90a"):
        made = mlc.jit(function, target="cuda").lower(*given).compiled.device_module
    waits = "mlc_wgmma_wait<0>();"
    assert waits in made.source
    said = nvrtc.compiler_log(made, "sm_90a")
    assert "0 bytes spill stores" in said and "wgmma." not in said
    touched = made.source.replace(waits, "").replace("mlc_wgmma_wait<1>();", "")
    assert "wgmma." in nvrtc.compiler_log(replace(made, source=touched), "sm_90a")


def test_assembly_is_that_of_a_card() -> None:
    x = np.zeros((4, 8), np.float32)
    f = mlc.jit(lambda x: x.sum(axis=1), target="cuda")
    ptx = f.lower(x).asm
    assert ".visible .entry" in ptx and "ld.global" in ptx
    assert ".target sm_" in ptx
    with config.override(cuda_architecture="sm_90a"):
        assert ".target sm_90a" in mlc.jit(lambda x: x + 1, target="cuda-emulated").lower(x).asm
    with pytest.raises(mlc.UnsupportedError) as caught:
        f.lower(x).llvm  # noqa: B018
    assert caught.value.message == (
        "lambda is compiled for target 'cuda', whose kernels are CUDA C and never LLVM IR; .cuda "
        "prints them, .asm what NVRTC makes of them, and target='cpu' has .llvm"
    )
    assert "define i32" in mlc.jit(lambda x: x + 1).lower(x).llvm
