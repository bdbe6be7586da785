"""An accelerator with a matrix unit: first in low-level NumPy, then as a program with a block that
computes a whole tile at once.

The unit adds the product of two 16x16 tiles to an accumulator. It reads registers of its own, which
are filled by copies from memory.
"""

import numpy as np

import mlc
from mlc import script as T
from mlc.backends.numpy import lnumpy_text

N = 64


def accel_fill_zero(C):
    C[:] = 0


def accel_tmm_add(C, A, B):
    C[:] += A @ B.T


def accel_dma_copy(destination, source):
    destination[:] = source


def lnumpy_tmm(A, B, C):
    accumulator = np.empty((16, 16), "float32")
    A_reg, B_reg = np.empty_like(accumulator), np.empty_like(accumulator)
    for i in range(N // 16):
        for j in range(N // 16):
            accel_fill_zero(accumulator)
            for k in range(N // 16):
                accel_dma_copy(A_reg, A[i * 16 : i * 16 + 16, k * 16 : k * 16 + 16])
                accel_dma_copy(B_reg, B[j * 16 : j * 16 + 16, k * 16 : k * 16 + 16])
                accel_tmm_add(accumulator, A_reg, B_reg)
            accel_dma_copy(C[i * 16 : i * 16 + 16, j * 16 : j * 16 + 16], accumulator)


# What each instruction means is a program of its own. The call of it is one statement.
@mlc.intrinsic
def fill_zero(C: T.Buffer((16, 16))):
    for i, j in T.grid(16, 16):
        C[i, j] = 0.0


@mlc.intrinsic
def tmm_add(A: T.Buffer((16, 16)), B: T.Buffer((16, 16)), C: T.Buffer((16, 16))):
    for i, j, k in T.grid(16, 16, 16):
        C[i, j] += A[i, k] * B[j, k]


@mlc.intrinsic
def dma_copy(source: T.Buffer((16, 16)), destination: T.Buffer((16, 16))):
    for i, j in T.grid(16, 16):
        destination[i, j] = source[i, j]


@T.program
def tmm(A: T.Buffer((N, N)), B: T.Buffer((N, N)), C: T.Buffer((N, N))):
    for i, j in T.grid(N // 16, N // 16):
        accumulator = T.alloc((16, 16), "float32", scope="global.accumulator")
        with T.block("zero"):
            fill_zero(accumulator[0:16, 0:16])
        for k in T.serial(N // 16):
            A_reg = T.alloc((16, 16), "float32", scope="global.A_reg")
            B_reg = T.alloc((16, 16), "float32", scope="global.B_reg")
            with T.block("load"):
                vi, vj, vk = T.remap("SSS", [i, j, k])
                T.reads(
                    A[vi * 16 : vi * 16 + 16, vk * 16 : vk * 16 + 16],
                    B[vj * 16 : vj * 16 + 16, vk * 16 : vk * 16 + 16],
                )
                T.writes(A_reg[0:16, 0:16], B_reg[0:16, 0:16])
                dma_copy(A[vi * 16 : vi * 16 + 16, vk * 16 : vk * 16 + 16], A_reg[0:16, 0:16])
                dma_copy(B[vj * 16 : vj * 16 + 16, vk * 16 : vk * 16 + 16], B_reg[0:16, 0:16])
            with T.block("multiply"):
                vk = T.axis.reduce(N // 16, k)
                T.reads(A_reg[0:16, 0:16], B_reg[0:16, 0:16], accumulator[0:16, 0:16])
                T.writes(accumulator[0:16, 0:16])
                tmm_add(A_reg[0:16, 0:16], B_reg[0:16, 0:16], accumulator[0:16, 0:16])
        with T.block("store"):
            vi, vj = T.remap("SS", [i, j])
            T.reads(accumulator[0:16, 0:16])
            T.writes(C[vi * 16 : vi * 16 + 16, vj * 16 : vj * 16 + 16])
            dma_copy(accumulator[0:16, 0:16], C[vi * 16 : vi * 16 + 16, vj * 16 : vj * 16 + 16])


a, b = (np.random.default_rng(n).standard_normal((N, N), np.float32) for n in (0, 1))
lnumpy_tmm(a, b, c := np.zeros_like(a))
assert np.allclose(c, a @ b.T, atol=1e-4)
print(tmm)
print(lnumpy_text(tmm).rpartition("\n\n\n")[2])
for target in ("numpy", "cpu"):
    made = np.zeros_like(a)
    mlc.build(tmm, target=target)(a, b, made)
    assert np.allclose(made, c, atol=1e-4)
    print(f"target {target!r} agrees with the loops written by hand")
