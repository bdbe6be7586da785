"""Loops, masks and addresses of generated code, on hand-built flat programs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mlc.dtypes import ALL, DType, boolean, float32, float64, int32, int64
from mlc.ir.expr import Expr, Var, apply, as_expr, cast, const, load, select
from mlc.ir.program import Accumulate, Allocate, Buffer, For, If, LoopKind, Program, Scope, Seq, Store

ALIASED: dict[str, Any] = {}
DISJOINT = {"noalias": True}


def vector_loop(n: int, width: int, body: Any) -> For:
    """``for o, lane: body(o * width + lane)``, masked where n is no multiple of width."""
    outer, lane = Var("o"), Var("lane")
    i = outer * width + lane
    inner = body(i)
    if n % width:
        inner = If(i < n, inner)
    return For(outer, -(-n // width), For(lane, width, inner, LoopKind.VECTORIZED))


def buffer(name: str, shape: tuple[int, ...], dtype: DType = float32, **how: Any) -> Buffer:
    return Buffer(name, shape, dtype, **how)


@pytest.mark.parametrize("n", [1, 7, 16, 48, 61])
@pytest.mark.parametrize("width", [1, 4, 12, 16])
@pytest.mark.parametrize("attrs", [ALIASED, DISJOINT], ids=["aliased", "disjoint"])
def test_masked_tail(run_llvm: Any, n: int, width: int, attrs: dict[str, Any]) -> None:
    a, b, c = (buffer(name, (n,)) for name in "abc")
    body = vector_loop(n, width, lambda i: Store(c, (i,), a[i] * b[i] + a[i]))
    x, y = (np.random.default_rng(s).standard_normal(n).astype(np.float32) for s in (0, 1))
    out = np.full(n + 16, 7, np.float32)
    assert run_llvm(Program("axpy", (a, b, c), body, attrs=attrs), x, y, out) == 0
    np.testing.assert_allclose(out[:n], x * y + x, rtol=3e-7, atol=1e-6)
    assert (out[n:] == 7).all()
