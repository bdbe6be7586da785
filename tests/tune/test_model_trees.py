"""Boosted trees in a process of their own: they learn what a line cannot, and may be lost."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import numpy as np
import pytest

from mlc.looking.machine import Facts
from mlc.tune.model import boosted, ridge, trees
from mlc.tune.model.boosted import Boosted
from mlc.tune.model.ridge import CostModel
from tests.tune.test_space_products import floats, workload_for

ROWS = np.random.default_rng(0).normal(size=(72, 6))
TIMES = np.where(ROWS[:, 0] * ROWS[:, 1] > 0, 3.0, 0.0) + np.abs(ROWS[:, 2])  # no line is near


def waited_for(model: Boosted) -> Boosted:
    deadline = time.monotonic() + 60
    while model.is_busy and time.monotonic() < deadline:
        time.sleep(0.01)
    return model


def share_right(guesses: Any) -> float:
    return ridge._agreement(np.asarray(guesses), TIMES)


@pytest.mark.parametrize("package", ["lightgbm", "sklearn"])
def test_trees_learn_in_a_child(package: str) -> None:
    pytest.importorskip(package)
    model = Boosted(package)
    try:
        assert model.guess(ROWS) is None  # nothing is known yet
        model.fit(ROWS, TIMES)
        waited_for(model)
        assert model._child is not None and model._child.pid != os.getpid()
        assert model.held_out is not None and share_right(model.held_out) > 0.55
        guesses = model.guess(ROWS)
        assert guesses is not None and share_right(guesses) > 0.8
    finally:
        model.close()
    assert model.guess(ROWS) is None


def test_trees_that_are_lost_harm_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    package = trees.installed()
    if package is None:
        pytest.skip("there is no package for trees")
    model = Boosted(package)
    model.fit(ROWS, TIMES)
    waited_for(model)
    assert model._child is not None
    os.kill(model._child.pid, signal.SIGKILL)
    assert model.guess(ROWS) is None
    model.fit(ROWS, TIMES)
    assert not model.is_busy and model.guess(ROWS) is None
    model.close()
    monkeypatch.setattr(boosted, "_LIMIT", 1e-3)
    slow = Boosted(package)
    slow.fit(ROWS, TIMES)
    assert waited_for(slow).held_out is None
    slow.close()
    monkeypatch.setattr(boosted, "installed", lambda: None)
    assert Boosted.if_installed() is None


class Known:
    """Trees that have learned everything already."""

    is_busy = False
    held_out = None
    closed = False

    def fit(self, rows: Any, times: Any) -> None:
        self.held_out = np.array(times)

    def guess(self, rows: Any) -> list[float]:
        return [-float(row[0]) for row in rows]

    def close(self) -> None:
        self.closed = True


def test_the_guesses_that_order_better_are_followed() -> None:
    workload = workload_for(lambda a, b: a @ b, floats(16, 16), floats(16, 16))
    found = Known()
    model = CostModel(workload, Facts(), found)  # type: ignore[arg-type]
    model._rows, model._times = list(ROWS), list(TIMES)
    model._refit()
    assert set(model.agreement) == {"analytic", "linear"}
    assert model.predict(ROWS[:3]) != found.guess(ROWS[:3])  # nothing is known of them yet
    model._rows, model._times = model._rows * 2, model._times * 2
    model._refit()
    assert model.agreement["trees"] == 1.0 > model.agreement["linear"]
    assert model.predict(ROWS[:3]) == found.guess(ROWS[:3])
    model.close()
    assert found.closed
