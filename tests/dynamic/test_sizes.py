"""One compilation for many sizes: the values are NumPy's for each of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlc

SIZES = (33, 2, 5, 64, 100, 257, 1000, 4097, 70000)


def softmax(x: Any) -> Any:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def column_softmax(x: Any) -> Any:
    e = np.exp(x - x.max(axis=0))
    return e / e.sum(axis=0)


def moments(x: Any) -> Any:
    return x.mean(), x.mean(axis=0), x.var(axis=0), x.std(axis=1)


def places(x: Any) -> Any:
    return x.argmax(axis=0), x.argmin(axis=1), (x > 0.5).any(axis=0), np.isnan(x).all()


def edges(x: Any) -> Any:
    return x[0], x[-1], x[1] + x[-2], x[::-1], x[1:] - x[:-1], np.roll(x, 1, axis=0)


def shapes(x: Any) -> Any:
    n, k = x.shape
    return x.reshape(n * k), x.reshape(-1, 2).sum(axis=1), x.T, np.zeros(n), np.arange(n) * n


def joined(x: Any) -> Any:
    return np.concatenate([x, x * 2], axis=0), np.concatenate([x, x], axis=1), np.stack([x, -x])


def padded(x: Any) -> Any:
    return np.pad(x[:, 0], 1), np.where(np.arange(x.shape[0])[:, None] % 2 == 0, x, -x)


def sized(x: Any) -> Any:
    scale = len(x) + x.shape[0] // 2
    return x / scale, x.size, x[: x.shape[0] // 2] if len(x) < 0 else x * len(x)


def gathered(x: Any) -> Any:
    table = np.linspace(0, 1, 11)
    return table[(x * 10).astype("int64")], x[np.array([0, 1, 0])]


def gram(x: Any) -> Any:
    return x.T @ x, x @ np.ones((8, 3), "float32"), (x * x).sum()


def scanned(x: Any) -> Any:
    return np.cumsum(x, axis=0) * 2, np.cumsum(x[:, 0]), np.maximum.accumulate(x - x.mean(axis=0))


def ordered(x: Any) -> Any:
    return np.sort(x + 1, axis=1), np.median(x, axis=1)


def looped(x: Any) -> Any:
    total = np.zeros(8)
    past = np.zeros_like(x)
    for i in mlc.range(1, x.shape[0]):
        total = total * 0.9 + x[i]
        past[i] = past[i - 1] * 0.5 + x[i]
    k = 0
    while k < x.shape[0] and x[k, 0] < 0.9:
        k += 1
    return total * x.sum(axis=0), past + 1, k


FUNCTIONS = (
    softmax, column_softmax, moments, places, edges, shapes, joined, padded, sized, gathered, gram,
)  # fmt: skip


def same(found: Any, wanted: Any) -> None:
    if isinstance(wanted, tuple):
        assert len(found) == len(wanted)
        for pair in zip(found, wanted, strict=True):
            same(*pair)
        return
    found, wanted = np.asarray(found), np.asarray(wanted)
    assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype)
    np.testing.assert_allclose(found, wanted, rtol=2e-4, atol=2e-5)


def rows(n: int, k: int = 8) -> Any:
    return np.random.default_rng(n).random((n, k), "float32")


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_one_compilation_serves_all_sizes(function: Callable[..., Any]) -> None:
    jitted = mlc.jit(dynamic={"x": {0: "n"}})(function)
    for n in SIZES:
        x = rows(n)
        same(jitted(x), function(x))
    assert [row.signature for row in jitted.cache_info()] == ["x: float32[n, 8]"]


@pytest.mark.parametrize("function", [softmax, column_softmax], ids=lambda f: f.__name__)
def test_empty_and_single_rows_need_no_other_code(function: Callable[..., Any]) -> None:
    jitted = mlc.jit(dynamic=True)(function)
    for n in (1, 7, 0):
        if n or function is not column_softmax:
            same(jitted(rows(n)), function(rows(n)))
    assert len(jitted.cache_info()) == 1


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_smallest_sizes(function: Callable[..., Any]) -> None:
    jitted = mlc.jit(dynamic=True)(function)
    for n in (3, 1, 0):
        with np.errstate(all="ignore"):
            try:
                wanted = function(rows(n))
            except (IndexError, ValueError):
                with pytest.raises((IndexError, ValueError)):
                    jitted(rows(n))
                continue
        if n:
            same(jitted(rows(n)), wanted)


def test_errors_of_empty_arrays_are_numpys() -> None:
    jitted = mlc.jit(dynamic=True)(column_softmax)
    jitted(rows(9))
    with pytest.raises(ValueError, match="empty"):
        jitted(rows(0))


def test_two_arguments_share_a_size() -> None:
    @mlc.jit(dynamic={"x": {0: "n"}, "y": {1: "n"}})
    def product(x: Any, y: Any) -> Any:
        return y @ x, x.T + y

    for n in (20, 3, 5000):
        x, y = rows(n), rows(n).T
        same(product(x, y), (y @ x, x.T + y))
        same(product(x, np.ascontiguousarray(y)), (y @ x, x.T + y))
    assert len(product.cache_info()) == 1
    with pytest.raises(
        mlc.ArgumentError,
        match=r"product was called with two sizes for n: 3 \(axis 0 of x\) and 4 \(axis 1 of y\)",
    ):
        product(rows(3), rows(4).T)


def test_layouts_of_arguments_do_not_count() -> None:
    @mlc.jit(dynamic={"x": "n"})
    def double(x: Any) -> Any:
        return x * 2, x.sum(axis=0)

    for x in (rows(50), rows(90)[::2], rows(70)[:, ::-1], np.asfortranarray(rows(33)), rows(9)[2:]):
        same(double(x), (x * 2, x.sum(axis=0)))
    assert len(double.cache_info()) == 1


def test_branches_on_a_size_are_those_of_the_size() -> None:
    @mlc.jit(dynamic=True)
    def stepwise(x: Any) -> Any:
        return x * 2 if x.shape[0] > 50 else x + 1

    for n in (5, 60, 7, 51, 50, 1000):
        same(stepwise(rows(n)), rows(n) * 2 if n > 50 else rows(n) + 1)
    assert 2 <= len(stepwise.cache_info()) <= 3


def test_writes_and_out() -> None:
    @mlc.jit(dynamic={"x": {0: "n"}})
    def shift(x: Any) -> Any:
        x += 1
        return x.sum(axis=0)

    @mlc.jit(dynamic=True)
    def double(x: Any) -> Any:
        return x * 2

    for n in (8, 3, 900):
        x = rows(n)
        same(shift(x), (rows(n) + 1).sum(axis=0))
        same(x, rows(n) + 1)
        out = np.empty_like(x)
        assert double(x, out=out) is out
        same(out, x * 2)
        double(x, out=x)
        same(x, out)
    assert len(shift.cache_info()) == len(double.cache_info()) == 1


def test_what_the_function_reads_may_change() -> None:
    scale = [2.0]

    @mlc.jit(dynamic=True)
    def scaled(x: Any) -> Any:
        return x * scale[0]

    same(scaled(rows(5)), rows(5) * 2)
    scale[0] = 3.0
    same(scaled(rows(5)), rows(5) * 3)
    same(scaled(rows(6)), rows(6) * 3)


def test_sizes_that_divide() -> None:
    @mlc.jit(dynamic={"x": {0: mlc.dim("n", multiple_of=4)}})
    def pooled(x: Any) -> Any:
        n, k = x.shape
        return x.reshape(n // 4, 4, k).max(axis=1) + 1, x[::2], x[: n // 2].sum(axis=0)

    for n in (64, 8, 1000, 20000):
        same(pooled(rows(n)), pooled.__wrapped__(rows(n)))
    assert len(pooled.cache_info()) == 1


ELEMENTWISE: tuple[Callable[[Any], Any], ...] = (
    lambda x: x * 2 + 1,
    np.exp,
    lambda x: np.maximum(x, 0.25),
    lambda x: x - x.mean(axis=0),
    lambda x: x / (1 + x.sum(axis=1, keepdims=True)),
    lambda x: x[::-1],
    lambda x: np.concatenate([x[1:], x[:1]]),
    lambda x: x - x.max(),
    lambda x: x.reshape(-1, 2, 4)[:, ::-1].reshape(-1, 8),
    lambda x: x @ np.eye(8, dtype=x.dtype),
    lambda x: x + np.arange(x.shape[0], dtype=x.dtype)[:, None] / x.shape[0],
    lambda x: np.where(x > x[0], x, x[-1]),
)
ENDS: tuple[Callable[[Any], Any], ...] = (
    lambda x: x, lambda x: x.sum(axis=0), lambda x: x.min(), lambda x: x.T, lambda x: x[1:-1],
)  # fmt: skip


@pytest.mark.parametrize("function", [scanned, ordered, looped], ids=lambda f: f.__name__)
def test_scans_sorts_and_loops_have_one_program(function: Callable[..., Any]) -> None:
    jitted = mlc.jit(dynamic=True)(function)
    for n in (33, 100, 19, 500, 64):
        same(jitted(rows(n)), function(rows(n)))
    assert len(jitted.cache_info()) == 1
    for n in (7, 2, 1, 2049, 5000):
        same(jitted(rows(n)), function(rows(n)))


@settings(max_examples=8, deadline=None)
@given(
    st.lists(st.sampled_from(ELEMENTWISE), min_size=1, max_size=4),
    st.sampled_from(ENDS),
    st.lists(st.integers(3, 300), min_size=2, max_size=4),
    st.sampled_from(("float32", "float64")),
)
def test_random_chains(steps: Any, end: Any, sizes: list[int], dtype: str) -> None:
    def chain(x: Any) -> Any:
        for step in steps:
            x = step(x)
        return end(x)

    jitted = mlc.jit(dynamic={"x": {0: mlc.dim("n", min=3)}})(chain)
    for n in sizes:
        x = rows(n).astype(dtype)
        same(jitted(x), chain(x))
    assert len(jitted.cache_info()) == 1


@pytest.mark.parametrize("part", [np.s_[::-1], np.s_[::2], np.s_[:, ::-1], np.s_[1:, ::2]], ids=str)
def test_parts_that_are_transposed(part: Any) -> None:
    x = rows(1821, 16)
    for jitted in (mlc.jit, mlc.jit(dynamic=True)):
        same(jitted(lambda x: x[part].T.copy())(x), x[part].T)


def _written(made: Any) -> Any:
    made[0] = 1
    return made


@pytest.mark.parametrize("made", [
    np.ascontiguousarray, np.asfortranarray, np.ravel, lambda x: x.reshape(-1),
    lambda x: x.T.ravel(), lambda x: x.reshape(-1, order="A"), lambda x: np.asarray(x, order="F"),
    lambda x: x + 1, lambda x: x.astype(x.dtype, order="C", copy=False),
    lambda x: x.copy("K").reshape(-1),
])  # fmt: skip
def test_order_in_memory_decides_what_is_written(made: Callable[[Any], Any]) -> None:
    """NumPy writes to a copy or to the argument: each call as its array lies, whatever the order
    of those before."""
    jitted = mlc.jit(dynamic=True)(lambda x: _written(made(x)))
    for n in (4, 9, 33, 9, 40):
        for lay in (
            lambda x: x, np.asfortranarray, lambda x: x.repeat(2, 1)[:, ::2],
            lambda x: np.asfortranarray(x.repeat(2, 0))[:n], lambda x: np.asfortranarray(x)[::-1],
        ):  # fmt: skip
            mine, theirs = lay(rows(n, 5)), lay(rows(n, 5))
            same(jitted(mine), _written(made(theirs)))
            same(mine, theirs)
    assert len({row.signature for row in jitted.cache_info()}) == 1
    assert len(jitted.cache_info()) <= 3


@pytest.mark.parametrize("function", [
    lambda x: np.argmax(x), lambda x: np.argmin(x.ravel()),
    lambda x: np.argmax(np.where(x >= x.max(), 1.0, 0.0)),
])  # fmt: skip
def test_places_among_all_rows_are_found_in_any_part_of_them(function: Any) -> None:
    fast = mlc.jit(function, dynamic="leading")
    source = np.random.default_rng(0)
    for n, row in ((5, 3), (70, 69), (700, 3), (700, 699)):
        x = source.normal(size=(n, 170))
        x[row, 5:7] = 9, -9
        assert fast(x) == function(x), (n, row)


def test_what_is_read_on_many_ways_is_looked_at_once() -> None:
    def function(x: Any, w: float) -> Any:
        for _ in range(40):  # 2 ** 40 ways to the first one
            w = np.sqrt(w) + w
        return x * w

    x = np.arange(5.0)
    np.testing.assert_allclose(mlc.jit(function, dynamic="leading")(x, 0.5), function(x, 0.5))


@pytest.mark.parametrize("function", [
    lambda x: np.unique(np.round(x)), lambda x: x[x > 0].sum() + len(x[x < 0]),
])  # fmt: skip
def test_sizes_that_data_choose_have_code_for_each_size(function: Any) -> None:
    fast = mlc.jit(function, dynamic="leading")
    for n in (5, 4, 5):
        for seed in range(3):
            x = np.random.default_rng(seed).normal(size=(n, 3))
            same(fast(x), function(x))
    assert all("sizes that the data choose" in row.reason for row in fast.cache_info())
