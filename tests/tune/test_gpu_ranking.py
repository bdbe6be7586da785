"""Schedules for graphics processors: drawn, built, right, and ordered by a guess that says so."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.compile_program import compile_program
from mlc.schedules.schedule import Schedule
from mlc.tune.model.gpu import gpu_guess
from mlc.tune.ranking import Ranked
from mlc.tune.spaces.gpu import gpu_space
from mlc.tune.workload import workloads_of

rng = np.random.default_rng(3)


def floats(*shape: int) -> np.ndarray:
    return rng.uniform(-1, 1, shape).astype(np.float32)


@mlc.jit(target="cuda-emulated")
def product(a: Any, b: Any) -> Any:
    return np.maximum(a @ b, 0)


def test_schedules_for_a_card_are_ranked_by_a_model() -> None:
    a, b = floats(64, 64), floats(64, 64)
    (rows,) = mlc.tune.rank_for_gpu(product, a, b, draws=8)
    assert len(rows) > 1
    assert [r.checked for r in rows] == [True] + [False] * (len(rows) - 1)
    assert [r.guess.seconds for r in rows] == sorted(r.guess.seconds for r in rows)
    assert "by a model, not measured" in str(rows[0])
    assert "s.bind(" in rows[0].schedule.source()
    last = rows[-1]
    inputs = last.workload.arguments()
    (got,) = compile_program(last.schedule.program, target="cuda-emulated").run(inputs)
    np.testing.assert_allclose(got, np.maximum(inputs[0] @ inputs[1], 0), atol=1e-4)


def test_pipelines_of_tensor_cores_are_decided() -> None:
    a, b = (floats(32, 128).astype(np.float16), floats(128, 32).astype(np.float16))
    compiled = mlc.jit(lambda a, b: a @ b, target="cuda-emulated").lower(a, b).compiled
    (workload,) = workloads_of(compiled)
    draw, space = random.Random(0), gpu_space(workload)
    found = [c for c in (space.sample(draw) for _ in range(6)) if c is not None]
    assert any("mma" in c.trace for c in found) and any("pipeline" in c.trace for c in found)


def test_a_wrong_schedule_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from mlc.tune import ranking

    a, b = floats(64, 64), floats(64, 64)
    judged: list[Ranked] = []

    def is_right(ranked: Ranked, *_: Any) -> bool:
        judged.append(ranked)
        return len(judged) > 1

    monkeypatch.setattr(ranking, "_is_right", is_right)
    (rows,) = mlc.tune.rank_for_gpu(product, a, b, draws=8)
    assert judged[0].candidate not in [r.candidate for r in rows]
    assert rows[0].candidate == judged[1].candidate


def test_the_guess_counts_what_threads_share_once() -> None:
    compiled = product.lower(floats(64, 64), floats(64, 64)).compiled
    (workload,) = workloads_of(compiled)
    s = Schedule(workload.program)
    for block in s.blocks():
        i, j, *_ = s.loops(block)
        i0, i1 = s.split(i, [None, 8])
        s.bind(i0, "blockIdx.x")
        s.bind(i1, "threadIdx.y")
        s.bind(j, "threadIdx.x")
    guess = gpu_guess(s.program)
    assert (guess.kernels, guess.threads) == (2, 512)
    # a is the same for neighbouring threads: a sector for a warp; b lies side by side.
    product_bytes = 64**3 * (32 / 32 + 4)
    assert product_bytes <= guess.global_bytes <= product_bytes + 64**3 * 8 + 4 * 64 * 64 * 4
    assert 64**3 <= guess.operations <= 64**3 + 4 * 64 * 64


def test_functions_of_the_processor_are_not_ranked() -> None:
    a = floats(16, 16)
    with pytest.raises(mlc.ArgumentError, match="expected a function jitted with target='cuda'"):
        mlc.tune.rank_for_gpu(np.add, a, a)
