"""Loops that do several iterations in each turn: what is written, and that the bits stay."""

from __future__ import annotations

import re

import numpy as np
import pytest

import mlc
from mlc import script as T
from mlc.ir.program import For, Program, walk
from mlc.lower.pipeline import lower
from mlc.schedules.defaults import contraction
from mlc.schedules.schedule import Schedule


def scaled(n: int) -> Program:
    @T.program
    def program(A: T.Buffer((n, 3)), B: T.Buffer((n, 3))):
        for i, j in T.grid(n, 3):
            with T.block("B"):
                vi, vj = T.remap("SS", [i, j])
                B[vi, vj] = A[vi, vj] * 2.0

    return program


def turns(s: Schedule) -> list[tuple[int, int]]:
    """The extent of each flat loop over rows, and how many statements stand in it."""
    flat = lower(s.program)
    loops = [stmt for stmt in walk(flat.body) if isinstance(stmt, For) and stmt.var.name == "i"]
    return [(loop.extent, sum(isinstance(x, For) for x in walk(loop.body))) for loop in loops]


@pytest.mark.parametrize(
    ("rows", "factor", "expected"),
    [(8, 4, [(2, 4)]), (9, 4, [(2, 4)]), (11, 4, [(2, 4), (3, 1)]), (5, 5, []), (7, 2, [(3, 2)])],
)
def test_what_is_left_over_is_done_one_by_one(rows, factor, expected) -> None:
    s = Schedule(scaled(rows))
    s.unroll(s.loops("B")[0], factor)
    assert turns(s) == expected
    a = np.arange(rows * 3, dtype=np.float32).reshape(rows, 3)
    b = np.zeros_like(a)
    mlc.build(s.program)(a, b)
    np.testing.assert_array_equal(b, 2 * a)


def test_what_is_asked_for_early_is_asked_for_no_later() -> None:
    s = Schedule(scaled(64))
    i, _ = s.loops("B")
    s.prefetch("B", "A", i, 5)
    s.unroll(i, 2)
    (loop,) = (x for x in walk(lower(s.program).body) if isinstance(x, For) and x.extent == 32)
    assert loop.annotations == (("prefetch", (("B", "A", 3),)),)


def test_a_grid_unrolls_by_the_compiler_of_its_kernels() -> None:
    s = Schedule(scaled(64))
    i, j = s.loops("B")
    s.reorder(j, i)
    s.bind(j, "threadIdx.x")
    s.unroll(i, 4)
    text = str(mlc.build(s.program, target="cuda-emulated").lower().cuda)
    assert re.search(r"#pragma unroll 4\n\s*for \(int i = 0; i < 64; \+\+i\)", text)


@pytest.mark.parametrize("shape", [(64, 64, 64), (13, 9, 70), (100, 301, 33), (7, 1000, 130)])
def test_products_keep_their_bits(shape, monkeypatch) -> None:
    monkeypatch.setattr(mlc.config, "cache", False)
    m, k, n = shape
    rng = np.random.default_rng(m)
    a, b = (rng.standard_normal(s).astype(np.float32) for s in ((m, k), (k, n)))
    made = []
    for steps in (2, 3, 10**9):
        monkeypatch.setattr(contraction, "STEPS", steps)
        made.append(mlc.jit(lambda a, b: np.maximum(a @ b, 0))(a, b))
    assert made[0].tobytes() == made[1].tobytes() == made[2].tobytes()
    np.testing.assert_allclose(made[0], np.maximum(a @ b, 0), rtol=1e-4, atol=1e-4)


def test_the_inner_loop_of_a_product_counts_every_second_step() -> None:
    a, b = np.zeros((24, 300), np.float32), np.zeros((300, 128), np.float32)
    lowered = mlc.jit(lambda a, b: a @ b).lower(a, b)
    assert "s.unroll(k, factor=2)" in str(lowered.schedule)
    assert re.search(r"icmp ult i64 %\w+, 150$", lowered.llvm, re.M)
    assert not re.search(r"icmp ult i64 %\w+, 300$", lowered.llvm, re.M)
