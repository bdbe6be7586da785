"""``mlc.numpy`` on mixed arguments: arrays, scalars, lists and numbers of all dtypes, as NumPy."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlc import numpy as mnp

DTYPES = ["bool", "int8", "uint8", "int32", "uint64", "int64", "float16", "float32", "float64"]
DTYPES += ["complex64"]
SHAPES = [(), (3,), (2, 3), (1, 3), (0, 3)]
BINARY = ["add", "multiply", "subtract", "maximum", "less", "equal", "true_divide", "logical_and"]
BINARY += ["bitwise_or", "copysign", "left_shift", "where"]


@st.composite
def operands(draw: Any) -> Any:
    kind = draw(st.sampled_from(["array", "array", "scalar", "int", "float", "bool", "list"]))
    if kind == "int":
        return draw(st.sampled_from([0, 1, -1, 3, 127, 128, 255, 300, -129, 2**31, 2**63, 2**64]))
    if kind == "float":
        return draw(st.sampled_from([0.0, -0.0, 1.5, 1e300, float("inf"), float("nan")]))
    if kind == "bool":
        return draw(st.booleans())
    if kind == "list":
        return draw(st.sampled_from([[1, 2, 3], [0.5, 2, -1], [True, False, True], []]))
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    shape = draw(st.sampled_from(SHAPES)) if kind == "array" else ()
    numbers = np.random.default_rng(draw(st.integers(0, 3))).integers(-4, 9, shape)
    array = numbers.astype(dtype)
    if kind == "scalar":
        return array[()]
    return array.T if draw(st.booleans()) and array.ndim == 2 and array.shape[0] else array


def outcome(function: Any, args: Any) -> Any:
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return function(*args)
        except (TypeError, ValueError, OverflowError) as error:
            return type(error), str(error)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(BINARY), operands(), operands())
@example("add", np.uint8([1, 2, 3]), 300)
@example("less", np.uint8([1, 2, 3]), 300)
@example("where", np.float32([1, 2, 3]), 2**64)
def test_as_numpy(name: str, x: Any, y: Any) -> None:
    args = ([True, False, True], x, y) if name == "where" else (x, y)
    want, got = outcome(getattr(np, name), args), outcome(getattr(mnp, name), args)
    assert type(got) is type(want)
    if not isinstance(want, tuple):
        assert (got.dtype, got.shape) == (want.dtype, want.shape)
        np.testing.assert_allclose(got, want, rtol=1e-6)
        assert np.array_equal(np.signbit(got.real), np.signbit(want.real)) or np.isnan(want).any()
