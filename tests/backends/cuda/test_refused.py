"""What no grid can run is refused, in so many words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import mlc
from mlc import script as T
from mlc.compile_device import program_device_module
from mlc.ir.program import Program

from .conftest import needs_compiler


def refusal(program: Program) -> str:
    with pytest.raises(mlc.UnsupportedError) as caught:
        program_device_module(program)
    return caught.value.message


def test_too_many_threads() -> None:
    @T.program
    def wide(A: T.Buffer((64, 64))):
        for ty in T.thread_binding(64, "threadIdx.y"):
            for tx in T.thread_binding(64, "threadIdx.x"):
                A[ty, tx] = 0.0

    assert refusal(wide) == (
        "wide has 64 x 64 = 4096 threads in a block, and a block has at most 1024; split a loop "
        "further, and bind the outer part to blocks"
    )


def test_a_loop_around_the_grid() -> None:
    @T.program
    def again(A: T.Buffer((8, 64))):
        for k in T.serial(8):
            for bx in T.thread_binding(64, "blockIdx.x"):
                A[k, bx] = 0.0

    assert refusal(again) == (
        "a loop stands around loop bx of again, which is bound to blockIdx.x: the blocks of a grid "
        "are started all at once; move the loops over blocks to the outside"
    )


def test_something_beside_the_grid() -> None:
    @T.program
    def beside(A: T.Buffer((8, 64)), B: T.Buffer((8,))):
        for by in T.thread_binding(8, "blockIdx.y"):
            B[by] = 1.0
            for bx in T.thread_binding(64, "blockIdx.x"):
                A[by, bx] = 0.0

    assert refusal(beside) == (
        "loop bx of beside is bound to blockIdx.x and has statements beside it in its nest; loops "
        "over blocks must be around all that their kernel does: split the nest there"
    )


def test_more_iterations_than_threads() -> None:
    @T.program
    def longer(A: T.Buffer((64,)), B: T.Buffer((8,))):
        for tx in T.thread_binding(8, "threadIdx.x"):
            for t in T.thread_binding(64, "threadIdx.x"):
                A[t] = 0.0
            B[tx] = 0.0

    assert refusal(longer) == (
        "loop t of longer has 64 iterations on threadIdx.x, but the loop around it started 8 of "
        "them: iterations 8 to 63 never run; give the outer loop as many, or split this one"
    )


def test_too_much_shared_memory() -> None:
    @T.program
    def large(A: T.Buffer((65536,)), B: T.Buffer((65536,))):
        for _ in T.thread_binding(1, "blockIdx.x"):
            S = T.alloc((65536,), "float32", scope="shared")
            for tx in T.thread_binding(64, "threadIdx.x"):
                for i in T.serial(1024):
                    S[tx * 1024 + i] = A[tx * 1024 + i]
            for tx in T.thread_binding(64, "threadIdx.x"):
                for i in T.serial(1024):
                    B[tx * 1024 + i] = S[65535 - tx * 1024 - i]

    assert refusal(large) == (
        "large needs 262144 bytes of shared memory in a block (S 262144), and a block has at most "
        "232448; stage less of it at a time"
    )


def test_shared_memory_between_kernels() -> None:
    @T.program
    def handed(A: T.Buffer((64,)), B: T.Buffer((64,))):
        S = T.alloc((64,), "float32", scope="shared")
        for bx in T.thread_binding(64, "blockIdx.x"):
            S[bx] = A[bx]
        for bx in T.thread_binding(64, "blockIdx.x"):
            B[bx] = S[bx]

    assert refusal(handed) == (
        "S of handed is in shared memory, which lives no longer than a kernel, but 2 loop nests "
        'use it, each a kernel of its own; put it into scope "global", or the nests under one loop '
        "over blocks"
    )


def test_threads_of_the_processor_around_those_of_a_grid() -> None:
    @T.program
    def mixed(A: T.Buffer((8, 64))):
        for i in T.parallel(8):
            for tx in T.thread_binding(64, "threadIdx.x"):
                A[i, tx] = 0.0

    assert refusal(mixed) == (
        "loop i of mixed is parallel, on the threads of the processor, and has loops over threads "
        "of a grid in it; bind it to blockIdx.x"
    )


def test_threads_that_part_where_they_must_meet() -> None:
    @T.program
    def parted(A: T.Buffer((64,)), B: T.Buffer((64,))):
        for _ in T.thread_binding(1, "blockIdx.x"):
            for tx in T.thread_binding(64, "threadIdx.x"):
                with T.when(A[tx] > 0):
                    T.barrier()
                    B[tx] = A[tx]

    assert refusal(parted) == (
        "threads of a block of parted would part at the condition A[tx] > 0.0, and loops over "
        "threads stand inside, where they must come together; move the condition inside those loops"
    )


def test_threads_that_need_each_other() -> None:
    @T.program
    def rotated(A: T.Buffer((64,)), B: T.Buffer((64,))):
        for tx in T.thread_binding(64, "threadIdx.x"):
            A[tx] = 1.0
            B[tx] = A[63 - tx]

    with pytest.raises(mlc.ScheduleError) as caught:
        program_device_module(replace(rotated, outputs=2))
    assert str(caught.value).startswith(
        "loop tx of 'rotated' is bound to threadIdx.x, which it cannot be: iterations of loop tx "
        "are not independent: tx=31 writes A[31]"
    )


def test_functions_of_libraries_in_programs_by_hand() -> None:
    (program,) = mlc.jit(np.linalg.inv).lower(np.eye(3)).compiled.programs
    with pytest.raises(mlc.UnsupportedError) as caught:
        mlc.build(program, target="cuda-emulated")
    assert caught.value.message.startswith(
        "inv calls mlc_gufunc_linalg__inv__d_d, a function of a library of the processor, which a "
        'CUDA kernel cannot call; run that part with target="cpu"'
    )


@needs_compiler
def test_checks_of_data() -> None:
    add = mlc.jit(np.add.reduceat, target="cuda-emulated")
    x = np.arange(10.0)
    np.testing.assert_array_equal(add(x, np.array([0, 3])), [3.0, 42.0])
    with pytest.raises(mlc.BoundsError) as caught:
        add(x, np.array([0, 30]))
    assert caught.value.message == (
        "ufunc.reduceat: index 30 is out of bounds for an axis of size 10"
    )


@pytest.mark.parametrize("scope", ["local", "stack"])
def test_private_memory_that_another_thread_reads(scope: str) -> None:
    @T.program
    def turned(A: T.Buffer((2, 32)), B: T.Buffer((2, 32))):
        for b in T.serial(2):
            t = T.alloc((32,))
            for i in T.serial(32):
                with T.block("t"):
                    vb, v = T.remap("SS", [b, i])
                    t[v] = A[vb, v] + 1.0
            for i in T.serial(32):
                with T.block("B"):
                    vb, v = T.remap("SS", [b, i])
                    B[vb, v] = t[31 - v]

    def bound(scope: str) -> mlc.Schedule:
        s = mlc.Schedule(turned)
        s.set_scope("t", scope)
        s.bind(s.loops("t")[0], "blockIdx.x")
        for name in ("t", "B"):
            s.bind(s.loops(name)[1], "threadIdx.x")
        return s

    with pytest.raises(mlc.ScheduleError) as refused:
        mlc.build(bound(scope), target="cuda-emulated")
    assert (
        f"each thread has a t of its own in {scope} memory, but threadIdx.x reads what another one "
        "writes: b=0, i=0 of block 't' writes t[0], b=0, i=31 of block 'B' reads it; "
        's.set_scope("t", "shared") gives them one together'
    ) in str(refused.value)
    a, found = np.arange(64, dtype=np.float32).reshape(2, 32), np.zeros((2, 32), np.float32)
    mlc.build(bound("shared"), target="cuda-emulated")(a, found)
    np.testing.assert_array_equal(found, a[:, ::-1] + 1)
