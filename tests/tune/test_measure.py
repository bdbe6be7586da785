"""Measuring: what is built, run, checked and timed; and what is left over afterwards: nothing."""

from __future__ import annotations

import gc
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from mlc.errors import ArgumentError, CompileError
from mlc.ir.program import Program
from mlc.schedules.schedule import Schedule
from mlc.tune.candidate import DEFAULT, Candidate
from mlc.tune.measure import Limits, Measurer
from mlc.tune.measure.arena import PAGE, Arena
from mlc.tune.measure.building import traced_back
from mlc.tune.measure.data import data_sets, poison
from mlc.tune.measure.statistics import Ratio, ratio_of
from mlc.tune.outcome import Outcome, verdict_of
from mlc.tune.workload import Workload, workload_of
from tests.tune.faults import faulty

SCRIPT = """@T.program
def mm(a: T.Buffer((64, 64)), b: T.Buffer((64, 64)), c: T.Buffer((64, 64))):
    for i, j, k in T.grid(64, 64, 64):
        with T.block("c"):
            vi, vj, vk = T.remap("SSR", [i, j, k])
            with T.init():
                c[vi, vj] = 0.0
            c[vi, vj] += a[vi, vk] * b[vk, vj]
"""
LIMITS = Limits(build_seconds=10.0, run_seconds=2.0, memory_bytes=1 << 30, threads=1)


def workload() -> Workload:
    return workload_of(traced_back(SCRIPT, "mm"))


def tiled(program: Program, rows: int, columns: int) -> Candidate:
    s = Schedule(program)
    i, j, k = s.loops("c")
    io, ii = s.split(i, factors=[None, rows])
    jo, ji = s.split(j, factors=[None, columns])
    s.reorder(io, jo, k, ii, ji)
    s.vectorize(ji)
    return Candidate("trace", s.to_json(), "test")


def is_running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().split()[2] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture(scope="module")
def measurer() -> Iterator[Measurer]:
    with Measurer(workload(), LIMITS) as made:
        yield made


def test_candidates_are_measured_beside_the_default(measurer: Measurer) -> None:
    program = measurer.workload.program
    candidates = [DEFAULT, tiled(program, 4, 16), tiled(program, 2, 8)]
    found = list(measurer.measure(candidates))
    assert [c for c, _ in found] == candidates
    assert all(o.is_ok for _, o in found), found
    default, fast, _ = (o for _, o in found)
    assert default.ratio == 1.0
    assert default.verdict == "within noise"
    assert fast.proof == ("arguments", "whole numbers", "special values")
    assert fast.seconds is not None and fast.interval is not None
    assert fast.interval[0] <= fast.seconds <= fast.interval[1]
    assert fast.ratio is not None and fast.ratio > 2  # a scalar loop against vectors


def test_the_same_code_is_measured_once(measurer: Measurer) -> None:
    candidate = tiled(measurer.workload.program, 8, 16)
    (_, first), *_ = measurer.measure([candidate])
    ((_, again),) = measurer.measure([Candidate("trace", candidate.trace, "again")])
    assert again.seconds == first.seconds
    assert again.detail == "the same code as another candidate's"


def test_compare_names_no_winner_within_the_noise(measurer: Measurer) -> None:
    fast = tiled(measurer.workload.program, 4, 16)
    assert measurer.compare(fast, DEFAULT, 1.0).verdict == "faster"
    assert measurer.compare(DEFAULT, fast, 1.0).verdict == "slower"
    same = measurer.compare(fast, fast, 0.3)
    assert (same.verdict, same.rounds) == ("within noise", 0)  # not where it was loaded


def test_a_trace_that_does_not_fit_is_refused(measurer: Measurer) -> None:
    ((_, outcome),) = measurer.measure([Candidate("trace", "{}", "test")])
    assert outcome.status == "refused"
    assert outcome.detail == ('this is no schedule: the text does not say "format": "mlc.schedule"')


FAULTS = {
    "crash": ("crashed", "SIGSEGV"),
    "abort": ("crashed", "SIGABRT"),
    "outside": ("crashed", "SIGSEGV"),
    "input": ("crashed", "SIGSEGV"),
    "hang": ("timeout", "it did not end within 1 s"),
    "wrong": ("wrong result", "elements: at"),
    "unwritten": ("wrong result", "elements: at [0, 0] it is 0.0"),
    "special": ("wrong result", "on the special values"),
    "memory": ("out of memory", "it wants 2048 MiB of scratch memory"),
    "symbol": ("build failed", "'no_such_function'"),
    "compiler": ("build failed", ""),
    "refused": ("refused", "is lost"),
}


def test_faults_are_classified_and_nothing_is_lost(measurer: Measurer) -> None:
    program = measurer.workload.program
    good = tiled(program, 2, 16)
    candidates: list[Any] = [faulty(kind, program) for kind in FAULTS]
    found = dict(measurer.measure([*candidates, good]))
    for kind, candidate in zip(FAULTS, candidates):
        status, words = FAULTS[kind]
        outcome = found[candidate]
        assert (outcome.status, words in outcome.detail) == (status, True), (kind, outcome)
        assert outcome.seconds is None
    assert found[good].is_ok


def test_a_killed_process_costs_nothing(measurer: Measurer) -> None:
    program = measurer.workload.program
    list(measurer.measure([DEFAULT]))
    for pid in (*measurer._builders.pids(), *measurer.bench.runner.pids()):
        os.kill(pid, signal.SIGKILL)
    ((_, outcome),) = measurer.measure([tiled(program, 16, 16)])
    assert outcome.is_ok, outcome


def test_nothing_is_left_over() -> None:
    before = mapped_arenas()
    with Measurer(workload(), LIMITS) as made:
        list(made.measure([DEFAULT, tiled(made.workload.program, 4, 8)]))
        pids = [*made._builders.pids(), *made.bench.runner.pids()]
        assert len(pids) >= 2 and all(map(is_running, pids))
        assert mapped_arenas() == before + 1
    assert not any(map(is_running, pids))
    assert mapped_arenas() == before


def mapped_arenas() -> int:
    """How many files of arrays this process has mapped: they have no names."""
    gc.collect()
    with open("/proc/self/maps") as file:
        return sum("(deleted)" in line and "rw-s" in line for line in file)


def test_an_interrupt_ends_everything() -> None:
    made = Measurer(workload(), LIMITS)
    list(made.measure([DEFAULT]))
    pids = [*made._builders.pids(), *made.bench.runner.pids()]
    hanging: Any = faulty("hang", made.workload.program)
    main = threading.main_thread().ident
    assert main is not None
    timer = threading.Timer(0.4, signal.pthread_kill, (main, signal.SIGINT))
    # a shell starts what runs in the background with interrupts ignored
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            list(made.measure([hanging]))
        timer.join()
    finally:
        signal.signal(signal.SIGINT, before)
    assert not any(map(is_running, pids))
    with pytest.raises(ArgumentError, match="this Measurer is closed; make another one"):
        list(made.measure([DEFAULT]))


def test_the_deadline_is_kept() -> None:
    with Measurer(workload(), LIMITS) as made:
        list(made.measure([DEFAULT]))
        start = time.monotonic()
        candidates = [tiled(made.workload.program, r, c) for r in (1, 2, 4, 8) for c in (4, 8, 16)]
        found = list(made.measure(candidates * 30, deadline=start + 0.5))
        assert time.monotonic() - start < 2.5
        assert len(found) < 360
        start = time.monotonic()
        hanging: Any = faulty("hang", made.workload.program)
        assert list(made.measure([hanging], deadline=start + 0.3)) == []
        assert time.monotonic() - start < 0.9
        assert made.compare(candidates[4], DEFAULT, 0.3).rounds >= 6  # it goes on afterwards


def test_a_default_that_does_not_run_is_an_error() -> None:
    program = workload().program
    crashing: Any = faulty("crash", program)
    broken = Workload("mm", program, crashing.program(None), "key")
    with Measurer(broken, LIMITS) as made, pytest.raises(CompileError) as caught:
        list(made.measure([DEFAULT]))
    assert str(caught.value).startswith(
        "mm cannot be measured: its default schedule does not run on the arguments "
        "(crashed: the process ended with SIGSEGV"
    )


def test_a_default_that_is_wrong_is_told_and_its_rivals_are_not() -> None:
    program = workload().program
    wrong: Any = faulty("wrong", program)
    with Measurer(Workload("mm", program, wrong.program(None), "key"), LIMITS) as made:
        good = tiled(program, 4, 16)
        found = dict(made.measure([DEFAULT, good]))
    assert found[DEFAULT].status == "wrong result"
    assert found[good].is_ok


def test_ratios_of_unsteady_machines_are_not_known() -> None:
    steady = ratio_of([1.0, 1.01] * 6, [1.5, 1.51] * 6)
    assert verdict_of((steady.ratio.low, steady.ratio.high)) == "faster"
    slow_at_times = ratio_of([1.5] * 12, [1.0, 5.0, 5.0] * 4)
    assert slow_at_times.drift > 1
    assert verdict_of((slow_at_times.ratio.low, slow_at_times.ratio.high)) == "within noise"
    slow_today = ratio_of([1.5] * 12, [5.0] * 12, usual=1.0)
    assert verdict_of((slow_today.ratio.low, slow_today.ratio.high)) == "within noise"


def in_regimes(ratio: float, rounds: int, seed: int) -> Ratio:
    """Samples on a machine that is at times slower, for both alike."""
    draw, state, ours, rival = random.Random(seed), 1.0, [], []
    for _ in range(rounds):
        state = draw.choice([1.0, 1.3, 2.0]) if draw.random() < 0.05 else state
        ours.append(state * draw.gauss(1, 0.02))
        rival.append(ratio * state * draw.gauss(1, 0.02))
    return ratio_of(ours, rival, usual=ratio * min(ours))


def test_many_rounds_tell_what_few_do_not_on_a_machine_of_several_speeds() -> None:
    def verdicts(ratio: float, rounds: int) -> Counter[str]:
        found = [in_regimes(ratio, rounds, seed) for seed in range(60)]
        return Counter(verdict_of((r.ratio.low, r.ratio.high)) for r in found)

    assert verdicts(1.2, 300)["faster"] >= 45
    assert verdicts(1.0, 300) == verdicts(1.0, 80) == {"within noise": 60}
    rival_of_two_speeds = ratio_of([1.5] * 240, [1.0, 5.0, 5.0] * 80)
    low, high = rival_of_two_speeds.ratio.low, rival_of_two_speeds.ratio.high
    assert verdict_of((low, high)) == "within noise"
    once_slow = ratio_of([1.0] * 80, [1.5] * 60 + [0.9] * 20)  # a part of the time is against it
    assert verdict_of((once_slow.ratio.low, once_slow.ratio.high)) == "within noise"


def test_outcomes_travel_as_data() -> None:
    import json

    made = Outcome("ok", 1.0, (0.9, 1.1), "note", ratio_interval=(1.0, 2.0), proof=("arguments",))
    assert Outcome.from_data(json.loads(json.dumps(made.to_data()))) == made


def test_the_arena_sees_what_is_written_beside_an_output() -> None:
    program = workload().program
    arena = Arena.create([(program.params[2], True), (program.params[0], False)])
    try:
        arena.arrays[0][...] = 1.0
        assert arena.damage() is None
        before = arena._bytes(arena.places[0].span[0] - 1, arena.places[0].span[0])
        before[:] = 0
        assert arena.damage() == "it wrote outside its output 0"
        assert arena.damage() is None  # it is told once
        del before
    finally:
        arena.close()


def test_arrays_for_timing_have_room_and_those_for_checks_do_not(measurer: Measurer) -> None:
    """A masked vector that ends in a page which must not be touched takes a hundred times as long:
    masks would seem slow. What is compared with the reference stands before such a page."""
    bench = measurer.bench
    places, *checked, timed = bench.arena.places, *bench.runner.sets
    behind = [places[n].pages[1] - places[n].span[1] for n in timed]
    assert len(behind) == 3 and all(PAGE <= size < PAGE + 64 for size in behind)
    assert not set(timed).intersection(*checked)
    assert all(places[n].pages[1] - places[n].span[1] < 64 for numbers in checked for n in numbers)
    for at, given in zip(timed, measurer.workload.arguments()):
        assert np.array_equal(bench.arena.arrays[at], given) and not places[at].writable


def test_data_sets_keep_integers_and_change_floats() -> None:
    floats, integers = np.ones((8, 8), np.float32), np.arange(10)
    sets = data_sets([floats, integers])
    assert sorted(sets["whole numbers"][1]) == list(range(10))
    assert not np.isfinite(sets["special values"][0]).all()
    assert np.array_equal(sets["whole numbers"][0], np.round(sets["whole numbers"][0]))
    poison([floats], "arguments")
    assert np.isnan(floats).all()
