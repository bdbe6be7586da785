"""Programs over single tiles of tensor cores."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from mlc import script as T
from mlc.intrinsics.mma import Mma
from mlc.ir.program import Program
from mlc.script.calls import call
from mlc.script.values import Box, as_region

KINDS = {
    "float16": np.float16, "bfloat16": ml_dtypes.bfloat16, "tf32": np.float32, "int8": np.int8,
}  # fmt: skip


def done(name: str, *regions: Any) -> None:
    """The call of an intrinsic by its name."""
    call(name, *(Box(as_region(region)) for region in regions))


def tile_program(
    kind: str, tile: Mma, a_order: str = "mk", b_order: str = "kn", through_shared: bool = False
) -> Program:
    """One product: operands to shared memory, to fragments, and the result back."""
    dtype = {"tf32": "float32"}.get(kind, kind)
    total = "int32" if kind == "int8" else "float32"
    m, n, k = tile.rows, tile.columns, tile.depth
    a = (m, k) if a_order == "mk" else (k, m)
    b = (k, n) if b_order == "kn" else (n, k)

    @T.program
    def product(A: T.Buffer(a, dtype), B: T.Buffer(b, dtype), C: T.Buffer((m, n), total)):
        a_shared = T.alloc(a, dtype, scope="shared")
        b_shared = T.alloc(b, dtype, scope="shared")
        a_tile = T.alloc(a, dtype, scope=tile.scope_a)
        b_tile = T.alloc(b, dtype, scope=tile.scope_b)
        c_tile = T.alloc((m, n), total, scope=tile.scope_c)
        for _block in T.thread_binding(1, "blockIdx.x"):
            for i in T.serial(a[0]):
                for lane in T.thread_binding(32, "threadIdx.x"):
                    with T.block("fetch_a"):
                        vi, vj = T.axis.spatial(a[0], i), T.axis.spatial(a[1], lane)
                        T.where(lane < a[1])
                        a_shared[vi, vj] = A[vi, vj]
            for i in T.serial(b[0]):
                for lane in T.thread_binding(32, "threadIdx.x"):
                    with T.block("fetch_b"):
                        vi, vj = T.axis.spatial(b[0], i), T.axis.spatial(b[1], lane)
                        T.where(lane < b[1])
                        b_shared[vi, vj] = B[vi, vj]
            with T.block("fill"):
                done(tile.fill, c_tile[0:m, 0:n])
            with T.block("load"):
                done(tile.load_a, a_shared[0 : a[0], 0 : a[1]], a_tile[0 : a[0], 0 : a[1]])
                done(tile.load_b, b_shared[0 : b[0], 0 : b[1]], b_tile[0 : b[0], 0 : b[1]])
            with T.block("multiply"):
                done(tile.product, a_tile[0 : a[0], 0 : a[1]], b_tile[0 : b[0], 0 : b[1]],
                     c_tile[0:m, 0:n])  # fmt: skip
            c_shared = T.alloc((m, n), total, scope="shared") if through_shared else C
            with T.block("store"):
                done(tile.store, c_tile[0:m, 0:n], c_shared[0:m, 0:n])
            if through_shared:
                for i in T.serial(m):
                    for lane in T.thread_binding(32, "threadIdx.x"):
                        with T.block("write"):
                            vi, vj = T.axis.spatial(m, i), T.axis.spatial(n, lane)
                            T.where(lane < n)
                            C[vi, vj] = c_shared[vi, vj]

    return product
