"""Builds and measurements on executors, whose workers may be lost."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlc.tune.candidate import DEFAULT
from mlc.tune.measure import Measurer, remote, run_on
from mlc.tune.measure.rounds import machine_name
from tests.tune.faults import faulty
from tests.tune.test_measure import LIMITS, is_running, tiled, workload


def candidates_of(program: Any, count: int) -> list[Any]:
    sizes = [(r, c) for r in (1, 2, 4, 8, 16, 32) for c in (2, 4, 8, 16, 32)]
    return [DEFAULT, *(tiled(program, *size) for size in sizes[: count - 1])]


class Losing(Executor):
    """Runs everything at once, and loses what it is told to lose."""

    def __init__(self, losses: int) -> None:
        self.losses = losses
        self.done = 0

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        if self.losses > 0:
            self.losses -= 1
            future.set_exception(ConnectionError("the worker is gone"))
        else:
            self.done += 1
            future.set_result(fn(*args, **kwargs))
        return future


class Silent(Executor):
    """One whose machines are gone, and which does not know."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        return Future()


class Refusing(Executor):
    """One that was shut down."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        raise RuntimeError("cannot schedule new futures after shutdown")


def test_a_process_pool_builds_and_one_of_its_workers_is_killed() -> None:
    made = workload()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool, Measurer(made, LIMITS, pool) as measurer:
        found = dict(measurer.measure(candidates_of(made.program, 3)))
        assert all(o.is_ok for o in found.values()), found
        (worker,) = pool._processes
        os.kill(worker, signal.SIGKILL)
        # The pool is broken for good: what is left is built here.
        found = dict(measurer.measure([tiled(made.program, 8, 32), faulty("symbol", made.program)]))
        assert [o.status for o in found.values()] == ["ok", "build failed"]


def test_what_an_executor_loses_is_built_again() -> None:
    made = workload()
    executor = Losing(4)
    with Measurer(made, LIMITS, executor) as measurer:
        found = dict(measurer.measure(candidates_of(made.program, 4)))
        assert all(o.is_ok for o in found.values()), found
        assert measurer._pool is not None and measurer._pool.repeated == 4
        assert executor.done >= 2
        measurer._pool.executor = Refusing()
        ((_, outcome),) = measurer.measure([tiled(made.program, 32, 16)])
        assert outcome.is_ok, outcome


def test_silent_executors_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    made = workload()
    limits = replace(LIMITS, build_seconds=5.0, run_seconds=1.0)
    monkeypatch.setattr(remote, "SILENCE_SECONDS", -9.5)
    candidate = tiled(made.program, 4, 16)
    with Measurer(made, limits, Silent()) as measurer:
        ((_, outcome),) = measurer.measure([candidate])
        assert outcome.is_ok, outcome
        deadline = time.monotonic() + 0.2
        assert list(measurer.measure([tiled(made.program, 2, 16)], deadline)) == []
    monkeypatch.setattr(remote, "SILENCE_SECONDS", -5.5)
    ((_, outcome),) = run_on(Silent(), made, [candidate], limits)
    assert outcome.is_ok, outcome


def test_measurements_on_an_executor_say_where_they_were_made() -> None:
    made = workload()
    candidates = [*candidates_of(made.program, 4), faulty("refused", made.program)]
    found = dict(run_on(Losing(1), made, candidates, LIMITS, group=3))
    assert list(found) == candidates
    assert [o.status for o in found.values()] == ["ok"] * 4 + ["refused"]
    assert {o.machine for o in found.values()} == {machine_name()}


def test_loky_builds_and_measures() -> None:
    loky = pytest.importorskip("joblib.externals.loky")
    made = workload()
    candidates = candidates_of(made.program, 3)
    executor = loky.ProcessPoolExecutor(1)
    try:
        with Measurer(made, LIMITS, executor) as measurer:
            here = dict(measurer.measure(candidates))
            assert measurer._pool is not None and measurer._pool.repeated == 0
        there = dict(run_on(executor, made, candidates, LIMITS))
    finally:
        executor.shutdown(kill_workers=True)
    for found in (here, there):
        assert list(found) == candidates
        assert all(o.is_ok and o.target for o in found.values()), found


_OVER_MPI = """
from mpi4py.futures import MPIPoolExecutor

from mlc.tune.measure import Measurer, run_on
from tests.tune.test_measure import LIMITS, workload
from tests.tune.test_measure_remote import candidates_of

if __name__ == "__main__":
    made = workload()
    candidates = candidates_of(made.program, 4)
    with MPIPoolExecutor(max_workers=1) as executor:
        with Measurer(made, LIMITS, executor) as measurer:
            here = dict(measurer.measure(candidates))
            assert measurer._pool.repeated == 0
        there = dict(run_on(executor, made, candidates, LIMITS))
    for found in (here, there):
        assert list(found) == candidates
        assert all(o.is_ok and o.target for o in found.values()), found
    print("all are there")
"""


@pytest.mark.slow
def test_processes_of_mpi_build_and_measure(tmp_path: Path) -> None:
    pytest.importorskip("mpi4py")
    beside = str(Path(sys.executable).parent)
    launcher = shutil.which("mpiexec", path=f"{beside}{os.pathsep}{os.environ['PATH']}")
    if launcher is None:
        pytest.skip("there is no mpiexec")
    script = tmp_path / "over_mpi.py"
    script.write_text(_OVER_MPI)
    command = [launcher, "-n", "2", sys.executable, "-m", "mpi4py.futures", str(script)]
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": root}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0 and "all are there" in done.stdout, done.stderr[-2000:]


@pytest.mark.slow
def test_a_dask_cluster_loses_a_worker_and_no_result() -> None:
    distributed = pytest.importorskip("distributed")
    import dask

    made = workload()
    candidates = candidates_of(made.program, 30)
    quiet = {"distributed.admin.log-format": "%(message)s", "distributed.comm.timeouts.connect": 10}
    with (
        dask.config.set(quiet),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None,
            silence_logs=50,
        ) as cluster,
        distributed.Client(cluster) as client,
        client.get_executor() as executor,
        Measurer(made, LIMITS, executor) as measurer,
    ):  # fmt: skip
        pids = list(client.run(os.getpid).values())
        # While the first ones are under way.
        timer = threading.Timer(0.15, os.kill, (pids[0], signal.SIGKILL))
        timer.start()
        found = dict(measurer.measure(candidates))
        timer.join()
        assert list(found) == candidates
        assert all(o.is_ok for o in found.values()), found
        assert not is_running(pids[0])
        there = dict(run_on(executor, made, candidates[:6], LIMITS, group=3))
        assert [o.status for o in there.values()] == ["ok"] * 6
        children = {pid for pid in client.run(_children_of_worker).values() for pid in pid}
        assert children
    deadline = time.monotonic() + 5
    while any(map(is_running, children)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(is_running, children))


def _children_of_worker() -> list[int]:
    from mlc.tune.measure.process import _children

    return [child.pid for child in list(_children)]
