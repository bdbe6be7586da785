"""A program that ends its process is reported, and those behind it run all the same."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from . import chunks
from .chunks import WITHOUT_MLC, Kind, after_death
from .program import NumPyProgram
from .watched import Death, each, outlives


def _work(item: int, note: Callable[[str], None]) -> int:
    note(f"at {item}")
    match item:
        case 2:
            os.kill(os.getpid(), signal.SIGUSR1)
        case 5:
            os._exit(3)
        case 6:
            time.sleep(60)
        case 7:
            while True:
                pass
    return item * 10


@pytest.mark.parametrize("jobs", [1, 2])
def test_deaths_are_told_and_the_rest_runs(jobs: int) -> None:
    chunks = iter([[0, 1, 2, 3], [4, 5, 6, 7], [8]])
    found = list(each(_work, chunks, jobs, seconds=1, by_the_clock=4))
    deaths = {one.item: one for one in found if isinstance(one, Death)}
    assert sorted(one for one in found if type(one) is int) == [0, 10, 30, 40, 80]
    assert {item: one.reason for item, one in deaths.items()} == {
        2: "the process died of SIGUSR1",
        5: "the process ended with exit code 3",
        6: "it came to no end",
        7: "it came to no end",
    }
    assert all(one.note == f"at {item}" for item, one in deaths.items())


def test_errors_are_an_end_and_signals_are_none() -> None:
    def raising() -> None:
        raise ValueError

    assert outlives(raising)
    assert not outlives(lambda: os.kill(os.getpid(), signal.SIGKILL))


@pytest.mark.parametrize(
    ("statement", "kind"), [("t0 = a0 + 1", "different"), ("t0 = end(a0)", WITHOUT_MLC)]
)
def test_what_dies_without_mlc_is_no_difference(
    statement: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = NumPyProgram((statement,), (np.ones(2),), ("t0",))
    monkeypatch.setattr(np, "end", lambda _: os._exit(1), raising=False)
    program = NumPyProgram((statement.replace("end", "np.end"),), program.arguments, ("t0",))

    def drawn(seed: int, heard: Any) -> NumPyProgram:
        return program

    monkeypatch.setitem(chunks.KINDS, "one", Kind(drawn, lambda _: None, lambda p: p))  # type: ignore[arg-type,return-value]
    found = after_death("one", Death(7, "the process died of SIGKILL", ""))
    assert found.kind == kind
    assert "# seed 7: the process died of SIGKILL" in found.shown
    assert f"    {program.statements[0]}" in found.shown
    early = after_death("one", Death(7, "the process died of SIGKILL", "t0 = np.end(a0)"))
    assert early.kind == WITHOUT_MLC
    assert early.shown.endswith("while NumPy alone ran\nt0 = np.end(a0)")
