"""Programs whose costs are known by counting."""

from __future__ import annotations

from mlc import script as T
from mlc.looking.machine import Facts

FACTS = Facts(l1=32 << 10, l2=1 << 20, l3=8 << 20, threads=2)


@T.program
def added(A: T.Buffer((1024, 1024)), B: T.Buffer((1024, 1024)), C: T.Buffer((1024, 1024))):
    """C = A + B."""
    for i, j in T.grid(1024, 1024):
        with T.block("C"):
            vi, vj = T.remap("SS", [i, j])
            C[vi, vj] = A[vi, vj] + B[vi, vj]


@T.program
def transposed(A: T.Buffer((1024, 1024)), B: T.Buffer((1024, 1024))):
    """B = A.T."""
    for i, j in T.grid(1024, 1024):
        with T.block("B"):
            vi, vj = T.remap("SS", [i, j])
            B[vi, vj] = A[vj, vi]


@T.program
def row_sums(A: T.Buffer((1024, 1000)), B: T.Buffer((1024,))):
    """B = A.sum(1)."""
    for i, j in T.grid(1024, 1000):
        with T.block("B"):
            vi, vj = T.remap("SR", [i, j])
            with T.init():
                B[vi] = 0.0
            B[vi] += A[vi, vj]


@T.program
def product(A: T.Buffer((300, 300)), B: T.Buffer((300, 300)), C: T.Buffer((300, 300))):
    """C = A @ B, of a size that falls into all sets of a cache."""
    for i, j, k in T.grid(300, 300, 300):
        with T.block("C"):
            vi, vj, vk = T.remap("SSR", [i, j, k])
            with T.init():
                C[vi, vj] = 0.0
            C[vi, vj] += A[vi, vk] * B[vk, vj]


@T.program
def gathered(I: T.Buffer((64,), "int64"), A: T.Buffer((64,)), B: T.Buffer((64,))):
    """B = A[I]."""
    for i in T.serial(64):
        with T.block("B"):
            vi = T.axis.spatial(64, i)
            B[vi] = A[I[vi]]
