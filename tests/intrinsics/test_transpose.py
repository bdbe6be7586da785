"""Tiles that are transposed in registers, alone and where the default schedule uses them."""

import numpy as np
import pytest

import mlc
from mlc.backends.llvm.target import host_target
from mlc.dtypes import as_dtype
from mlc.errors import ArgumentError
from mlc.intrinsics.transpose import transpose_tile
from mlc.intrinsics.transpose_blocks import named, tiles_beside, transpose_block
from mlc.ir.expr import const
from mlc.ir.program import Buffer, Evaluate, Program, Region


def program_of(lanes, dtype, a_strides, b_strides):
    """One call over whole buffers of these strides."""
    intrinsic = transpose_tile(lanes, dtype)
    a = Buffer("A", (lanes, lanes), dtype, a_strides)
    b = Buffer("B", (lanes, lanes), dtype, b_strides)
    whole = [Region(x, (const(0), const(0)), (lanes, lanes)) for x in (a, b)]
    return Program("turned", (a, b), Evaluate(intrinsic.name, tuple(whole)))


@pytest.mark.parametrize(
    ("lanes", "name"), [(16, "float32"), (8, "float64"), (4, "int64"), (16, "uint8"), (2, "bool")]
)
@pytest.mark.parametrize("steps", [(1, 1), (2, 1), (1, 3)])
def test_a_tile(lanes, name, steps):
    dtype = as_dtype(name)
    data = np.random.default_rng(0).integers(0, 2, (lanes, 5 * lanes)).astype(dtype.numpy)
    a = data[:, : lanes * steps[0] : steps[0]]
    room = np.zeros((lanes, 5 * lanes), dtype.numpy)
    b = room[:, : lanes * steps[1] : steps[1]]
    size = dtype.itemsize
    strides = [tuple(s // size for s in x.strides) for x in (a, b)]
    mlc.build(program_of(lanes, dtype, *strides))(a, b)
    np.testing.assert_array_equal(b, a.T)
    assert np.count_nonzero(room) == np.count_nonzero(b)


@pytest.mark.parametrize(
    ("lanes", "name", "rows", "columns"),
    [
        (16, "float32", 64, 16),
        (16, "float32", 19, 33),
        (8, "float64", 24, 17),
        (4, "int32", 4, 9),
        (32, "float16", 40, 70),
        (8, "float32", 24, 71),
        (4, "float64", 20, 50),
    ],
)
@pytest.mark.parametrize("places", [(0, 0), (3, 0), (4, 7), (1, 15)])
@pytest.mark.parametrize("widths", [(96, 96), (101, 96), (96, 83)])
@pytest.mark.parametrize("past", [False, True])
def test_a_block_wherever_it_begins(lanes, name, rows, columns, places, widths, past):
    dtype = as_dtype(name)
    if past and columns < tiles_beside(lanes, dtype) * lanes:
        with pytest.raises(ArgumentError, match="fill 2 cache lines side by side, got"):
            transpose_block(lanes, dtype, rows, columns, past)
        return
    intrinsic = transpose_block(lanes, dtype, rows, columns, past)
    assert named(intrinsic.name) is intrinsic
    given = np.arange(columns * widths[0] + 64).astype(dtype.numpy)
    room = np.full(rows * widths[1] + 64, -1, dtype.numpy)
    first = [(-m.ctypes.data) % 64 // dtype.itemsize + p for m, p in zip((given, room), places)]
    a = given[first[0] :][: columns * widths[0]].reshape(columns, -1)[:, :rows]
    b = room[first[1] :][: rows * widths[1]].reshape(rows, -1)[:, :columns]
    buffers = (
        Buffer("A", a.shape, dtype, (widths[0], 1)),
        Buffer("B", b.shape, dtype, (widths[1], 1)),
    )
    whole = [Region(x, (const(0), const(0)), x.shape) for x in buffers]
    mlc.build(Program("turned", buffers, Evaluate(intrinsic.name, tuple(whole))))(a, b)
    np.testing.assert_array_equal(b, a.T)
    assert np.count_nonzero(room != -1) == b.size


def test_blocks_of_no_such_size():
    with pytest.raises(ArgumentError, match="fit into it, got 16 for 8 by 64"):
        transpose_block(16, as_dtype("float32"), 8, 64)
    assert named("transpose_block_float32_16_64") is None


@pytest.mark.parametrize("shape", [(2112, 2080), (2112, 2072), (2071, 2112), (3, 1024, 1440)])
@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_copies_that_no_cache_holds(shape, dtype):
    x = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    turn = mlc.jit(lambda x: np.swapaxes(x, -1, -2).copy())
    expected = np.swapaxes(x, -1, -2)
    np.testing.assert_array_equal(turn(x), expected)
    room = np.zeros(x.size + 5, dtype)
    turn(x, out=room[3:-2].reshape(expected.shape))
    np.testing.assert_array_equal(room[3:-2].reshape(expected.shape), expected)
    assert not room[[0, 1, 2, -2, -1]].any()


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((4096, 4160), "uint8"), ((3011, 3008), "int16"), ((4100, 4160), "uint8"),
     ((4, 2048, 2112), "bool")],
)  # fmt: skip
def test_copies_of_small_elements_that_no_cache_holds(shape, dtype):
    x = (np.arange(np.prod(shape)).reshape(shape) % 251).astype(dtype)
    turn = mlc.jit(lambda x: np.swapaxes(x, -1, -2).copy())
    np.testing.assert_array_equal(turn(x), np.swapaxes(x, -1, -2))


@pytest.mark.skipif(not host_target().past_bytes, reason="vectors are shorter than cache lines")
def test_lines_that_no_cache_holds_pass_by():
    turn = mlc.jit(lambda x: x.T.copy())
    side = (host_target().past_bytes // 4 // 2048 + 64) // 64 * 64
    lowered = turn.lower(np.zeros((2048, side), np.float32))
    assert "_past" in lowered.program
    assert lowered.asm.count("vmovnt") == 32
    assert "_past" not in turn.lower(np.zeros((256, 256), np.float32)).program
    third = turn.lower(np.zeros((1024, host_target().l2_bytes // 2048), np.float32)).program
    assert ("_past" in third) == (host_target().l2_bytes >= 2 << 20)


def test_lanes_are_a_power_of_two():
    with pytest.raises(ArgumentError, match="power of two, got 12"):
        transpose_tile(12, as_dtype("float32"))


@pytest.mark.parametrize(
    "shape", [(128, 128), (64, 256), (100, 83), (61, 300), (16, 1024), (1000, 17), (1040, 592)]
)
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "int16"])
def test_transposed_copies(shape, dtype):
    x = np.arange(shape[0] * shape[1]).reshape(shape).astype(dtype)
    turned = mlc.jit(lambda x: x.T.copy())
    np.testing.assert_array_equal(turned(x), x.T)
    np.testing.assert_array_equal(turned(x[::-1, ::2]), x[::-1, ::2].T)


def test_axes_of_three():
    x = np.arange(24 * 40 * 56, dtype=np.float32).reshape(24, 40, 56)
    for order in [(0, 2, 1), (2, 1, 0), (1, 2, 0), (2, 0, 1), (1, 0, 2)]:
        got = mlc.jit(lambda x, order=order: np.transpose(x, order).copy())(x)
        np.testing.assert_array_equal(got, x.transpose(order))


def test_the_schedule_says_so():
    lowered = mlc.jit(lambda x: x.T.copy()).lower(np.ones((128, 128), np.float32))
    assert "s.tensorize(" in lowered.schedule
    assert "transpose_block_float32" in lowered.program
    lowered = mlc.jit(lambda x: x.T.copy()).lower(np.ones((130, 130), np.float32))
    assert "transpose_float32" in lowered.program


@pytest.mark.skipif(host_target().vector_bits < 512, reason="tiles are smaller")
def test_rows_that_lie_nearly_pages_apart_are_few_at_a_time():
    turn = mlc.jit(lambda x: x.T.copy())
    for size, lanes in ((1023, 8), (1025, 8), (1011, 16)):
        x = np.arange(size * size, dtype=np.float32).reshape(size, size)
        assert f'T.call("transpose_float32_{lanes}"' in str(turn.lower(x).program)
        assert np.array_equal(turn(x), x.T)


@pytest.mark.parametrize("shape", [(4, 64, 56, 40), (2, 3, 64, 128), (3, 24, 30, 30)])
@pytest.mark.parametrize("dtype", ["float32", "uint8", "uint16"])
def test_channels_last_and_first(shape, dtype):
    x = (np.random.default_rng(0).normal(size=shape) * 50).astype(dtype)
    for order in ((0, 2, 3, 1), (0, 3, 1, 2)):
        found = mlc.jit(lambda x, order=order: np.transpose(x, order).copy())(x)
        np.testing.assert_array_equal(found, np.transpose(x, order))


@pytest.mark.parametrize("shape", [(256, 256), (130, 259), (17, 5000)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_turned_operands(shape, dtype):
    rng = np.random.default_rng(0)
    x, y = ((rng.normal(size=s) * 9).astype(dtype) for s in (shape, shape[::-1]))
    found = mlc.jit(lambda x, y: (x.T * 2 + y, np.pad(x, ((1, 1), (0, 0)))[1:-1].T + y))(x, y)
    np.testing.assert_array_equal(found[0], x.T * 2 + y)
    np.testing.assert_array_equal(found[1], x.T + y)


def test_turned_operands_of_three_axes():
    x = np.random.default_rng(0).normal(size=(3, 40, 56, 24)).astype(np.float32)
    bias = np.arange(40, dtype=np.float32)
    found = mlc.jit(lambda x, b: np.maximum(x.transpose(0, 2, 3, 1) + b, 0))(x, bias)
    np.testing.assert_array_equal(found, np.maximum(x.transpose(0, 2, 3, 1) + bias, 0))
    in_c = lambda x, b: np.ascontiguousarray(x.transpose(0, 2, 3, 1) + b)
    lowered = mlc.jit(in_c).lower(x, bias)
    assert "transpose_" in lowered.program


@pytest.mark.parametrize("flips", [(False, True), (True, False), (True, True)])
@pytest.mark.parametrize(("lanes", "name"), [(8, "float64"), (64, "uint8"), (16, "float32")])
def test_a_tile_that_is_read_backwards(lanes, name, flips):
    dtype = as_dtype(name)
    intrinsic = transpose_tile(lanes, dtype, flips)
    base = np.arange(lanes * lanes * 2).astype(dtype.numpy).reshape(lanes, -1)
    for a in (base[:, :lanes], base[:, :lanes][:, ::-1], base[::-1, :lanes], base[:, ::2]):
        b = np.zeros((lanes, lanes), dtype.numpy)
        strides = tuple(s // dtype.itemsize for s in a.strides)
        buffers = Buffer("A", a.shape, dtype, strides), Buffer("B", b.shape, dtype)
        whole = [Region(x, (const(0), const(0)), x.shape) for x in buffers]
        mlc.build(Program("turned", buffers, Evaluate(intrinsic.name, tuple(whole))))(a, b)
        steps = [-1 if flip else 1 for flip in flips]
        np.testing.assert_array_equal(b, a[:: steps[0], :: steps[1]].T)


@pytest.mark.parametrize("shape", [(131, 257), (128, 192), (1000, 70)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_turned_arrays_are_turned_in_registers(shape, dtype):
    x = np.random.default_rng(0).integers(0, 200, shape).astype(dtype)
    quarter, threefold = (lambda a: np.rot90(a) * 1), (lambda a: np.rot90(a, 3).copy())
    plain = lambda a: a.T.copy()
    for a in (x, x[::-1], x[:, ::-1], x[::-1, ::-1]):
        for function in (quarter, threefold, plain):
            np.testing.assert_array_equal(mlc.jit(function)(a), function(a))
    text = str(mlc.jit(threefold).lower(x).schedule)
    assert f"transpose_{dtype}_" in text and "_rows" in text
