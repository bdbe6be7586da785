"""A matrix product on a graphics processor: tiles in registers, then in shared memory, too, and
then fetched there by four elements at a time (``float4`` in CUDA C).

``python examples/42_gpu_matmul.py 1024`` is the size of a real measurement, and the default where a
card is; else it is small, so that a processor can play the card.
"""

import shutil
import sys

import numpy as np

import mlc
from mlc import script as T
from mlc.testing.cuda import has_card

N = int(sys.argv[1]) if len(sys.argv) > 1 else 1024 if has_card() else 64


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
def shared_blocking(s, threads=8, tile=4, depth=8, lanes=1):
    k0 = tiled(s, threads, tile, depth)
    for operand in "AB":
        copy = s.cache_read("C", operand, "shared")
        s.compute_at(copy, k0)
        flat = s.fuse(*s.loops(copy)[-2:])
        _, ty, tx, lane = s.split(flat, [None, threads, threads, lanes])
        s.vectorize(lane)  # so many elements in one access
        s.bind(ty, "threadIdx.y")
        s.bind(tx, "threadIdx.x")
    s.decompose_reduction("C", k0)


VARIANTS = {
    "local blocking": local_blocking,
    "shared blocking": shared_blocking,
    "float4 loads": shared_blocking.with_options(lanes=4),
}
rng = np.random.default_rng(0)
a, b = (rng.random((N, N), dtype=np.float32) for _ in "ab")
c, exact = np.zeros_like(a), a.astype(np.float64) @ b
for name, schedule in VARIANTS.items():
    s = schedule.on(matmul)
    print(s.program)
    print(mlc.build(s, target="cuda").lower().cuda)
    if shutil.which("g++") and N <= 128:
        emulated = mlc.build(s, target="cuda-emulated")
        c[:] = 0
        emulated(a, b, c)
        assert np.allclose(c, exact, rtol=1e-4)
        print(f"{name} computes a @ b of {N} x {N}, emulated")
    if has_card():
        there = [mlc.device_put(array) for array in (a, b, np.zeros_like(c))]
        seconds = mlc.time(mlc.build(s, target="cuda"), *there).median
        assert np.allclose(there[2].get(), exact, rtol=1e-4)
        print(f"{name}: {2 * N**3 / seconds / 1e9:.0f} GFLOP/s on the card")
