"""Schedules of a card are tuned by the same doors as the processor's: on a stand-in of a card,
whose kernels the emulator runs, in a child that has a stand-in of its own; and on the emulator.
"""

from __future__ import annotations

import random
import shutil
import textwrap
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mlc
from mlc import script as T
from mlc.compile_device import device_host, machine_for
from mlc.config import config
from mlc.errors import ArgumentError, UnsupportedError
from mlc.looking.machine import this_machine
from mlc.runtime.cuda import card as cards
from mlc.schedules import tuned
from mlc.tune.candidate import Candidate
from mlc.tune.database import Database
from mlc.tune.keeping import keep_result
from mlc.tune.measure.limits import Limits
from mlc.tune.measure.measurer import Measurer
from mlc.tune.measure.remote import run_on
from mlc.tune.outcome import Comparison
from mlc.tune.progress import KernelState
from mlc.tune.result import KernelResult, TuningResult
from mlc.tune.spaces.gpu import gpu_space
from mlc.tune.targets import workloads_for
from mlc.tune.verify import target_of
from mlc.tune.workload import Workload

from .fake_cupy import FakeCuPy

rng = np.random.default_rng(2)
# A stand-in of a card compiles where a card only loads.
LIMITS = Limits(rounds=2, most_rounds=2, workers=1, build_seconds=60.0, run_seconds=60.0)

# What a child process imports as CuPy.
STAND_IN = """
import time

import mlc.runtime.cuda.launch as launch
from mlc.backends.cuda.device import DeviceModule
from mlc.runtime.cuda import emulate
from tests.backends.cuda_run.fake_cupy import FakeCuPy, Problem

made = FakeCuPy()


def compile_module(module, arch):
    time.sleep({slow})
    for each in module.launches:  # as launches of the stand-in do, and long before
        emulate.load(DeviceModule(module.name, module.source, (each,), 0))
    return made.compile(module, arch)


launch.compile_module = compile_module
cuda, ndarray, empty, asnumpy, asarray = (
    made.cuda, made.ndarray, made.empty, made.asnumpy, made.asarray
)
start = cuda.driver.launchKernel


def fail(threads):
{fault}


def launch_kernel(function, *rest):
    if rest[3] * rest[4] * rest[5] == 64:  # threads of a block
        fail(rest)
    start(function, *rest)


cuda.driver.launchKernel = launch_kernel
"""


@pytest.fixture(autouse=True)
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A database of the test's own, and nothing that other tests found."""
    if not any(map(shutil.which, ("g++", "clang++", "c++"))):
        pytest.skip("no C++ compiler")
    tuned.forget()
    with config.override(tuning_database=tmp_path / "tuning.sqlite"):
        yield
    tuned.forget()


@pytest.fixture
def child_card(
    cupy: FakeCuPy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., None]:
    """``child_card(fault)``: children find a stand-in of CuPy, in which launches of blocks of 64
    threads do what ``fault`` says, and for which kernels are compiled for ``slow`` seconds more."""
    pytest.importorskip("nvidia")

    def install(fault: str = "pass", slow: float = 0.0) -> None:
        text = STAND_IN.format(fault=textwrap.indent(fault, "    "), slow=slow)
        (tmp_path / "cupy.py").write_text(text)
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.syspath_prepend(str(Path(__file__).parents[3]))

    return install


def floats(*shape: int) -> np.ndarray:
    return rng.uniform(-1, 1, shape).astype(np.float32)


def rows(x: Any) -> Any:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def by_threads(workload: Workload, threads: int) -> Candidate:
    """A candidate of the space whose blocks have that many threads at most."""
    space = gpu_space(workload, machine_for(workload.target))
    (template,) = space.templates
    places = [64, 128, 256, 512, 1024]
    made = space.make(template.name, (places.index(threads), 3, 2), random.Random(0), "test")
    assert made is not None
    return made


def test_a_product_of_halves_is_tuned_on_a_card(child_card: Any, cupy: FakeCuPy) -> None:
    child_card(slow=1.5)  # than which no run may take longer
    a, b = floats(32, 64).astype(np.float16), floats(64, 32).astype(np.float16)
    f = mlc.jit(lambda a, b: a @ b, target="cuda")
    result = mlc.tune(f, a, b, trials=2, limits=LIMITS, seed=1)
    (kernel,) = result
    trials = kernel.trials
    assert kernel.counts["ok"] == len(trials) == 3, [t.outcome.detail for t in trials]
    assert any("mma" in t.candidate.trace for t in trials)
    assert {t.outcome.target for t in trials} == {"cuda sm_90a"}
    assert all(t.outcome.proof[0] == "arguments" for t in trials)
    assert not cupy.launches  # all of them were the child's
    host = kernel.workload.host
    assert host.isa == "cuda sm_90a" and host.target == "cuda sm_90a on stand-in 0"
    (record,) = Database(config.tuning_database).records(kernel.workload.key, host.target)
    assert record.family == "cuda sm_90a"
    assert "s.bind(" in str(result.best_schedule)


def test_what_was_found_is_used_by_later_calls_on_such_a_card(cupy: FakeCuPy) -> None:
    x = floats(8, 2048)
    (workload,) = workloads_for(mlc.jit(rows, target="cuda"), (x,), {})
    mlc.jit(rows, target="cuda")(x)
    default, best = cupy.launches[-1].block, by_threads(workload, 64)
    found = KernelResult(workload, best=best, default_seconds=2e-3)
    found.comparison = Comparison(2.0, (1.9, 2.1), "faster", 9)
    (record,) = keep_result(TuningResult("rows", [found]))
    assert record.target == "cuda sm_90a on stand-in 0"
    later = mlc.jit(rows, target="cuda")
    np.testing.assert_allclose(later(x), rows(x), rtol=1e-5)
    assert cupy.launches[-1].block == (64, 2, 1) != default
    tuned.forget()
    with config.override(tuned=False):
        mlc.jit(rows, target="cuda")(x)
    assert cupy.launches[-1].block == default
    mlc.jit(rows, target="cuda")(x)
    assert cupy.launches[-1].block == (64, 2, 1)
    with cupy.cuda.Device(1):  # of another kind: nothing is known about it
        mlc.jit(rows, target="cuda")(x)
        assert device_host("cuda").isa == "cuda sm_80"
    assert cupy.launches[-1].block == default


@pytest.mark.parametrize(
    "fault, status, said",
    [
        ("raise Problem('an illegal address', 700)", "crashed", "an illegal address"),
        ("import os; os._exit(3)", "crashed", "exit code 3"),
        ("import time; time.sleep(60)", "timeout", "did not end within"),
    ],
)
def test_a_kernel_that_fails_costs_a_candidate(
    child_card: Any, fault: str, status: str, said: str
) -> None:
    child_card(fault)
    (workload,) = workloads_for(mlc.jit(lambda x: x + 1, target="cuda"), (floats(40000),), {})
    limits = replace(LIMITS, run_seconds=2.0)
    with Measurer(workload, limits) as measurer:
        bad, good = by_threads(workload, 64), by_threads(workload, 128)
        outcomes = dict(measurer.measure([bad, good]))
        assert outcomes[bad].status == status and said in outcomes[bad].detail
        assert outcomes[good].status == "ok"
        assert measurer.bench.runner.lost


def test_the_road_on_the_emulator() -> None:
    x = floats(8, 128)
    f = mlc.jit(rows, target="cuda-emulated")
    result = mlc.tune(f, x, trials=1, limits=LIMITS)
    assert result.counts["ok"] == 2
    assert "times are the emulator's on this processor, not a card's" in str(result)
    records = list(Database(config.tuning_database).records())
    assert [record.family for record in records] == ["cuda-emulated"]
    assert target_of(records[0]) == "cuda-emulated"


def test_progress_knows_no_peak_of_a_card() -> None:
    assert KernelState("k", 100, 4, True, best=1e-3).percent_of_peak(this_machine()) is None
    assert KernelState("k", 100, 4, best=1e-3).percent_of_peak(this_machine())


def test_autotune_and_another_target_than_the_function_says() -> None:
    x = floats(64)
    f = mlc.autotune(trials=1, limits=LIMITS, database=False)(lambda x: x * 2)
    jitted = mlc.jit(f, target="cuda-emulated")
    np.testing.assert_array_equal(jitted(x), x * 2)
    assert "schedule" in str(jitted.best_schedule)
    (workload,) = workloads_for(mlc.jit(lambda x, n: x * n, static_argnames="n"), (x, 3), {},
                                "cuda-emulated")  # fmt: skip
    assert workload.target == "cuda-emulated"
    assert workloads_for(lambda x: x * 2, (x,), {})[0].target == "cpu"


def test_programs_are_tuned_for_a_card() -> None:
    @T.program
    def twice(A: T.Buffer((64,)), B: T.Buffer((64,))):  # type: ignore[no-untyped-def, valid-type]
        for i in T.grid(64):
            with T.block("B"):
                v = T.remap("S", [i])
                B[v] = A[v] * 2.0

    f = mlc.autotune(trials=1, limits=LIMITS, database=False, target="cuda-emulated")(twice)
    x = floats(64)
    out = np.empty_like(x)
    f(x, out)
    np.testing.assert_array_equal(out, x * 2)
    assert f.result.kernels[0].workload.target == "cuda-emulated"


def test_without_a_card_it_is_said_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_card() -> Any:
        raise UnsupportedError("target 'cuda' needs a card, and there is none")

    monkeypatch.setattr(cards, "card", no_card)
    f = mlc.jit(lambda x: x + 1, target="cuda")
    with pytest.raises(UnsupportedError) as caught:
        mlc.tune(f, floats(8), trials=1, database=False)
    assert caught.value.message == (
        "mlc.tune for target 'cuda' measures on a card: target 'cuda' needs a card, and there is "
        "none; mlc.tune.rank_for_gpu orders schedules by a model, without a card"
    )
    ((ranked, *_),) = mlc.tune.rank_for_gpu(f, floats(64), draws=2, checked=0)
    assert "by a model" in str(ranked)
    (config.tuning_database.parent / "tuning.sqlite").touch()
    assert "__global__" in f.lower(floats(8)).cuda  # texts need none, whatever is stored


def test_what_is_refused() -> None:
    x = floats(8)
    f = mlc.jit(lambda x: x + 1, target="cuda-emulated")
    with pytest.raises(ArgumentError, match="measures for the targets 'cpu', 'cuda', 'cuda-emul"):
        mlc.tune(f, x, target="interpret", trials=1)
    with ThreadPoolExecutor(1) as pool, pytest.raises(ArgumentError, match="leave it out"):
        mlc.tune(f, x, trials=1, executor=pool)
    (workload,) = workloads_for(f, (x,), {})
    with ThreadPoolExecutor(1) as pool, pytest.raises(ArgumentError, match="measure it here"):
        next(run_on(pool, workload, []))
    with pytest.raises(ArgumentError, match="has no kernel to tune"):
        mlc.tune(lambda x: np.fft.rfft(x), floats(9), target="cuda-emulated", trials=1)
