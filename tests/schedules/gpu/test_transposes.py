"""Copies that turn what they read go through tiles of shared memory, whose rows lie apart."""

from __future__ import annotations

import pytest

from mlc import te
from mlc.schedules.buffers import allocations_of
from mlc.schedules.defaults.gpu import GpuMachine, default_gpu_schedule

from .judge import judged, scopes, threads

TINY = GpuMachine(warp=8, most_threads=64, processors=2)


def turned(shape, order, dtype="float32"):
    x = te.placeholder(shape, dtype, "x")
    y = te.placeholder(tuple(shape[d] for d in order), dtype, "y")

    def body(*i):
        at = [i[order.index(d)] for d in range(len(shape))]
        return x[tuple(at)] * 2 + y[i]

    return te.create_program([x, y, te.compute(y.shape, body, name="out")], "turned")


@pytest.mark.parametrize(
    ("shape", "order"),
    [((16, 16), (1, 0)), ((33, 40), (1, 0)), ((9, 3, 20), (2, 1, 0)), ((2, 3, 9, 10), (0, 3, 1, 2)),
     ((4, 9, 11), (0, 2, 1)), ((9, 10, 2), (1, 0, 2)), ((9, 1, 10), (2, 1, 0))],
)  # fmt: skip
def test_any_order_of_dimensions(shape, order):
    judged(turned(shape, order), TINY)


def test_threads_read_and_write_neighbours():
    s = judged(turned((33, 40), (1, 0)), TINY)
    assert scopes(s) == {"x_shared": "shared"}
    assert threads(s) == [
        ("blockIdx.y", 5), ("blockIdx.x", 5), ("threadIdx.y", 8), ("threadIdx.x", 8),
        ("threadIdx.y", 8), ("threadIdx.x", 8),
    ]  # fmt: skip


def test_rows_of_a_tile_begin_in_different_banks():
    s = default_gpu_schedule(turned((100, 200), (1, 0)))
    (tile,) = allocations_of(s.program)
    assert tile.element_strides == (225, 1)


def test_narrow_matrices_are_read_as_they_come():
    assert scopes(judged(turned((3, 40), (1, 0)), TINY)) == {}


def test_others_that_read_the_same_read_it_where_it_is():
    x = te.placeholder((9, 10), "float32", "x")
    y = te.compute((9, 10), lambda i, j: x[i, j] + 1, name="y")
    turned_y = te.compute((10, 9), lambda i, j: y[j, i], name="turned")
    k = te.reduce_axis(10, "k")
    total = te.compute((9,), lambda i: te.sum(y[i, k], axis=k), name="total")
    s = judged(te.create_program([x, turned_y, total], "both"), TINY)
    assert scopes(s)["y_shared"] == "shared"
