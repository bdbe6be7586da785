"""How far a schedule written by hand gets: ``relu(A @ B)`` of 1024 x 1024 float32, on one thread.

Every step is a primitive that is checked; what comes out is compared with NumPy in float64, and
its speed with the multiply-add peak that is measured beside it::

    python -m benchmarks.hand_schedule [size]
"""

from __future__ import annotations

import sys

import numpy as np

import mlc
from mlc import te
from mlc.ir.program import Program
from mlc.schedules.schedule import Schedule
from mlc.te.program import Nest, create_program

from .ceilings import Ceiling, Traffic, vector_width

ROWS, VECTORS = 8, 3  # of the register tile: 24 accumulators of the 32 registers


def mm_relu(n: int) -> Program:
    """The plain loops: a product, then its maximum with zero."""
    a = te.placeholder((n, n), "float32", name="A")
    b = te.placeholder((n, n), "float32", name="B")
    k = te.reduce_axis((0, n), "k")
    y = te.compute((n, n), lambda i, j: te.sum(a[i, k] * b[k, j], axis=k), name="Y")
    c = te.compute((n, n), lambda i, j: te.max(y[i, j], 0), name="C")
    return create_program("mm_relu", [Nest((y,), y.op), Nest((c,), c.op)], (a, b), (c,))


def in_registers(s: Schedule, rows: int = ROWS, vectors: int = VECTORS) -> None:
    """Tiles that stay in registers over the whole sum, and the maximum right after each."""
    lanes = vector_width()
    i, j, k = s.loops("Y")
    outer_rows, row = s.split(i, [None, rows])
    columns, vector, lane = s.split(j, [None, vectors, lanes])
    s.reorder(columns, outer_rows, k, row, vector, lane)
    s.unroll(row)
    s.unroll(vector)
    s.vectorize(lane)
    s.reverse_compute_at("C", outer_rows)
    _, last = s.split(s.loops("C")[-1], [None, lanes])
    s.vectorize(last)
    s.decompose_reduction("Y", k)


def packed(s: Schedule, rows: int = ROWS, vectors: int = VECTORS) -> None:
    """The same, with the columns of B that all rows need copied first: neighbours in memory."""
    in_registers(s, rows, vectors)
    columns = s.loops("Y")[0]
    copy = s.cache_read("Y", "B", "local")
    s.compute_at(copy, columns)
    chunks, lane = s.split(s.loops(copy)[-1], [None, vector_width()])
    s.unroll(chunks)
    s.vectorize(lane)


def main(n: int = 1024) -> None:
    """Build, verify, time and print each schedule."""
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((n, n), np.float32) for _ in range(2))
    exact = np.maximum(a.astype(np.float64) @ b.astype(np.float64), 0)
    allowed = n * float(np.finfo(np.float32).eps) * float(np.abs(exact).max())
    peak = Ceiling(Traffic(4096, 0, 1))
    for schedule in (in_registers, packed):
        s = Schedule(mm_relu(n))
        schedule(s)
        print(f"{schedule.__name__}:\n\n{s.program.script()}\n")
        kernel = mlc.build(s)
        c = np.full((n, n), np.nan, np.float32)
        kernel(a, b, c)
        error = float(np.abs(c - exact).max())
        assert error <= allowed, f"off by {error}, more than {allowed}"
        rates = [peak.rate("fma") for _ in range(20)]
        timing = mlc.time(kernel, a, b, c, budget_s=2.0)
        rates += [peak.rate("fma") for _ in range(20)]
        for name, seconds in (("median", timing.median), ("best", timing.best)):
            rate = 2 * n**3 / seconds
            print(
                f"{name:>6} {seconds * 1e3:8.2f} ms {rate / 1e9:8.1f} GFLOP/s"
                f" {rate / max(rates):6.1%} of the peak of {max(rates) / 1e9:.1f}"
            )
        print(f"largest error against float64: {error:.2e}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1024)
