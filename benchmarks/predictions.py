"""What `explain` foretells against what is measured, for a few kernels on one thread.

python -m benchmarks.predictions            at the clock rate that the system tells
python -m benchmarks.predictions 4.4        at this one, in GHz
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

import mlc
from mlc import script as T
from mlc.looking.explain import explain
from mlc.looking.machine import Facts, this_machine, time_text

N = 1024


@T.program
def added(A: T.Buffer((N, N)), B: T.Buffer((N, N)), C: T.Buffer((N, N))):
    """C = A + B."""
    for i, j in T.grid(N, N):
        with T.block("C"):
            vi, vj = T.remap("SS", [i, j])
            C[vi, vj] = A[vi, vj] + B[vi, vj]


@T.program
def transposed(A: T.Buffer((N, N)), C: T.Buffer((N, N))):
    """C = A.T."""
    for i, j in T.grid(N, N):
        with T.block("C"):
            vi, vj = T.remap("SS", [i, j])
            C[vi, vj] = A[vj, vi]


@T.program
def row_sums(A: T.Buffer((N, N)), C: T.Buffer((N,))):
    """C = A.sum(1)."""
    for i, j in T.grid(N, N):
        with T.block("C"):
            vi, vj = T.remap("SR", [i, j])
            with T.init():
                C[vi] = 0.0
            C[vi] += A[vi, vj]


@T.program
def stencil(A: T.Buffer((N + 2, N + 2)), C: T.Buffer((N, N))):
    """The mean of four neighbours."""
    for i, j in T.grid(N, N):
        with T.block("C"):
            vi, vj = T.remap("SS", [i, j])
            sides = A[vi + 1, vj] + A[vi + 1, vj + 2]
            C[vi, vj] = (sides + A[vi, vj + 1] + A[vi + 2, vj + 1]) * 0.25


@T.program
def product(A: T.Buffer((512, 512)), B: T.Buffer((512, 512)), C: T.Buffer((512, 512))):
    """C = A @ B."""
    for i, j, k in T.grid(512, 512, 512):
        with T.block("C"):
            vi, vj, vk = T.remap("SSR", [i, j, k])
            with T.init():
                C[vi, vj] = 0.0
            C[vi, vj] += A[vi, vk] * B[vk, vj]


def softmax(x: Any) -> Any:
    """Along the rows."""
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def in_vectors(program: Any) -> Any:
    """The last loop in lanes."""
    s = mlc.Schedule(program)
    _, inner = s.split(s.loops("C")[-1], [None, 16])
    s.vectorize(inner)
    return s.program


def in_tiles(program: Any) -> Any:
    """A transpose in squares."""
    s = mlc.Schedule(program)
    i, j = s.loops("C")
    i_0, i_1 = s.split(i, [None, 16])
    j_0, j_1 = s.split(j, [None, 16])
    s.reorder(i_0, j_0, i_1, j_1)
    s.vectorize(j_1)
    return s.program


def along_rows(program: Any) -> Any:
    """A product with columns in lanes."""
    s = mlc.Schedule(program)
    i, j, k = s.loops("C")
    j_0, j_1 = s.split(j, [None, 16])
    s.reorder(i, k, j_0, j_1)
    s.vectorize(j_1)
    return s.program


def in_registers(program: Any) -> Any:
    """A product with 8 x 32 sums at a time."""
    s = mlc.Schedule(program)
    i, j, k = s.loops("C")
    i_0, i_1 = s.split(i, [None, 8])
    j_0, j_1, j_2 = s.split(j, [None, 2, 16])
    s.reorder(j_0, i_0, k, i_1, j_1, j_2)
    s.unroll(i_1)
    s.unroll(j_1)
    s.vectorize(j_2)
    s.decompose_reduction("C", k)
    return s.program


CASES = {
    "add": added,
    "add, vectors": in_vectors(added),
    "transpose": transposed,
    "transpose, tiles": in_tiles(transposed),
    "row sums": row_sums,
    "stencil": stencil,
    "stencil, vectors": in_vectors(stencil),
    "product": product,
    "product, vectors": along_rows(product),
    "product, registers": in_registers(product),
}


def seconds(call: Callable[[], object]) -> float:
    """The shortest CPU time of a call, out of several groups of calls."""
    call()
    count, best = 1, 0.0
    for _ in range(5):
        while True:
            start = time.process_time()
            for _ in range(count):
                call()
            taken = time.process_time() - start
            if taken > 0.1:
                break
            count *= 2
        best = min(best or taken / count, taken / count)
    return best


def rows(facts: Facts) -> Iterator[tuple[str, float, Any]]:
    """For each kernel its name, the measured seconds and the predicted cost."""
    rng = np.random.default_rng(0)
    for name, program in CASES.items():
        arrays = [rng.random(b.shape, dtype=np.float32) for b in program.params]
        built = mlc.build(program)
        yield name, seconds(lambda: built(*arrays)), explain(program, facts=facts).cost
    x = rng.random((512, 512), dtype=np.float32)
    out, compiled = np.empty_like(x), mlc.jit(softmax)
    yield "softmax, compiled", seconds(lambda: compiled(x, out=out)), compiled.lower(x).cost(facts)


def main() -> None:
    """Prints the table."""
    mlc.set_num_threads(1)
    facts = replace(this_machine(), threads=1)
    if len(sys.argv) > 1:
        facts = replace(facts, gigahertz=float(sys.argv[1]))
    print(f"{facts}\n")
    print("| kernel | measured | predicted | ratio | bound |\n|---|---|---|---|---|")
    for name, measured, cost in rows(facts):
        ratio = cost.seconds / measured
        times = f"{time_text(measured)} | {time_text(cost.seconds)}"
        print(f"| {name} | {times} | {ratio:.2f} | {cost.bound} |", flush=True)


if __name__ == "__main__":
    main()
