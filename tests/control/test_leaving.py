"""Loops whose first iteration is their last."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc
from mlc.testing import check_against_numpy


def at_once(x: Any) -> Any:
    s = 0
    for i, row in enumerate(x):
        if i == 0:
            break
        s = s + row.sum() * i
    return x.astype(np.int8) + s, i


def after_counting(x: Any) -> Any:
    s = n = 0
    for row in x:
        n += 1
        if n >= 1 and len(x) > 3:
            break
        s += row.sum()
    else:
        s = 7.0
    return x.astype(np.uint8) + s, n


def in_the_second(x: Any) -> Any:
    s = 0
    for i in range(len(x)):
        if i > 0:
            break
        s += x[i]
    return s, i


def where_data_decide(x: Any) -> Any:
    s = 0.0
    for i in range(len(x)):
        if i == 0 and x[0, 0] > 3:
            break
        s += x[i].sum()
    return s, i


@pytest.mark.parametrize("function", [at_once, after_counting, in_the_second, where_data_decide])
def test_what_no_iteration_binds_stays_as_it_was(function: Any) -> None:
    x = np.arange(500.0).reshape(250, 2)
    for values in (x, x + 10):
        check_against_numpy(function, values)


def test_loops_within_loops_are_left_at_once() -> None:
    def program(x: Any) -> Any:
        count = np.zeros(len(x))
        for k in range(len(x)):
            for i in range(300):
                if i == 0:
                    break
                count[k] += x[k] * i
            count[k] += x[k]
        return count

    x = np.arange(200.0)
    np.testing.assert_array_equal(mlc.jit(program)(x), x)


def converged(a: Any, most: float) -> Any:
    p = np.identity(len(a))
    for i in range(200):
        error = np.abs(a).max()
        if error < most:
            return np.diagonal(a), p[1:]
        a[i % 2] *= 0.9
        a[2] *= 0.8
        p[i % 2] += error
    return None


def first_row(a: Any, most: float) -> Any:
    while a.sum() > 1:
        for i in range(len(a)):
            if a[i].max() < most:
                return a[i, ::-1]
            a[i] *= 0.5
    return a[0]


def rows_of(a: Any, most: float) -> Any:
    def found() -> Any:
        for _ in range(200):
            if a[0].max() < most:
                return a[0]
            a[0] *= 0.5
        return a[1]

    row = found()
    row += 1
    return a


@pytest.mark.parametrize("function", [converged, first_row])
def test_views_of_what_a_loop_writes_are_returned_from_it(function: Any) -> None:
    a = np.random.default_rng(3).uniform(1, 2, (3, 3))
    for most in (0.5, 1e-3):
        check_against_numpy(function, a, most)


def test_views_that_a_caller_writes_to_are_no_copies() -> None:
    a = np.random.default_rng(3).uniform(1, 2, (3, 3))
    check_against_numpy(rows_of, a, 0.1)
