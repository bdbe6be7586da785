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


THREADS = (
    "blockIdx.y", "blockIdx.x", "vthread.y", "vthread.x", "threadIdx.y", "threadIdx.x",
)  # fmt: skip


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


def test_virtual_threads_share_what_is_the_same_for_all() -> None:
    """Shared memory is filled once, between two barriers; each has registers of its own."""

    @T.program
    def product(A: T.Buffer((30, 24)), B: T.Buffer((24, 32)), C: T.Buffer((30, 32))):
        for i, j, k in T.grid(30, 32, 24):
            with T.block("C"):
                vi, vj, vk = T.remap("SSR", [i, j, k])
                with T.init():
                    C[vi, vj] = 0.0
                C[vi, vj] += A[vi, vk] * B[vk, vj]

    s = mlc.Schedule(product)
    i, j, k = s.loops("C")
    sums = s.cache_write("C", "C", "local")
    i0, iv, i1 = s.split(i, [None, 2, 8])
    j0, jv, j1 = s.split(j, [None, 2, 8])
    k0, k1 = s.split(k, [None, 8])
    s.reorder(i0, j0, iv, jv, i1, j1, k0, k1)
    s.reverse_compute_at(sums, j1)
    for loop, thread in zip((i0, j0, iv, jv, i1, j1), THREADS, strict=True):
        s.bind(loop, thread)
    for operand in "AB":
        copy = s.cache_read("C", operand, "shared")
        s.compute_at(copy, k0)
        _, ty, tx = s.split(s.fuse(*s.loops(copy)[-2:]), [None, 8, 8])
        s.bind(ty, "threadIdx.y")
        s.bind(tx, "threadIdx.x")
    s.decompose_reduction("C", k0)
    text = check(s.program)
    assert "float C_local[4];" in text and "1024 bytes shared" in text
    assert text.count("mlc_barrier();") == 2 and text.count("A_shared[") == 2


def test_virtual_threads_have_memory_of_their_own() -> None:
    @T.program
    def turned(A: T.Buffer((64,)), B: T.Buffer((64,)), C: T.Buffer((2, 64))):
        for v in T.thread_binding(2, "vthread.x"):
            S = T.alloc((32,), scope="shared")
            W = T.alloc((64,), scope="shared")
            for tx in T.thread_binding(32, "threadIdx.x"):
                S[tx] = A[v * 32 + tx]
            for w in T.thread_binding(2, "vthread.x"):  # each of them fills all of it
                for tx in T.thread_binding(32, "threadIdx.x"):
                    W[w * 32 + tx] = A[w * 32 + tx]
            for tx in T.thread_binding(32, "threadIdx.x"):
                B[v * 32 + tx] = S[31 - tx]
                C[v, tx] = W[63 - tx]
                C[v, tx + 32] = W[31 - tx]

    text = check(turned)
    assert text.count("mlc_barrier();") == 1 and "S[v * 32 - tx + 31]" in text


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
    def chain(A: T.Buffer((512,)), B: T.Buffer((512,))):
        for _ in T.thread_binding(1, "blockIdx.x"):
            P = T.alloc((512,), "float32", scope="shared")
            Q = T.alloc((512,), "float32", scope="shared")
            R = T.alloc((512,), "float32", scope="shared")
            for tx in T.thread_binding(512, "threadIdx.x"):
                P[tx] = A[tx]
            for tx in T.thread_binding(512, "threadIdx.x"):
                Q[tx] = P[511 - tx] + 1.0
            for tx in T.thread_binding(512, "threadIdx.x"):
                R[tx] = Q[(tx + 7) % 512] * 2.0
            for tx in T.thread_binding(512, "threadIdx.x"):
                B[tx] = R[511 - tx]

    check(chain)
    assert program_device_module(chain).launches[0].shared_bytes == 4096


def test_little_memory_is_not_used_again() -> None:
    """Threads would have to wait before they write what others read."""

    @T.program
    def means(A: T.Buffer((8, 64)), B: T.Buffer((8, 64))):
        for i in T.thread_binding(8, "blockIdx.x"):
            t = T.alloc((1,), "float32", scope="local")
            u = T.alloc((1,), "float32", scope="local")
            t[0] = 0.0
            for tx in T.thread_binding(64, "threadIdx.x"):
                t[0] += A[i, tx]
            u[0] = 0.0
            for tx in T.thread_binding(64, "threadIdx.x"):
                u[0] += A[i, tx] * t[0]
            for tx in T.thread_binding(64, "threadIdx.x"):
                B[i, tx] = u[0]

    assert check(means).count("mlc_barrier();") == 2


def test_what_one_thread_does_for_all_is_waited_for() -> None:
    @T.program
    def spread(A: T.Buffer((64,)), B: T.Buffer((64,))):
        for _ in T.thread_binding(1, "blockIdx.x"):
            S = T.alloc((1,), "float32", scope="shared")
            L = T.alloc((1,), "float32", scope="local")
            S[0] = A[3]
            L[0] = S[0] * 2.0
            for tx in T.thread_binding(64, "threadIdx.x"):
                B[tx] = L[0] + A[tx]

    assert check(spread).count("mlc_barrier();") == 1


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
