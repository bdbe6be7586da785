"""Loops over the same points are one loop where nothing comes too early."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mlc
from mlc.dtypes import float64, int64
from mlc.ir.expr import Var, const, load
from mlc.ir.program import Buffer, For, If, Program, Stmt, Store, seq, walk
from mlc.lower.join_points import join_points

N = 6
X, Y, Z = (Buffer(name, (8 * N,), float64) for name in "XYZ")
BUFFERS = (X, Y, Z)


@st.composite
def nests(draw: st.DrawFn) -> tuple[Stmt, Stmt]:
    """Two loops of one or two levels over the same points, which read and write three arrays."""
    levels = draw(st.integers(1, 2))
    shared = [Var(f"i{n}") for n in range(levels)] if draw(st.booleans()) else None

    def index(variables: list[Var]) -> Any:
        total: Any = const(draw(st.integers(0, 3)), int64)
        for var in variables:
            total = total + var * draw(st.sampled_from((0, 1, 1, 2, N)))
        return total % (8 * N) if draw(st.integers(0, 9)) == 0 else total

    def nest(number: int) -> Stmt:
        variables = shared or [Var(f"i{number}{n}") for n in range(levels)]
        target, first, second = (draw(st.sampled_from(BUFFERS)) for _ in range(3))
        place = index(variables)
        value = load(first, (place if draw(st.booleans()) else index(variables),)) * 0.5
        value = value + load(second, (index(variables),))
        body: Stmt = Store(target, (place,), value)
        if draw(st.booleans()):
            body = If(load(first, (place,)) > 1.0, body)
        for var, extent in zip(reversed(variables), (N if levels == 1 else 3, N)):
            body = For(var, extent, body)
        return body

    return nest(0), nest(1)


def _ran(program: Program) -> list[np.ndarray]:
    arrays = [np.random.default_rng(n).random(8 * N) * 2 for n in range(3)]
    mlc.build(program, target="interpret")(*arrays)
    return arrays


@given(nests())
def test_what_is_joined_does_what_it_did(pair: tuple[Stmt, Stmt]) -> None:
    program = Program("points", BUFFERS, seq(*pair), outputs=3)
    joined = join_points(program)
    for one, two in zip(_ran(program), _ran(joined), strict=True):
        np.testing.assert_array_equal(one, two)


def _pair(first: Callable[[Var], Stmt], second: Callable[[Var], Stmt]) -> int:
    """How many loops are left of one around ``first`` and one around ``second``."""
    i, j = Var("i"), Var("j")
    body = seq(For(i, N, first(i)), For(j, N, second(j)))
    made = join_points(Program("points", BUFFERS, body, outputs=3))
    return sum(isinstance(s, For) for s in walk(made.body))


@pytest.mark.parametrize(
    ("read", "loops"),
    [
        (lambda i: i, 1),
        (lambda i: i + 1, 2),  # what an iteration of the first loop leaves later
        (lambda i: i * 2, 2),
        (lambda i: i + N, 1),  # nothing that the first one writes, though of the same array
    ],
)
def test_an_iteration_reads_what_the_same_one_left(read: Any, loops: int) -> None:
    left = lambda i: Store(X, (i,), load(Y, (i,)) * 2.0)
    assert _pair(left, lambda j: Store(Z, (j,), load(X, (read(j),)))) == loops


def test_loops_that_have_nothing_in_common_stay_two() -> None:
    assert _pair(
        lambda i: Store(X, (i,), const(1.0, float64)),
        lambda j: Store(Y, (j,), load(Z, (j,))),
    ) == 2  # fmt: skip


def test_a_place_that_is_written_is_no_place_to_join_at() -> None:
    where = Buffer("where", (8 * N,), int64)
    i, j = Var("i"), Var("j")
    body = seq(
        For(i, N, Store(where, (i,), i * 2)),
        For(j, N, Store(X, (load(where, (j,)),), load(Y, (j,)))),
    )
    made = join_points(Program("points", (where, *BUFFERS), body, outputs=4))
    assert made.body is body


def _mandelbrot(x: np.ndarray, y: np.ndarray) -> Any:
    zr, zi, count = np.zeros_like(x), np.zeros_like(x), np.zeros(x.shape, np.int64)
    for n in range(25):
        inside = zr**2 + zi**2 < 4.0
        count[inside] = n
        fresh = zr[inside] ** 2 - zi[inside] ** 2 + x[inside]
        zi[inside] = 2.0 * zr[inside] * zi[inside] + y[inside]
        zr[inside] = fresh
    return count


def test_steps_under_a_mask_are_one_loop() -> None:
    x, y = np.random.default_rng(2).random((2, 7, 1003)) * 4 - 2
    fast = mlc.jit(_mandelbrot)
    np.testing.assert_array_equal(fast(x, y), _mandelbrot(x, y))
    programs = [kernel.scheduled for kernel in fast.lower(x, y).compiled.kernels]
    loops = [s for p in programs for s in walk(p.body) if isinstance(s, For)]
    assert any(_masks(loop.body) == 3 for loop in loops)


def _masks(stmt: Stmt) -> int:
    """How many statements under a condition stand in ``stmt`` itself, outside of other loops."""
    parts = getattr(stmt, "stmts", (stmt,))
    return sum(isinstance(part, If) for part in parts)
