"""mlc.time waits for the card that computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mlc

from .fake_cupy import FakeCuPy


@pytest.mark.parametrize("cache", ["warm", "cold"])
def test_a_sample_ends_when_the_card_is_done(cupy: FakeCuPy, cache: Any) -> None:
    f = mlc.jit(lambda x: x["a"] + 1, target="cuda")
    x = {"a": cupy.asarray(np.zeros(8, np.float32))}
    found = mlc.time(f, x, repeats=3, cache=cache)
    waits = len(cupy.waited)
    assert set(cupy.waited) == {-1}
    assert waits >= 3 * (2 if cache == "cold" else 1)
    assert found.runs >= 3
    mlc.time(f, {"a": np.zeros(8, np.float32)}, repeats=3)
    assert len(cupy.waited) == waits  # a call with arrays of the host is done when it returns
