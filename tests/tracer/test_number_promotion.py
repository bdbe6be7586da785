"""Where a Python number beside arrays promotes as a number, and where NumPy makes it an array."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import numpy as np
import pytest

import mlc
import mlc.testing
from mlc.dtypes import bfloat16

CALLS: dict[str, Callable[[Any, Any], Any]] = {
    "asarray": lambda n, x: np.asarray(n) + x,
    "asanyarray": lambda n, x: np.asanyarray(n) + x,
    "ascontiguousarray": lambda n, x: np.ascontiguousarray(n) + x[0],
    "atleast_1d": lambda n, x: np.atleast_1d(n) + x,
    "squeeze": lambda n, x: np.squeeze(n) + x,
    "transpose": lambda n, x: np.transpose(n) + x,
    "flip": lambda n, x: np.flip(n) + x,
    "clip of a number": lambda n, x: np.clip(n, x, x),
    "clip by a number": lambda n, x: np.clip(x, n, n),
    "append": lambda n, x: np.append(n, x),
    "r_": lambda n, x: np.r_[n, x],
    "c_": lambda n, x: np.c_[[n] * 4, x],
    "linspace": lambda n, x: np.linspace(n, x[3], 4),
    "polyval at a number": lambda n, x: np.polyval(x, n),
    "polyval by numbers": lambda n, x: np.polyval([n, n], x),
    "where": lambda n, x: np.where(x > 1, n, x),
    "dot": lambda n, x: np.dot(n, x),
    "outer": lambda n, x: np.outer(n, x),
    "add": lambda n, x: np.add(n, x),
    "add.outer": lambda n, x: np.add.outer(n, x),
    "add.reduce": lambda n, x: np.add.reduce(n) * x,
    "maximum.reduce": lambda n, x: np.maximum.reduce(n, axis=-1) * x,
    "real": lambda n, x: np.real(n) * x,
    "complex128": lambda n, x: np.complex128(n + 1j) * x,
    "add of complex numbers": lambda n, x: np.add(n, 1j) * x[0],
    "square of a complex number": lambda n, x: np.square(n + 1j) * 0.5 + x[0],
}


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32"])
@pytest.mark.parametrize("name", CALLS)
def test_as_numpy(name: str, dtype: str) -> None:
    call, x = CALLS[name], np.arange(4).astype(dtype)
    for number in (3, 2.0):
        expected, found = call(number, x), mlc.jit(call)(number, x)
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape), number
        np.testing.assert_allclose(found, expected, rtol=1e-3 if dtype == "float16" else 1e-6)


def _vectors(function: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    return lambda a, b: function([np.broadcast_to(v, 4) for v in (a, b)])


_TWO = [
    "add", "subtract", "multiply", "divide", "power", "maximum", "arctan2", "float_power",
    "remainder", "logaddexp", "bitwise_and", "left_shift", "greater", "logical_or",
    "dot", "inner", "outer", "kron", "convolve", "correlate", "append", "union1d", "intersect1d",
    "setdiff1d", "setxor1d", "isin", "linspace", "polyval", "polyadd", "polymul", "full_like",
    "isclose", "result_type", "tensordot", "add.outer", "multiply.outer", "maximum.outer", "ldexp",
]  # fmt: skip
PAIRS: dict[str, Callable[[Any, Any], Any]] = {
    **{name: operator.attrgetter(name)(np) for name in _TWO},
    "tensordot": lambda a, b: np.tensordot(a, b, 0),
    "result_type": lambda a, b: np.zeros(2, np.result_type(a, b)),
    "where": lambda a, b: np.where([True, False, True, True], a, b),
    "select": lambda a, b: np.select([np.ones(4, bool), np.zeros(4, bool)], [a, b]),
    "choose": lambda a, b: np.choose([0, 1, 0, 1], [a, b]),
    "insert": lambda a, b: np.insert(a, 0, b),
    "clip": lambda a, b: np.clip(a, b, b),
    "nan_to_num": lambda a, b: np.nan_to_num(a, nan=b),
    "einsum": lambda a, b: np.einsum("...,...->...", a, b),
    "hstack": lambda a, b: np.hstack([a, b]),
    "stack": _vectors(np.stack),
    "concatenate": _vectors(np.concatenate),
    "block": lambda a, b: np.block([a, b]),
    "r_": lambda a, b: np.r_[a, b],
    "diff": lambda a, b: np.diff(a, append=b),
    "pad": lambda a, b: np.pad(a, 1, constant_values=b),
}


@pytest.mark.parametrize("dtype", ["uint8", "float32", "complex64"])
@pytest.mark.parametrize("name", PAIRS)
def test_dtypes_beside_numbers_as_numpy(name: str, dtype: str) -> None:
    """Only traced: what is compared is the dtype of what the function made."""
    call, x = PAIRS[name], (np.arange(4) + 1).astype(dtype)
    numbers = (3, 2.0, 1 - 2j, True)
    pairs = [(n, v) for n in numbers for v in (x, x[0])]
    alone = [(n, n) for n in numbers] if dtype == "uint8" else []  # of no dtype: asked once
    for one, two in [*pairs, *((v, n) for n, v in pairs), *alone]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                wanted = np.asarray(call(one, two)).dtype
        except (TypeError, ValueError, OverflowError):
            continue
        found: SimpleQueue[Any] = SimpleQueue()  # into which tracing does not look

        def kept(a: Any, b: Any, found: SimpleQueue[Any] = found) -> Any:
            found.put(call(a, b))
            return a

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                _ = mlc.jit(kept).lower(one, two).graph
        except mlc.MlcError:  # a clear refusal
            continue
        made = found.get_nowait()
        assert np.dtype(getattr(made, "dtype", type(made))) == wanted, (one, two)


def test_squares_of_booleans_are_small() -> None:
    x = np.array([True, False])
    mlc.testing.check_against_numpy(lambda x: (x**2, -(x**2), x[:0] ** 2, x**3, 2**x), x)
    mlc.testing.check_against_numpy(lambda x: (x.any() ** 2, np.power(x, 2), x**2.0, x**True), x)
    mlc.testing.check_against_numpy(lambda x: (x[x] ** 2, x[~x & x] ** 2, x[x] ** 3), x)
    with pytest.raises(mlc.MlcError):
        mlc.jit(lambda x: x.__ipow__(2))(x)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "bool", "float32"])
def test_at_takes_numbers_as_arrays_and_casts_back(dtype: str) -> None:
    """Also what the dtype does not hold: 1 + 1.5 + 1.5 is 3 among whole numbers."""
    x = np.array([1, 2, 3, 1]).astype(dtype)

    def program(x: Any) -> Any:
        made = []
        for value in (-1, 300, 1.5, True, 2**40, np.int64(-2), np.array([1, 2, 7])):
            y = x.copy()
            if np.ndim(value) == 0:
                np.add.at(y, 0, value)
            np.add.at(y, [0, 1, 0], value)
            np.maximum.at(y, [2, 2, 1], value)
            np.minimum.at(y.reshape(2, 2), ([0, 1, 1], 1), value)
            made.append(y)
        return made

    mlc.testing.check_against_numpy(program, x)


def test_scalars_made_of_numbers_promote_as_arrays() -> None:
    def program(x: Any, k: Any) -> Any:
        return np.float64(k) + x, (np.float64(k * 1) + 1) * x, np.float32(k) * x, np.int64(k) * x

    x = np.ones(3, np.float32)
    mlc.testing.check_against_numpy(program, x, 1.5)
    mlc.testing.check_against_numpy(program, x, 2)
    mlc.testing.check_against_numpy(lambda x, k: np.int64(k) + x, x.astype(np.int8), 2)


def test_casting_unsafe() -> None:
    """Arguments are cast to what `dtype` asks for, whatever they are."""
    half, wide = np.array([0.96875, -1.625], bfloat16.numpy), np.array([3.7, -0.4])
    for x, y in [(half, 0.5), (half, 2), (half, half), (wide, half), (wide, wide)]:
        for dtype in (np.float16, np.float32, np.float64, np.int32):

            def added(x: Any, y: Any, dtype: Any = dtype) -> Any:
                return np.add(x, y, dtype=dtype, casting="unsafe")

            mlc.testing.check_against_numpy(added, x, y)
    mlc.testing.check_against_numpy(
        lambda x: np.sqrt(x, dtype=np.float16, casting="unsafe"), abs(half)
    )
    mlc.testing.check_against_numpy(
        lambda x: np.add(x, 3.9, dtype=np.int32, casting="unsafe"), wide
    )
    with pytest.raises(mlc.DTypeError, match=r"np.add has no loop for \(bfloat16, Python float\)"):
        mlc.jit(lambda x: np.add(x, 0.5, dtype=np.float16))(half)
    mlc.testing.check_against_numpy(
        lambda x: np.add(x, True, dtype=np.float16, casting="unsafe"), wide
    )
    with pytest.raises(mlc.DTypeError, match=r"np.less has no loop for .* with dtype=uint8"):
        mlc.jit(lambda x: np.less(x, 1, dtype=np.uint8))(wide)
