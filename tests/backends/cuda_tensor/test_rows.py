"""Sums of tensor cores that become weights where they are: what intrinsics and lanes mean."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc
from mlc import script as T
from mlc.dtypes import bfloat16, float16, float32
from mlc.errors import ArgumentError, UnsupportedError
from mlc.intrinsics.mma import mma
from mlc.intrinsics.mma_rows import mma_rows
from mlc.ir.program import Program
from mlc.testing.cuda import assert_compiles

from .tiles import KINDS, done


def rows_program(kind: str, apart: bool = False, at_once: bool = True) -> Program:
    """``W = 2**(A B.T - greatest)``, ``out = W V / sum of W``; ``seen`` are the sums. Weights are
    an operand ``at_once``, or become one in a second step."""
    tile, second = mma(kind, 16, "mk", "nk"), mma(kind, 16, "mk", "kn")
    rows = mma_rows({"float16": float16, "bfloat16": bfloat16}[kind])
    square, lanes, halves = (16, 16), (32, 8), (32, 2)

    @T.program
    def weigh(
        A: T.Buffer(square, kind), B: T.Buffer(square, kind), V: T.Buffer(square, kind),
        out: T.Buffer(square), seen: T.Buffer(halves),
    ):  # fmt: skip
        shared = [T.alloc(square, kind, scope="shared") for _ in range(3)]
        a_tile = T.alloc(square, kind, scope=tile.scope_a)
        b_tile = T.alloc(square, kind, scope=tile.scope_b)
        v_tile = T.alloc(square, kind, scope=second.scope_b)
        w_tile = T.alloc(square, kind, scope=second.scope_a)
        sums = T.alloc(square, "float32", scope=tile.scope_c)
        made = T.alloc(square, "float32", scope=tile.scope_c)
        scores = T.alloc(lanes, "float32", scope="local")
        peak = T.alloc(halves, "float32", scope="local")
        best = T.alloc(halves, "float32", scope="local")
        total = T.alloc(halves, "float32", scope="local")
        whole = T.alloc(halves, "float32", scope="local")
        for _block in T.thread_binding(1, "blockIdx.x"):
            for source, target in zip((A, B, V), shared, strict=True):
                for i in T.serial(16):
                    for lane in T.thread_binding(32, "threadIdx.x"):
                        with T.block("fetch"):
                            vi, vj = T.axis.spatial(16, i), T.axis.spatial(16, lane)
                            T.where(lane < 16)
                            target[vi, vj] = source[vi, vj]
            with T.block("multiply"):
                done(tile.fill, sums[0:16, 0:16])
                done(tile.fill, made[0:16, 0:16])
                done(tile.load_a, shared[0][0:16, 0:16], a_tile[0:16, 0:16])
                done(tile.load_b, shared[1][0:16, 0:16], b_tile[0:16, 0:16])
                done(tile.product, a_tile[0:16, 0:16], b_tile[0:16, 0:16], sums[0:16, 0:16])
                done(rows.part, sums[0:16, 0:16], scores[0:32, 0:8])
            for lane in T.thread_binding(32, "threadIdx.x"):
                for h in T.unrolled(2):
                    with T.block("start"):
                        vl, vh = T.remap("SS", [lane, h])
                        peak[vl, vh] = -np.inf
                        total[vl, vh] = 0
            with T.block("fold"):
                done(rows.peak, scores[0:32, 0:8], peak[0:32, 0:2])
                done(rows.greatest, peak[0:32, 0:2], best[0:32, 0:2])
            for lane in T.thread_binding(32, "threadIdx.x"):
                for e in T.unrolled(8):
                    with T.block("shift"):
                        vl, ve = T.remap("SS", [lane, e])
                        row = (vl + 1) % 32 if apart else vl
                        scores[vl, ve] = scores[vl, ve] - best[row, ve // 2 % 2]
            with T.block("weigh"):
                if at_once:
                    done(rows.weigh, scores[0:32, 0:8], total[0:32, 0:2], w_tile[0:16, 0:16])
                else:
                    done(rows.raised, scores[0:32, 0:8], total[0:32, 0:2])
                    done(rows.operand, scores[0:32, 0:8], w_tile[0:16, 0:16])
                done(rows.whole, total[0:32, 0:2], whole[0:32, 0:2])
                done(second.load_b, shared[2][0:16, 0:16], v_tile[0:16, 0:16])
                done(second.product, w_tile[0:16, 0:16], v_tile[0:16, 0:16], made[0:16, 0:16])
            for lane in T.thread_binding(32, "threadIdx.x"):
                for h in T.unrolled(2):
                    with T.block("invert"):
                        vl, vh = T.remap("SS", [lane, h])
                        seen[vl, vh] = whole[vl, vh]
                        whole[vl, vh] = 1 / whole[vl, vh]
            with T.block("store"):
                done(rows.scale, whole[0:32, 0:2], made[0:16, 0:16])
                done(second.store, made[0:16, 0:16], out[0:16, 0:16])

    return weigh


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
@pytest.mark.parametrize(
    ("order", "at_once"), [("forward", True), ("random", True), ("random", False)]
)
def test_weights_are_made_where_sums_are(kind: str, order: str, at_once: bool) -> None:
    rng = np.random.default_rng(3)
    a, b, v = rng.standard_normal((3, 16, 16)).astype(KINDS[kind])
    a[2, 3], a[5, 1] = np.nan, -np.inf
    results: list[list[Any]] = []
    for target in ("interpret", "cuda-emulated"):
        made = [np.zeros((16, 16), np.float32), np.zeros((32, 2), np.float32)]
        with np.errstate(invalid="ignore"), mlc.config.override(emulated_order=order):
            mlc.build(rows_program(kind, at_once=at_once), target=target)(a, b, v, *made)
        results.append(made)
    with np.errstate(invalid="ignore"):
        scores = a.astype(float) @ b.astype(float).T
        weights = np.exp2(scores - scores.max(axis=1, keepdims=True))
        exact = weights @ v.astype(float) / weights.sum(axis=1, keepdims=True)
    assert np.isnan(exact[[2, 5]]).all() and not np.isnan(exact[6:]).any()
    seen = np.stack([weights.sum(axis=1)[lane // 4 + np.array([0, 8])] for lane in range(32)])
    for out, total in results:
        np.testing.assert_allclose(out, exact, atol=4e-3 if kind == "float16" else 3e-2)
        np.testing.assert_allclose(total, seen, rtol=1e-5)


def test_cards_take_it() -> None:
    for kind, at_once in (("float16", True), ("bfloat16", False)):
        program = rows_program(kind, at_once=at_once)
        assert_compiles(mlc.build(program, target="cuda").lower().compiled.device_module)


def test_a_lane_touches_its_own_alone() -> None:
    with pytest.raises(UnsupportedError) as refused:
        mlc.build(rows_program("float16", apart=True), target="cuda-emulated").lower()
    assert (
        "best of weigh has a row for each of the 32 threads of a warp, which it holds in "
        "registers: a statement reads or writes another row, or combines into it; index it by the "
        "variable of a loop of 32 iterations over threadIdx.x"
    ) in str(refused.value)


def test_wider_weights_lie_otherwise() -> None:
    with pytest.raises(ArgumentError, match="if they are 16-bit floats, got float32"):
        mma_rows(float32)
