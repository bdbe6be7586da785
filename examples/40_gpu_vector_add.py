"""Two vectors added on a graphics processor: one loop becomes blocks of threads.

Where there is no such processor, the simulator says whether the schedule is right, and the target
"cuda-emulated" runs the very same CUDA C on this one, as far as a C++ compiler is there.
"""

import shutil

import numpy as np

import mlc
from mlc import script as T


@T.program
def vector_add(A: T.Buffer((1024,)), B: T.Buffer((1024,)), C: T.Buffer((1024,))):
    for i in T.serial(1024):
        with T.block("C"):
            vi = T.axis.spatial(1024, i)
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
a, b = rng.random(1024, dtype=np.float32), rng.random(1024, dtype=np.float32)
c = np.zeros_like(a)
print(mlc.simulate(s, a, b, c))
assert np.array_equal(c, a + b)

print(mlc.build(s, target="cuda").lower().cuda)

if shutil.which("g++"):
    c[:] = 0
    mlc.build(s, target="cuda-emulated")(a, b, c)
    assert np.array_equal(c, a + b)
