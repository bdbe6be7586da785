"""Exercise 4: a batched product and a ReLU, transformed until it is the program that was asked for.

The target program is written by hand. `mlc.assert_structural_equal` grades: equal up to names, or
the first line that differs.
"""

import numpy as np

import mlc
from mlc import script as T

B, N = 16, 128
CUBE = T.Buffer((B, N, N))


@T.program
def bmm_relu(A: CUBE, W: CUBE, C: CUBE):
    Y = T.alloc((B, N, N))
    for n, i, j, k in T.grid(B, N, N, N):
        with T.block("Y"):
            vn, vi, vj, vk = T.remap("SSSR", [n, i, j, k])
            with T.init():
                Y[vn, vi, vj] = 0.0
            Y[vn, vi, vj] += A[vn, vi, vk] * W[vn, vk, vj]
    for n, i, j in T.grid(B, N, N):
        with T.block("C"):
            vn, vi, vj = T.remap("SSS", [n, i, j])
            C[vn, vi, vj] = T.max(Y[vn, vi, vj], 0.0)


@T.program
def target(A: CUBE, W: CUBE, C: CUBE):
    Y = T.alloc((B, N, N))
    for n in T.parallel(B):
        for i, j0 in T.grid(N, 16):
            for j1 in T.vectorized(8):
                with T.block("Y_init"):
                    vn, vi = T.remap("SS", [n, i])
                    vj = T.axis.spatial(N, j0 * 8 + j1)
                    Y[vn, vi, vj] = 0.0
            for k0 in T.serial(32):
                for k1 in T.unrolled(4):
                    for j1 in T.serial(8):
                        with T.block("Y_update"):
                            vn, vi = T.remap("SS", [n, i])
                            vj = T.axis.spatial(N, j0 * 8 + j1)
                            vk = T.axis.reduce(N, k0 * 4 + k1)
                            Y[vn, vi, vj] += A[vn, vi, vk] * W[vn, vk, vj]
            for j1 in T.vectorized(8):
                with T.block("C"):
                    vn, vi = T.remap("SS", [n, i])
                    vj = T.axis.spatial(N, j0 * 8 + j1)
                    C[vn, vi, vj] = T.max(Y[vn, vi, vj], 0.0)


s = mlc.Schedule(bmm_relu)
n, i, j, k = s.loops("Y")
s.parallel(n)
j0, j1 = s.split(j, [16, 8])
k0, k1 = s.split(k, [32, 4])
s.reorder(j0, k0, k1, j1)
s.reverse_compute_at("C", j0)
init = s.decompose_reduction("Y", k0)
s.vectorize(s.loops(init)[-1])
s.vectorize(s.loops("C")[-1])
s.unroll(k1)
mlc.assert_structural_equal(s, target)
print(s, s.program, sep="\n")

rng = np.random.default_rng(0)
a, w = (rng.uniform(-1, 1, (B, N, N)).astype(np.float32) for _ in "ab")
c = np.empty_like(a)
before, after = mlc.build(bmm_relu), mlc.build(s)
after(a, w, c)
assert np.allclose(c, np.maximum(a @ w, 0), atol=1e-4)
print("as asked for: ", mlc.time(after, a, w, c, rival=before, repeats=7))

# One step more than the exercise: the update in lanes, too.
s.vectorize(j1)
print("and one step: ", mlc.time(mlc.build(s), a, w, c, rival=before, repeats=7))
