"""Threads that fill shared memory together: the same thread bound again further in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc
from mlc import Schedule, ScheduleError
from mlc import script as T
from mlc.ir.program import Program


@T.program
def window(A: T.Buffer((1027,)), B: T.Buffer((1024,))) -> None:
    for i in T.grid(1024):
        with T.block("B"):
            v = T.axis.spatial(1024, i)
            B[v] = A[v] + A[v + 1] + A[v + 2] + A[v + 3]


@T.program
def matmul(A: T.Buffer((32, 32)), B: T.Buffer((32, 32)), C: T.Buffer((32, 32))) -> None:
    for i, j, k in T.grid(32, 32, 32):
        with T.block("C"):
            vi, vj, vk = T.remap("SSR", [i, j, k])
            with T.init():
                C[vi, vj] = 0.0
            C[vi, vj] += A[vi, vk] * B[vk, vj]


def samples(program: Program) -> list[Any]:
    """Small whole numbers for each parameter."""
    rng = np.random.default_rng(0)
    return [rng.integers(-3, 4, b.shape).astype("float32") for b in program.params]


def simulated(s: Schedule | Program, orders: int = 3) -> Any:
    """The report, after the outputs have come out right."""
    program = s.program if isinstance(s, Schedule) else s
    arrays = samples(program)
    report = mlc.simulate(program, *arrays, orders=orders)
    if program.name == "matmul":
        assert (arrays[2] == arrays[0] @ arrays[1]).all()
    else:
        a = arrays[0]
        assert (arrays[1] == a[:-3] + a[1:-2] + a[2:-1] + a[3:]).all()
    return report


def threads_of(s: Schedule, n: int = 128) -> tuple[Any, Any]:
    """The loop of the window on blocks of ``n`` threads."""
    (i,) = s.loops("B")
    block, thread = s.split(i, [None, n])
    s.bind(block, "blockIdx.x")
    s.bind(thread, "threadIdx.x")
    return block, thread


def fetched(s: Schedule, n: int = 128) -> Any:
    """The window on threads, each of which copies all that its block reads; the copy's loop."""
    _, thread = threads_of(s, n)
    copy = s.cache_read("B", 0, "shared")
    s.compute_at(copy, thread)
    return s.loops(copy)[-1]


def blocked() -> Schedule:
    """The product with one 4 x 4 tile for each thread of a block of 4 x 4."""
    s = Schedule(matmul)
    tile = s.cache_write("C", 0, "local")
    i, j, k = s.loops("C")
    by, ty, yi = s.split(i, [None, 4, 4])
    bx, tx, xi = s.split(j, [None, 4, 4])
    k0, k1 = s.split(k, [None, 8])
    s.reorder(by, bx, ty, tx, k0, k1, yi, xi)
    s.reverse_compute_at(tile, tx)
    for kind, y, x in (("blockIdx", by, bx), ("threadIdx", ty, tx)):
        s.bind(y, f"{kind}.y")
        s.bind(x, f"{kind}.x")
    for operand in (0, 1):
        copy = s.cache_read("C", operand, "shared")
        s.compute_at(copy, k0)
    return s


def share_out(s: Schedule, copy: str) -> None:
    """The loops of a copy on the threads of the product."""
    _, y, x = s.split(s.fuse(*s.loops(copy)[-2:]), [None, 4, 4])
    s.bind(y, "threadIdx.y")
    s.bind(x, "threadIdx.x")


def test_a_window_is_fetched_by_all_threads() -> None:
    s = Schedule(window)
    _, thread = s.split(fetched(s), [None, 128])
    s.bind(thread, "threadIdx.x")
    assert simulated(s).barriers == 8 * 2
    assert 'for ax0_1 in T.thread_binding(128, "threadIdx.x"):' in s.program.script()
    a, b = np.arange(1027, dtype="float32"), np.zeros(1024, "float32")
    mlc.build(s.program)(a, b)
    assert (b == 4 * np.arange(1024) + 6).all()


def test_each_step_on_the_way_is_right() -> None:
    s = Schedule(window)
    copied = fetched(s)
    assert simulated(s, orders=1).barriers == 8 * 2
    _, thread = s.split(copied, [None, 128])
    simulated(s, orders=1)
    s.bind(thread, "threadIdx.x")
    simulated(s, orders=2)
    s = blocked()
    simulated(s, orders=1)


def test_fewer_threads_than_the_loop_around_starts() -> None:
    s = Schedule(window)
    _, thread = s.split(fetched(s), [None, 50])
    s.bind(thread, "threadIdx.x")
    simulated(s)


def test_tiles_of_a_product_are_fetched_by_all_threads() -> None:
    s = blocked()
    share_out(s, "A_shared")
    share_out(s, "B_shared")
    simulated(s, orders=2)


def refused(s: Schedule, loop: Any, thread: str = "threadIdx.x") -> str:
    """Why ``loop`` is not bound."""
    with pytest.raises(ScheduleError) as raised:
        s.bind(loop, thread)
    return raised.value.message.split("\n")[0]


def test_more_iterations_than_threads_are_refused() -> None:
    s = Schedule(window)
    assert refused(s, fetched(s)) == (
        "bind refused: loop ax0 has 131 iterations, and loop i_1 starts 128 threads on "
        "threadIdx.x; use s.split(ax0, [None, 128]) and bind the inner loop"
    )


def test_what_is_not_shared_is_refused() -> None:
    s = Schedule(window)
    _, thread = threads_of(s)
    copy = s.cache_read("B", 0, "local")
    s.compute_at(copy, thread)
    assert refused(s, s.loops(copy)[-1]) == (
        "bind refused: loop i_1 is bound to threadIdx.x already, and loops i_1 and ax0 stand in "
        "one another; fuse them first, or take another thread"
    )


def test_memory_of_each_thread_is_not_shared() -> None:
    s = Schedule(window)
    (i,) = s.loops("B")
    _, thread = s.split(i, [None, 128])
    copy = s.cache_read("B", 0, "shared")
    s.compute_at(copy, thread)
    assert refused(s, thread) == (
        "bind refused: all threads of a block have one A_shared, and iterations of loop i_1 are "
        "not independent: i_1=0, ax0=1 and i_1=1, ax0=0 both write A_shared[1]; bind i_1 before "
        "s.compute_at(...) puts it there, or use s.set_scope('A_shared', 'local')"
    )
    s.set_scope("A_shared", "local")
    s.bind(thread, "threadIdx.x")
    simulated(s)
    with pytest.raises(ScheduleError, match="set_scope refused: all threads of a block have one A"):
        s.set_scope("A_shared", "shared")
    s.set_scope("A_shared", "shared", unsafe=True)
    report = mlc.simulate(s, *samples(s.program), raise_on_findings=False)
    assert {finding.kind for finding in report.findings} == {"race"}


def test_sums_are_not_shared_out() -> None:
    @T.program
    def sums(A: T.Buffer((8, 4)), B: T.Buffer((8, 4))) -> None:
        for i, j in T.grid(8, 4):
            S = T.alloc((1,), "float32", scope="shared")
            for k in T.serial(4):
                with T.block("S"):
                    vi, vk = T.remap("SR", [i, k])
                    with T.init():
                        S[0] = 0.0
                    S[0] += A[vi, vk]
            with T.block("B"):
                vi, vj = T.remap("SS", [i, j])
                B[vi, vj] = S[0]

    s = Schedule(sums)
    assert refused(s, s.loops("B")[1]).startswith(
        "bind refused: all threads of a block have one S, and iterations of loop j are not "
        "independent: j=0"
    )


def test_what_differs_from_thread_to_thread_is_not_shared_out() -> None:
    @T.program
    def rows(A: T.Buffer((4, 4)), B: T.Buffer((4, 4))) -> None:
        for i in T.serial(4):
            S = T.alloc((4, 4), "float32", scope="shared")
            for k in T.serial(4):
                with T.block("S"):
                    vi, vk = T.remap("SS", [i, k])
                    S[vi, vk] = A[vi, vk]
            for j in T.serial(4):
                with T.block("B"):
                    vi, vj = T.remap("SS", [i, j])
                    B[vi, vj] = S[vi, 3 - vj]

    s = Schedule(rows)
    i, k = s.loops("S")
    s.bind(i, "threadIdx.x")
    assert refused(s, k) == (
        "bind refused: loop i around loop k is bound to threadIdx.x already, and threads share "
        "out a loop only where it fills shared memory that is allocated inside loop i, with the "
        "same values in each of them; but what is written to S depends on the thread i, and all "
        "threads of a block share S"
    )
