"""Folds: along rows with what else is done to the row, over columns, of everything."""

from __future__ import annotations

import pytest

from mlc import te
from mlc.compile_device import program_device_module
from mlc.ir.program import LoopKind, blocks_of
from mlc.schedules.defaults.gpu import GpuMachine, default_gpu_schedule

from .judge import SMALL, extents, judged, scopes, threads


def softmax(m: int, n: int):
    x = te.placeholder((m, n), "float32", "x")
    k, r = te.reduce_axis(n, "k"), te.reduce_axis(n, "r")
    top = te.compute((m,), lambda i: te.max(x[i, k], axis=k), name="top")
    e = te.compute((m, n), lambda i, j: te.exp(x[i, j] - top[i]), name="e")
    total = te.compute((m,), lambda i: te.sum(e[i, r], axis=r), name="total")
    out = te.compute((m, n), lambda i, j: e[i, j] / total[i], name="out")
    return te.create_program([x, out], "softmax")


def layer_norm(m: int, n: int):
    x, w = te.placeholder((m, n), "float32", "x"), te.placeholder((n,), "float32", "w")
    k, r = te.reduce_axis(n, "k"), te.reduce_axis(n, "r")
    total = te.compute((m,), lambda i: te.sum(x[i, k], axis=k), name="total")
    mean = te.compute((m,), lambda i: total[i] / n, name="mean")
    spread = te.compute(
        (m,), lambda i: te.sum((x[i, r] - mean[i]) * (x[i, r] - mean[i]), axis=r), name="spread"
    )
    out = te.compute(
        (m, n), lambda i, j: (x[i, j] - mean[i]) / te.sqrt(spread[i] / n + 1.0) * w[j], name="out"
    )
    return te.create_program([x, w, out], "layer_norm")


def folded(shape, axes, fold=te.sum, dtype="float32"):
    x = te.placeholder(shape, dtype, "x")
    reduced = {d: te.reduce_axis(shape[d], f"k{d}") for d in axes}
    kept = [d for d in range(len(shape)) if d not in axes]

    def body(*i):
        at = {**reduced, **dict(zip(kept, i, strict=True))}
        return fold(x[tuple(at[d] for d in range(len(shape)))], axis=list(reduced.values()))

    return te.create_program(
        [x, te.compute(tuple(shape[d] for d in kept), body, name="t")], "folded"
    )


@pytest.mark.parametrize("program", [softmax, layer_norm])
@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (5, 70), (2, 300), (33, 17), (16, 64)])
def test_rows_are_one_kernel(program, shape):
    s = judged(program(*shape), SMALL)
    assert [name for name, _ in threads(s)].count("blockIdx.x") == 1
    assert "global" not in scopes(s).values()


def test_a_warp_for_each_of_many_rows():
    s = judged(softmax(33, 70))
    assert threads(s)[:4] == [
        ("blockIdx.x", 9), ("threadIdx.y", 4), ("threadIdx.x", 32), ("threadIdx.x", 32),
    ]  # fmt: skip
    assert scopes(s) == {
        "top": "local", "top_rf": "local", "e": "shared", "total": "local", "total_rf": "local",
    }  # fmt: skip


def test_short_rows_are_one_thread_each():
    s = judged(softmax(33, 8))
    assert threads(s) == [("blockIdx.x", 2), ("threadIdx.x", 32)]
    assert set(scopes(s).values()) == {"local"}


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((6, 70), (1,)), ((70, 6), (0,)), ((3, 65, 4), (1,)), ((4, 5, 7), (0, 2)), ((200,), (0,)),
     ((9, 90), (0, 1)), ((130, 35), (0,)), ((2, 3, 40), (1, 2)), ((1, 100), (0,)), ((0, 3), (0,))],
)  # fmt: skip
@pytest.mark.parametrize("fold", [te.sum, te.max])
def test_folds_over_any_dimensions(shape, axes, fold):
    judged(folded(shape, axes, fold), SMALL)


def test_columns_lie_side_by_side_on_the_threads():
    s = judged(folded((130, 35), (0,)))
    assert threads(s) == [
        ("blockIdx.x", 2), ("threadIdx.y", 8), ("threadIdx.x", 32),
        ("threadIdx.y", 1), ("threadIdx.x", 32),
    ]  # fmt: skip
    assert scopes(s) == {"t_rf": "shared"}


def test_what_follows_a_column_stays_with_it():
    x = te.placeholder((130, 35), "float32", "x")
    k = te.reduce_axis(130, "k")
    total = te.compute((35,), lambda j: te.sum(x[k, j], axis=k), name="total")
    mean = te.compute((35,), lambda j: total[j] / 130, name="mean")
    s = judged(te.create_program([x, mean], "means"), SMALL)
    assert [name for name, _ in threads(s)].count("blockIdx.x") == 1
    assert scopes(s) == {"total": "shared", "total_rf": "shared"}


@pytest.mark.parametrize(("shape", "axes"), [((40000,), (0,)), ((20000, 2), (0,))])
def test_long_folds_are_two_kernels(shape, axes):
    s = judged(folded(shape, axes), GpuMachine(warp=8, most_threads=32, processors=4), orders=1)
    assert [name for name, _ in threads(s)].count("blockIdx.x") == 2
    assert scopes(s)["t_rf"] == "global"


def test_a_fold_that_is_not_commutative_keeps_its_order():
    last = te.comm_reducer(
        lambda a, b: te.select(b > 0, b, a),
        identity=0,
        dtype="float32",
        name="last",
        commutative=False,
    )
    s = judged(folded((6, 40), (1,), lambda v, axis: last(v, axis=axis)), SMALL)
    assert len(blocks_of(s.program.body)) == 1
    assert extents(s, LoopKind.SERIAL) == [40]


@pytest.mark.parametrize("shape", [(5, 33), (40, 3)])
def test_where_the_greatest_is(shape):
    x = te.placeholder(shape, "float32", "x")

    def greater(a, b):
        first = (a[1] > b[1]) | ((a[1] == b[1]) & (a[0] < b[0]))
        return te.select(first, a[0], b[0]), te.select(first, a[1], b[1])

    greatest = te.comm_reducer(
        greater, identity=(2**63 - 1, -1e30), dtype=("int64", "float32"), name="greatest"
    )
    k = te.reduce_axis(shape[1], "k")
    at, top = te.compute(shape[:1], lambda i: greatest((k, x[i, k]), axis=k), name="at")
    judged(te.create_program([x, at, top], "argmax"), SMALL)


@pytest.mark.parametrize(("shape", "most"), [((3, 32, 64), 4096), ((3, 31, 64), 1024)])
def test_rows_of_several_loops_share_little(shape, most):
    x = te.placeholder(shape, "float32", "x")
    k = te.reduce_axis(shape[2], "k")
    m = te.compute(shape[:2], lambda i, j: te.max(x[i, j, k], axis=k), name="m")
    y = te.compute(shape, lambda i, j, l: x[i, j, l] - m[i, j], name="y")
    s = default_gpu_schedule(te.create_program([x, y], "centred"))
    assert program_device_module(s.program).launches[0].shared_bytes <= most


@pytest.mark.parametrize(("n", "window", "is_column"), [(300, 40, True), (40, 300, False)])
def test_windows_are_folded_by_the_threads_of_the_longer_axis(n, window, is_column):
    """Many short windows have a thread for each; threads share long ones of which there are few."""
    x = te.placeholder((n + window,), "float32", "x")
    w, k = te.placeholder((window,), "float32", "w"), te.reduce_axis(window, "k")
    y = te.compute((n,), lambda i: te.sum(x[i + k] * w[k], axis=k), name="y")
    s = judged(te.create_program([x, w, y], "windows"), SMALL)
    folds = [v for v, _ in threads(s)]
    assert ("schedule_columns" in s.source()) is is_column
    assert ("schedule_rows" in s.source()) is not is_column and folds
