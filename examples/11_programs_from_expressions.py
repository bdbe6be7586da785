"""The same program three times: written as loops, made from tensor expressions, traced from NumPy.

And then a schedule made of two others, which does what the processor has been waiting for.
"""

import numpy as np

import mlc
from mlc import script as T
from mlc import te

N = 128


@T.program
def by_hand(A: T.Buffer((N, N)), B: T.Buffer((N, N)), C: T.Buffer((N, N))):
    Y = T.alloc((N, N))
    for i, j, k in T.grid(N, N, N):
        with T.block("Y"):
            vi, vj, vk = T.remap("SSR", [i, j, k])
            with T.init():
                Y[vi, vj] = 0.0
            Y[vi, vj] += A[vi, vk] * B[vk, vj]
    for i, j in T.grid(N, N):
        with T.block("C"):
            vi, vj = T.remap("SS", [i, j])
            C[vi, vj] = T.max(Y[vi, vj], 0.0)


# An expression says what each element is. How it is computed is not its business: naive loops.
A = te.placeholder((N, N), "float32", name="A")
B = te.placeholder((N, N), "float32", name="B")
k = te.reduce_axis((0, N), "k")
Y = te.compute((N, N), lambda i, j: te.sum(A[i, k] * B[k, j], axis=k), name="Y")
C = te.compute((N, N), lambda i, j: te.max(Y[i, j], 0), name="C")
from_expressions = te.create_program([A, B, C], name="mm_relu")
mlc.assert_structural_equal(from_expressions, by_hand)


@mlc.schedule
def reordered(s, jfactor=64):
    _, j, k = s.loops("Y")
    j0, j1 = s.split(j, [None, jfactor])
    s.reorder(j0, k, j1)
    s.reverse_compute_at("C", j0)
    s.decompose_reduction("Y", k)


@mlc.schedule
def vectorized(s):
    for block in s.blocks():
        s.vectorize(s.loops(block)[-1])


@mlc.jit
@reordered
def from_numpy(a, b):
    Y = a @ b  # values are named as the function names them, and so are blocks
    C = np.maximum(Y, 0)
    return C


rng = np.random.default_rng(0)
a, b = (rng.uniform(-1, 1, (N, N)).astype(np.float32) for _ in "ab")
traced = from_numpy.lower(a, b).program
print(traced)
mlc.assert_structural_equal(reordered(by_hand), reordered(from_expressions))
assert np.allclose(from_numpy(a, b), np.maximum(a @ b, 0), atol=1e-4)

# A schedule is a value. This one is two others, one after the other.
fast = reordered >> vectorized
print(fast.on(from_expressions))

c = np.empty_like(a)
naive = mlc.build(by_hand)
for schedule in (reordered, fast):
    kernel = mlc.build(schedule(by_hand))
    kernel(a, b, c)
    assert np.allclose(c, np.maximum(a @ b, 0), atol=1e-4)
    print(f"{schedule!r:24} {mlc.time(kernel, a, b, c, rival=naive, repeats=7)}")
