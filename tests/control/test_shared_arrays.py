"""Arrays with two names after a branch: reading them works, a write is refused, never lost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc


def chosen(a: Any, b: Any) -> Any:
    if a.sum() > 0:
        t = a
    else:
        t = b
    return t + 1


def swapped(a: Any, b: Any) -> Any:
    if a.sum() > 0:
        a, b = b, a
    return a - b


def copied(a: Any, b: Any) -> Any:
    t = b.copy()
    if a.sum() > 0:
        t = a.copy()
    t += 1
    return t


def written(a: Any, b: Any) -> Any:
    if a.sum() > 0:
        t = a
    else:
        t = b
    t[0] = 5
    return t


def viewed(a: Any, b: Any) -> Any:
    if a.sum() > 0:
        t = a * 2
    else:
        t = a[::-1]
    np.multiply(t, b, out=t)
    return t


def owner_written(a: Any, b: Any) -> Any:
    t = b
    if a.sum() > 0:
        t = a
    a += 1
    return t


def argument_renamed(a: Any, b: Any) -> Any:
    if a.sum() > 0:
        a = a * b
    a[0] = 1
    return a


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("function", [chosen, swapped, copied])
def test_it_may_be_read(function: Any, sign: int) -> None:
    a, b = np.arange(6.0).reshape(2, 3) * sign, np.ones((2, 3))
    np.testing.assert_array_equal(mlc.jit(function)(a, b), function(a, b))


@pytest.mark.parametrize("function", [written, viewed, owner_written, argument_renamed])
def test_a_write_is_refused(function: Any) -> None:
    a, b = np.arange(6.0).reshape(2, 3), np.ones((2, 3))
    with pytest.raises(mlc.UnsupportedError, match="may be the same array, which only the run"):
        mlc.jit(function)(a, b)


def returned_from_a_loop(a: Any, b: Any) -> Any:
    u = a.copy()
    rounds = 0
    while True:
        change = 0.0
        for i in range(1, 3):
            new = (u[0, i - 1] + u[0, i] + b[0, i]) / 4
            change = max(change, abs(new - u[0, i]))
            u[0, i] = new
        rounds += 1
        if change < 1e-6:
            return u, rounds


def returned_early(a: Any, b: Any) -> Any:
    u = a * 1
    if b[0, 0] > a[0, 1]:
        return u
    u[0] = 7
    return u + b


def taken_at_once(a: Any, b: Any) -> Any:
    rows = a.copy()
    mean = (b + (rows[0] if a[1, 2] < 0 else rows[1])) / 2
    rows[1] = mean[0]
    rows[0] = b[0] if mean[0, 1] > 1 else rows[1]
    rows[0, 0] = 5
    return rows, mean


def returned_before_the_end(a: Any, b: Any) -> Any:
    u = a * 1
    for i in range(20):
        try:
            if u[0, 0] > 3:
                return u
        finally:
            u[1, 1] = i
        u[0] += b[0]
    return u


def taken_before_a_call(a: Any, b: Any) -> Any:
    rows = a.copy()

    def clear() -> Any:
        rows[:] = 0
        return b

    return (rows if a[0, 1] > 0 else b) + clear()


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("function", [returned_from_a_loop, returned_early, taken_at_once])
def test_what_nobody_reads_any_more_is_written(function: Any, sign: int) -> None:
    a, b = np.arange(6.0).reshape(2, 3) * sign, np.ones((2, 3))
    for got, expected in zip(mlc.jit(function)(a, b), function(a, b), strict=True):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("function", [returned_before_the_end, taken_before_a_call])
def test_what_is_written_after_it_was_chosen_is_refused(function: Any) -> None:
    a, b = np.arange(6.0).reshape(2, 3), np.ones((2, 3))
    with pytest.raises(mlc.UnsupportedError, match="may be the same array, which only the run"):
        mlc.jit(function)(a, b)


def test_what_a_helper_returns_early_may_be_what_it_was_given() -> None:
    def smoothed(u: Any) -> Any:
        if u[0, 0] > 3:
            return u
        return u + 1

    def whole(a: Any, b: Any) -> Any:
        u = a.copy()
        v = smoothed(u)
        u[0] = 7
        return v + b

    a, b = np.arange(6.0).reshape(2, 3), np.ones((2, 3))
    with pytest.raises(mlc.UnsupportedError, match="may be the same array, which only the run"):
        mlc.jit(whole)(a, b)


def read_in_a_loop(x: Any) -> Any:
    x = x * 1.0
    old, k = x[2], 0
    while x[0, 0] < 1000:
        x[2] = x[2] + 1
        x[0] = x[0] + old
        old = x[1] * 2
        k += 1
    return x, old, k


def read_where_it_is_not_given_anew(x: Any) -> Any:
    x = x * 1.0
    old = x[2]
    for _ in mlc.range(5):
        if x[0, 0] > 3:
            old = x[1].copy()
        x[2] = x[2] + 1
        x[0] = x[0] + old
    return x, old


def whole_in_a_loop(x: Any) -> Any:
    x = x * 1.0
    old = x
    for _ in mlc.range(5):
        x[1] = x[1] + 1
        x[0] = x[0] + old[1]
        old = x * 1
    return x, old


@pytest.mark.parametrize(
    "function", [read_in_a_loop, read_where_it_is_not_given_anew, whole_in_a_loop]
)
def test_a_loop_reads_no_array_that_it_writes_to_by_another_name(function: Any) -> None:
    with pytest.raises(mlc.UnsupportedError, match="writes to an array that old is too, reads old"):
        mlc.jit(function)(np.arange(9.0).reshape(3, 3))


def written_after_a_loop(x: Any) -> Any:
    x = x * 1.0
    old = x
    for _ in mlc.range(5):
        if x[0, 0] > 1e3:
            old = x * 2
    x[2] = 70
    return x, old


def written_after_a_loop_that_may_not_run(x: Any) -> Any:
    x = x * 1.0
    old, k = x, 0
    while x.sum() > 1e3 + k:
        old = x * 2
        k += 1
    x[2] = 70
    return x, old


def written_after_a_branch(x: Any) -> Any:
    x = x * 1.0
    old = x[2]
    if x[0, 0] > 1e3:
        old = x[1] * 2
    x[2] = 70
    return x, old


@pytest.mark.parametrize(
    "function",
    [written_after_a_loop, written_after_a_loop_that_may_not_run, written_after_a_branch],
)
def test_what_another_name_may_still_be_is_not_written(function: Any) -> None:
    with pytest.raises(mlc.UnsupportedError, match="after a branch or loop old and an array from"):
        mlc.jit(function)(np.arange(9.0).reshape(3, 3))


def written_after_it_is_read(x: Any) -> Any:
    x = x * 1.0
    old, d = x, 0.0
    for _ in mlc.range(5):
        d = np.abs(x - old).sum()
        old = x.copy()
        x[1] = x[1] * 2 + d
    return x, old, d


def read_in_a_branch(x: Any) -> Any:
    x = x * 1.0
    old = x[2]
    if x[0, 0] >= 0:
        x[2] = x[2] + 1
        x[0] = old
        old = x[1].copy()
    return x, old


def alone_after_a_branch(x: Any) -> Any:
    x = x * 1.0
    if x[0, 0] > 1e3:
        x = x * 2
    x[2] = 70
    return x, 1


@pytest.mark.parametrize(
    "function", [written_after_it_is_read, read_in_a_branch, alone_after_a_branch]
)
def test_two_names_as_python(function: Any) -> None:
    x = np.arange(9.0).reshape(3, 3)
    for got, expected in zip(mlc.jit(function)(x), function(x), strict=True):
        np.testing.assert_allclose(got, expected)
