"""A schedule that draws lots: its decisions are printed, stored, changed and replayed.

The steps that sample leave the program as it is and return numbers; later steps depend on them.
"""

import json

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


# The same seed draws the same; another seed is another schedule of the same space.
for seed in range(3):
    s = stochastic.on(mm, seed=seed)
    chosen = [int(made) for taken in s.trace if "sample" in taken.step.name for made in taken.made]
    print(f"seed {seed}: rows and tile {chosen}")
print(f"\n{s}")  # the trace as Python, decisions written out

# A trace is text. The decision is one number in it: change that, and the steps follow.
text = s.to_json()
again = mlc.Schedule.from_json(mm, text)
mlc.assert_structural_equal(again, s)
content = json.loads(text)
for step in content["steps"]:
    if step["step"] == "sample_categorical":
        step["with"]["decision"] = 3  # eight rows
changed = mlc.Schedule.replay(json.dumps(content), mm)
print(f"with another decision:\n{changed}")

rng = np.random.default_rng(0)
a, b = (rng.uniform(-1, 1, (N, N)).astype(np.float32) for _ in "ab")
for schedule in (s, changed.schedule):
    c = np.empty((N, N), np.float32)
    kernel = mlc.build(schedule)
    kernel(a, b, c)
    assert np.allclose(c, a @ b, atol=1e-4)
    print(f"{mlc.time(kernel, a, b, c, repeats=7).median * 1e6:.0f} us")
