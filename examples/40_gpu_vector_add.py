"""Two vectors added on a graphics processor: one loop becomes blocks of threads.

Where there is no such processor, the simulator says whether the schedule is right, and the target
"cuda-emulated" runs the very same CUDA C on this one, as far as a C++ compiler is there.

``python examples/40_gpu_vector_add.py 16777216`` is the size of a real measurement.
"""

import shutil
import sys

import numpy as np

import mlc
from mlc import script as T
from mlc.testing.cuda import has_card

N = int(sys.argv[1]) if len(sys.argv) > 1 else 1024


@T.program
def vector_add(A: T.Buffer((N,)), B: T.Buffer((N,)), C: T.Buffer((N,))):
    for i in T.serial(N):
        with T.block("C"):
            vi = T.axis.spatial(N, i)
            C[vi] = A[vi] + B[vi]


@mlc.schedule
def on_threads(s, threads=128):
    (i,) = s.loops("C")
    blocks, thread = s.split(i, [None, threads])
    s.bind(blocks, "blockIdx.x")
    s.bind(thread, "threadIdx.x")


s = on_threads.on(vector_add)
print(s.program)

rng = np.random.default_rng(0)
a, b = rng.random(N, dtype=np.float32), rng.random(N, dtype=np.float32)
c = np.zeros_like(a)
if N <= 4096:  # it is no quick one
    print(mlc.simulate(s, a, b, c))
    assert np.array_equal(c, a + b)

print(mlc.build(s, target="cuda").lower().cuda)

if shutil.which("g++") and N <= 4096:
    c[:] = 0
    mlc.build(s, target="cuda-emulated")(a, b, c)
    assert np.array_equal(c, a + b)

if has_card():
    there = [mlc.device_put(array) for array in (a, b, np.zeros_like(c))]
    seconds = mlc.time(mlc.build(s, target="cuda"), *there).median
    assert np.array_equal(there[2].get(), a + b)
    print(f"{N / seconds / 1e9:.1f} GFLOP/s and {12 * N / seconds / 1e9:.1f} GB/s on the card")
