"""Filters of scipy.signal in traced functions, beside SciPy's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc

ss = pytest.importorskip("scipy.signal")

RNG = np.random.default_rng(6)
LINE = RNG.normal(size=60)
BLOCK = RNG.normal(size=(2, 40, 3))
B, A = ss.butter(3, 0.3)
SECTIONS = ss.butter(5, 0.3, output="sos")


def check(function: Any, *args: Any) -> None:
    found, wanted = mlc.jit(function)(*args), function(*args)
    pairs = zip(found, wanted) if isinstance(wanted, tuple) else [(found, wanted)]
    for one, other in pairs:
        assert type(one) is type(other) and one.dtype == other.dtype and one.shape == other.shape
        tolerance = 1e4 * np.finfo(other.dtype).eps if other.dtype.kind in "fc" else 0.0
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


def lines(x: Any, weight: Any) -> Any:
    return (
        ss.lfilter(B, A, x), ss.lfilter([1.0, 0.5, 0.25], [2.0], x), ss.lfilter([2.0], 4.0, x),
        ss.lfilter([weight], [1, weight - 1], x), ss.lfilter(np.ones(20) / 20, [1.0, 0.1], x),
        ss.sosfilt(SECTIONS, x), ss.filtfilt(B, A, x), ss.sosfiltfilt(SECTIONS, x),
        ss.filtfilt(B, A, x, padtype="even", padlen=7), ss.filtfilt(B, A, x, padtype="constant"),
        ss.filtfilt(B, A, x, padtype=None), ss.lfilter([1.0, 1j], [1.0], x),
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["f8", "f4", "i8", "c16"])
def test_lines(kind: str) -> None:
    x = (LINE * 9).astype(kind) + (1j * LINE[::-1] if kind == "c16" else 0)
    check(lines, x.astype(kind), 0.3)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_axes_and_states(axis: int) -> None:
    shape = tuple(3 if d == axis % 3 else n for d, n in enumerate(BLOCK.shape))
    start = RNG.normal(size=shape)

    def of_block(x: Any, z: Any) -> Any:
        y, end = ss.lfilter(B, A, x, axis, z)
        return y, end, ss.lfilter(B, [1.0], x, axis, z)[1], ss.sosfilt(SECTIONS, x, axis=axis)

    check(of_block, BLOCK, start)


def test_states_of_sections() -> None:
    check(lambda x, z: ss.sosfilt(SECTIONS, x, 1, z), BLOCK, RNG.normal(size=(3, 2, 2, 3)))
    check(lambda x, z: ss.lfilter(B, A, x, 1, z), BLOCK, RNG.normal(size=(1, 3, 1)))


def whole(x: Any) -> Any:
    return (
        ss.hilbert(x), ss.hilbert(x, 33), ss.detrend(x), ss.detrend(x, type="constant"),
        ss.detrend(x, bp=[20, 33]), ss.correlate(x, x[:7]), ss.correlate(x, x[:7], "same"),
        ss.correlate(x[:5], x[:9], "valid"), ss.convolve(x, x[:4], "same"),
    )  # fmt: skip


def test_whole_signals() -> None:
    check(whole, LINE)
    check(whole, (LINE * 9).astype(int))
    check(lambda x: (ss.detrend(x, axis=1), ss.hilbert(x, axis=0)), BLOCK)
    plane = BLOCK[0]
    check(lambda u, v: (ss.convolve(u, v), ss.correlate(v, u, "same")), plane, plane[:4, :2])


def test_responses() -> None:
    check(lambda b, a: (*ss.freqz(b, a, 64, fs=100.0), ss.lfilter_zi(b, a)), B, A)
    check(lambda w: ss.freqz(B, A, w), np.array([0.1, 0.3]))
    check(lambda b, w: ss.freqz(b, A, w), B, 0.3)


@pytest.mark.parametrize("count", [5, np.int64(6), np.uint8(7)])
def test_as_many_frequencies_as_an_argument_says(count: Any) -> None:
    check(lambda b, n: ss.freqz(b, A, int(n * 2)), B, count)
    check(lambda b: ss.freqz(b, A, count), B)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: ss.lfilter([1.0, 1.0], [0.0, 1.0], x),
        lambda x: ss.lfilter([[1.0]], [1.0], x),
        lambda x: ss.lfilter([1, 1], [1, 1], x.astype(int)),
        lambda x: ss.lfilter([1, 1], [1], x.astype(int)),
        lambda x: ss.lfilter([1.0, 1.0], [1.0, 0.5], x, 3),
        lambda x: ss.filtfilt(B, A, x[:9]),
        lambda x: ss.sosfilt(2 * SECTIONS, x),
    ],
)
def test_errors_are_those_of_scipy(function: Any) -> None:
    with pytest.raises((ValueError, NotImplementedError)) as wanted:
        function(LINE)
    with pytest.raises(wanted.type) as found:
        mlc.jit(function)(LINE)
    assert str(found.value).startswith(str(wanted.value).strip())


def test_what_is_refused() -> None:
    with pytest.raises(mlc.UnsupportedError, match="complex coefficients of what came out"):
        mlc.jit(lambda x: ss.lfilter([1.0], [1.0, 0.5j], x))(LINE)
    with pytest.raises(mlc.UnsupportedError, match="method='gust' cannot be traced"):
        mlc.jit(lambda x: ss.filtfilt(B, A, x, method="gust"))(LINE)
