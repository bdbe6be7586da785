"""Tensor expressions: say what each element is, and build a function from it."""

import numpy as np

import mlc
from mlc import te

# C[i, j] = max(sum_k A[i, k] * B[k, j], 0)
A = te.placeholder((128, 64), "float32", name="A")
B = te.placeholder((64, 96), "float32", name="B")
k = te.reduce_axis((0, 64), "k")
Y = te.compute((128, 96), lambda i, j: te.sum(A[i, k] * B[k, j], axis=k), name="Y")
C = te.compute((128, 96), lambda i, j: te.max(Y[i, j], 0), name="C")

# Destination passing: the caller owns every array, the outputs included.
f = mlc.build([A, B, C])
rng = np.random.default_rng(0)
a, b = rng.standard_normal((128, 64), np.float32), rng.standard_normal((64, 96), np.float32)
c = np.empty((128, 96), np.float32)
f(a, b, c)
print("matmul + relu: largest difference from NumPy", np.max(np.abs(c - np.maximum(a @ b, 0))))
assert np.allclose(c, np.maximum(a @ b, 0), atol=1e-4)

# An index may be data: rows of a table, picked by number.
table = te.placeholder((100, 8), "float32", name="table")
rows = te.placeholder((5,), "int64", name="rows")
picked = te.compute((5, 8), lambda i, j: table[rows[i], j], name="picked")
gather = mlc.build([table, rows, picked])
values, numbers = rng.standard_normal((100, 8), np.float32), np.array([3, 1, 4, 1, 5])
out = np.empty((5, 8), np.float32)
gather(values, numbers, out)
assert np.array_equal(out, values[numbers])
print("gather: equal to NumPy's")

# A reducer of one's own: the value and its place, folded together.
argmax = te.comm_reducer(
    lambda left, right: (
        te.select(left[0] >= right[0], left[0], right[0]),
        te.select(left[0] >= right[0], left[1], right[1]),
    ),
    identity=(float("-inf"), -1),
    dtype=("float32", "int64"),
)
x = te.placeholder((6, 50), "float32", name="x")
r = te.reduce_axis((0, 50), "r")
best, place = te.compute(
    (6,), lambda i: argmax((x[i, r], te.cast(r, "int64")), axis=r), name="best"
)
find = mlc.build([x, best, place])
data = rng.standard_normal((6, 50), np.float32)
values, places = np.empty(6, np.float32), np.empty(6, np.int64)
find(data, values, places)
assert np.array_equal(places, np.argmax(data, axis=1))
print("argmax by a reducer of one's own:", places)
