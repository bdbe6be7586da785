"""Attention as one kernel over blocks of rows: found by structure, equal to NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlc
from mlc.backends.llvm.target import Target, host_target


def softmax(scores):
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def attention(q, k, v):
    return softmax(q @ np.swapaxes(k, -1, -2) / 8.0) @ v


def additive(q, k, v, bias):
    return softmax(q @ np.swapaxes(k, -1, -2) + bias) @ v


def masked(q, k, v, allowed):
    return softmax(np.where(allowed, q @ np.swapaxes(k, -1, -2), -np.inf)) @ v


def by_labels(q, k, v):
    scores = np.einsum("bhld,bhsd->bhls", q, k)
    return np.maximum(np.einsum("bhls,bhsd->bhld", softmax(scores), v), 0.0)


def with_weights(q, k, v):
    weights = softmax(q @ np.swapaxes(k, -1, -2))
    return weights @ v, weights


def heads_in_rows(q, k, v):
    def split(x):
        return x.reshape(x.shape[0], x.shape[1], 4, -1).transpose(0, 2, 1, 3)

    out = softmax(split(q) @ split(k).transpose(0, 1, 3, 2)) @ split(v)
    return out.transpose(0, 2, 1, 3).reshape(q.shape)


def arrays(*shapes, dtype="float32"):
    rng = np.random.default_rng(1)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def kernels_of(f, *args):
    return mlc.jit(f).lower(*args).compiled.module.kernels


QKV = [(2, 2, 50, 24), (2, 2, 90, 24), (2, 2, 90, 33)]


@pytest.mark.parametrize(
    ("f", "shapes"),
    [
        (attention, QKV),
        (attention, [(130, 16), (140, 16), (140, 20)]),
        (additive, [*QKV, (50, 90)]),
        (by_labels, QKV),
        (with_weights, QKV),
        (heads_in_rows, [(2, 60, 64), (2, 60, 64), (2, 60, 64)]),
    ],
)
def test_products_around_a_softmax_are_one_kernel(f, shapes):
    args = arrays(*shapes)
    views = 1 if f is heads_in_rows else 0  # the last reshape copies
    assert len(kernels_of(f, *args)) == 1 + views
    found, wanted = mlc.jit(f)(*args), f(*(a.astype("float64") for a in args))
    for a, b in zip(*(r if isinstance(r, tuple) else (r,) for r in (found, wanted)), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)


def test_what_the_kernels_handed_each_other_is_not_stored():
    args = arrays((4, 256, 32), (4, 256, 32), (4, 256, 32))
    lowered = mlc.jit(attention).lower(*args)
    module, (code,) = lowered.compiled.module, lowered.compiled.kernels
    assert module.workspace_bytes == 0
    whole = 4 * 256 * 256
    assert all(buffer.size < whole for buffer in code.flat.params)


def test_a_mask_and_rows_that_see_nothing():
    q, k, v = arrays((2, 70, 16), (2, 150, 16), (2, 150, 16))
    allowed = np.arange(150) < np.arange(70)[:, None]
    with np.errstate(invalid="ignore"):
        wanted = masked(*(x.astype("float64") for x in (q, k, v)), allowed)
    assert np.isnan(wanted[:, 0]).all()
    assert len(kernels_of(masked, q, k, v, allowed)) == 1
    np.testing.assert_allclose(mlc.jit(masked)(q, k, v, allowed), wanted, rtol=2e-5, atol=2e-5)


@settings(max_examples=6, deadline=None)
@given(
    batch=st.integers(1, 3),
    rows=st.integers(8, 70),
    columns=st.integers(2, 300),
    depth=st.integers(2, 40),
    width=st.integers(2, 70),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_any_size(batch, rows, columns, depth, width, dtype):
    q, k, v = arrays(
        (batch, rows, depth), (batch, columns, depth), (batch, columns, width), dtype=dtype
    )
    wanted = attention(*(x.astype("float64") for x in (q, k, v)))
    near = 2e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(mlc.jit(attention)(q, k, v), wanted, rtol=near, atol=near)


@pytest.mark.parametrize(
    ("shapes", "why"),
    [
        ([(4, 40, 8), (4, 40, 8), (4, 40, 8)], "all of it stays in the cache"),
        ([(64, 1, 8), (64, 500, 8), (64, 500, 8)], "a row is no block"),
        ([(16, 8), (9000, 8), (9000, 8)], "a block of such rows does not fit"),
    ],
)
def test_kernels_stay_apart_where(shapes, why):
    args = arrays(*shapes)
    assert len(kernels_of(attention, *args)) > 1, why
    np.testing.assert_allclose(mlc.jit(attention)(*args), attention(*args), rtol=1e-4, atol=1e-5)


def test_products_without_a_reduction_of_rows_stay_apart():
    x, w, u = arrays((200, 64), (64, 256), (256, 64))
    assert len(kernels_of(lambda x, w, u: np.maximum(x @ w, 0) @ u, x, w, u)) == 2


def test_devices_get_kernels_of_their_own():
    text = mlc.jit(attention).lower(*arrays(*QKV)).cuda
    assert text.count("__global__") == 1 and "attention_kernel" in text


@pytest.mark.parametrize(
    ("q", "k", "is_part"),
    [
        ((6, 64, 24), (6, 300, 24), True),
        ((2, 3, 64, 24), (2, 3, 300, 24), True),
        ((2, 200, 24), (2, 300, 24), False),  # threads share out rows
        ((6, 64, 24), (300, 24), False),  # all heads read the same
    ],
)
def test_what_a_head_reads_is_packed_right_before_its_rows(q, k, is_part):
    args = arrays(q, k, k)
    with mlc.set_num_threads(2):
        assert ("s.compute_at(" in str(mlc.jit(attention).lower(*args).schedule)) == is_part
    for threads in (1, 2, 5):
        with mlc.set_num_threads(threads):
            wanted = attention(*(x.astype("float64") for x in args))
            np.testing.assert_allclose(mlc.jit(attention)(*args), wanted, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize(
    ("shape", "passed", "seen", "is_copied"),
    [
        ((6, 100, 300, 24), True, False, True),
        ((6, 100, 300, 24), True, True, False),  # two lines are loaded as fast
        ((6, 100, 300, 24), False, False, False),  # what a kernel makes begins a cache line
        ((6, 30, 900, 24), True, False, False),  # few rows
        ((2, 200, 300, 24), True, False, False),  # threads share out rows
    ],
)
def test_values_that_begin_anywhere_are_copied_to_whole_lines(
    monkeypatch, shape, passed, seen, is_copied
):
    monkeypatch.setattr(Target, "looks_ahead", property(lambda target: seen))
    heads, rows, keys, width = shape
    args = arrays((heads, rows, width), (heads, keys, width), (heads, keys, width))

    def function(q, k, v):
        return attention(q, k, v if passed else np.cumsum(v, axis=1))

    with mlc.set_num_threads(2):
        compiled = mlc.jit(function)
        assert ("v_packed" in str(compiled.lower(*args).schedule)) == is_copied
        wanted = function(*(x.astype("float64") for x in args))
        np.testing.assert_allclose(compiled(*args), wanted, rtol=2e-5, atol=2e-5)


@pytest.mark.skipif(host_target().vector_bits < 512, reason="other tiles")
@pytest.mark.parametrize(("heads", "rows"), [(2, 4), (20, 6)])
def test_tiles_with_a_rest_are_made_where_there_is_much_to_multiply(heads, rows):
    q, k, v = arrays(*[(heads, 256, 64)] * 3)
    f = mlc.jit(attention)
    assert f"[None, {rows}])" in str(f.lower(q, k, v).schedule)
    wanted = attention(*(x.astype("float64") for x in (q, k, v)))
    np.testing.assert_allclose(f(q, k, v), wanted, rtol=2e-5, atol=2e-5)
