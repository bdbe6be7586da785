"""Matrix products of all kinds and convolutions: tiles in shared memory and in registers."""

from __future__ import annotations

import pytest

from mlc import te
from mlc.ir.program import LoopKind, blocks_of
from mlc.schedules.buffers import allocations_of
from mlc.schedules.defaults import gpu_nests, gpu_split
from mlc.schedules.defaults.gpu import GpuMachine, default_gpu_schedule

from .judge import extents, judged, scopes, threads

TINY = GpuMachine(warp=4, most_threads=16, processors=2)


def product(m, n, k, *, batch=(), turned="", shared_rhs=False, dtype="float32", follow=()):
    """A product of ``batch`` matrices, ``turned`` among "AB", with ``follow`` after it."""
    a = te.placeholder((*batch, k, m) if "A" in turned else (*batch, m, k), dtype, "A")
    of_b = () if shared_rhs else batch
    b = te.placeholder((*of_b, n, k) if "B" in turned else (*of_b, k, n), dtype, "B")
    r = te.reduce_axis(k, "r")

    def body(*at):
        *q, i, j = at
        p = () if shared_rhs else q
        lhs = a[(*q, r, i)] if "A" in turned else a[(*q, i, r)]
        rhs = b[(*p, j, r)] if "B" in turned else b[(*p, r, j)]
        return te.sum(lhs * rhs, axis=r)

    made = te.compute((*batch, m, n), body, name="Y")
    inputs = [a, b]
    if "bias" in follow:
        bias, plain = te.placeholder((n,), dtype, "bias"), made
        inputs.append(bias)
        made = te.compute(plain.shape, lambda *at: plain[at] + bias[at[-1]], name="biased")
    if "relu" in follow:
        before = made
        made = te.compute(before.shape, lambda *at: te.max(before[at], 0), name="relu")
    return te.create_program([*inputs, made], "product")


def convolution(n, c, h, w, o, size, stride=1):
    x, f = te.placeholder((n, c, h, w), "float32", "x"), te.placeholder((o, c, *size), name="f")
    rc, rh, rw = (te.reduce_axis(e, name) for e, name in zip((c, *size), ("rc", "rh", "rw")))
    high, wide = (h - size[0]) // stride + 1, (w - size[1]) // stride + 1
    y = te.compute(
        (n, o, high, wide),
        lambda b, q, i, j: te.sum(
            x[b, rc, i * stride + rh, j * stride + rw] * f[q, rc, rh, rw], axis=[rc, rh, rw]
        ),
        name="y",
    )
    out = te.compute(y.shape, lambda *at: te.max(y[at], 0), name="out")
    return te.create_program([x, f, out], "convolution")


def assert_tiled(s):
    assert set(scopes(s).values()) == {"local", "shared"}
    assert [name for name, _ in threads(s)].count("blockIdx.x") == 1


@pytest.mark.parametrize("turned", ["", "A", "B", "AB"])
@pytest.mark.parametrize("sizes", [(8, 8, 8), (9, 10, 5), (4, 17, 6)])
def test_products(turned, sizes):
    assert_tiled(judged(product(*sizes, turned=turned), TINY))


@pytest.mark.parametrize("shared_rhs", [True, False])
@pytest.mark.parametrize("batch", [(3,), (2, 1), (2, 3)])
def test_batches(batch, shared_rhs):
    assert_tiled(judged(product(5, 6, 4, batch=batch, shared_rhs=shared_rhs), TINY))


@pytest.mark.parametrize("dtype", ["float16", "float64", "int32", "int64"])
def test_types(dtype):
    assert_tiled(judged(product(9, 6, 5, dtype=dtype), TINY))


@pytest.mark.parametrize("follow", [("relu",), ("bias",), ("bias", "relu")])
@pytest.mark.parametrize("sizes", [(8, 16, 8), (9, 7, 5)])
def test_what_follows_is_done_where_the_result_is(follow, sizes):
    s = judged(product(*sizes, follow=follow), TINY)
    assert_tiled(s)
    assert len(blocks_of(s.program.body)) == 5  # init, two copies, the product, what follows


@pytest.mark.parametrize(
    "shape", [(2, 3, 7, 8, 5, (3, 3)), (1, 4, 6, 6, 4, (2, 3), 2), (1, 4, 5, 5, 8, (1, 1))]
)
def test_convolutions_are_products(shape):
    assert_tiled(judged(convolution(*shape), TINY))


def test_the_tile_of_a_large_product():
    s = default_gpu_schedule(product(2048, 2048, 1024))
    grid = [("blockIdx.y", 16), ("blockIdx.x", 16), ("threadIdx.y", 16), ("threadIdx.x", 16)]
    assert threads(s)[:4] == grid
    assert extents(s, LoopKind.UNROLLED)[:2] == [8, 8]
    assert extents(s, LoopKind.VECTORIZED) == [4, 4]


def test_rows_that_are_written_side_by_side_lie_in_different_banks():
    s = default_gpu_schedule(product(64, 64, 64))
    strides = {b.name: b.element_strides for b in allocations_of(s.program)}
    assert strides["A_reindex"][0] % 32 == 4
    assert strides["B_reindex"] == (64, 1)


def test_a_small_product_has_small_tiles():
    s = default_gpu_schedule(product(96, 96, 64))
    assert threads(s)[0] == ("blockIdx.y", 6)


@pytest.mark.parametrize("sizes", [(1, 30, 20), (30, 2, 20), (5, 6, 1)])
def test_too_little_to_share(sizes):
    assert "shared" not in scopes(judged(product(*sizes), TINY)).values()


def test_a_matrix_with_itself():
    a = te.placeholder((6, 7), "float32", "A")
    r = te.reduce_axis(7, "r")
    gram = te.compute((6, 6), lambda i, j: te.sum(a[i, r] * a[j, r], axis=r), name="gram")
    judged(te.create_program([a, gram], "gram"), TINY)


def test_more_tiles_than_a_grid_has_lines(monkeypatch):
    monkeypatch.setattr(gpu_nests, "MOST_LINES", 1)
    s = judged(product(9, 10, 5, batch=(2,)), TINY)
    assert [name for name, _ in threads(s)][:3] == ["blockIdx.x", "threadIdx.y", "threadIdx.x"]


@pytest.mark.parametrize("follow", [(), ("bias", "relu")])
def test_many_steps_are_shared_out(monkeypatch, follow):
    monkeypatch.setattr(gpu_split, "STEPS", 16)
    machine = GpuMachine(warp=4, most_threads=16, processors=8)
    s = judged(product(6, 8, 100, follow=follow), machine)
    assert [n for name, n in threads(s) if name == "blockIdx.z"] == [5]  # of 100 steps
    assert scopes(s)["Y_rf"] == "global"
    assert [name for name, _ in threads(s)].count("blockIdx.x") == 2
    odd = judged(product(6, 8, 97, follow=follow), machine)  # no number of parts divides them
    assert [n for name, n in threads(odd) if name == "blockIdx.z"] == [2]
    assert [name for name, _ in threads(odd)].count("blockIdx.x") == 2


@pytest.mark.parametrize("turned", [False, True])
def test_a_matrix_with_itself_is_tiled(turned):
    x = te.placeholder((20, 9), "float32", "x")
    n, steps = (9, 20) if turned else (20, 9)
    r = te.reduce_axis(steps, "r")

    def element(i, j):
        return te.sum(x[r, i] * x[r, j] if turned else x[i, r] * x[j, r], axis=r)

    y = te.compute((n, n), element, name="Y")
    assert_tiled(judged(te.create_program([x, y], "gram"), TINY))
