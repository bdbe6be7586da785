"""Exercises 1 and 2 of docs/course/exercises.md: two sums, first without a single reduction."""

import numpy as np

import mlc
from mlc import script as T


@T.program
def add(A: T.Buffer((4, 4), "int64"), B: T.Buffer((4, 4), "int64"), C: T.Buffer((4, 4), "int64")):
    for i, j in T.grid(4, 4):
        with T.block("C"):
            vi, vj = T.remap("SS", [i, j])
            C[vi, vj] = A[vi, vj] + B[vi, vj]


@T.program
def broadcast_add(
    A: T.Buffer((4, 4), "int64"), B: T.Buffer((4,), "int64"), C: T.Buffer((4, 4), "int64")
):
    for i, j in T.grid(4, 4):
        with T.block("C"):
            vi, vj = T.remap("SS", [i, j])
            C[vi, vj] = A[vi, vj] + B[vj]  # a read may repeat elements; a spatial write may not


a = np.arange(16).reshape(4, 4)
for program, b in ((add, np.arange(16, 0, -1).reshape(4, 4)), (broadcast_add, np.arange(4, 0, -1))):
    for target in ("interpret", "numpy", "cpu"):
        c = np.empty_like(a)
        mlc.build(program, target=target)(a, b, c)
        assert np.array_equal(c, a + b)
    print(program, c, sep="\n\n", end="\n\n")

# The same program may be a whole schedule away: what counts is that it is the one asked for.
s = mlc.Schedule(broadcast_add)
i, j = s.loops("C")
s.parallel(i)
s.vectorize(j)


@T.program
def expected(
    A: T.Buffer((4, 4), "int64"), B: T.Buffer((4,), "int64"), C: T.Buffer((4, 4), "int64")
):
    for i in T.parallel(4):
        for j in T.vectorized(4):
            with T.block("C"):
                vi, vj = T.remap("SS", [i, j])
                C[vi, vj] = A[vi, vj] + B[vj]


mlc.assert_structural_equal(s, expected)
try:
    mlc.assert_structural_equal(s, add)
except AssertionError as difference:
    print(difference)
