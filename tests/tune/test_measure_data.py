"""Workloads of all kinds of data: each must agree with its reference, and a fault must be seen."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlc.errors import ArgumentError
from mlc.ir.program import Program
from mlc.schedules.schedule import Schedule
from mlc.tune.candidate import DEFAULT, Candidate
from mlc.tune.measure import Limits, Measurer
from mlc.tune.measure.builders import Builders
from mlc.tune.measure.building import script_request, traced_back
from mlc.tune.measure.checking import make_reference
from mlc.tune.measure.data import coarsest_epsilon, reduction_depth
from mlc.tune.workload import Workload, workload_of
from tests.tune.test_measure import LIMITS, SCRIPT, tiled, workload

HEAD = "@T.program\ndef p({params}):\n"
SUM = """    for i, j in T.grid({n}, {m}):
        with T.block("s"):
            vi, vj = T.remap("SR", [i, j])
            with T.init():
                s[vi] = {zero}
            s[vi] += x[vi, vj]
"""
ADD = """    for i, j in T.grid({n}, {m}):
        with T.block("s"):
            vi, vj = T.remap("SS", [i, j])
            s[vi, vj] = x[vi, vj] + x[vi, vj]
"""


def sums(dtype: str, n: int = 12, m: int = 40, zero: str = "0.0") -> str:
    params = f'x: T.Buffer(({n}, {m}), "{dtype}"), s: T.Buffer(({n},), "{dtype}")'
    return HEAD.format(params=params) + SUM.format(n=n, m=m, zero=zero)


PROGRAMS = {
    "float32": sums("float32"),
    "float16": sums("float16"),
    "bfloat16": sums("bfloat16"),
    "float64": sums("float64", 3, 3000),
    "int8": sums("int8", zero="0"),
    "uint64": sums("uint64", zero="0"),
    "transposed": HEAD.format(
        params='x: T.Buffer((12, 40), "float32", strides=(1, 12)), s: T.Buffer((12, 40))'
    )
    + ADD.format(n=12, m=40),
    "gather": HEAD.format(
        params='x: T.Buffer((30,), "int64"), t: T.Buffer((2, 4)), s: T.Buffer((30, 4))'
    )
    + """    for i, j in T.grid(30, 4):
        with T.block("s"):
            vi, vj = T.remap("SS", [i, j])
            s[vi, vj] = t[x[vi], vj]
""",
    "two outputs": HEAD.format(
        params='x: T.Buffer((9,)), s: T.Buffer((9,)), b: T.Buffer((9,), "bool")'
    )
    + """    for i in T.grid(9):
        with T.block("s"):
            vi = T.remap("S", [i])
            s[vi] = T.exp(x[vi])
        with T.block("b"):
            vj = T.remap("S", [i])
            b[vj] = x[vj] < 0.0
""",
}


def schedule_of(program: Program) -> Candidate:
    """A schedule that is not the default: inner loops vectorised or split unevenly."""
    s = Schedule(program)
    first = s.loops(next(iter(name for name in ("s",))))[0]
    s.split(first, factors=[None, 4])
    return Candidate("trace", s.to_json(), "test")


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_of_all_dtypes_and_layouts(name: str, shared: Builders) -> None:
    made = workload_of(traced_back(PROGRAMS[name], "p"))
    with Measurer(made, LIMITS, builders=shared) as measurer:
        found = dict(measurer.measure([DEFAULT, schedule_of(made.program)]))
        assert [o.status for o in found.values()] == ["ok", "ok"], found
        sets = measurer.bench.proof
    assert "whole numbers" in sets
    assert ("special values" in sets) == (name not in ("int8", "uint64"))


@pytest.fixture(scope="module")
def shared() -> Any:
    builders = Builders(2, LIMITS)
    yield builders
    builders.close()


def test_the_real_arguments_are_used(shared: Builders) -> None:
    made = workload_of(traced_back(PROGRAMS["gather"], "p"))
    arrays = (np.array([1, 0] * 15), np.arange(8, dtype=np.float32).reshape(2, 4))
    with Measurer(replace(made, inputs=arrays), LIMITS, builders=shared) as measurer:
        ((_, outcome),) = measurer.measure([DEFAULT])
        assert outcome.is_ok, outcome
        (reference,) = measurer.bench.references["arguments"].outputs
    assert np.array_equal(reference, arrays[1][arrays[0]])


def test_cold_caches_take_longer(shared: Builders) -> None:
    text = sums("float32", 64, 4096)
    seconds = []
    for cache in ("warm", "cold"):
        limits: Limits = replace(LIMITS, cache=cache)
        made = workload_of(traced_back(text, "p"))
        with Measurer(made, limits, builders=shared) as measurer:
            ((_, outcome),) = measurer.measure([DEFAULT])
            assert outcome.is_ok and outcome.seconds is not None, outcome
            seconds.append(outcome.seconds)
    assert seconds[1] > seconds[0]


def test_a_builder_that_hangs_is_given_up() -> None:
    builders = Builders(1, replace(LIMITS, build_seconds=0.5))
    try:
        request = script_request(workload().program)
        assert builders.submit(request).result().status == "ok"
        (pid,) = builders.pids()
        os.kill(pid, signal.SIGSTOP)
        built = builders.submit(request).result()
        assert (built.status, built.detail) == ("timeout", "it was not built within 0.5 s")
        assert builders.submit(request).result().status == "ok"
        assert builders.lost == 1
    finally:
        builders.close()


def test_builds_end_when_they_are_given_up() -> None:
    builders = Builders(1, LIMITS)
    try:
        request = script_request(workload().program)
        builders.submit(request).result()
        (pid,) = builders.pids()
        os.kill(pid, signal.SIGSTOP)
        waiting = builders.submit(request)
        timer = threading.Timer(0.1, builders.abort)
        timer.start()
        start = time.monotonic()
        assert waiting.result().detail == "the measurement was ended"
        assert time.monotonic() - start < 2.0
        timer.join()
        assert builders.submit(request).result().status == "ok"  # others may follow
    finally:
        builders.close()
    with pytest.raises(RuntimeError, match="the builders are closed"):
        builders.submit(request)


def test_a_closed_measurer_says_so() -> None:
    measurer = Measurer(workload(), LIMITS)
    measurer.close()
    with pytest.raises(ArgumentError, match="this Measurer is closed; make another one"):
        list(measurer.measure([DEFAULT]))


def test_the_rounding_that_is_granted() -> None:
    program = traced_back(SCRIPT, "mm")
    assert reduction_depth(program) == 64 - 1
    assert coarsest_epsilon(program) == np.finfo(np.float32).eps
    eps = float(np.finfo(np.float32).eps)
    right = np.full(10, 100.0, np.float32)
    reference = make_reference([right], [right + 1e-4], "arguments", eps, 63)
    assert reference.difference([right * (1 + 4 * eps)]) is None
    assert reference.difference([right + np.float32(1e-3)]) is not None
    exact = make_reference([right], [right], "whole numbers", eps, 63)
    assert exact.difference([right * (1 + 2 * eps)]) is None
    assert exact.difference([right * (1 + 8 * eps)]) is not None
    nan = right.copy()
    nan[3] = np.nan
    assert make_reference([nan], [nan], "special values", eps, 63).difference([nan]) is None
    difference = exact.difference([nan])
    assert difference is not None
    assert difference.startswith("output 0 is wrong in 1 of 10 elements: at [3] it is nan, ")


def test_two_measurers_share_builders(shared: Builders) -> None:
    pids = set(shared.pids())
    made = workload()
    with Measurer(made, LIMITS, builders=shared) as one:
        assert dict(one.measure([DEFAULT]))[DEFAULT].is_ok
    other = Workload("mm", made.program, made.program, "key")
    with Measurer(other, LIMITS, builders=shared) as two:
        candidate = tiled(made.program, 4, 16)
        assert dict(two.measure([candidate]))[candidate].is_ok
    assert pids <= set(shared.pids()) or not pids
