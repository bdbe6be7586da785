"""A matrix product and a ReLU as loops, taken apart and put together again in four checked steps.

After every step the program is printed, and below it the same program as low-level NumPy, which
runs and must give what the first one gave.
"""

import numpy as np

import mlc
from mlc import script as T

n = T.dim("n")  # left open: mm_relu.at(n=16) is the program for matrices of 16 rows and columns


@T.program
def mm_relu(A: T.Buffer((n, n)), B: T.Buffer((n, n)), C: T.Buffer((n, n))):
    Y = T.alloc((n, n))
    for i, j, k in T.grid(n, n, n):
        with T.block("Y"):
            vi, vj, vk = T.remap("SSR", [i, j, k])
            with T.init():
                Y[vi, vj] = 0.0
            Y[vi, vj] += A[vi, vk] * B[vk, vj]
    for i, j in T.grid(n, n):
        with T.block("C"):
            vi, vj = T.remap("SS", [i, j])
            C[vi, vj] = T.max(Y[vi, vj], 0.0)


@mlc.schedule
def transformed(s, jfactor=4):
    _, j, k = s.loops("Y")
    j0, j1 = s.split(j, [None, jfactor])
    s.reorder(j0, k, j1)
    s.reverse_compute_at("C", j0)
    s.decompose_reduction("Y", k)


def arrays(n):
    rng = np.random.default_rng(0)
    a, b = (rng.uniform(-1, 1, (n, n)).astype(np.float32) for _ in "ab")
    return a, b, np.empty_like(a)


# Small, so that Python can run the loops: every program on the way, and its twin.
s = transformed.on(mm_relu.at(n=16))
a, b, first = arrays(16)
mlc.build(s.original, target="numpy")(a, b, first)
assert np.allclose(first, np.maximum(a @ b, 0), atol=1e-5)
titles = ["as written", "split", "reorder", "reverse_compute_at", "decompose_reduction"]
for title, program in zip(titles, [*s.history, s.program], strict=True):
    twin, c = mlc.build(program, target="numpy"), np.empty_like(first)
    twin(a, b, c)
    assert np.array_equal(c, first)
    print(f"== {title}\n{program}\n\n{twin.lower().numpy}")
print(s)  # the steps, as the schedule that takes them

# In earnest: the program that must come out, by hand.
N = 128


@T.program
def expected(A: T.Buffer((N, N)), B: T.Buffer((N, N)), C: T.Buffer((N, N))):
    Y = T.alloc((N, N))
    for i, j0 in T.grid(N, N // 4):
        for j1 in T.serial(4):
            with T.block("Y_init"):
                vi, vj = T.axis.spatial(N, i), T.axis.spatial(N, j0 * 4 + j1)
                Y[vi, vj] = 0.0
        for k, j1 in T.grid(N, 4):
            with T.block("Y"):
                vi, vj = T.axis.spatial(N, i), T.axis.spatial(N, j0 * 4 + j1)
                vk = T.axis.reduce(N, k)
                Y[vi, vj] += A[vi, vk] * B[vk, vj]
        for j1 in T.serial(4):
            with T.block("C"):
                vi, vj = T.axis.spatial(N, i), T.axis.spatial(N, j0 * 4 + j1)
                C[vi, vj] = T.max(Y[vi, vj], 0.0)


mlc.assert_structural_equal(transformed(mm_relu.at(n=N)), expected)
a, b, c = arrays(N)
before = mlc.build(mm_relu.at(n=N))
for jfactor in (4, 8, 16, 32, 64):
    after = mlc.build(transformed(mm_relu.at(n=N), jfactor=jfactor))
    after(a, b, c)
    assert np.allclose(c, np.maximum(a @ b, 0), atol=1e-4)
    t = mlc.time(after, a, b, c, rival=before, repeats=7)
    print(f"jfactor {jfactor:3}: {t.median * 1e6:5.0f} us, before {t.rival.median * 1e6:5.0f} us")
