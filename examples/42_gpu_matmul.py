"""A matrix product on a graphics processor: tiles in registers, then in shared memory, too.

``python examples/42_gpu_matmul.py 1024`` is the size of a real measurement; the default is small,
so that a processor can play the card.
"""

import shutil
import sys

import numpy as np

import mlc
from mlc import script as T

N = int(sys.argv[1]) if len(sys.argv) > 1 else 64


@T.program
def matmul(A: T.Buffer((N, N)), B: T.Buffer((N, N)), C: T.Buffer((N, N))):
    for i, j, k in T.grid(N, N, N):
        with T.block("C"):
            vi, vj, vk = T.remap("SSR", [i, j, k])
            with T.init():
                C[vi, vj] = 0.0
            C[vi, vj] += A[vi, vk] * B[vk, vj]


def tiled(s, threads, tile, depth):
    """Each thread makes ``tile`` by ``tile`` elements, in registers; returns k's outer loop."""
    i, j, k = s.loops("C")
    written = s.cache_write("C", "C", "local")
    i0, i1, i2 = s.split(i, [None, threads, tile])
    j0, j1, j2 = s.split(j, [None, threads, tile])
    k0, k1 = s.split(k, [None, depth])
    s.reorder(i0, j0, i1, j1, k0, k1, i2, j2)
    s.reverse_compute_at(written, j1)
    s.unroll(k1)
    for loop, thread in ((i0, "blockIdx.y"), (j0, "blockIdx.x")):
        s.bind(loop, thread)
    for loop, thread in ((i1, "threadIdx.y"), (j1, "threadIdx.x")):
        s.bind(loop, thread)
    return k0


@mlc.schedule
def local_blocking(s, threads=8, tile=4, depth=4):
    k0 = tiled(s, threads, tile, depth)
    s.decompose_reduction("C", k0)


@mlc.schedule
def shared_blocking(s, threads=8, tile=4, depth=8):
    k0 = tiled(s, threads, tile, depth)
    for operand in "AB":
        copy = s.cache_read("C", operand, "shared")
        s.compute_at(copy, k0)
        flat = s.fuse(*s.loops(copy)[-2:])
        _, ty, tx, lanes = s.split(flat, [None, threads, threads, 4])
        s.vectorize(lanes)  # four elements in one access
        s.bind(ty, "threadIdx.y")
        s.bind(tx, "threadIdx.x")
    s.decompose_reduction("C", k0)


rng = np.random.default_rng(0)
a, b = (rng.random((N, N), dtype=np.float32) for _ in "ab")
c = np.zeros_like(a)
for schedule in (local_blocking, shared_blocking):
    s = schedule.on(matmul)
    print(s.program)
    print(mlc.build(s, target="cuda").lower().cuda)
    if shutil.which("g++"):
        emulated = mlc.build(s, target="cuda-emulated")
        c[:] = 0
        emulated(a, b, c)
        assert np.allclose(c, a @ b, rtol=1e-4)
print(f"both schedules compute a @ b of {N} x {N}")
