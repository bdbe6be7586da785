"""Correct programs pass, whatever runs at once in them, and compute what NumPy does."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.ir.expr import Var, const
from mlc.ir.program import Allocate, For, LoopKind, Program, Store, seq
from tests.simulator.programs import (
    PARALLEL,
    SERIAL,
    VECTORIZED,
    bound,
    buffer,
    copy,
    in_place,
    matmul,
    tiled_matmul,
    unproven,
    vector_sum,
    window_sum,
)

UNROLLED = LoopKind.UNROLLED


def arrays_for(program: Program) -> list[Any]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=b.shape).astype(b.dtype.numpy) for b in program.params]


@pytest.mark.parametrize(
    "kinds",
    [
        {"i": PARALLEL, "j": SERIAL, "k": SERIAL},
        {"i": PARALLEL, "k": SERIAL, "j": VECTORIZED},
        {"j": PARALLEL, "i": UNROLLED, "k": VECTORIZED},
    ],
    ids=["parallel", "vectorized columns", "vectorized sum"],
)
def test_matmul(kinds: Any) -> None:
    program = matmul(8, kinds)
    a, b, c = arrays_for(program)
    report = mlc.simulate(program, a, b, c)
    np.testing.assert_allclose(c, a @ b, 1e-5, 1e-5)
    assert report.accesses == 3 * 8**3 + 8**2 + 8**3  # A, B, C read and C written; and the zeros
    assert dict(report.touched) == {"A": 64, "B": 64, "C": 64}


@pytest.mark.parametrize("implicit", [True, False])
@pytest.mark.parametrize("style", ["one loop", "siblings", "again"])
def test_window_sum_with_a_barrier(style: str, implicit: bool) -> None:
    program = window_sum(style)
    a, b = arrays_for(program)
    report = mlc.simulate(program, a, b, implicit_barriers=implicit)
    np.testing.assert_array_equal(b, a[:-2] + a[1:-1] + a[2:])
    assert report.peak["shared"] == 10 * 4


@pytest.mark.parametrize("style", ["siblings", "again"])
def test_barriers_between_thread_loops_are_implied(style: str) -> None:
    program = window_sum(style, barrier=False)
    a, b = arrays_for(program)
    mlc.simulate(program, a, b)
    np.testing.assert_array_equal(b, a[:-2] + a[1:-1] + a[2:])


def test_matmul_through_shared_tiles() -> None:
    program = tiled_matmul()
    a, b, c = arrays_for(program)
    report = mlc.simulate(program, a, b, c, orders=4)
    np.testing.assert_allclose(c, a @ b, 1e-5, 1e-5)
    assert str(report) == (
        "matmul: 2752 accesses (1856 reads, 896 writes), 16 barriers, "
        "orders forward, reverse, shuffle 1, shuffle 2\n"
        "  A: 64 elements touched\n"
        "  B: 64 elements touched\n"
        "  C: 64 elements touched\n"
        "  acc: 1 element touched\n"
        "  SA: 16 elements touched\n"
        "  SB: 16 elements touched\n"
        "  global memory: 768 bytes\n"
        "  local memory: 4 bytes\n"
        "  shared memory: 128 bytes"
    )


def test_lanes_may_read_ahead() -> None:
    """All lanes read before any writes: the serial loop reads the old neighbour, too."""
    program = in_place(8, VECTORIZED, (lambda i: i, lambda i: i + 1))
    (x,) = arrays_for(program)
    want = np.append(x[1:] + np.float32(1), x[-1])
    mlc.simulate(program, x, in_out="X")
    np.testing.assert_array_equal(x, want)


def test_lanes_may_read_what_an_earlier_statement_of_a_lower_lane_wrote() -> None:
    a, s, b, i = buffer("A", 8), buffer("S", 9), buffer("B", 8), Var("i")
    body = seq(Store(s, (i + 1,), a[i]), Store(b, (i,), s[i]))
    start = Store(s, (const(0),), const(0.0, "float32"))
    program = unproven("p", (a, b), Allocate((s,), seq(start, For(i, 8, body, VECTORIZED))))
    x, y = arrays_for(program)
    mlc.simulate(program, x, y)
    np.testing.assert_array_equal(y, np.append(np.float32(0), x[:-1]))


def test_a_sum_may_be_folded_in_lanes() -> None:
    program = vector_sum(64, VECTORIZED)
    a, b = arrays_for(program)
    mlc.simulate(program, a, b)
    np.testing.assert_allclose(b[0], a.sum(), 1e-4)


def test_local_memory_of_threads_may_be_one_buffer() -> None:
    """Each thread uses an element of its own, in two loops."""
    a, b, own = buffer("A", 8), buffer("B", 8), buffer("own", 8, scope="local")
    t, u, bx = Var("t"), Var("u"), Var("bx")
    first = bound(t, 8, Store(own, (t,), a[t]))
    second = bound(u, 8, Store(b, (u,), own[u]))
    grid = bound(bx, 1, Allocate((own,), seq(first, second)), "blockIdx.x")
    program = unproven("p", (a, b), grid)
    x, y = arrays_for(program)
    mlc.simulate(program, x, y, implicit_barriers=False)
    np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize(("scope", "thread"), [("shared", "blockIdx.x"), ("local", "threadIdx.x")])
def test_private_memory_may_be_allocated_outside(scope: str, thread: str) -> None:
    """Each block or thread has a copy of its own, as lowering makes it."""
    a, b, s, i = buffer("A", 8), buffer("B", 8), buffer("S", 1, scope=scope), Var("i")
    body = seq(Store(s, (const(0),), a[i]), Store(b, (i,), s[0]))
    program = unproven("p", (a, b), Allocate((s,), bound(i, 8, body, thread)))
    x, y = arrays_for(program)
    mlc.simulate(program, x, y)
    np.testing.assert_array_equal(x, y)


def test_outputs_that_are_not_written_keep_their_values() -> None:
    program = copy(8, PARALLEL, lambda i: i // 2 * 2, lambda i: i // 2 * 2)
    a, b = arrays_for(program)
    old = b.copy()
    report = mlc.simulate(program, a, b, raise_on_findings=False)
    assert [f.kind for f in report.findings] == ["race"]
    np.testing.assert_array_equal(b[::2], a[::2])
    np.testing.assert_array_equal(b[1::2], old[1::2])
    assert report.unwritten == {"B": 4}


def test_scratch_holds_nothing_at_the_start_and_stays_as_it_is() -> None:
    a, s, b, i = buffer("A", 8), buffer("S", 8), buffer("B", 8), Var("i")
    program = unproven("p", (a, s, b), For(i, 8, seq(Store(s, (i,), a[i]), Store(b, (i,), s[i]))))
    x, work, y = arrays_for(program)
    before = work.copy()
    mlc.simulate(program, x, work, y, scratch="S")
    np.testing.assert_array_equal(x, y)
    np.testing.assert_array_equal(work, before)
    unfilled = unproven("p", (a, s, b), For(i, 8, Store(b, (i,), s[i])))
    with pytest.raises(mlc.SimulationError, match=r"i=0 reads S\[0\], which nothing has written"):
        mlc.simulate(unfilled, x, work, y, scratch="S")


def test_a_schedule_runs_as_it_stands() -> None:
    s = mlc.Schedule(matmul(8, {"i": SERIAL, "j": SERIAL, "k": SERIAL}))
    i, j, _ = s.loops("C")
    s.parallel(i)
    _, inner = s.split(j, (None, 4))
    s.reorder(s.loops("C")[-1], inner)
    s.vectorize(inner)
    a, b, c = arrays_for(s.program)
    mlc.simulate(s, a, b, c)
    np.testing.assert_allclose(c, a @ b, 1e-5, 1e-5)


def test_it_is_a_backend() -> None:
    from mlc.backends.base import backend

    program = matmul(4, {"i": PARALLEL, "j": SERIAL, "k": SERIAL})
    a, b, c = arrays_for(program)
    backend("simulate").compile(program)(a, b, c)
    np.testing.assert_allclose(c, a @ b, 1e-5, 1e-5)
    with pytest.raises(mlc.SimulationError):
        backend("simulate").compile(vector_sum(8, PARALLEL))(*arrays_for(vector_sum(8, PARALLEL)))


def test_speed() -> None:
    """At least 2e5 accesses in a second of processor time."""
    program = matmul(20, {"i": PARALLEL, "j": SERIAL, "k": SERIAL})
    arrays = arrays_for(program)
    began = time.process_time()
    report = mlc.simulate(program, *arrays)
    assert 3 * report.accesses / (time.process_time() - began) > 2e5
