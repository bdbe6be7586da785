"""A matrix product on tensor cores: tiles that the 32 threads of a warp multiply together.

A tensor core multiplies whole tiles, 16 x 16 x 16 here. No thread holds one: it is spread over the
registers of a warp, as a *fragment*, in a way that the hardware fixes. So a tensorized block stands
outside of loops over ``threadIdx.x``, and all 32 threads of the warp do it together; warps are
counted by ``threadIdx.y`` and ``threadIdx.z``.

Four memories follow on each other: global memory, tiles of a block in shared memory, tiles of a
warp in fragments (the scopes ``mma.mk``, ``mma.kn``, ``mma.mn``), and the registers that those are
made of, which only the intrinsics see.

``python examples/43_gpu_tensor_cores.py 4096`` is a real measurement; a card does 1024 by default.
"""

import shutil
import sys

import numpy as np

import mlc
from mlc import script as T
from mlc.intrinsics.fragments import Fragment
from mlc.intrinsics.mma import mma
from mlc.testing.cuda import has_card

N = int(sys.argv[1]) if len(sys.argv) > 1 else 1024 if has_card() else 64

# Who holds what. Of A, each thread has 8 of 256 elements, two neighbours in each of four registers.
tile_of_a = Fragment("a", 16, 16, width=2)
owners = np.zeros((16, 16), int)
for lane in range(32):
    for number in range(tile_of_a.held):
        owners[tile_of_a.element(lane, number)] = lane
print("The lane that holds each element of a tile of A:")
print(owners)


@T.program
def matmul(A: T.Buffer((N, N), "float16"), B: T.Buffer((N, N), "float16"), C: T.Buffer((N, N))):
    for i, j, k in T.grid(N, N, N):
        with T.block("C"):
            vi, vj, vk = T.remap("SSR", [i, j, k])
            with T.init():
                C[vi, vj] = 0.0
            C[vi, vj] += T.float32(A[vi, vk]) * T.float32(B[vk, vj])


def tiles(s, block, loop):
    """The loops of ``block`` inside ``loop`` as loops over tiles, and a tile's own two loops."""
    around = s.loops(block)
    i, j = around[-2:]
    (i0, i1), (j0, j1) = s.split(i, [None, 16]), s.split(j, [None, 16])
    s.reorder(i0, j0, i1, j1)
    return i1


@mlc.schedule
def tensor_cores(s, warps=2, rows=1, columns=2, depth=2):
    """``warps`` times ``warps`` warps in a block, each of ``rows`` times ``columns`` tiles."""
    tile = mma("float16")
    # Where tiles live: the sums and both operands in fragments, the operands in shared memory, too.
    sums = s.cache_write("C", "C", tile.scope_c)
    shared = [s.cache_read("C", operand, "shared") for operand in "AB"]
    parts = [
        s.cache_read("C", f"{operand}_shared", scope)
        for operand, scope in zip("AB", (tile.scope_a, tile.scope_b))
    ]
    # Blocks, warps, tiles of a warp, and the loops of a tile, innermost.
    i, j, k = s.loops("C")
    i0, i1, i2, i3 = s.split(i, [None, warps, rows, 16])
    j0, j1, j2, j3 = s.split(j, [None, warps, columns, 16])
    k0, k1, k2 = s.split(k, [None, depth, 16])
    s.reorder(i0, j0, i1, j1, k0, k1, i2, j2, i3, j3, k2)
    s.bind(i0, "blockIdx.y")
    s.bind(j0, "blockIdx.x")
    s.bind(i1, "threadIdx.z")
    s.bind(j1, "threadIdx.y")
    s.reverse_compute_at(sums, j1)
    for copy in parts:
        s.compute_at(copy, k1)
    # All threads of the block fetch together, eight elements (16 bytes) each at a time.
    for copy in shared:
        s.storage_align(copy, 0, 0, 32, 8)  # ldmatrix reads eight rows: from different banks
        s.compute_at(copy, k0)
        flat = s.fuse(*s.loops(copy)[-2:])
        _, z, y, x, eight = s.split(flat, [None, warps, warps, 32, 8])
        for loop, thread in ((z, "z"), (y, "y"), (x, "x")):
            s.bind(loop, f"threadIdx.{thread}")
        s.vectorize(eight)
    # What is left inside are loops over single tiles: each becomes one call.
    zero = s.decompose_reduction("C", k0)
    s.tensorize(i3, tile.product)
    s.tensorize(s.loops(zero)[-2], tile.fill)
    s.tensorize(tiles(s, parts[0], k1), tile.load_a)
    s.tensorize(tiles(s, parts[1], k1), tile.load_b)
    s.tensorize(tiles(s, sums, j1), tile.store)
    s.unroll(k1)


s = tensor_cores.on(matmul)
print(s.program)
print(mlc.build(s, target="cuda").lower().cuda)

rng = np.random.default_rng(0)
a, b = (rng.standard_normal((N, N)).astype(np.float16) for _ in "ab")
c = np.zeros((N, N), np.float32)
exact = a.astype(np.float64) @ b.astype(np.float64)


# Without a schedule: products of 16-bit floats go to tensor cores by themselves. Their sums are
# float32, rounded once to the type that NumPy gives the result; what follows is in the same kernel.
@mlc.jit(target="cuda-emulated")
def layer(a, b):
    return np.maximum(a @ b, 0)


if shutil.which("g++") and N <= 128:
    mlc.build(s, target="cuda-emulated")(a, b, c)
    assert np.allclose(c, exact, rtol=1e-4, atol=1e-4)
    print(f"the schedule computes a @ b of {N} x {N}")
    made = layer(a, b)
    assert made.dtype == np.float16
    assert np.allclose(made, np.maximum(exact, 0), rtol=2e-3, atol=1e-3)
    assert "mma_16x16x16_float16" in str(layer.lower(a, b).cuda)
    print("and so does the default one, with the maximum in the same kernel")
if has_card():
    there = [mlc.device_put(array) for array in (a, b, np.zeros_like(c))]
    seconds = mlc.time(mlc.build(s, target="cuda"), *there).median
    assert np.allclose(there[2].get(), exact, rtol=1e-4, atol=1e-3)
    print(f"{2e-9 * N**3 / seconds:.0f} GFLOP/s on the card")
