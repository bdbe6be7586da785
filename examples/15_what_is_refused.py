"""Programs and steps that would be wrong, and the sentences that refuse them.

A refusal names the broken rule, two iterations that break it, and, where there is one, a step that
helps.
"""

import mlc
from mlc import script as T

N = 128


def short_loop():
    @T.program
    def copy(A: T.Buffer((N,)), C: T.Buffer((N,))):
        for i in T.serial(N - 1):
            with T.block("C"):
                vi = T.axis.spatial(N, i)  # the axis has 128 points, the loop feeds it 127
                C[vi] = A[vi]


def reduce_axis_called_spatial():
    @T.program
    def matmul(A: T.Buffer((N, N)), B: T.Buffer((N, N)), C: T.Buffer((N, N))):
        for i, j, k in T.grid(N, N, N):
            with T.block("C"):
                vi, vj, vk = T.remap("SSS", [i, j, k])  # k names no element of C
                C[vi, vj] = C[vi, vj] + A[vi, vk] * B[vk, vj]


@T.program
def mm_relu(A: T.Buffer((N, N)), B: T.Buffer((N, N)), C: T.Buffer((N, N))):
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


@T.program
def running_sum(A: T.Buffer((N,)), C: T.Buffer((N,))):
    with T.block("first"):
        C[0] = A[0]
    for i in T.serial(N - 1):
        with T.block("C"):
            vi = T.axis.spatial(N - 1, i)
            C[vi + 1] = C[vi] + A[vi + 1]


def parallel_over_a_sum():
    s = mlc.Schedule(mm_relu)
    s.parallel(s.loops("Y")[2])


def relu_inside_the_sum():
    s = mlc.Schedule(mm_relu)
    s.reverse_compute_at("C", s.loops("Y")[2])


def init_inside_the_sum():
    s = mlc.Schedule(mm_relu)
    i, j, k = s.loops("Y")
    s.reorder(k, i, j)
    s.decompose_reduction("Y", i)


def lanes_that_need_each_other():
    s = mlc.Schedule(running_sum)
    s.vectorize(s.loops("C")[0])


for mistake in (
    short_loop,
    reduce_axis_called_spatial,
    parallel_over_a_sum,
    relu_inside_the_sum,
    init_inside_the_sum,
    lanes_that_need_each_other,
):
    try:
        mistake()
    except mlc.MlcError as error:
        print(f"{mistake.__name__}\n  {type(error).__name__}: {error}\n")
    else:
        raise SystemExit(f"{mistake.__name__} went through unseen")
