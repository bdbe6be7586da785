"""A matrix product for the accelerator of the example before, step by step from three loops.

The intrinsics say in which memory their operands must lie. The steps bring the tiles there, and put
calls in the place of loops that compute the same.
"""

import numpy as np

import mlc
from mlc import script as T

N = 1024
A_REG, B_REG, ACCUMULATOR = "global.A_reg", "global.B_reg", "global.accumulator"


@mlc.intrinsic
def tmm16(
    A: T.Buffer((16, 16), scope=A_REG),
    B: T.Buffer((16, 16), scope=B_REG),
    C: T.Buffer((16, 16), scope=ACCUMULATOR),
):
    for i, j, k in T.grid(16, 16, 16):
        C[i, j] += A[i, k] * B[j, k]


@mlc.intrinsic
def fill_zero16(C: T.Buffer((16, 16), scope=ACCUMULATOR)):
    for i, j in T.grid(16, 16):
        C[i, j] = 0.0


@T.program
def matmul(A: T.Buffer((N, N)), B: T.Buffer((N, N)), C: T.Buffer((N, N))):
    for i, j, k in T.grid(N, N, N):
        with T.block("matmul"):
            vi, vj, vk = T.remap("SSR", [i, j, k])
            with T.init():
                C[vi, vj] = 0.0
            C[vi, vj] += A[vi, vk] * B[vj, vk]


s = mlc.Schedule(matmul)
(i, ii), (j, ji), (k, ki) = (s.split(loop, [None, 16]) for loop in s.loops("matmul"))
s.reorder(i, j, k, ii, ji, ki)
tile = s.blockize(ii)
s.compute_at(s.cache_read(tile, 0, A_REG), k)
s.compute_at(s.cache_read(tile, 1, B_REG), k)
s.reverse_compute_at(s.cache_write(tile, 0, ACCUMULATOR), j)
try:
    s.tensorize(tile, "tmm16")
except mlc.ScheduleError as error:
    print(str(error).splitlines()[0])
zero = s.decompose_reduction(tile, k)
s.tensorize(tile, "tmm16")
s.tensorize(zero, "fill_zero16")
print(s.program)


@T.program
def target(A: T.Buffer((N, N)), B: T.Buffer((N, N)), C: T.Buffer((N, N))):
    acc = T.alloc((N, N), scope=ACCUMULATOR)
    for i, j in T.grid(N // 16, N // 16):
        with T.block("zero"):
            vi, vj = T.remap("SS", [i, j])
            T.reads()
            T.writes(acc[vi * 16 : vi * 16 + 16, vj * 16 : vj * 16 + 16])
            fill_zero16(acc[vi * 16 : vi * 16 + 16, vj * 16 : vj * 16 + 16])
        for k in T.serial(N // 16):
            Br, Ar = T.alloc((N, N), scope=B_REG), T.alloc((N, N), scope=A_REG)
            for register, source, row in ((Ar, A, i), (Br, B, j)):
                for x, y in T.grid(16, 16):
                    with T.block("load"):
                        vx = T.axis.spatial(N, row * 16 + x)
                        vy = T.axis.spatial(N, k * 16 + y)
                        T.annotate({"recompute": 64.0})
                        register[vx, vy] = source[vx, vy]
            with T.block("tile"):
                vi, vj, vk = T.remap("SSR", [i, j, k])
                a = Ar[vi * 16 : vi * 16 + 16, vk * 16 : vk * 16 + 16]
                b = Br[vj * 16 : vj * 16 + 16, vk * 16 : vk * 16 + 16]
                c = acc[vi * 16 : vi * 16 + 16, vj * 16 : vj * 16 + 16]
                T.reads(a, b, c)
                T.writes(c)
                tmm16(a, b, c)
        for x, y in T.grid(16, 16):
            with T.block("store"):
                vx = T.axis.spatial(N, i * 16 + x)
                vy = T.axis.spatial(N, j * 16 + y)
                C[vx, vy] = acc[vx, vy]


mlc.assert_structural_equal(s.program, target)

a, b = (np.random.default_rng(n).standard_normal((N, N), np.float32) for n in (0, 1))
c = np.zeros_like(a)
mlc.build(s)(a, b, c)
assert np.allclose(c, a @ b.T, atol=1e-3)
print("the program is the expected one, and computes what NumPy does")
