"""Native code for an intrinsic: a function in C, or LLVM IR with the registers chosen by hand.

The schedule knows only what the call means. What runs in its place may come from anywhere; for each
operand it gets a pointer and the strides in elements.
"""

import shutil

import numpy as np

import mlc
from mlc import script as T
from mlc.intrinsics.register_tiles import fma_f32

N = 384


@mlc.intrinsic
def tile_in_c(A: T.Buffer((6, N)), B: T.Buffer((N, 16)), C: T.Buffer((6, 16))):
    for i, j, k in T.grid(6, 16, N):
        C[i, j] += A[i, k] * B[k, j]


if any(map(shutil.which, ("cc", "clang", "gcc"))):  # without one the meaning is compiled

    @tile_in_c.implementation("c")
    def source():
        return f"""
typedef float row __attribute__((vector_size(64), aligned(4)));

void tile_in_c(const float *A, int64_t ai, int64_t ak, const float *B, int64_t bk, int64_t bj,
               float *C, int64_t ci, int64_t cj) {{
    row tile[6] = {{0}};
    for (int k = 0; k < {N}; k++) {{
        row b;
        if (bj == 1) b = *(const row *)(B + k * bk);
        else for (int j = 0; j < 16; j++) b[j] = B[k * bk + j * bj];
        for (int i = 0; i < 6; i++) tile[i] += A[i * ai + k * ak] * b;
    }}
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < 16; j++) C[i * ci + j * cj] += tile[i][j];
}}"""

    tile_in_c.check(trials=2)  # against the meaning, in operands with random strides


@T.program
def matmul(A: T.Buffer((N, N)), B: T.Buffer((N, N)), C: T.Buffer((N, N))):
    for i, j, k in T.grid(N, N, N):
        with T.block("C"):
            vi, vj, vk = T.remap("SSR", [i, j, k])
            with T.init():
                C[vi, vj] = 0.0
            C[vi, vj] += A[vi, vk] * B[vk, vj]


def scheduled(intrinsic: str) -> mlc.Schedule:
    s = mlc.Schedule(matmul)
    i, j, k = s.loops("C")
    s.decompose_reduction("C", i)
    i0, i1 = s.split(i, [None, 6])
    j0, j1 = s.split(j, [None, 16])
    s.reorder(j0, i0, i1, j1, k)
    s.tensorize(i1, intrinsic)
    return s


a, b = (np.random.default_rng(n).standard_normal((N, N), np.float32) for n in (0, 1))
for name in ("tile_in_c", fma_f32(rows=6, columns=16, depth=N, lanes=8).name):
    product, c = mlc.build(scheduled(name)), np.zeros_like(a)
    product(a, b, c)
    assert np.allclose(c, a @ b, atol=1e-3)
    seconds = mlc.time(product, a, b, c, repeats=7).median
    print(f"{name:30} {2 * N**3 / seconds / 1e9:6.1f} GFLOP/s")
