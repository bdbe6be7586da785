"""Convolution over one to three axes, and transposed: sums over offsets, in NumPy."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlc
from mlc import nn
from mlc.errors import ArgumentError, ShapeError

CONVOLVE = {1: nn.conv1d, 2: nn.conv2d, 3: nn.conv3d}
TRANSPOSE = {1: nn.conv_transpose1d, 2: nn.conv_transpose2d, 3: nn.conv_transpose3d}


def taps(window, dilation):
    for tap in itertools.product(*map(range, window)):
        yield tap, [p * dilation for p in tap]


def convolved(x, w, stride=1, padding=0, dilation=1, groups=1):
    x = np.pad(x, ((0, 0), (0, 0), *((padding, padding),) * (x.ndim - 2)))
    window = w.shape[2:]
    counts = [
        (n - (k - 1) * dilation - 1) // stride + 1 for n, k in zip(x.shape[2:], window, strict=True)
    ]
    x = x.reshape(x.shape[0], groups, -1, *x.shape[2:])
    w = w.reshape(groups, -1, *w.shape[1:])
    out = np.zeros((x.shape[0], groups, w.shape[1], *counts))
    for tap, at in taps(window, dilation):
        places = [slice(a, a + stride * (n - 1) + 1, stride) for a, n in zip(at, counts)]
        seen = x[(slice(None),) * 3 + tuple(places)]
        out += np.einsum("ngc...,goc->ngo...", seen, w[(slice(None),) * 3 + tap])
    return out.reshape(x.shape[0], -1, *counts)


def transposed(x, w, stride=1, padding=0, output_padding=0, dilation=1, groups=1):
    window, sizes = w.shape[2:], x.shape[2:]
    full = [
        (n - 1) * stride + (k - 1) * dilation + 1 + output_padding
        for n, k in zip(sizes, window, strict=True)
    ]
    x = x.reshape(x.shape[0], groups, -1, *sizes)
    w = w.reshape(groups, -1, *w.shape[1:])
    out = np.zeros((x.shape[0], groups, w.shape[2], *full))
    for tap, at in taps(window, dilation):
        places = [slice(a, a + stride * (n - 1) + 1, stride) for a, n in zip(at, sizes)]
        made = np.einsum("ngc...,gco->ngo...", x, w[(slice(None),) * 3 + tap])
        out[(slice(None),) * 3 + tuple(places)] += made
    out = out.reshape(x.shape[0], -1, *full)
    inside = [slice(padding, n - padding) for n in full]
    return out[(slice(None),) * 2 + tuple(inside)]


def arrays(*shapes):
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape) for shape in shapes]


@settings(max_examples=12, deadline=None)
@given(
    ndim=st.integers(1, 3),
    size=st.integers(5, 9),
    window=st.integers(1, 3),
    channels=st.tuples(st.integers(1, 3), st.integers(1, 4)),
    groups=st.integers(1, 2),
    stride=st.integers(1, 3),
    padding=st.integers(0, 1),
    dilation=st.integers(1, 2),
)
def test_as_numpy(ndim, size, window, channels, groups, stride, padding, dilation):
    how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    inputs, outputs = channels
    spatial = tuple(size + d for d in range(ndim))
    x, w = arrays((2, inputs * groups, *spatial), (outputs * groups, inputs, *(window,) * ndim))
    found = mlc.jit(lambda x, w: CONVOLVE[ndim](x, w, **how))(x, w)
    np.testing.assert_allclose(found, convolved(x, w, **how), rtol=1e-11, atol=1e-11)
    w = arrays((inputs * groups, outputs, *(window,) * ndim))[0]
    if (min(spatial) - 1) * stride + (window - 1) * dilation + 1 > 2 * padding:
        how["output_padding"] = stride - 1
        found = mlc.jit(lambda x, w: TRANSPOSE[ndim](x, w, **how))(x, w)
        np.testing.assert_allclose(found, transposed(x, w, **how), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(
    ("sizes", "window", "how"),
    [
        ((7, 6), (4, 4), {"stride": 2, "padding": 1}),
        ((7, 6), (2, 2), {"stride": 2}),
        ((5, 4), (1, 5), {"stride": 3, "output_padding": 2}),
        ((9,), (1,), {"stride": 5, "output_padding": 3}),
        ((9,), (7,), {"stride": 3, "padding": 5, "groups": 2}),
    ],
)
def test_steps_of_transposed_convolutions_multiply_no_zeros(sizes, window, how):
    x, w = arrays((2, 4, *sizes), (4, 3, *window))
    f = lambda x, w: TRANSPOSE[len(sizes)](x, w, **how)
    for found in (mlc.jit(f)(x, w), f(x, w)):
        np.testing.assert_allclose(found, transposed(x, w, **how), rtol=1e-11, atol=1e-11)


def test_bias_pairs_and_dtypes():
    x, w, b = arrays((1, 2, 6, 7, 8), (4, 2, 1, 2, 3), (4,))
    found = nn.conv3d(x, w, b, padding=(0, 1, 1), stride=(1, 2, 1))
    assert found.shape == (1, 4, 6, 4, 8)
    whole = convolved(np.pad(x, ((0, 0), (0, 0), (0, 0), (1, 1), (1, 1))), w)[:, :, :, ::2]
    np.testing.assert_allclose(found, whole + b[:, None, None, None], rtol=1e-11, atol=1e-11)
    x, w = x[:, :, 0, 0].astype("float32"), w[:, :, 0, 0].astype("float32")
    assert nn.conv1d(x, w).dtype == "float32"


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: nn.conv1d(np.ones((1, 2, 3, 4)), np.ones((1, 2, 3))), ShapeError,
         "conv1d: expected x (n, c, ...) and weight (o, c / groups, ...) of 3 dimensions, got "
         "shapes (1, 2, 3, 4) and (1, 2, 3)"),
        (lambda: nn.conv1d(np.ones((1, 2, 3)), np.ones((1, 2, 4))), ShapeError,
         "conv1d: a window of 4 does not fit into 3 (padding included); use a smaller window or "
         "more padding"),
        (lambda: nn.conv3d(np.ones((1, 2, 3, 3, 3)), np.ones((1, 2, 2, 2, 2)), stride=(1, 2)),
         ArgumentError, "conv3d: stride must be an int or 3 ints, got (1, 2)"),
        (lambda: nn.conv_transpose1d(np.ones((1, 2, 3)), np.ones((3, 2, 4))), ShapeError,
         "conv_transpose1d: x has 2 channels (axis 1) and weight wants 3 (axis 0), which must "
         "divide by 1 groups"),
        (lambda: nn.conv_transpose1d(np.ones((1, 2, 1)), np.ones((2, 2, 1)), padding=1), ShapeError,
         "conv_transpose1d: a padding of 1 leaves nothing of the result"),
    ],
)  # fmt: skip
def test_refused(call, error, text):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value).startswith(text)
