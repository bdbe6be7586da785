"""Loops whose stages overlap: copies of later iterations while those of this one are used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

import mlc
from mlc import script as T
from mlc.errors import SimulationError
from mlc.ir.program import Program
from mlc.runtime.cuda import emulate
from mlc.testing.cuda import assert_compiles

N, STEPS = 32, 6


@T.program
def sums(A: T.Buffer((N * STEPS, 4)), B: T.Buffer((N, 4))):
    for _x in T.thread_binding(1, "blockIdx.x"):
        total = T.alloc((N, 4), "float32", scope="local")
        for i in T.thread_binding(N, "threadIdx.x"):
            for j in T.serial(4):
                with T.block("zero"):
                    vi, vj = T.remap("SS", [i, j])
                    total[vi, vj] = 0.0
        for k in T.serial(STEPS):
            tile = T.alloc((N, 4), "float32", scope="shared")
            for i in T.thread_binding(N, "threadIdx.x"):
                for j in T.vectorized(4):
                    with T.block("copy"):
                        vi, vj, vk = T.remap("SSS", [i, j, k])
                        tile[vi, vj] = A[vk * N + vi, vj]
            for i in T.thread_binding(N, "threadIdx.x"):
                for j in T.serial(4):
                    with T.block("add"):
                        vi, vj, vk = T.remap("SSR", [i, j, k])
                        total[vi, vj] += tile[N - 1 - vi, vj]
        for i in T.thread_binding(N, "threadIdx.x"):
            for j in T.serial(4):
                with T.block("write"):
                    vi, vj = T.remap("SS", [i, j])
                    B[vi, vj] = total[vi, vj]


def staged(stages: Sequence[int], order: Sequence[int] | None = None) -> Program:
    s = mlc.Schedule(sums)
    (k,) = (loop for loop in s.loops("copy") if loop.name == "k")
    s.pipeline(k, stages, order)
    return s.program


def arrays() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    a = np.random.default_rng(0).integers(-9, 9, (N * STEPS, 4)).astype(np.float32)
    return a, np.zeros((N, 4), np.float32), a.reshape(STEPS, N, 4).sum(0)[::-1]


@pytest.mark.parametrize("ahead", [1, 2, 4])
def test_copies_are_ahead(ahead: int, order: str) -> None:
    a, b, wanted = arrays()
    kernel = mlc.build(staged([0, ahead]), target="cuda-emulated")
    source = str(kernel.lower().cuda)
    assert source.count("mlc_cp_async_16(") == ahead + 1
    assert f"mlc_cp_async_wait<{ahead - 1}>();\n    mlc_barrier();" in source
    assert f"k % {ahead + 1}" in source and source.count("mlc_barrier()") == 1
    kernel(a, b)
    np.testing.assert_array_equal(b, wanted)


def test_too_few_iterations_stay_in_order() -> None:
    a, b, wanted = arrays()
    kernel = mlc.build(staged([0, STEPS]), target="cuda-emulated")
    assert "cp_async" not in str(kernel.lower().cuda)
    kernel(a, b)
    np.testing.assert_array_equal(b, wanted)


@pytest.mark.parametrize("missing", ["    mlc_cp_async_wait<0>();\n", "    mlc_barrier();\n"])
def test_what_would_be_missed_is_seen(missing: str) -> None:
    a, b, _ = arrays()
    module = mlc.build(staged([0, 1]), target="cuda-emulated").lower().compiled.device_module
    assert module.source.count(missing) == 1
    with pytest.raises(SimulationError):
        emulate.run_arrays(replace(module, source=module.source.replace(missing, "")), [a, b])


def test_they_compile_for_cards(nvrtc: None) -> None:
    assert_compiles(mlc.build(staged([0, 2]), target="cuda").lower().compiled.device_module)
