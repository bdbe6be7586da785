"""Barriers stand where they are needed, and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import mlc
from mlc import script as T
from mlc.backends.cuda.device import Argument
from mlc.backends.cuda.module import Part, device_module
from mlc.compile_device import program_device_module
from mlc.ir.program import Program
from mlc.lower.cuda.pipeline import lower_cuda
from mlc.runtime.cuda import emulate

from .conftest import needs_compiler
from .programs import tiled_matmul, vector_add, window_sum


@T.program
def own_elements(A: T.Buffer((64,)), B: T.Buffer((64,))):
    S = T.alloc((64,), "float32", scope="shared")
    for _ in T.thread_binding(1, "blockIdx.x"):
        for tx in T.thread_binding(64, "threadIdx.x"):
            S[tx] = A[tx] * 2
        for tx in T.thread_binding(64, "threadIdx.x"):
            B[tx] = S[tx] + 1


@T.program
def reversed_elements(A: T.Buffer((64,)), B: T.Buffer((64,))):
    S = T.alloc((64,), "float32", scope="shared")
    for _ in T.thread_binding(1, "blockIdx.x"):
        for tx in T.thread_binding(64, "threadIdx.x"):
            S[tx] = A[tx]
        for tx in T.thread_binding(64, "threadIdx.x"):
            B[tx] = S[63 - tx]


@T.program
def other_half(A: T.Buffer((64,)), B: T.Buffer((64,))):
    S = T.alloc((128,), "float32", scope="shared")
    for _ in T.thread_binding(1, "blockIdx.x"):
        for tx in T.thread_binding(64, "threadIdx.x"):
            S[tx] = A[tx]
        for tx in T.thread_binding(64, "threadIdx.x"):
            S[127 - tx] = A[tx]
        for tx in T.thread_binding(64, "threadIdx.x"):
            B[tx] = S[tx] + S[127 - tx]


@T.program
def through_global(A: T.Buffer((4, 64)), H: T.Buffer((4, 64)), B: T.Buffer((4, 64))):
    for bx in T.thread_binding(4, "blockIdx.x"):
        for tx in T.thread_binding(64, "threadIdx.x"):
            H[bx, tx] = A[bx, tx]
        for tx in T.thread_binding(64, "threadIdx.x"):
            B[bx, tx] = H[bx, 63 - tx]


through_global = replace(through_global, outputs=2)


@T.program
def two_buffers(A: T.Buffer((8, 64)), B: T.Buffer((8, 64))):
    S = T.alloc((2, 64), "float32", scope="shared")
    for _ in T.thread_binding(1, "blockIdx.x"):
        for k in T.serial(8):
            for tx in T.thread_binding(64, "threadIdx.x"):
                S[k % 2, tx] = A[k, tx]
            for tx in T.thread_binding(64, "threadIdx.x"):
                B[k, tx] = S[k % 2, 63 - tx]


@T.program
def before_the_loop(A: T.Buffer((64,)), B: T.Buffer((8, 64))):
    S = T.alloc((64,), "float32", scope="shared")
    for _ in T.thread_binding(1, "blockIdx.x"):
        for tx in T.thread_binding(64, "threadIdx.x"):
            S[tx] = A[tx]
        for k in T.serial(8):
            for tx in T.thread_binding(64, "threadIdx.x"):
                B[k, tx] = S[63 - tx] * T.float32(k)


@T.program
def one_thread(A: T.Buffer((64,)), B: T.Buffer((64,))):
    S = T.alloc((1,), "float32", scope="shared")
    for _ in T.thread_binding(1, "blockIdx.x"):
        S[0] = A[0] + A[63]
        for tx in T.thread_binding(64, "threadIdx.x"):
            B[tx] = S[0]


@T.program
def fewer_threads(A: T.Buffer((64,)), B: T.Buffer((64,))):
    S = T.alloc((8,), "float32", scope="shared")
    for _ in T.thread_binding(1, "blockIdx.x"):
        for k in T.serial(4):
            for t in T.thread_binding(8, "threadIdx.x"):
                S[t] = A[k * 16 + t] + A[k * 16 + t + 8]
            for t in T.thread_binding(16, "threadIdx.x"):
                B[k * 16 + t] = S[t // 2]


def text_of(program: Program) -> str:
    source = program_device_module(program).source
    return source[source.index("{\n") :]


@pytest.mark.parametrize(
    ("program", "count"),
    [
        (vector_add, 0), (own_elements, 0), (reversed_elements, 1), (other_half, 0),
        (window_sum, 1), (through_global, 1), (before_the_loop, 1), (two_buffers, 1),
        (one_thread, 1), (fewer_threads, 2), (tiled_matmul, 2),
    ],
    ids=lambda value: getattr(value, "name", None),
)  # fmt: skip
def test_as_many_as_needed(program: Program, count: int) -> None:
    assert text_of(program).count("mlc_barrier();") == count


def test_what_is_done_before_a_loop_is_waited_for_before_it() -> None:
    text = text_of(before_the_loop)
    assert text.index("mlc_barrier();") < text.index("for (")


def arrays_of(program: Program) -> list[Any]:
    generator = np.random.default_rng(1)
    return [generator.standard_normal(b.shape).astype(b.dtype.numpy) for b in program.params]


PROGRAMS = (own_elements, reversed_elements, other_half, through_global, two_buffers,
            before_the_loop, one_thread, fewer_threads, window_sum, tiled_matmul)  # fmt: skip


@needs_compiler
def test_results_do_not_depend_on_the_order_of_threads() -> None:
    params = [buffer for program in PROGRAMS for buffer in program.params]
    places = {buffer: Argument("array", n) for n, buffer in enumerate(params)}
    module = device_module("all", [Part(lower_cuda(program), places) for program in PROGRAMS])
    want = [array for program in PROGRAMS for array in arrays_of(program)]
    first = 0
    for program in PROGRAMS:
        count = len(program.params)
        mlc.build(program, target="interpret")(*want[first : first + count])
        first += count
    for order in emulate.ORDERS:
        got = [array for program in PROGRAMS for array in arrays_of(program)]
        with mlc.config.override(emulated_order=order):
            emulate.run_arrays(module, got)
        for buffer, one, two in zip(params, got, want, strict=True):
            np.testing.assert_allclose(one, two, 1e-5, 1e-5, err_msg=f"{buffer.name} {order}")


@needs_compiler
@pytest.mark.parametrize("program", [two_buffers], ids=lambda p: p.name)
def test_without_its_barrier_a_program_goes_wrong(program: Program) -> None:
    module = program_device_module(program)
    broken = replace(module, source=module.source.replace("mlc_barrier();", ""))
    want, got = arrays_of(program), arrays_of(program)
    with mlc.config.override(emulated_checks=False, emulated_order="forward"):
        emulate.run_arrays(module, want)
        emulate.run_arrays(broken, got)
    assert not np.array_equal(got[-1], want[-1])
    with pytest.raises(mlc.SimulationError, match="no barrier lies between them"):
        emulate.run_arrays(broken, got)
