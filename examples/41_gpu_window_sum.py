"""Sums of three neighbours: the threads of a block fetch what they need together, once.

Each element is read three times, by three threads. A copy of it in the memory that a block shares
is read from far away only once; the loops of the copy are bound to the threads that run already.
"""

import shutil

import numpy as np

import mlc
from mlc import script as T


@T.program
def window_sum(A: T.Buffer((1027,)), B: T.Buffer((1024,))):
    for i in T.serial(1024):
        with T.block("C"):
            vi = T.axis.spatial(1024, i)
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

a = np.random.default_rng(0).random(1027, dtype=np.float32)
b, wanted = np.zeros(1024, np.float32), a[:-3] + a[1:-2] + a[2:-1]
print(mlc.simulate(s, a, b))
assert np.array_equal(b, wanted)

# Of A_shared only what one block touches is allocated, and a barrier comes before it is read.
print(mlc.build(s, target="cuda").lower().cuda)

if shutil.which("g++"):
    b[:] = 0
    mlc.build(s, target="cuda-emulated")(a, b)
    assert np.array_equal(b, wanted)
