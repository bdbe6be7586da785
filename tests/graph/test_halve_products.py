"""A matrix times its own transpose: half of it is multiplied, the other half copied."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.graph.halve_products import number_of, pair, pairs_of, parts_of
from mlc.ir.expr import Const, Expr, const
from mlc.ir.simplify import simplify

Array = np.ndarray[Any, Any]


def rows(a: Array) -> Array:
    return a @ a.T


def columns(a: Array) -> Array:
    return a.T @ a


def centred(a: Array) -> Array:
    d = a - a.mean(axis=1, keepdims=True)
    return d @ d.T / (a.shape[1] - 1)


def by_labels(a: Array) -> Array:
    return np.einsum("ki,kj->ij", a, a)


def check(function: Callable[[Array], Array], a: Array) -> str:
    """Compares with float64, and the upper triangle with the lower one; the names of kernels."""
    compiled = mlc.jit(function)
    found, exact = compiled(a), function(a.astype(np.float64))
    terms = a.shape[0] if function in (columns, by_labels) else a.shape[1]
    size = np.abs(a.astype(np.float64)).max() ** 2 * terms
    granted = (np.finfo(a.dtype).eps + np.finfo(np.float64).eps) * (np.sqrt(terms) + 8) * size
    assert found.dtype == a.dtype
    np.testing.assert_allclose(found, exact, rtol=0, atol=granted)
    np.testing.assert_array_equal(found, found.T)
    return str(compiled.lower(a).program)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [384, 389])
def test_half_is_made_and_half_is_copied(n: int, dtype: Any) -> None:
    a = np.random.default_rng(n).standard_normal((n, 200)).astype(dtype)
    for function, given in (
        (rows, a), (columns, a.T), (columns, np.ascontiguousarray(a.T)), (rows, a[::-1, ::-1]),
        (centred, a), (by_labels, np.ascontiguousarray(a.T)),
    ):  # fmt: skip
        text = check(function, given)
        assert "halves" in text and "mirror" in text


def test_the_bits_are_those_of_any_number_of_threads() -> None:
    a = np.random.default_rng(0).standard_normal((400, 256))
    before = mlc.get_num_threads()
    try:
        found = []
        for count in (1, 2):
            mlc.set_num_threads(count)
            found.append(mlc.jit(rows)(a))
    finally:
        mlc.set_num_threads(before)
    np.testing.assert_array_equal(*found)


def test_others_stay_as_they_are() -> None:
    a = np.random.default_rng(0).standard_normal((400, 256)).astype(np.float32)
    b = a + 1
    for function, args in (
        (lambda a, b: a @ b.T, (a, b)),
        (lambda a: a @ a[::-1].T, (a,)),
        (lambda a: (a * np.arange(256, dtype=np.float32)) @ a.T, (a,)),
        (lambda a: a @ a.T, (a[:, :64],)),
        (lambda a: a @ a.T, (a[:100],)),
        (lambda a: a @ a, (a[:256],)),
    ):
        compiled = mlc.jit(function)
        np.testing.assert_allclose(compiled(*args), function(*args), rtol=1e-3, atol=1e-3)
        assert "mirror" not in str(compiled.lower(*args).program)


@pytest.mark.parametrize("itemsize", [4, 8])
def test_parts_leave_out_a_quarter_or_are_not_made(itemsize: int) -> None:
    for n in range(192, 2100, 61):
        parts = parts_of(n, itemsize)
        assert parts == 1 or (-(-n // parts) >= 48 and parts >= 3)
    assert parts_of(1024, itemsize) == 16


def number(value: Expr) -> int:
    found = simplify(value)
    assert isinstance(found, Const)
    return int(found.value)


@pytest.mark.parametrize("parts", range(2, 10))
def test_each_two_blocks_are_one_pair_and_those_with_a_block_come_in_a_row(parts: int) -> None:
    pairs = [tuple(map(number, pair(const(t), parts))) for t in range(pairs_of(parts))]
    assert {frozenset(p) for p in pairs} == {
        frozenset((p, q)) for p in range(parts) for q in range(parts)
    }
    firsts = [p for p, _ in pairs]
    assert sum(a != b for a, b in pairwise(firsts)) == parts - 1
    for p in range(parts):
        for q in range(parts):
            t, is_there = number_of(const(p), const(q), parts)
            assert bool(number(is_there)) == ((p, q) in pairs)
            if (p, q) in pairs:
                assert pairs[number(t)] == (p, q)


@pytest.mark.parametrize(
    ("rows", "width"),
    [(400, 80), (1216, 144)],  # blocks of 58 and 122 rows: four lines, and eight
)
def test_steps_of_a_panel_lie_an_odd_number_of_lines_apart(rows: int, width: int) -> None:
    text = str(mlc.jit(columns).lower(np.zeros((200, rows), np.float32)).program)
    assert f", 200, {width})" in text


@pytest.mark.parametrize("shape", [(700, 301), (1100, 260)])
def test_long_reductions_go_by_in_runs(shape: tuple[int, int]) -> None:
    a = np.random.default_rng(0).standard_normal(shape)
    for function, given in ((columns, a), (rows, np.ascontiguousarray(a.T))):
        check(function, given)
