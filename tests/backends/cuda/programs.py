"""Programs for a grid of blocks of threads that several tests run."""

from __future__ import annotations

from mlc import script as T


@T.program
def vector_add(A: T.Buffer((1000,)), B: T.Buffer((1000,)), C: T.Buffer((1000,))):
    for bx in T.thread_binding(4, "blockIdx.x"):
        for tx in T.thread_binding(256, "threadIdx.x"):
            with T.block("add"):
                i = T.axis.spatial(1000, bx * 256 + tx)
                T.where(bx * 256 + tx < 1000)
                C[i] = A[i] + B[i]


@T.program
def window_sum(A: T.Buffer((1026,)), B: T.Buffer((1024,))):
    for bx in T.thread_binding(8, "blockIdx.x"):
        for tx in T.thread_binding(128, "threadIdx.x"):
            S = T.alloc((130,), "float32", scope="shared")
            for r in T.serial(2):
                for t in T.thread_binding(128, "threadIdx.x"):
                    with T.block("fetch"):
                        v = T.axis.spatial(130, r * 128 + t)
                        b = T.axis.spatial(8, bx)
                        T.where(r * 128 + t < 130)
                        S[v] = A[b * 128 + v]
            with T.block("window"):
                b, v = T.remap("SS", [bx, tx])
                B[b * 128 + v] = S[v] + S[v + 1] + S[v + 2]


@T.program
def tiled_matmul(A: T.Buffer((64, 64)), B: T.Buffer((64, 64)), C: T.Buffer((64, 64))):
    for by in T.thread_binding(2, "blockIdx.y"):
        for bx in T.thread_binding(2, "blockIdx.x"):
            for ty in T.thread_binding(8, "threadIdx.y"):
                for tx in T.thread_binding(8, "threadIdx.x"):
                    As = T.alloc((64, 64), "float32", scope="shared")
                    Bs = T.alloc((64, 64), "float32", scope="shared")
                    acc = T.alloc((64, 64), "float32", scope="local")
                    for i in T.serial(4):
                        for j in T.serial(4):
                            with T.block("start"):
                                vi = T.axis.spatial(64, by * 32 + ty * 4 + i)
                                vj = T.axis.spatial(64, bx * 32 + tx * 4 + j)
                                acc[vi, vj] = 0.0
                    for k0 in T.serial(8):
                        for fy in T.thread_binding(8, "threadIdx.y"):
                            for fx in T.thread_binding(8, "threadIdx.x"):
                                for l in T.vectorized(4):
                                    with T.block("fetch_A"):
                                        t0 = (fy * 8 + fx) * 4 + l
                                        vi = T.axis.spatial(64, by * 32 + t0 // 8)
                                        vk = T.axis.spatial(64, k0 * 8 + t0 % 8)
                                        As[vi, vk] = A[vi, vk]
                        for fy in T.thread_binding(8, "threadIdx.y"):
                            for fx in T.thread_binding(8, "threadIdx.x"):
                                for l in T.vectorized(4):
                                    with T.block("fetch_B"):
                                        t0 = (fy * 8 + fx) * 4 + l
                                        vk = T.axis.spatial(64, k0 * 8 + t0 // 32)
                                        vj = T.axis.spatial(64, bx * 32 + t0 % 32)
                                        Bs[vk, vj] = B[vk, vj]
                        for k1 in T.serial(8):
                            for i in T.unrolled(4):
                                for j in T.unrolled(4):
                                    with T.block("update"):
                                        vi = T.axis.spatial(64, by * 32 + ty * 4 + i)
                                        vj = T.axis.spatial(64, bx * 32 + tx * 4 + j)
                                        vk = T.axis.reduce(64, k0 * 8 + k1)
                                        acc[vi, vj] += As[vi, vk] * Bs[vk, vj]
                    for i in T.unrolled(4):
                        for j in T.vectorized(4):
                            with T.block("write"):
                                vi = T.axis.spatial(64, by * 32 + ty * 4 + i)
                                vj = T.axis.spatial(64, bx * 32 + tx * 4 + j)
                                C[vi, vj] = acc[vi, vj]
