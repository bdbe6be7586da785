"""Workloads of all kinds of data: each must agree with its reference, and a fault must be seen."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mlc
from mlc.errors import ArgumentError, CompileError
from mlc.intrinsics.register_tiles import fma_f32
from mlc.ir.expr import Var
from mlc.ir.intrinsic import register
from mlc.ir.program import For, Program
from mlc.schedules.schedule import Schedule
from mlc.tune.candidate import DEFAULT, Candidate
from mlc.tune.measure import Limits, Measurer
from mlc.tune.measure.builders import Builders
from mlc.tune.measure.building import native_text, script_request, traced_back
from mlc.tune.measure.checking import make_reference
from mlc.tune.measure.data import coarsest_epsilon, reduction_depth
from mlc.tune.measure.shipping import program_bytes, program_of
from mlc.tune.targets import workloads_for
from mlc.tune.workload import Workload, workload_of
from tests.tune.test_measure import LIMITS, SCRIPT, is_running, tiled, workload

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


def test_processes_start_before_there_is_a_request() -> None:
    builders = Builders(2, LIMITS)
    builders.start()
    pids = builders.pids()
    builders.start()
    assert len(pids) == 2 and builders.pids() == pids
    builders.close()
    assert not builders.pids()


def test_the_real_arguments_are_used(shared: Builders) -> None:
    made = workload_of(traced_back(PROGRAMS["gather"], "p"))
    arrays = (np.array([1, 0] * 15), np.arange(8, dtype=np.float32).reshape(2, 4))
    with Measurer(replace(made, inputs=arrays), LIMITS, builders=shared) as measurer:
        ((_, outcome),) = measurer.measure([DEFAULT])
        assert outcome.is_ok, outcome
        (reference,) = measurer.bench.references["arguments"].outputs
    assert np.array_equal(reference, arrays[1][arrays[0]])


def test_cold_caches_take_longer(shared: Builders) -> None:
    """Of what the nearest caches hold, several times as long: a busy machine changes less."""
    text = sums("float32", 32, 1024)
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


def test_intrinsics_of_this_process_are_lowered_here(shared: Builders) -> None:
    tile = fma_f32(4, 16, 8, 8)
    name = "only_here_4x16x8"
    register(replace(tile, name=name, implementations={}), override=True)
    broken = replace(tile, name="broken_4x16x8", implementations={"llvm": "no module"})
    register(broken, override=True)
    made = workload()
    found = []
    with Measurer(made, LIMITS, builders=shared) as measurer:
        for used in (tile.name, name, broken.name):
            s = Schedule(made.program)
            pairs = [s.split(v, [None, f]) for v, f in zip(s.loops("c"), (4, 16, 8))]
            s.reorder(*(outer for outer, _ in pairs), *(inner for _, inner in pairs))
            block = s.blockize(pairs[0][1])
            s.decompose_reduction(block, pairs[2][0])
            s.tensorize(block, used)
            candidate = Candidate("trace", s.to_json(), "test")
            found += [outcome for _, outcome in measurer.measure([candidate])]
    assert [o.status for o in found] == ["ok", "ok", "build failed"], found
    assert found[0].verdict == "faster"


def test_a_parent_that_is_killed_leaves_nothing() -> None:
    text = """if True:
        import sys, time
        sys.path[:] = {path!r}
        from mlc.tune.measure import Measurer
        from mlc.tune.candidate import DEFAULT
        from tests.tune.test_measure import LIMITS, workload
        measurer = Measurer(workload(), LIMITS)
        list(measurer.measure([DEFAULT]))
        print(*measurer._builders.pids(), *measurer.bench.runner.pids(), flush=True)
        time.sleep(60)
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", text.format(path=[str(Path.cwd()), *sys.path])],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert parent.stdout is not None
    with parent:
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) >= 2
        parent.kill()
    deadline = time.monotonic() + 20  # of the parent's 60
    while any(map(is_running, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(is_running, pids))


def test_a_full_disk_is_a_sentence(monkeypatch: pytest.MonkeyPatch, shared: Builders) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with Measurer(workload(), LIMITS, builders=shared) as measurer:
        with pytest.raises(CompileError) as caught:
            list(measurer.measure([DEFAULT]))
    assert str(caught.value).startswith(
        "mm cannot be measured: there is no room for its arrays ([Errno 28] No space left"
    )
    monkeypatch.undo()
    with Measurer(workload(), LIMITS, builders=shared) as measurer:
        assert dict(measurer.measure([DEFAULT]))[DEFAULT].is_ok


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


def test_programs_travel_as_they_are():
    def folded(x, y):
        return np.where(x[:, 0] > 0, np.argmax(x @ y, axis=1), 3).astype(np.int32) + (
            x.any() & True
        )

    x = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
    for part in workloads_for(mlc.jit(folded), (x, x.T.copy()), {}):
        shipped = program_bytes(part.default)
        assert shipped is not None
        again = program_of(shipped)
        assert again.script() == part.default.script()
        assert native_text(again) == native_text(part.default)


def test_a_program_nested_too_deeply_goes_another_way():
    workload_program = workload().program
    body = workload_program.body
    for n in range(3000):
        body = For(Var(f"i{n}"), 2, body)
    assert program_bytes(workload_program.with_body(body)) is None
