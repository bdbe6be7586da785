"""Exercise 3: a convolution in NCHW layout, without stride and padding.

N, CI, H, W, CO, K = 1, 1, 8, 8, 2, 3: a batch of one image of 8 x 8 with one channel, and two
filters of 3 x 3.
"""

import numpy as np

import mlc
from mlc import script as T
from mlc import te

N, CI, H, W, CO, K = 1, 1, 8, 8, 2, 3
OH, OW = H - K + 1, W - K + 1


@T.program
def conv(
    A: T.Buffer((N, CI, H, W), "int64"),
    F: T.Buffer((CO, CI, K, K), "int64"),
    C: T.Buffer((N, CO, OH, OW), "int64"),
):
    for n, co, y, x, ci, ky, kx in T.grid(N, CO, OH, OW, CI, K, K):
        with T.block("C"):
            vn, vc, vy, vx, vci, vky, vkx = T.remap("SSSSRRR", [n, co, y, x, ci, ky, kx])
            with T.init():
                C[vn, vc, vy, vx] = 0
            C[vn, vc, vy, vx] += A[vn, vci, vy + vky, vx + vkx] * F[vc, vci, vky, vkx]


def reference(image, filters):
    windows = np.lib.stride_tricks.sliding_window_view(image, (K, K), axis=(2, 3))
    return np.einsum("nchwyx,ocyx->nohw", windows, filters)


image = np.arange(N * CI * H * W).reshape(N, CI, H, W)
filters = np.arange(CO * CI * K * K).reshape(CO, CI, K, K)
out = np.empty((N, CO, OH, OW), np.int64)
mlc.build(conv)(image, filters, out)
assert np.array_equal(out, reference(image, filters))
print(conv, mlc.build(conv, target="numpy").lower().numpy, out[0, 1], sep="\n\n")

# The same from an expression: its axes are the spatial ones, those of the sum the reduce ones.
A = te.placeholder((N, CI, H, W), "int64", name="A")
F = te.placeholder((CO, CI, K, K), "int64", name="F")
ci, ky, kx = te.reduce_axis(CI, "ci"), te.reduce_axis(K, "ky"), te.reduce_axis(K, "kx")
C = te.compute(
    (N, CO, OH, OW),
    lambda n, co, y, x: te.sum(A[n, ci, y + ky, x + kx] * F[co, ci, ky, kx], axis=[ci, ky, kx]),
    name="C",
)
mlc.assert_structural_equal(te.create_program([A, F, C]), conv)

# Integers have no rounding: any order of the sum is the same sum, and every schedule is exact.
s = mlc.Schedule(conv)
n, co, y, x, ci, ky, kx = s.loops("C")
s.reorder(n, co, y, ci, ky, kx, x)
init = s.decompose_reduction("C", ci)
for block in ("C", init):
    s.vectorize(s.loops(block)[-1])
s.unroll(kx)
again = np.empty_like(out)
mlc.build(s)(image, filters, again)
assert np.array_equal(again, out)
print(s)
