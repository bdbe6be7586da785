"""Products of floats and of complex numbers: in order, and so with NumPy's bits."""

from typing import Any

import numpy as np
import pytest

import mlc

KINDS = [np.float32, np.float64, np.complex64, np.complex128]


def same_bits(function, *args):
    with np.errstate(all="ignore"):
        want = np.asarray(function(*args))
    found = np.asarray(mlc.jit(function)(*args))
    assert (found.dtype, found.shape) == (want.dtype, want.shape)
    np.testing.assert_array_equal(found, want)


def near(found, want):
    rtol = 1e-5 if found.dtype in (np.float32, np.complex64) else 1e-12
    np.testing.assert_allclose(found, want, rtol=rtol)


def alternating(dtype, repeats=64):
    """Factors whose product is 1, of which every other one alone leaves the range."""
    return np.tile([1e-5, 1e5], repeats).astype(dtype)


@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize(
    "function", [np.prod, np.multiply.reduce, np.nanprod, np.cumprod, np.multiply.accumulate]
)
def test_no_part_of_a_product_overflows_on_its_own(function, dtype):
    same_bits(lambda x: function(x), alternating(dtype))
    same_bits(lambda x: function(x, axis=1), np.tile(alternating(dtype), (5, 1)))


def test_long_products_are_not_cut():
    same_bits(lambda x: np.prod(x), alternating(np.float64, 1 << 17))
    same_bits(lambda x: np.prod(x, axis=0), np.tile(alternating(np.float64, 999), (7, 1)).T.copy())


@pytest.mark.parametrize("axis", [None, 0, 1, 2, (0, 1), (0, 2), (1, 2), (0, 1, 2)])
@pytest.mark.parametrize("dtype", KINDS)
def test_products_over_each_axis(dtype, axis):
    rng = np.random.default_rng(7)
    x = rng.uniform(0.5, 1.6, (5, 9, 12)).astype(dtype)
    if np.issubdtype(dtype, np.complexfloating):  # NumPy rounds once less where columns lie beside
        x = (x * np.exp(1j * rng.uniform(0, 6, x.shape))).astype(dtype)
        for keepdims in (False, True):
            f = lambda x, keepdims=keepdims: np.prod(x, axis=axis, keepdims=keepdims)
            near(mlc.jit(f)(x), f(x))
        return
    same_bits(lambda x: np.prod(x, axis=axis), x)
    same_bits(lambda x: np.prod(x, axis=axis, keepdims=True), x)
    same_bits(lambda x: np.prod(x, axis=axis, initial=3), x)
    same_bits(lambda x: np.prod(x, axis=axis, where=x > 1), x)


@pytest.mark.parametrize("dtype", KINDS)
def test_what_a_product_starts_with_comes_first(dtype):
    large = np.array([1e-30, 1e-30, 1e30, 1e30], dtype)
    same_bits(lambda x: np.prod(x, initial=1e25), large)
    same_bits(lambda x: np.prod(x[:0], initial=2), large)
    same_bits(lambda x: np.prod(x), large[:0])
    same_bits(lambda x: np.prod(np.stack([x, x]), axis=0, initial=2), large)


def test_products_on_a_grid_are_in_order():
    x = np.tile(alternating(np.float32), (3, 1))
    for function in (
        lambda x: np.prod(x),
        lambda x: np.prod(x, axis=1),
        lambda x: np.prod(x + 0j),
        lambda x: np.cumprod(x + 0j, axis=1),
        lambda x: np.cumprod(x, axis=0),
    ):
        found = mlc.jit(function, target="cuda-emulated")(x)
        near(found, function(x))


@pytest.mark.parametrize("one", [np.float64, np.complex128])
@pytest.mark.parametrize("two", [np.float64, np.complex128])
def test_vecdot_sums_over_the_axis_of_each(one, two):
    shapes = [((3,), (3, 3), 0), ((2,), (2, 3), 0), ((2, 3), (2,), 0), ((3, 3), (3, 3, 3), 1),
              ((3, 4), (5, 3, 4), -2), ((2, 3), (2, 3), 0), ((4,), (3, 4), -1)]  # fmt: skip
    for left, right, axis in shapes:
        x, y = (np.arange(1, np.prod(s) + 1).reshape(s) for s in (left, right))
        x, y = x.astype(one) * one(2 - 1j if one is np.complex128 else 1), y.astype(two)
        same_bits(lambda x, y: np.vecdot(x, y, axis=axis), x, y)
        same_bits(lambda x, y: np.linalg.vecdot(x, y, axis=axis), x, y)
        with pytest.raises(mlc.ShapeError, match=r"vecdot: shapes .* axis -1, which is not"):
            mlc.jit(lambda x, y: np.linalg.vecdot(x, y[..., :1]))(x, y)


@pytest.mark.parametrize(
    ("dtype", "out"),
    [("int64", "float64"), ("int8", "int32"), ("int8", "float32"), ("float32", "complex128")],
)
def test_einsum_computes_in_what_holds_out_too(dtype: str, out: str) -> None:
    def product(a: Any) -> Any:
        place = np.empty((len(a), len(a)), out)
        np.einsum("ij,kj->ik", a, a, out=place)
        return place

    a = np.array([[100, -3, 7], [90, 120, -128]]).astype(dtype)
    a = a * 2**55 if dtype == "int64" else a
    np.testing.assert_allclose(mlc.jit(product)(a), product(a), rtol=1e-6)


def test_einsum_into_what_does_not_hold_it_is_refused() -> None:
    def product(a: Any) -> Any:
        place = np.empty((2, 2), np.uint8)
        return np.einsum("ij,kj->ik", a, a, out=place)

    with pytest.raises(TypeError, match=r"np\.einsum computes in int16 here"):
        mlc.jit(product)(np.ones((2, 3), np.int8))
