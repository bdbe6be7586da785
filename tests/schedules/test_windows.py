"""Convolutions: rows of windows as one, in register tiles; equal to sums over offsets."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import mlc
import mlc.te as te
from mlc import nn
from mlc.backends.llvm.target import Target, host_target
from mlc.schedules.defaults.contraction import Tile
from mlc.schedules.defaults.machine import Machine
from mlc.schedules.defaults.windows import plan_windows
from mlc.te.program import Nest

# where vectors are short, rows fill them well enough
long_vectors = pytest.mark.skipif(host_target().vector_bits < 512, reason="short vectors")


def arrays(*shapes, dtype="float32"):
    rng = np.random.default_rng(1)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def by_offsets(x, w, stride=1, dilation=1, padding=0, groups=1):
    """The sum, offset by offset, in float64."""
    x, w = x.astype("float64"), w.astype("float64")
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    count, inputs, high, wide = w.shape
    rows = (x.shape[2] - (high - 1) * dilation - 1) // stride + 1
    columns = (x.shape[3] - (wide - 1) * dilation - 1) // stride + 1
    out = np.zeros((x.shape[0], groups, count // groups, rows, columns))
    x = x.reshape(x.shape[0], groups, inputs, *x.shape[2:])
    w = w.reshape(groups, count // groups, inputs, high, wide)
    for p in range(high):
        for q in range(wide):
            i = slice(p * dilation, p * dilation + (rows - 1) * stride + 1, stride)
            j = slice(q * dilation, q * dilation + (columns - 1) * stride + 1, stride)
            out += np.einsum("ngcij,goc->ngoij", x[:, :, :, i, j], w[..., p, q])
    return out.reshape(x.shape[0], count, rows, columns)


def lowered(x, w, **how):
    return mlc.jit(lambda x, w: nn.conv2d(x, w, **how)).lower(x, w)


def test_products_are_added_in_one_instruction():
    x, w = arrays((1, 8, 20, 20), (16, 8, 3, 3))
    text = str(lowered(x, w).llvm)
    assert host_target().has_fma == ("@llvm.fma" in text)
    assert not host_target().has_fma or "fmul" not in text


@pytest.mark.parametrize(
    ("x", "w", "how"),
    [
        ((2, 48, 28, 28), (32, 48, 3, 3), {"padding": 1}),
        ((1, 48, 29, 57), (32, 48, 3, 3), {"stride": 2}),
        ((1, 16, 30, 30), (32, 4, 3, 3), {"groups": 4}),
        ((1, 16, 30, 29), (24, 8, 3, 2), {"groups": 2, "dilation": 2}),
    ],
)
@long_vectors
def test_rows_of_windows_are_one(x, w, how):
    x, w = arrays(x, w)
    text = str(lowered(x, w, **how).program)
    assert "conv2d_flat = T.alloc" in text
    assert ("_sorted" in text) == ("stride" in how)
    made = mlc.jit(lambda x, w: nn.conv2d(x, w, **how))(x, w)
    np.testing.assert_allclose(made, by_offsets(x, w, **how), rtol=1e-4, atol=1e-4)


@long_vectors
@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize(
    ("x", "w", "how"),
    [
        ((1, 3, 49, 69), (24, 3, 7, 7), {"stride": 2}),
        ((2, 4, 40, 94), (64, 4, 3, 5), {"stride": 3, "padding": 2}),
        ((1, 4, 41, 67), (96, 4, 3, 3), {"stride": 2, "dilation": 2}),
    ],
)
def test_columns_are_sorted_where_shuffles_take_time(x, w, how, apart, monkeypatch):
    if not apart:
        w = (w[0] - 1, *w[1:])  # another function to the cache
    monkeypatch.setattr(Target, "shuffles_apart", property(lambda target: apart))
    x, w = arrays(x, w)
    text = str(lowered(x, w, **how).program)
    copied, flat = "_sorted" in text, "_flat" in text
    assert copied == flat if apart else copied and not flat
    made = mlc.jit(lambda x, w: nn.conv2d(x, w, **how))(x, w)
    np.testing.assert_allclose(made, by_offsets(x, w, **how), rtol=1e-4, atol=1e-4)


@long_vectors
def test_planes_of_windows():
    x, w = arrays((1, 16, 8, 14, 14), (32, 16, 3, 3, 3))
    found = mlc.jit(nn.conv3d)
    assert "conv3d_flat = T.alloc" in str(found.lower(x, w).program)
    planes = (x.transpose(0, 2, 1, 3, 4)[0], w.transpose(2, 0, 1, 3, 4))
    wanted = [sum(by_offsets(planes[0][d + p : d + p + 1], planes[1][p]) for p in range(3))
              for d in range(6)]  # fmt: skip
    made = found(x, w)[0].transpose(1, 0, 2, 3)
    np.testing.assert_allclose(made, np.concatenate(wanted), rtol=1e-3, atol=1e-3)


@long_vectors
def test_what_follows_reads_the_flat_results():
    def block(x, w, b, r):
        return np.maximum(nn.conv2d(x, w, b, padding=1) + r, 0)

    x, w, b, r = arrays((1, 48, 28, 28), (32, 48, 3, 3), (32,), (1, 32, 28, 28))
    found = mlc.jit(block).lower(x, w, b, r)
    (_, code) = found.compiled.kernels
    assert [p.name for p in code.scheduled.params if p.shape == (1, 32, 28, 28)] == ["r", "maximum"]
    wanted = np.maximum(by_offsets(x, w, padding=1) + b[:, None, None] + r, 0)
    np.testing.assert_allclose(mlc.jit(block)(x, w, b, r), wanted, rtol=1e-4, atol=1e-4)


def test_results_that_are_used_twice():
    def both(x, w):
        made = nn.conv2d(x, w)
        return made, np.exp(-made)

    x, w = arrays((1, 48, 28, 28), (32, 48, 3, 3))
    made, after = mlc.jit(both)(x, w)
    np.testing.assert_allclose(made, by_offsets(x, w), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(after, np.exp(-made), rtol=1e-5)


@long_vectors
def test_rows_that_do_not_follow_each_other():
    x, w = arrays((1, 48, 40, 60), (32, 48, 3, 3))
    part = x[:, :, 5:33, 10:38]
    assert "_sorted" in str(lowered(part, w).program)
    made = mlc.jit(lambda x, w: nn.conv2d(x, w))(part, w)
    np.testing.assert_allclose(made, by_offsets(part, w), rtol=1e-4, atol=1e-4)


@settings(max_examples=10, deadline=None)
@given(
    batch=st.integers(1, 2),
    size=st.tuples(st.integers(6, 40), st.integers(6, 40)),
    window=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    channels=st.tuples(st.integers(1, 6), st.integers(1, 20)),
    groups=st.integers(1, 3),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 2),
    padding=st.integers(0, 2),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_any_windows(batch, size, window, channels, groups, stride, dilation, padding, dtype):
    assume(all(n + 2 * padding > (k - 1) * dilation for n, k in zip(size, window, strict=True)))
    x, w = arrays(
        (batch, channels[0] * groups, *size), (channels[1] * groups, channels[0], *window),
        dtype=dtype,
    )  # fmt: skip
    how = {"stride": stride, "dilation": dilation, "padding": padding, "groups": groups}
    made = mlc.jit(lambda x, w: nn.conv2d(x, w, **how))(x, w)
    near = 1e-4 if dtype == "float32" else 1e-11
    np.testing.assert_allclose(made, by_offsets(x, w, **how), rtol=near, atol=near)


@pytest.mark.parametrize("columns", [16, 21, 28, 33])
@pytest.mark.parametrize("stride", [2, 3])
def test_windows_apart_are_picked_from_whole_vectors(columns, stride):
    x, w = arrays((1, 8, 9, stride * columns + 2), (8, 1, 3, 3))
    how = {"stride": stride, "groups": 8}
    assert "gather" not in str(lowered(x, w, **how).llvm)
    made = mlc.jit(lambda x, w: nn.conv2d(x, w, **how))(x, w)
    np.testing.assert_allclose(made, by_offsets(x, w, **how), rtol=1e-4, atol=1e-5)
    pooled = mlc.jit(lambda x: nn.max_pool2d(x, 3, stride))(x)
    parts = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (2, 3))[:, :, ::stride, ::stride]
    np.testing.assert_array_equal(pooled, parts.max(axis=(-1, -2)))


@pytest.mark.parametrize(
    ("x", "w", "groups", "stride"),
    [
        ((1, 64, 90), (64, 16, 9), 4, 1),
        ((3, 21, 50), (42, 7, 3), 3, 1),  # tiles of seven rows, or of one
        ((1, 12, 70), (24, 1, 5), 12, 1),
        ((1, 16, 71), (32, 4, 5), 4, 2),  # neighbours lie apart: sums, as before
    ],
)
def test_groups_of_one_dimension_are_products_in_register_tiles(x, w, groups, stride):
    x, w = arrays(x, w)
    layer = mlc.jit(lambda x, w: nn.conv1d(x, w, groups=groups, stride=stride))
    made, each = layer(x, w), w.shape[0] // groups
    views = np.lib.stride_tricks.sliding_window_view(x, w.shape[2], axis=2)[:, :, ::stride]
    views = views.reshape(len(x), groups, w.shape[1], *views.shape[2:])
    parts = w.reshape(groups, each, *w.shape[1:])
    wanted = np.einsum("ngclk,gock->ngol", views, parts).reshape(made.shape)
    np.testing.assert_allclose(made, wanted, rtol=1e-4, atol=1e-4)
    assert ("conv1d_lanes" in str(layer.lower(x, w).program)) <= (stride > 1)
    tiled = "s.unroll(ji)" in str(layer.lower(x, w).schedule)
    assert tiled == (stride == 1)


def test_windows_in_sixteen_registers_are_tiles_without_rows_left_over():
    """Twelve sums, three vectors that start anywhere and one weight, over all rows as one: rows of
    seven vectors would leave one, whose sums wait for each other."""
    x, w = te.placeholder((64, 58, 58), name="x"), te.placeholder((64, 64, 3, 3), name="w")
    c, p, q = te.reduce_axis(64), te.reduce_axis(3), te.reduce_axis(3)
    y = te.compute(
        (64, 56, 56), lambda o, i, j: te.sum(x[c, i + p, j + q] * w[o, c, p, q], axis=(c, p, q))
    )
    machine = Machine(vector_bytes=32, registers=16, l1=32 << 10, l2=512 << 10)
    plan = plan_windows([Nest((y,), y.op)], 0, {id(y)}, machine)
    assert plan is not None and list(plan.tiles.values()) == [Tile(4, 3, 8)]


@pytest.mark.parametrize(("size", "outputs"), [(16, 1), (16, 2), (6, 2), (16, 3)])
def test_few_outputs(size, outputs):
    x, w = arrays((1, 2, size, size), (outputs, 2, 3, 3))
    made = mlc.jit(lambda x, w: nn.conv2d(x, w))(x, w)
    np.testing.assert_allclose(made, by_offsets(x, w), rtol=1e-4, atol=1e-4)
