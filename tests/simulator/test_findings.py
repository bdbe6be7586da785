"""Broken programs are refused, in words that name the iterations and the element."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.ir.program import LoopKind, Program
from tests.simulator import broken
from tests.simulator.programs import (
    PARALLEL,
    VECTORIZED,
    copy,
    in_place,
    tiled_matmul,
    vector_sum,
    window_sum,
)

BOUND = LoopKind.BOUND
LANES = "the lanes of the vectorized loop i are not independent: "
THREADS = "without a barrier in between: "


def same(i: Any) -> Any:
    return i


def after(i: Any) -> Any:
    return i + 1


def half(i: Any) -> Any:
    return i // 2


def findings(program: Program, **options: Any) -> dict[str, list[str]]:
    """The texts of what is found, by kind."""
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=b.shape).astype(b.dtype.numpy) for b in program.params]
    report = mlc.simulate(program, *arrays, raise_on_findings=False, **options)
    found: dict[str, list[str]] = {}
    for finding in report.findings:
        found.setdefault(finding.kind, []).append(finding.text)
    return found


CASES: list[tuple[Callable[[], Program], str, str]] = [
    (broken.past_the_end, "bounds", "i=7, j=3: index 128 of A, axis 0 with size 128"),
    (
        broken.before_the_start,
        "bounds",
        "i=0 of block 'shift': index -1 of B, axis 0 with size 8",
    ),
    (
        broken.binding_outside_its_axis,
        "bounds",
        "i=8: axis vi of block 'copy' is 8, outside its range(8)",
    ),
    (broken.half_filled, "uninitialised", "j=4 reads S[4], which nothing has written yet"),
    (broken.reads_its_output, "uninitialised", "i=0 reads B[0], which nothing has written yet"),
    (
        broken.writes_its_input,
        "input",
        "i=0 writes A[0]: A is an input; declare it an output or scratch",
    ),
    (
        broken.divergent,
        "barrier",
        "divergent barrier in loop t (threadIdx.x): t=0 waits at a barrier, t=4 never reaches it; "
        "move it out of the condition",
    ),
    (
        lambda: broken.divergent(thread_y=True),
        "barrier",
        "divergent barrier in loop t (threadIdx.x): u=0, t=0 waits at a barrier, t=4 never reaches "
        "it; move it out of the condition",
    ),
    (
        broken.two_barriers,
        "barrier",
        "divergent barrier in loop t (threadIdx.x): t=0 waits at a barrier, t=4 waits at another "
        "one; move it out of the condition",
    ),
    (
        broken.too_many_iterations,
        "barrier",
        "loop u has 8 iterations on threadIdx.x, but the loop around it started 4 of them: "
        "iterations 4 to 7 never run",
    ),
    (
        broken.local_of_two_threads,
        "scope",
        "own is local, private to a thread: t=7 writes own[7], u=0 reads it; a thread "
        "sees only what it wrote itself",
    ),
    (
        broken.warp_of_two_warps,
        "scope",
        "own is warp, private to a warp: t=32 writes own[32], u=0 reads it; a warp sees "
        "only what it wrote itself",
    ),
    (
        broken.shared_of_two_blocks,
        "scope",
        "S is shared, private to a block of the grid: b=0 writes S[0], b=1 reads it; a block of "
        "the grid sees only what it wrote itself",
    ),
    (
        broken.shared_of_two_launches,
        "scope",
        "S is shared, private to a block of the grid: b=0 writes S[0], c=0 reads it in another "
        "launch of the grid: it does not live that long",
    ),
    (
        broken.shared_inside_threads,
        "race",
        f"race between threads (loop t, threadIdx.x) {THREADS}t=0 and t=1 both write S[0]; let one "
        "thread alone write it",
    ),
    (
        broken.blocks_that_meet,
        "race",
        "race between blocks of the grid (loop b, blockIdx.x): b=0, t=1 and b=1, t=0 both write "
        "B[1]",
    ),
    (
        lambda: copy(8, PARALLEL, half, same),
        "race",
        "race between iterations of the parallel loop i: i=0 and i=1 both write B[0]",
    ),
    (
        lambda: vector_sum(8, PARALLEL),
        "race",
        "race between iterations of the parallel loop i: i=0 and i=1 both combine into B[0]; use "
        "rfactor, or leave the loop serial",
    ),
    (
        lambda: vector_sum(8, BOUND, "vthread.x"),
        "race",
        f"race between threads (loop i, vthread.x) {THREADS}i=0 and i=1 both combine into B[0]; "
        "use rfactor, or leave the loop serial",
    ),
    (
        lambda: vector_sum(8, BOUND, "blockIdx.x"),
        "race",
        "race between blocks of the grid (loop i, blockIdx.x): i=0 and i=1 both combine into B[0]; "
        "use rfactor, or leave the loop serial",
    ),
    (
        lambda: window_sum("one loop", barrier=False),
        "race",
        f"race between threads (loop tx, threadIdx.x) {THREADS}bx=0, tx=0 of block 'window' reads "
        "S[1], bx=0, tx=1, r=0 of block 'fetch' writes it; put T.barrier() there",
    ),
    (
        lambda: tiled_matmul(after_fetch=False),
        "race",
        f"race between threads (loop tx, threadIdx.x) {THREADS}by=0, bx=0, ty=0, tx=0, ko=0, ki=1 "
        "of block 'use' reads SA[0, 1], by=0, bx=0, ty=0, tx=1, ko=0 of block 'fetch A' writes it; "
        "put T.barrier() there",
    ),
    (
        lambda: tiled_matmul(after_use=False),
        "race",
        f"race between threads (loop tx, threadIdx.x) {THREADS}by=0, bx=0, ty=0, tx=0, ko=1 of "
        "block 'fetch A' writes SA[0, 0], by=0, bx=0, ty=0, tx=1, ko=0, ki=0 of block 'use' reads "
        "it; put T.barrier() there",
    ),
    (
        lambda: copy(8, VECTORIZED, half, same),
        "lanes",
        f"{LANES}i=0 and i=1 both write B[0]; one statement writes both at once",
    ),
]


@pytest.mark.parametrize(("make", "kind", "text"), CASES)
def test_what_is_found(make: Callable[[], Program], kind: str, text: str) -> None:
    found = findings(make())
    assert next(iter(found)) == kind
    assert found[kind][0] == text


@pytest.mark.parametrize(
    ("stores", "text"),
    [
        (
            [(after, same)],
            "i=1 reads X[1], i=0 writes it; all lanes read before any writes, so the new value is "
            "not seen",
        ),
        (
            [(same, same), (same, after)],
            "i=1 writes X[1], i=0 reads it; the lanes run in lockstep, so this order is not that "
            "of the serial loop",
        ),
    ],
)
def test_lanes_that_depend_on_each_other(stores: Any, text: str) -> None:
    assert findings(in_place(8, VECTORIZED, *stores), in_out="X") == {"lanes": [LANES + text]}


@pytest.mark.parametrize(
    ("style", "text"),
    [
        (
            "siblings",
            "race between threads (loop t2, threadIdx.x) without a barrier in between: bx=0, "
            "t2=1, r=0 of block 'fetch' writes S[1], bx=0, tx=0 of block 'window' reads it; put "
            "T.barrier() there",
        ),
        (
            "again",
            "race between threads (loop tx, threadIdx.x) without a barrier in between: bx=0, tx=0 "
            "of block 'window' reads S[1], bx=0, tx=1, r=0, t2=1 of block 'fetch' writes it; put "
            "T.barrier() there",
        ),
    ],
)
def test_barriers_that_are_not_implied(style: str, text: str) -> None:
    found = findings(window_sum(style, barrier=False), implicit_barriers=False)
    assert found["race"][0] == text


def test_a_result_that_depends_on_the_order_names_the_element() -> None:
    program = copy(4, PARALLEL, half, same)
    a, b = np.arange(4, dtype="float32"), np.zeros(4, "float32")
    report = mlc.simulate(program, a, b, raise_on_findings=False)
    assert report.findings[-1].text == (
        "B[0] is 1.0 with the iterations in forward order, 0.0 in reverse order"
    )


def test_a_result_that_is_not_the_serial_one() -> None:
    program = broken.fetch_that_differs_per_thread()
    a, b = np.arange(16, dtype="float32").reshape(4, 4), np.zeros(4, "float32")
    report = mlc.simulate(program, a, b, raise_on_findings=False)
    assert [str(f) for f in report.findings] == ["B[0] is 5.0, but the serial program computes 1.0"]


def test_the_exception_shows_the_first_findings_and_holds_all() -> None:
    program = tiled_matmul(after_fetch=False)
    arrays = [np.ones((8, 8), "float32") for _ in range(3)]
    with pytest.raises(mlc.SimulationError) as raised:
        mlc.simulate(program, *arrays)
    error = raised.value
    assert error.message.startswith("matmul would go wrong on hardware:\n  1. race between threads")
    assert error.message.endswith("\n  and 2 more, see .findings")
    assert [f.kind for f in error.findings] == ["race"] * 2 + ["uninitialised"] * 2 + ["order"]  # type: ignore[attr-defined]


def test_the_line_of_the_block_is_named() -> None:
    from dataclasses import replace

    from mlc.errors import SourceLocation
    from mlc.ir.program import For

    program = broken.before_the_start()
    loop = program.body
    assert isinstance(loop, For)
    located = replace(loop.body, location=SourceLocation("user.py", 7, "main"))  # type: ignore[call-arg]
    program = program.with_body(replace(loop, body=located))
    with pytest.raises(mlc.SimulationError, match=r"with size 8\n    at user.py:7 in main"):
        mlc.simulate(program, np.ones(8, "float32"), np.ones(8, "float32"))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            broken.parallel_in_lanes,
            "the parallel loop j stands in the vectorized loop i, which may hold serial and "
            "unrolled ones only; vectorize the innermost loop",
        ),
        (
            broken.barrier_in_lanes,
            "a barrier stands in the vectorized loop i inside a thread; only serial loops may lie "
            "between a barrier and the threads that wait at it",
        ),
    ],
)
def test_what_no_hardware_runs(make: Callable[[], Program], text: str) -> None:
    with pytest.raises(mlc.UnsupportedError) as raised:
        findings(make())
    assert raised.value.message == text


def test_arguments() -> None:
    program = copy(4, PARALLEL, same, same)
    a = np.zeros(4, "float32")
    with pytest.raises(mlc.ArgumentError, match=r"copy takes 2 arrays \(A, B\), got 1"):
        mlc.simulate(program, a)
    with pytest.raises(mlc.ShapeError, match=r"expected shape \(4,\) for B, got \(5,\)"):
        mlc.simulate(program, a, np.zeros(5, "float32"))
    with pytest.raises(mlc.ArgumentError, match="in_out names 'A', which is no output of copy"):
        mlc.simulate(program, a, a, in_out="A")
    with pytest.raises(mlc.ArgumentError, match="scratch names 'B', which is no input of copy"):
        mlc.simulate(program, a, a, scratch=["B"])
    with pytest.raises(mlc.ArgumentError, match=r"wants a T\.program or a Schedule, got int"):
        mlc.simulate(3)
