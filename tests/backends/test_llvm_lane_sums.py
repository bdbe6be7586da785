"""Sums over lanes that stand side by side: four at once, in the order that each has alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc
from mlc import script as T
from mlc.records import replace


def in_halves(x: Any) -> Any:
    """The sum of the last axis: lanes half a vector apart first, neighbours last."""
    while x.shape[-1] > 1:
        half = x.shape[-1] // 2
        x = x[..., :half] + x[..., half:]
    return 0 + x[..., 0]


def sums(rows: int, lanes: int, dtype: str) -> Any:
    @T.program
    def program(A: T.Buffer((3, rows, lanes), dtype), C: T.Buffer((3, rows), dtype)) -> None:
        for i, j, k in T.grid(3, rows, lanes):
            with T.block("C"):
                vi, vj, vk = T.remap("SSR", [i, j, k])
                with T.init():
                    C[vi, vj] = 0
                C[vi, vj] += A[vi, vj, vk]

    s = mlc.Schedule(program)
    _, j, k = s.loops("C")
    s.unroll(j)
    s.vectorize(k)
    return mlc.build(replace(s.program, attrs={**s.program.attrs, "noalias": True}))


@pytest.mark.parametrize("rows", [3, 4, 11])
@pytest.mark.parametrize("lanes", [4, 6, 8, 16])
@pytest.mark.parametrize("dtype", ["int32", "float32", "float64"])
def test_bits_are_those_of_one_sum(rows: int, lanes: int, dtype: str) -> None:
    rng = np.random.default_rng(rows * lanes)
    a = (rng.standard_normal((3, rows, lanes)) * 10 ** rng.uniform(0, 6, (3, rows, lanes))).astype(
        dtype
    )
    if dtype != "int32":
        a[0, :2] = -0.0
    c = np.full((3, rows), 7, dtype)
    sums(rows, lanes, dtype)(a, c)
    whole = np.zeros((3, rows, 1 << (lanes - 1).bit_length()), dtype)
    whole[..., :lanes] = a
    want = in_halves(whole)
    np.testing.assert_array_equal(c, want)
    np.testing.assert_array_equal(np.signbit(c), np.signbit(want))


def test_four_sums_take_one_store() -> None:
    text = sums(4, 16, "int32").lower().llvm
    assert "store <4 x i32>" in text


@pytest.mark.parametrize("shape", [(50, 64, 4), (16, 256, 40)])
def test_products_of_rows_with_rows(shape: tuple[int, int, int]) -> None:
    m, k, n = shape
    rng = np.random.default_rng(m)
    a, b = rng.standard_normal((m, k)), rng.standard_normal((n, k))
    got = mlc.jit(lambda a, b: a @ b.T)(a, b)
    np.testing.assert_allclose(got, a @ b.T, rtol=1e-12, atol=1e-12)
