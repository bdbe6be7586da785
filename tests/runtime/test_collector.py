"""Python's collector is held back while code is compiled, and is as it was afterwards."""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Iterator

import numpy as np
import pytest

import mlc
from mlc.runtime import collector
from mlc.runtime.collector import collector_held_back


@pytest.fixture(autouse=True)
def collecting() -> Iterator[None]:
    assert gc.isenabled()
    yield
    assert gc.isenabled() and collector._inside == 0


def test_the_block_runs_without_it() -> None:
    with collector_held_back():
        assert not gc.isenabled()
        with collector_held_back():
            pass
        assert not gc.isenabled()
    with pytest.raises(ValueError, match="inside"), collector_held_back():
        raise ValueError("inside")


def test_what_is_off_stays_off() -> None:
    gc.disable()
    try:
        with collector_held_back():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_the_last_thread_lets_go() -> None:
    entered, leave = threading.Event(), threading.Event()

    def other() -> None:
        with collector_held_back():
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    thread.start()
    assert entered.wait(10)
    with collector_held_back():
        pass
    assert not gc.isenabled()
    leave.set()
    thread.join()


def test_garbage_of_the_block_is_found_later() -> None:
    class Kept(list[object]):
        gone = 0

        def __del__(self) -> None:
            Kept.gone += 1

    with collector_held_back():
        for _ in range(2000):
            cycle = Kept()
            cycle.append(cycle)
        del cycle
        assert not Kept.gone
    gc.collect()
    assert Kept.gone == 2000


def test_what_is_frozen_stays_so_and_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []
    count = gc.get_freeze_count

    def counting() -> int:
        counted.append(count())
        return counted[-1]

    monkeypatch.setattr(collector, "_is_frozen", False)
    monkeypatch.setattr(gc, "get_freeze_count", counting)
    gc.freeze()
    frozen = count()
    for _ in range(3):
        with collector_held_back():
            pass
    assert len(counted) == 1 and 0 < counted[0] <= frozen
    assert count() > 0.9 * frozen  # some go since nobody has them any more


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_forked_meanwhile_collects() -> None:
    leave, entered = threading.Event(), threading.Event()

    def other() -> None:
        with collector_held_back():
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    thread.start()
    assert entered.wait(10)
    child = os.fork()
    if child == 0:
        with collector_held_back():
            held = not gc.isenabled()
        os._exit(0 if held and gc.isenabled() else 1)
    leave.set()
    thread.join()
    assert os.waitpid(child, 0)[1] == 0


def test_a_first_call_is_compiled_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from mlc.lower import pipeline

    seen: list[bool] = []
    lower = pipeline.lower

    def watched(*args: object, **options: object) -> object:
        seen.append(gc.isenabled())
        return lower(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(pipeline, "lower", watched)
    monkeypatch.setattr(mlc.config, "cache", False)
    mlc.jit(lambda a: a * 3 + len(sys.path))(np.ones(3))
    assert seen and not any(seen)
