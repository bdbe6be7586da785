"""Python's statistics and bisect over traced numbers."""

from __future__ import annotations

import bisect
import statistics
from typing import Any

import numpy as np
import pytest

import mlc

_X = np.random.default_rng(3).random(9)


def described(x: Any) -> Any:
    values = x.tolist()
    return (
        statistics.fmean(values), statistics.mean(values), statistics.median(values),
        statistics.stdev(values), statistics.pstdev(values), statistics.pvariance(values),
        statistics.variance(v * 2 for v in values), statistics.variance(values, 0.5),
        statistics.fmean(values, weights=values[::-1]),
        statistics.correlation(values, values[::-1]), statistics.covariance(values, values[::-1]),
    )  # fmt: skip


def chosen(x: Any) -> Any:
    large = []
    for v in x:
        if v > 0.5:
            large.append(v)
    return statistics.fmean(large), statistics.pstdev(large)


@pytest.mark.parametrize("function", [described, chosen])
def test_statistics(function: Any) -> None:
    got, expected = mlc.jit(function)(_X), function(_X)
    assert [type(v) for v in got] == [float] * len(expected)
    np.testing.assert_allclose(got, expected, rtol=1e-13)


def places(x: Any) -> Any:
    values = x.tolist()  # in no order: the same halves are looked at
    return (
        [bisect.bisect(values, v) for v in values], bisect.bisect_left([0.1, 0.5, 0.9], x[0]),
        bisect.bisect_left(values, values[3], 2, 6), bisect.bisect_right(values[:0], x[0]),
        bisect.bisect_left(values, -x[1], key=lambda v: -v),
    )  # fmt: skip


def longest_rise(x: Any) -> Any:
    tails: list[Any] = []
    for v in x:
        n = bisect.bisect_left(tails, v)
        if n == len(tails):
            tails.append(v)
        else:
            tails[n] = v
    return len(tails), tails


@pytest.mark.parametrize("function", [places, longest_rise])
@pytest.mark.parametrize("size", [9, 60])
def test_bisect(function: Any, size: int) -> None:
    x = np.round(np.random.default_rng(size).random(size), 1 if size == 9 else 3)
    assert mlc.jit(function)(x) == function(x)


def test_too_few() -> None:
    with pytest.raises(statistics.StatisticsError, match="at least two"):
        mlc.jit(lambda x: statistics.stdev(x.tolist()[:1]))(_X)


def test_whole_numbers_are_refused_where_they_decide_about_the_type() -> None:
    def mean(x: Any) -> Any:
        return statistics.mean(x.tolist())

    with pytest.raises(mlc.UnsupportedError, match="an int or a float, which only they decide"):
        mlc.jit(mean)(np.arange(4))
