"""Random search in a few lines by hand, then the same space and a better one with mlc.tune."""

import numpy as np

import mlc
from mlc import script as T

N = 128


@T.program
def mm(A: T.Buffer((N, N)), B: T.Buffer((N, N)), C: T.Buffer((N, N))):
    for i, j, k in T.grid(N, N, N):
        with T.block("C"):
            vi, vj, vk = T.remap("SSR", [i, j, k])
            with T.init():
                C[vi, vj] = 0.0
            C[vi, vj] += A[vi, vk] * B[vk, vj]


@mlc.schedule
def stochastic(s):
    i, j, k = s.loops("C")
    i0, i1 = s.split(i, [None, s.sample_categorical([1, 2, 4, 8])])
    j0, j1 = s.split(j, s.sample_perfect_tile(j, n=2, max_innermost=64))
    s.reorder(i0, j0, k, i1, j1)
    s.unroll(i1)
    s.vectorize(j1)
    s.decompose_reduction("C", k)


rng = np.random.default_rng(0)
a, b = (rng.uniform(-1, 1, (N, N)).astype(np.float32) for _ in "ab")
c = np.empty((N, N), np.float32)

# By hand: draw, build, check, time, keep the best.
best, best_seconds = None, float("inf")
for seed in range(10):
    s = stochastic.on(mm, seed=seed)
    kernel = mlc.build(s)
    kernel(a, b, c)
    assert np.allclose(c, a @ b, atol=1e-4)
    seconds = mlc.time(kernel, a, b, c, repeats=7).median
    if seconds < best_seconds:
        best, best_seconds = s, seconds
print(f"by hand, the best of 10: {best_seconds * 1e6:.0f} us\n{best}")

# mlc.tune does the same in processes that may crash or hang, interleaved with the program as it
# is, and names a winner only where it is one.
same = mlc.tune(mm, a, b, space=stochastic, search="random", trials=10, seed=0, database=False)
print(same)

# Without a template of ours it makes a space from the structure of the program.
result = mlc.tune(mm, a, b, trials=16, seed=0, database=False)
print(result)
print(result.best_schedule)  # Python: paste it above the program and edit it
kernel = mlc.build(result.best_schedule(mm))
kernel(a, b, c)
assert np.allclose(c, a @ b, atol=1e-4)
