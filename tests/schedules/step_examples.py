"""A small schedule for each step, in which later steps use what it made."""

from __future__ import annotations

import numpy as np

import mlc
from mlc import script as T
from mlc.schedules.schedule import Schedule

from . import samples
from .samples import doubled, matmul, matmul_relu


@mlc.intrinsic
def example_double(x: T.Buffer((4,)), y: T.Buffer((4,))):
    for i in T.serial(4):
        y[i] = x[i] * 2.0


@T.program
def doubles(A: T.Buffer((6, 4)), B: T.Buffer((6, 4))):
    """B = A * 2."""
    for i, j in T.grid(6, 4):
        with T.block("B"):
            vi, vj = T.remap("SS", [i, j])
            B[vi, vj] = A[vi, vj] * 2.0


@T.program
def padded(A: T.Buffer((8,)), P: T.Buffer((10,))):
    """A between two zeros."""
    for i in T.serial(10):
        with T.block("P"):
            vi = T.axis.spatial(10, i)
            P[vi] = T.select((vi >= 1) & (vi < 9), A[vi - 1], 0.0)


def _hinted(s: Schedule, name: str) -> None:
    s.annotate(name, "hint", 1)


def add_unit_loop() -> Schedule:
    s = Schedule(matmul())
    s.bind(s.add_unit_loop("C"), "threadIdx.x")
    s.unroll(s.add_unit_loop(s.loops("C")[0]))
    return s


def annotate() -> Schedule:
    s = Schedule(matmul())
    _hinted(s, "C")
    s.annotate(s.loops("C")[0], "sizes", [1, "two", 3.5, None, True])
    return s


def bind() -> Schedule:
    s = Schedule(matmul())
    s.bind(s.loops("C")[0], "blockIdx.x")
    return s


def blockize() -> Schedule:
    s = Schedule(matmul())
    _hinted(s, s.blockize(s.loops("C")[1]))
    return s


def cache_read() -> Schedule:
    s = Schedule(matmul())
    _hinted(s, s.cache_read("C", 0, "shared"))
    return s


def cache_write() -> Schedule:
    s = Schedule(matmul())
    _hinted(s, s.cache_write("C", "C", "local"))
    return s


def compute_at() -> Schedule:
    s = Schedule(matmul())
    copy = s.cache_read("C", "A", "shared")
    s.compute_at(copy, s.loops("C")[0])
    s.unroll(s.loops(copy)[-1])
    return s


def compute_inline() -> Schedule:
    s = Schedule(samples.two_local)
    s.compute_inline("B")
    s.unroll(s.loops("C")[0])
    return s


def cut_loop() -> Schedule:
    s = Schedule(matmul())
    head, tail = s.cut_loop(s.loops("C")[0], 4)
    s.unroll(tail)
    s.split(head, [2, 2])
    return s


def decompose_padding() -> Schedule:
    s = Schedule(padded)
    _hinted(s, s.decompose_padding("P", s.loops("P")[0]))
    return s


def decompose_reduction() -> Schedule:
    s = Schedule(matmul())
    init = s.decompose_reduction("C", s.loops("C")[2])
    s.unroll(s.loops(init)[-1])
    return s


def double_buffer() -> Schedule:
    s = Schedule(matmul())
    s.double_buffer(s.cache_read("C", "A", "shared"))
    return s


def fission() -> Schedule:
    s = Schedule(samples.two_stages)
    first, second = s.fission(s.loops("B")[1], after="B")
    s.unroll(first)
    s.vectorize(second)
    return s


def fuse() -> Schedule:
    s = Schedule(matmul())
    s.parallel(s.fuse(*s.loops("C")[:2]))
    return s


def loop_partition() -> Schedule:
    s = Schedule(matmul())
    _, middle, _ = s.loop_partition(s.loops("C")[1], [1, 7])
    s.split(middle, [3, 2])
    return s


def merge() -> Schedule:
    s = Schedule(samples.two_local)
    s.vectorize(s.merge(s.loops("B")[0], s.loops("C")[0]))
    return s


def on_grid() -> Schedule:
    x = np.zeros(600, np.float32)
    (kernel,) = mlc.jit(np.cumsum, target="cuda-emulated").lower(x).compiled.kernels
    s = Schedule(kernel.program)
    s.on_grid(threads=64, each=5)
    return s


def pad_einsum() -> Schedule:
    s = Schedule(matmul(5, 7, 3))
    _hinted(s, s.pad_einsum("C", [4, 4, 4])[0])
    return s


def parallel() -> Schedule:
    s = Schedule(matmul())
    s.parallel(s.loops("C")[0], grain=2)
    return s


def pipeline() -> Schedule:
    s = Schedule(samples.private_row)
    s.pipeline(s.loops("copy")[0], stages=[0, 1], order=[1, 0])
    return s


def prefetch() -> Schedule:
    s = Schedule(matmul())
    s.prefetch("C", "A", s.loops("C")[0], 2)
    return s


def reindex() -> Schedule:
    s = Schedule(matmul())
    _hinted(s, s.reindex("C", 0))
    return s


def reorder() -> Schedule:
    s = Schedule(matmul())
    i, j, k = s.loops("C")
    s.reorder(k, i, j)
    return s


def reverse_compute_at() -> Schedule:
    s = Schedule(matmul_relu())
    s.reverse_compute_at("C", s.loops("Y")[0])
    s.unroll(s.loops("C")[-1])
    return s


def reverse_compute_inline() -> Schedule:
    s = Schedule(samples.two_local)
    s.reverse_compute_inline("C")
    return s


def rfactor() -> Schedule:
    s = Schedule(matmul())
    part = s.rfactor(s.loops("C")[2])
    s.unroll(s.loops(part)[0])
    return s


def sample_categorical() -> Schedule:
    s = Schedule(matmul(), seed=1)
    s.split(s.loops("C")[1], [None, s.sample_categorical([2, 3, 4])])
    return s


def sample_compute_location() -> Schedule:
    s = Schedule(matmul(), seed=1)
    s.sample_compute_location(s.cache_read("C", "A", "shared"))
    return s


def sample_perfect_tile() -> Schedule:
    s = Schedule(matmul(), seed=1)
    j = s.loops("C")[1]
    s.split(j, s.sample_perfect_tile(j, 3))
    return s


def set_scope() -> Schedule:
    s = Schedule(matmul())
    s.set_scope(s.cache_read("C", "A", "shared"), "local")
    return s


def split() -> Schedule:
    s = Schedule(doubled(7, 5))
    i, j = s.loops("B")
    s.split(i, [None, 4], tail="cut")
    s.split(j, [2, None], tail="shift")
    return s


def storage_align() -> Schedule:
    s = Schedule(matmul())
    s.storage_align(s.cache_read("C", "A", "shared"), 0, 0, 4, 1)
    return s


def tensorize() -> Schedule:
    s = Schedule(doubles)
    _hinted(s, s.tensorize(s.loops("B")[1], "example_double"))
    return s


def transform_block_layout() -> Schedule:
    s = Schedule(doubled(6, 4))
    (fused,) = s.transform_block_layout("B", lambda i, j: (i * 4 + j,))
    s.unroll(fused)
    return s


def transform_layout() -> Schedule:
    s = Schedule(matmul())
    s.transform_layout(s.cache_read("C", 0, "shared"), 0, lambda i, j: (j, i))
    return s


def unannotate() -> Schedule:
    s = Schedule(matmul())
    _hinted(s, "C")
    s.unannotate("C", "hint")
    return s


def unroll() -> Schedule:
    s = Schedule(matmul())
    s.unroll(s.loops("C")[0])
    return s


def vectorize() -> Schedule:
    s = Schedule(matmul())
    s.vectorize(s.loops("C")[2])
    return s
