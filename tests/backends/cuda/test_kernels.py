"""Loops, memory and calls of kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc
from mlc import script as T
from mlc.compile_device import program_device_module
from mlc.ir import intrinsic
from mlc.ir.program import Program

from .conftest import needs_compiler

pytestmark = needs_compiler


def check(program: Program) -> str:
    """The source of ``program``, which computes what the interpreter does."""
    generator = np.random.default_rng(2)
    arrays: list[Any] = []
    for b in program.params:
        arrays.append(generator.integers(-9, 9, b.shape).astype(b.dtype.numpy))
    want = [array.copy() for array in arrays]
    mlc.build(program, target="interpret")(*want)
    built = mlc.build(program, target="cuda-emulated")
    built(*arrays)
    for got, expected in zip(arrays, want, strict=True):
        np.testing.assert_allclose(got, expected, 1e-6, 1e-6)
    return str(built.lower().cuda)


def test_virtual_threads() -> None:
    @T.program
    def virtual(A: T.Buffer((256,)), B: T.Buffer((256,))):
        for bx in T.thread_binding(2, "blockIdx.x"):
            for vx in T.thread_binding(4, "vthread.x"):
                for tx in T.thread_binding(32, "threadIdx.x"):
                    with T.block("scale"):
                        i = T.axis.spatial(256, bx * 128 + vx * 32 + tx)
                        B[i] = A[i] * 3.0

    text = check(virtual)
    assert "#pragma unroll\n  for (int vx = 0; vx < 4; ++vx) {" in text
    assert "__launch_bounds__(32)" in text


def test_warps_have_memory_of_their_own() -> None:
    @T.program
    def rotated(A: T.Buffer((4, 2, 32)), B: T.Buffer((4, 2, 32))):
        for bx in T.thread_binding(4, "blockIdx.x"):
            for ty in T.thread_binding(2, "threadIdx.y"):
                S = T.alloc((32,), "float32", scope="warp")
                for tx in T.thread_binding(32, "threadIdx.x"):
                    S[tx] = A[bx, ty, tx]
                for tx in T.thread_binding(32, "threadIdx.x"):
                    B[bx, ty, tx] = S[31 - tx]

    check(rotated)
    assert program_device_module(rotated).launches[0].shared_bytes == 256


def test_memory_is_used_again() -> None:
    @T.program
    def chain(A: T.Buffer((64,)), B: T.Buffer((64,))):
        for _ in T.thread_binding(1, "blockIdx.x"):
            P = T.alloc((64,), "float32", scope="shared")
            Q = T.alloc((64,), "float32", scope="shared")
            R = T.alloc((64,), "float32", scope="shared")
            for tx in T.thread_binding(64, "threadIdx.x"):
                P[tx] = A[tx]
            for tx in T.thread_binding(64, "threadIdx.x"):
                Q[tx] = P[63 - tx] + 1.0
            for tx in T.thread_binding(64, "threadIdx.x"):
                R[tx] = Q[(tx + 7) % 64] * 2.0
            for tx in T.thread_binding(64, "threadIdx.x"):
                B[tx] = R[63 - tx]

    check(chain)
    assert program_device_module(chain).launches[0].shared_bytes == 512


def test_large_arrays_of_threads_are_in_the_workspace() -> None:
    @T.program
    def prefixes(A: T.Buffer((4, 3000)), B: T.Buffer((4, 3000))):
        for tx in T.thread_binding(4, "threadIdx.x"):
            W = T.alloc((3000,), "float32", scope="local")
            for i in T.serial(3000):
                W[i] = A[tx, i]
            for i in T.serial(3000):
                B[tx, i] = W[2999 - i]

    check(prefixes)
    assert program_device_module(prefixes).workspace_bytes == 4 * 3000 * 4 + 128


def test_loops_until_a_condition_and_indices_from_data() -> None:
    @T.program
    def jumps(A: T.Buffer((64,), "int64"), B: T.Buffer((64,), "int64")):
        for tx in T.thread_binding(64, "threadIdx.x"):
            n = T.alloc((1,), "int64", scope="local")
            n[0] = tx
            with T.when((A[tx] > 0) & (tx > 3)):
                n[0] = A[tx]
            B[tx] = A[n[0]] + n[0]

    check(jumps)


def test_indices_are_as_wide_as_they_have_to_be() -> None:
    @T.program
    def far(A: T.Buffer((1 << 20, 1 << 13), "int8"), B: T.Buffer((1 << 20,), "int8")):
        for bx in T.thread_binding(1 << 12, "blockIdx.x"):
            for tx in T.thread_binding(256, "threadIdx.x"):
                with T.block("last"):
                    i = T.axis.spatial(1 << 20, bx * 256 + tx)
                    B[i] = A[i, 8191]

    text = program_device_module(far).source
    assert "B[bx * 256 + tx] = A[(int64_t)bx * 2097152 + tx * 8192 + 8191];" in text


def test_intrinsics_with_text_are_called() -> None:
    @T.program
    def meaning(A: T.Buffer((4,)), B: T.Buffer((4,))):
        for i in T.serial(4):
            B[i] = A[i] * 2.0

    text = """MLC_DEVICE void cuda_twice4(const float *a, int64_t sa, float *b, int64_t sb) {
  for (int i = 0; i < 4; ++i) b[i * sb] = a[i * sa] + a[i * sa];
}"""
    intrinsic.register(intrinsic.Intrinsic("cuda_twice4", meaning, {"cuda": text}))

    @T.program
    def rows(A: T.Buffer((4, 32)), B: T.Buffer((32, 4))):
        for tx in T.thread_binding(32, "threadIdx.x"):
            T.call("cuda_twice4", A[0:4, tx], B[tx, 0:4])

    made = check(rows)
    assert text in made
    assert "cuda_twice4(&A[tx], 32, &B[tx * 4], 1);" in made


@pytest.mark.parametrize("shape", [(300,), (20, 30)])
def test_points_that_hand_each_other_elements_of_their_own_are_one_kernel(
    shape: tuple[int, ...],
) -> None:
    """Along the last axis too; the other kernel puts real and imaginary parts together."""
    parts = np.random.default_rng(0).standard_normal((2, *shape)).astype(np.float32)
    z = parts[0] + 1j * parts[1]
    power = mlc.jit(lambda z: z**z, target="cuda-emulated")
    with mlc.config.override(emulated_order="random"):
        np.testing.assert_allclose(power(z), z**z, rtol=1e-4, atol=1e-5)
    assert str(power.lower(z).cuda).count("__global__") == 2
