"""Sums of three neighbours: the threads of a block fetch what they need together, once.

Each element is read three times, by three threads. A copy of it in the memory that a block shares
is read from far away only once; the loops of the copy are bound to the threads that run already.

``python examples/41_gpu_window_sum.py 16777216`` is the size of a real measurement.
"""

import shutil
import sys

import numpy as np

import mlc
from mlc import script as T
from mlc.testing.cuda import has_card

N = int(sys.argv[1]) if len(sys.argv) > 1 else 1024


@T.program
def window_sum(A: T.Buffer((N + 3,)), B: T.Buffer((N,))):
    for i in T.serial(N):
        with T.block("C"):
            vi = T.axis.spatial(N, i)
            B[vi] = A[vi] + A[vi + 1] + A[vi + 2]


@mlc.schedule
def fetched_together(s, threads=128):
    (i,) = s.loops("C")
    blocks, thread = s.split(i, [None, threads])
    s.bind(blocks, "blockIdx.x")
    s.bind(thread, "threadIdx.x")
    copy = s.cache_read("C", "A", "shared")
    s.compute_at(copy, thread)
    _, again = s.split(s.loops(copy)[-1], [None, threads])
    s.bind(again, "threadIdx.x")


s = fetched_together.on(window_sum)
print(s.program)

a = np.random.default_rng(0).random(N + 3, dtype=np.float32)
b, wanted = np.zeros(N, np.float32), a[:-3] + a[1:-2] + a[2:-1]
if N <= 4096:  # it is no quick one
    print(mlc.simulate(s, a, b))
    assert np.array_equal(b, wanted)

# Of A_shared only what one block touches is allocated, and a barrier comes before it is read.
print(mlc.build(s, target="cuda").lower().cuda)

if shutil.which("g++") and N <= 4096:
    b[:] = 0
    mlc.build(s, target="cuda-emulated")(a, b)
    assert np.array_equal(b, wanted)

if has_card():
    there = [mlc.device_put(array) for array in (a, np.zeros_like(b))]
    seconds = mlc.time(mlc.build(s, target="cuda"), *there).median
    assert np.array_equal(there[1].get(), wanted)
    print(f"{2 * N / seconds / 1e9:.1f} GFLOP/s and {8 * N / seconds / 1e9:.1f} GB/s on the card")
