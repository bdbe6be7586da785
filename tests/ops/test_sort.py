"""Sorting: sizes that take other ways than small ones, stability, signs of zero, NaN."""

from __future__ import annotations

import itertools

import ml_dtypes
import numpy as np
import pytest

import mlc
from mlc.dtypes import as_dtype
from mlc.errors import ArgumentError, DomainError, ShapeError
from mlc.intrinsics import parting, sorting
from mlc.intrinsics.sorting import has_compress, has_vector_sort
from mlc.ir.expr import const
from mlc.ops import packed_order, parted_sort, sort, sorting_network
from mlc.ops.sort import order_along, sorted_along

RNG = np.random.default_rng(5)
DTYPES = ("bool", "int8", "uint16", "int32", "int64", "uint64", "float16", "float32", "float64")


def drawn(shape, dtype):
    x = RNG.normal(size=shape) * 1000
    x = np.abs(x) if dtype.startswith("u") else x
    x = x.clip(-100, 100) if dtype == "int8" else x
    x = (x > 0) if dtype == "bool" else x.astype(dtype)
    if x.dtype.kind == "f":
        x[..., 1::7], x[..., 2::7], x[..., 3::7] = 0.0, -0.0, np.nan
        x[..., 4::11], x[..., 5::11] = np.inf, -np.inf
    return x


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("shape", "axis"), [((65,), 0), ((3, 300), 1), ((200, 3), 0)])
def test_longer_rows(dtype, shape, axis):
    x = drawn(shape, dtype)
    ordered, places = mlc.jit(lambda x: (np.sort(x, axis), np.argsort(x, axis)))(x)
    np.testing.assert_array_equal(ordered, np.sort(x, axis))
    np.testing.assert_array_equal(places, np.argsort(x, axis, kind="stable"))


@pytest.mark.parametrize("bits", [256, 512])
@pytest.mark.parametrize("dtype", ["uint32", "int64", "float32", "float64"])
def test_rows_are_sorted_by_networks(dtype, bits, monkeypatch):
    if not has_vector_sort(as_dtype(dtype)):
        pytest.skip("rows are sorted by their digits")
    monkeypatch.setattr(sorting, "network_bits", lambda dtype, n: bits)
    for n in (bits // 23, 253 + bits, 1290 + bits):  # lengths of no other test, for each width
        x = drawn((3, n), dtype)
        x[1], x[2] = np.sort(x[1])[::-1], x[2, 0]
        fn = mlc.jit(lambda x: np.sort(x))
        found = fn(x)
        np.testing.assert_array_equal(found, np.sort(x))
        if x.dtype.kind == "f":
            signs = np.signbit(found) & (found == 0)
            assert (np.sort(signs[0][found[0] == 0])[::-1] == signs[0][found[0] == 0]).all()
            assert signs.sum() == (np.signbit(x) & (x == 0)).sum()


@pytest.mark.parametrize("dtype", ["uint32", "float32", "float64"])
def test_rows_are_divided_however_uneven_the_parts_are(dtype, monkeypatch):
    for n, depth in ((17_003, 48), (20_001, 1)):  # lengths of no other test
        monkeypatch.setattr(parting, "DEPTH", depth)
        x = drawn((2, n), dtype)
        x[1, : n - 5] = RNG.integers(0, 3, n - 5)
        np.testing.assert_array_equal(mlc.jit(lambda x: np.sort(x))(x), np.sort(x))
        np.testing.assert_array_equal(mlc.jit(lambda x: np.sort(x))(x[:, ::-1]), np.sort(x))


@pytest.mark.parametrize("dtype", ["int32", "float32", "float64"])
def test_long_rows_take_wider_digits(dtype):
    x = drawn((20_011,), dtype)
    np.testing.assert_array_equal(mlc.jit(np.sort)(x), np.sort(x))
    np.testing.assert_array_equal(mlc.jit(np.argsort)(x), np.argsort(x, kind="stable"))


@pytest.mark.parametrize("dtype", ["int16", "int32", "float32", "float64"])
def test_longer_rows_are_sorted_in_pieces(dtype):
    x = drawn((1, 150_003), dtype)
    np.testing.assert_array_equal(mlc.jit(np.sort)(x), np.sort(x))
    first = mlc.jit(lambda x: np.sort(x)[:, :51] * 2)  # whose last vector is not full
    np.testing.assert_array_equal(first(x), np.sort(x)[:, :51] * 2)
    np.testing.assert_array_equal(mlc.jit(np.argsort)(x), np.argsort(x, kind="stable"))


@pytest.mark.parametrize("dtype", ["uint32", "int64", "float32", "float64"])
def test_threads_sort_parts_of_a_row_to_the_same_bits(dtype):
    rows = [drawn((131_075,), dtype), np.full(140_000, 3, dtype), drawn((300_003,), dtype)[::-2]]
    rows.append(np.sort(rows[0])[::-1].copy())
    for x in rows:
        found = []
        for threads in (1, 2):
            with mlc.set_num_threads(threads):
                found.append(mlc.jit(lambda x: (np.sort(x), np.argsort(x, kind="stable")))(x))
        (alone, places), (parted, parted_places) = found
        np.testing.assert_array_equal(alone, np.sort(x))
        np.testing.assert_array_equal(places, np.argsort(x, kind="stable"))
        np.testing.assert_array_equal(places, parted_places)
        assert alone.tobytes() == parted.tobytes()
        if x.dtype.kind == "f" and has_compress(as_dtype(dtype)):  # else threads sort no parts
            signs = np.signbit(alone[alone == 0])
            assert (np.sort(signs)[::-1] == signs).all()


@pytest.mark.parametrize("target", ["cpu", "interpret"])
@pytest.mark.parametrize("dtype", ["uint32", "float64"])
def test_parts_of_a_row_mean_what_they_do(dtype, target, monkeypatch):
    monkeypatch.setattr(sort, "LONG", 200)
    monkeypatch.setattr(packed_order, "LONG", 200)
    monkeypatch.setattr(parted_sort, "is_alone", lambda w: const(0) > const(1))
    x = drawn((2, 217), dtype)
    both = lambda x: (sorted_along(x, axis=1, stable=False), order_along(x, axis=1))
    found, places = mlc.jit(both, target=target)(x)
    np.testing.assert_array_equal(found, np.sort(x))
    np.testing.assert_array_equal(places, np.argsort(x, kind="stable"))


def test_many_rows_at_once():
    x = drawn((5000, 20), "float32")
    np.testing.assert_array_equal(mlc.jit(np.sort)(x), np.sort(x))
    x = drawn((500, 200), "int32")
    np.testing.assert_array_equal(mlc.jit(np.argsort)(x), np.argsort(x, kind="stable"))


@pytest.mark.parametrize("n", [7, 100])
@pytest.mark.parametrize("target", ["cpu", "interpret", "numpy"])
def test_reference_backends_and_descending(n, target):
    x = np.round(drawn((n,), "float32") / 100)
    found, places = mlc.jit(
        lambda x: (sorted_along(x, axis=0, descending=True), order_along(x, axis=0)), target=target
    )(x)
    np.testing.assert_array_equal(found, np.sort(x)[::-1])
    np.testing.assert_array_equal(places, np.argsort(x, kind="stable"))
    down = mlc.jit(lambda x: order_along(x, axis=0, descending=True), target=target)(x)
    finite = np.nan_to_num(x, nan=1e9, posinf=1e8, neginf=-1e8)
    np.testing.assert_array_equal(down, np.argsort(-finite, kind="stable"))


@pytest.mark.parametrize("n", [10, 100])
def test_nan_of_either_sign_is_last(n):
    x = np.arange(float(n))
    x[3] = -np.nan
    got = mlc.jit(np.sort)(x)
    assert np.isnan(got[-1]) and not np.isnan(got[:-1]).any()
    assert mlc.jit(np.argsort)(x)[-1] == 3


def test_bfloat16():
    x = RNG.normal(size=(4, 90)).astype(ml_dtypes.bfloat16)
    got = mlc.jit(lambda x: np.sort(x, axis=1))(x)
    np.testing.assert_array_equal(got.astype("float32"), np.sort(x.astype("float32"), axis=1))


def test_refused():
    x = np.zeros((3, 4), np.float32)
    with pytest.raises(ShapeError, match=r"np\.sort: axis 2 is out of range"):
        mlc.jit(lambda x: np.sort(x, axis=2))(x)
    with pytest.raises(ArgumentError, match="order= is for arrays with fields, got 'a'"):
        mlc.jit(lambda x: np.sort(x, order="a"))(x)
    with pytest.raises(DomainError, match="kth 4 is out of bounds for an axis of size 4"):
        mlc.jit(lambda x: np.partition(x, 4))(x)
    with pytest.raises(DomainError, match="kind must be quicksort"):
        mlc.jit(lambda x: np.argsort(x, kind="bogo"))(x)
    with pytest.raises(ShapeError, match=r"one shape, got \(3, 4\), \(4,\)"):
        mlc.jit(lambda x: np.lexsort((x, x[0])))(x)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "bool", "uint16", "int16", "float16"])
def test_orders_of_long_rows_of_narrow_elements(dtype):
    x = np.random.default_rng(3).integers(-50, 50, (2, 2500)).astype(dtype)
    if dtype == "float16":
        x[...] = np.where(x == 3, np.nan, np.where(x == 2, -0.0, x))
    assert (mlc.jit(np.argsort)(x) == np.argsort(x, kind="stable")).all()


@pytest.mark.parametrize(
    "kinds",
    ["uint8 uint8", "int16 float16", "float32 float32 int8", "bool float64", "int8 " * 9],
)
def test_lexsort_of_keys_that_are_sorted_as_one(kinds):
    rng, keys = np.random.default_rng(1), []
    for kind in kinds.split():
        key = (rng.integers(0, 4, (6, 90)) - (2 if kind[0] in "if" else 0)).astype(kind)
        if kind[0] == "f":
            key[0, ::7], key[1, ::5] = np.nan, -0.0
        keys.append(key)
    for axis in (0, -1):
        f = lambda *keys, axis=axis: np.lexsort(keys, axis=axis)
        assert (mlc.jit(f)(*keys) == f(*keys)).all()


@pytest.mark.parametrize("dtype", ["int32", "uint64", "float32", "float64", "int16"])
@pytest.mark.parametrize(
    ("shape", "axis"), [((9,), 0), ((700,), 0), ((5, 33, 2), 1), ((70, 40), 0)]
)
def test_rows_by_numpys_own_function(dtype, shape, axis):
    x = drawn(shape, dtype)
    np.testing.assert_array_equal(mlc.jit(np.sort)(x, axis), np.sort(x, axis))
    np.testing.assert_array_equal(
        mlc.jit(lambda x: np.sort(x[::-1], axis))(x), np.sort(x[::-1], axis)
    )


def test_stable_sorting_keeps_zeros_in_order():
    x = np.where(np.arange(300) % 3 == 0, -0.0, 0.0).astype(np.float32)
    x[::5] = -1.0
    ordered = mlc.jit(lambda x: np.sort(x, kind="stable"))(x)
    np.testing.assert_array_equal(np.signbit(ordered), np.signbit(np.sort(x, kind="stable")))


def test_reference_backends_sort_by_the_meaning():
    x = drawn((2, 12), "float32")
    for target in ("interpret", "numpy"):
        np.testing.assert_array_equal(mlc.jit(np.sort, target=target)(x), np.sort(x))


@pytest.mark.parametrize("n", [9, 17, 300, 3001])
def test_the_order_of_keys_of_8_bytes_that_differ_in_their_last_bits(n):
    order = mlc.jit(lambda x: np.argsort(x, kind="stable"))
    far_apart = RNG.integers(0, n, n).astype("uint64") * np.uint64(1 << 40)
    close = RNG.standard_normal(n)
    close[1::2] = np.nextafter(close[::2][: n // 2], RNG.choice([-9.0, 9.0], n // 2))
    few = RNG.integers(0, 50, n)
    for x in (
        far_apart + RNG.integers(0, 8, n).astype("uint64"),  # few are alike
        np.where(np.arange(n) < 2, np.uint64(2**63), few.astype("uint64")),  # most are
        np.where(np.arange(n) < 1, -1e300, 1 + RNG.integers(0, 30, n) * 2.0**-52),
        close,
    ):
        np.testing.assert_array_equal(order(x), np.argsort(x, kind="stable"))


@pytest.mark.parametrize("n", range(2, 13))
def test_networks_sort_whatever_there_is(n):
    """What sorts all rows of zeros and ones sorts all rows (Knuth, volume 3, 5.3.4)."""
    rows = np.array(list(itertools.product((0, 1), repeat=n)))
    found = rows.copy()
    for low, high in sorting_network.comparators(n):
        pair = found[:, [low, high]]
        found[:, low], found[:, high] = pair.min(1), pair.max(1)
    np.testing.assert_array_equal(found, np.sort(rows, 1))


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int8", "uint64", "bool"])
@pytest.mark.parametrize(("shape", "axis"), [((3, 50), 0), ((40, 5), 1), ((2, 9, 37), 1)])
def test_many_short_rows_are_sorted_beside_each_other(dtype, shape, axis):
    rng = np.random.default_rng(6)
    x = rng.integers(0 if dtype[0] in "ub" else -9, 9, shape).astype(dtype)
    if dtype.startswith("float"):
        x[rng.random(shape) < 0.1] = np.nan
        x[rng.random(shape) < 0.1] = -0.0

    def orders(x):
        return np.sort(x, axis), np.argsort(x, axis, kind="stable")

    for array in (x, np.asfortranarray(x)):
        for found, wanted in zip(mlc.jit(orders)(array), orders(array)):
            assert found.dtype == wanted.dtype
            np.testing.assert_array_equal(found, wanted)
    if shape[axis] == 3 and dtype in ("float32", "float64"):  # NumPy leaves zeros as they were
        found, _ = mlc.jit(orders)(x)
        np.testing.assert_array_equal(np.signbit(found), np.signbit(np.sort(x, axis)))
    descending = mlc.jit(lambda x: mlc.numpy.sort(x, axis=axis, descending=True))(x)
    upwards = np.flip(np.sort(x, axis), axis)
    holes = np.isnan(upwards.astype(float)).sum(axis, keepdims=True)
    assert holes.any() or np.array_equal(descending, upwards)


def test_medians_of_columns_are_read_where_these_lie():
    x = np.random.default_rng(7).standard_normal((9, 4096)).astype(np.float32)
    compiled = mlc.jit(lambda x: np.median(x, axis=0))
    np.testing.assert_array_equal(compiled(x), np.median(x, axis=0))
    text = str(compiled.lower(x).program)
    assert text.count("@T.program") == 2 and "k8" in text  # no copy that is turned
