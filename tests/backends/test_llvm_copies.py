"""Long copies are one instruction where that is faster."""

from __future__ import annotations

import platform
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.backends.llvm.target import Target, x86_target
from mlc.dtypes import DType, boolean, float32, float64, int8
from mlc.ir.expr import Var, const
from mlc.ir.program import Buffer, For, LoopKind, Program, Stmt, Store, seq
from tests.backends.conftest import one_kernel

FLAGS = "avx512f avx512bw avx512cd avx512dq avx512vl avx2 fma f16c"
ZEN = x86_target({"flags": FLAGS, "vendor_id": "AuthenticAMD", "cpu family": "26", "model": "2"})
on_x86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="an instruction of x86")


def moves(rows: int, steps: int, dtype: DType, step: int = 64, gap: int = 0) -> Program:
    """``c[r, i]`` = ``a[r, i + 3]``, in vectors of 16, and one more element behind them."""
    n = steps * step
    a, c = Buffer("a", (rows, n + 9), dtype), Buffer("c", (rows, n + 1), dtype)
    r, o = Var("r"), Var("o")

    def vector(start: int) -> Stmt:
        lane = Var("lane")
        j = o * step + start + lane
        return For(lane, 16, Store(c, (r, j), a[r, j + 3]), LoopKind.VECTORIZED)

    loop = For(o, steps, seq(*map(vector, range(0, 64 - gap, 16))))
    last = Store(c, (r, const(n)), a[r, const(n + 3)])
    return Program("moves", (a, c), For(r, rows, seq(loop, last)))


@on_x86
@pytest.mark.parametrize("dtype", [int8, float32, float64], ids=str)
def test_long_copies(monkeypatch: Any, run_llvm: Any, dtype: DType) -> None:
    monkeypatch.setattr(Target, "moves_bytes", property(lambda target: True))
    steps = (40 << 10) // (64 * dtype.itemsize)
    program = moves(2, steps, dtype)
    a, c = program.params
    x = np.random.default_rng(0).integers(0, 99, a.shape).astype(dtype.numpy)
    out = np.full(c.shape, 7, dtype.numpy)
    assert run_llvm(program, x, out) == 0
    np.testing.assert_array_equal(out, x[:, 3 : c.shape[1] + 3])
    assert one_kernel(program).text.count("movsb") == 1


@pytest.mark.parametrize(
    ("program", "count"),
    [
        (moves(2, 200, float32), 1),
        (moves(2, 100, float32), 0),  # in the first cache
        (moves(2, 200, float32, gap=16), 0),  # something is left between
        (moves(2, 200, float32, step=65), 0),
        (moves(2, 800, boolean), 0),  # bytes that are made 0 or 1
    ],
)
def test_which_loops_are_copies(program: Program, count: int) -> None:
    assert one_kernel(program, target=ZEN).text.count("movsb") == count
    plain = x86_target({"flags": FLAGS, "vendor_id": "GenuineIntel", "cpu family": "6"})
    assert "movsb" not in one_kernel(program, target=plain).text


@on_x86
@pytest.mark.parametrize("n", [20_001, 50_000])
def test_joined_arrays(monkeypatch: Any, n: int) -> None:
    monkeypatch.setattr(Target, "moves_bytes", property(lambda target: True))
    a, b = (np.random.default_rng(s).standard_normal(n).astype(np.float32) for s in (0, 1))
    f = mlc.jit(
        lambda a, b: (np.concatenate([a, b]), np.stack([b, a]), np.tile(a, 3), a[5:].copy())
    )
    want = np.concatenate([a, b]), np.stack([b, a]), np.tile(a, 3), a[5:]
    for got, expected in zip(f(a, b), want, strict=True):
        np.testing.assert_array_equal(got, expected)
    assert f.lower(a, b).asm.count("movsb") >= 4
