"""Programs written as users write them: intrinsics, lines of source, one way through ``build``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mlc
from mlc import script as T
from mlc.dtypes import int64
from mlc.ir.expr import Var
from mlc.ir.program import Buffer, Evaluate, For, LoopKind, Program, Region, Store
from tests.simulator.programs import buffer, unproven


@mlc.intrinsic
def simulated_add8(A: T.Buffer((8,)), B: T.Buffer((8,)), C: T.Buffer((8,))) -> None:
    for i in T.serial(8):
        with T.block("add"):
            vi = T.axis.spatial(8, i)
            C[vi] = A[vi] + B[vi]


@mlc.intrinsic
def simulated_dot4(A: T.Buffer((4,)), B: T.Buffer((4,)), C: T.Buffer((1,))) -> None:
    for k in T.serial(4):
        with T.block("dot"):
            vk = T.axis.reduce(4, k)
            C[0] += A[vk] * B[vk]


def row_sums(kind: Any, filled: bool = True) -> Program:
    """``C[i, 0] += A[i, :] . B`` by an intrinsic, with the rows in a loop of the given kind."""

    @T.program
    def rows(A: T.Buffer((6, 4)), B: T.Buffer((4,)), C: T.Buffer((6, 1))) -> None:
        if filled:
            for j in T.serial(6):
                with T.block("start"):
                    vj = T.axis.spatial(6, j)
                    C[vj, 0] = 0.0
        for i in kind(6):
            with T.block("row"):
                vi = T.axis.spatial(6, i)
                simulated_dot4(A[vi, 0:4], B[0:4], C[vi, 0:1])

    return rows


@pytest.mark.parametrize("kind", [T.serial, T.parallel, T.vectorized, T.unrolled])
def test_calls_of_intrinsics_do_what_they_mean(kind: Any) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(6, 4)).astype("float32"), rng.normal(size=4).astype("float32")
    c = np.zeros((6, 1), "float32")
    report = mlc.simulate(row_sums(kind), a, b, c)
    np.testing.assert_allclose(c[:, 0], a @ b, 1e-5)
    assert report.touched == {"A": 24, "B": 4, "C": 6}


def test_what_a_call_reads_must_be_written() -> None:
    program = row_sums(T.serial, filled=False)
    report = mlc.simulate(
        program, np.ones((6, 4), "float32"), np.ones(4, "float32"), np.ones((6, 1), "float32"),
        raise_on_findings=False,
    )  # fmt: skip
    assert [f.text for f in report.findings] == [
        "i=0, k=0 of block 'row' combines into C[0, 0], which nothing has written yet"
    ]


def test_calls_at_once_may_not_meet() -> None:
    @T.program(attrs={"unsafe": ("the halves overlap",)})
    def overlapping(A: T.Buffer((12,)), B: T.Buffer((12,))) -> None:
        for i in T.parallel(2):
            simulated_add8(A[i * 4 : i * 4 + 8], A[i * 4 : i * 4 + 8], B[i * 4 : i * 4 + 8])

    report = mlc.simulate(
        overlapping, np.ones(12, "float32"), np.ones(12, "float32"), raise_on_findings=False
    )
    assert [f.text for f in report.findings] == [
        "race between iterations of the parallel loop i: i=0, i_1=4 and i=1, i_1=0 both write B[4]"
    ]


def test_regions_that_leave_their_buffer() -> None:
    A, B, i = buffer("A", 12), buffer("B", 16), Var("i")
    regions = [Region(x, (i * 8,), (8,)) for x in (A, A, B)]
    body = For(i, 2, Evaluate("simulated_add8", tuple(regions)))
    report = mlc.simulate(
        unproven("beyond", (A, B), body), np.ones(12, "float32"), np.ones(16, "float32"),
        raise_on_findings=False,
    )  # fmt: skip
    text = "i=1, i_1=4: index 12 of A, axis 0 with size 12"
    assert [f.text for f in report.findings] == [text, text]  # two operands


def test_functions_without_a_meaning() -> None:
    @T.program
    def extern(A: T.Buffer((4,)), B: T.Buffer((4,))) -> None:
        with T.block("all"):
            T.reads(A[0:4])
            T.writes(B[0:4])
            T.call_extern("a_library_function", A, B)

    with pytest.raises(mlc.UnsupportedError, match="cannot call 'a_library_function': it is no"):
        mlc.simulate(extern, np.ones(4, "float32"), np.ones(4, "float32"))


def test_the_message_names_the_line_and_the_data() -> None:
    """Where an index comes from an array only running tells."""

    @T.program
    def gather(A: T.Buffer((8,)), places: T.Buffer((8,), "int64"), B: T.Buffer((8,))) -> None:
        for i in T.serial(8):
            with T.block("take"):
                vi = T.axis.spatial(8, i)
                B[vi] = A[places[vi]]

    a, b = np.ones(8, "float32"), np.ones(8, "float32")
    mlc.simulate(gather, a, np.arange(8), b)
    with pytest.raises(mlc.SimulationError) as raised:
        mlc.simulate(gather, a, np.arange(8) - 1, b)
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    at = re.search(r"at \S+/test_scripts\.py:(\d+) in gather", str(raised.value))
    assert at is not None
    assert 'T.block("take")' in lines[int(at[1]) - 1]
    assert "i=0 of block 'take': index -1 of A, axis 0 with size 8" in str(raised.value)


def test_scatter_in_parallel_depends_on_the_data() -> None:
    A, at, B = buffer("A", 8), Buffer("at", (8,), int64), buffer("B", 8)
    i = Var("i")
    program = unproven(
        "scatter", (A, at, B), For(i, 8, Store(B, (at[i],), A[i]), LoopKind.PARALLEL)
    )
    a, b = np.arange(8, dtype="float32"), np.zeros(8, "float32")
    mlc.simulate(program, a, np.arange(8)[::-1].copy(), b)
    np.testing.assert_array_equal(b, a[::-1])
    with pytest.raises(mlc.SimulationError, match=r"i=2 and i=5 both write B\[3\]"):
        mlc.simulate(program, a, np.array([0, 1, 3, 2, 4, 3, 5, 6]), b)
