"""A softmax in fewer steps: equal to NumPy's wherever its elements lead, and only where they do."""

import numpy as np
import pytest

import mlc


def weights(x):
    return np.exp(x - x.max(axis=-1, keepdims=True))


def softmax(x):
    e = weights(x)
    return e / e.sum(axis=-1, keepdims=True)


def narrow(x):
    """The same by arrays that lack the last dimension."""
    e = np.exp(x - np.max(x, axis=-1)[..., None])
    return e / np.sum(e, axis=-1)[..., None]


def log_softmax(x):
    shifted = x - np.max(x, axis=-1, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))


def with_weights(x):
    e = weights(x)
    return e, e / e.sum(axis=-1, keepdims=True)


def with_largest(x):
    m = x.max(axis=-1, keepdims=True)
    e = np.exp(x - m)
    return e / e.sum(axis=-1, keepdims=True), m


def with_shifted(x):
    m = x.max(axis=-1, keepdims=True)
    return np.exp(x - m) / np.exp(x - m).sum(axis=-1, keepdims=True), np.maximum(x - m, -1)


def over_columns(x):
    e = np.exp(x - x.max(axis=0))
    return e / e.sum(axis=0)


def text_of(f, *args):
    return str(mlc.jit(f).lower(*args).compiled.module)


def rows(shape=(9, 40), dtype="float32"):
    x = np.random.default_rng(2).standard_normal(shape).astype(dtype) * 3
    x[0, 3], x[1], x[2, 5], x[3], x[4, :4] = np.nan, np.nan, np.inf, -np.inf, -np.inf
    x[5, 7:9], x[6, 1:3], x[7] = (np.inf, np.nan), (np.nan, -np.inf), -200 * np.arange(shape[1])
    return x


def check(f, *args, near=2e-6):
    found, wanted = mlc.jit(f)(*args), f(*(a.astype("float64") for a in args))
    for a, b in zip(*(r if isinstance(r, tuple) else (r,) for r in (found, wanted)), strict=True):
        np.testing.assert_allclose(a, b, rtol=near, atol=near)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("f", "is_told"),
    [
        (softmax, True),
        (narrow, True),
        (log_softmax, True),
        (mlc.nn.softmax, True),
        (with_weights, False),
        (with_largest, False),
        (with_shifted, False),
        (over_columns, False),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_rows_with_nan_and_infinities(f, is_told, dtype):
    x = rows(dtype=dtype)
    assert ("greatest" in text_of(f, x)) == is_told
    if f is mlc.nn.softmax:
        np.testing.assert_allclose(mlc.jit(f)(x), softmax(x), rtol=2e-6)
    else:
        check(f, x)


@pytest.mark.parametrize(
    ("f", "is_inverse"),
    [(softmax, True), (narrow, True), (with_weights, True), (over_columns, False)],
)
def test_rows_are_divided_once(f, is_inverse):
    x = np.random.default_rng(7).standard_normal((9, 40)).astype("float32")
    text = text_of(f, x)
    assert ("1.0 / sum[" in text) == is_inverse and text.count(" / ") == 1
    check(f, x, near=1e-6)


def product(x, v):
    return softmax(x) @ v


def turned(v, x):
    return v @ np.swapaxes(narrow(x), -1, -2)


def kept(x, v):
    w = softmax(x)
    return w @ v, w


def counted(x, v):
    e = weights(x)
    s = e.sum(axis=-1, keepdims=True)
    return (e / s) @ v, s


def over_rows(x, v):
    return np.swapaxes(softmax(x), -1, -2) @ v


@pytest.mark.parametrize(
    ("f", "is_later"),
    [(product, True), (turned, True), (kept, False), (counted, False), (over_rows, False)],
)
def test_results_are_divided_instead_of_weights(f, is_later):
    x = np.random.default_rng(3).standard_normal((3, 40, 40)).astype("float32")
    v = np.random.default_rng(4).standard_normal((3, 40, 40)).astype("float32")
    args = (v, x) if f is turned else (x, v)
    assert ("exp_less(0.015625, " in text_of(f, *args)) == is_later  # 1/64, for rows of 40
    check(f, *args)


@pytest.mark.parametrize("f", [softmax, narrow, log_softmax, with_largest, over_columns])
@pytest.mark.parametrize("size", [1.0, 1e6, 1e12, 1e30])
def test_products_are_rounded_before_the_largest_is_subtracted(f, size):
    x = np.random.default_rng(8).standard_normal((9, 40)).astype("float32") * np.float32(size)

    def scaled(x):
        return f(x * np.float32(0.3))

    for a, b in zip(
        *(r if isinstance(r, tuple) else (r,) for r in (mlc.jit(scaled)(x), scaled(x)))
    ):
        np.testing.assert_allclose(a, b, rtol=2e-6, atol=2e-6)


@pytest.mark.filterwarnings("ignore")
def test_sums_of_the_largest_numbers_do_not_overflow():
    x = np.random.default_rng(5).standard_normal((2, 30, 100)).astype("float32")
    v = np.full((2, 100, 20), np.finfo("float32").max * np.float32(0.999))
    np.testing.assert_allclose(mlc.jit(product)(x, v), v[:, :30], rtol=1e-5)


@pytest.mark.filterwarnings("ignore")
def test_products_with_nan_and_infinities():
    x = np.stack([rows(), rows()[::-1]])
    v = np.random.default_rng(6).standard_normal((2, 40, 5)).astype("float32")
    v[0, 4, 1], v[1, 0, 2], v[1, 1, 3] = np.inf, -np.inf, np.nan
    check(product, x, v)


def test_products_of_one_number_in_all_places():
    def function(s):
        x = np.resize(s, (20, 33)).astype(np.float32)
        return x @ x.T, np.log(np.sum(np.exp(s % 5.0), axis=0))

    product, log = mlc.jit(function)(np.array(2.0, np.float32))
    np.testing.assert_allclose(product, np.full((20, 20), 132.0), rtol=1e-6)
    np.testing.assert_allclose(log, 2.0, rtol=1e-6)
