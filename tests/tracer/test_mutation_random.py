"""Random programs of views, indices, writes and reads, under NumPy and under mlc.jit."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mlc

from .mutation_programs import Growing, check

# What is refused for good: how many places a traced mask holds at is not known while tracing.
REFUSED = "traced mask"


@pytest.mark.parametrize(("target", "examples"), [("numpy", 200), ("cpu", 25)])
def test_as_numpy(target: str, examples: int) -> None:
    refused = []

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, 10**9))
    def run(seed: int) -> None:
        growing = Growing(Random(seed))
        growing.grow(8)
        try:
            check(growing, target)
        except mlc.UnsupportedError as error:
            assert REFUSED in error.message, growing.source
            refused.append(seed)

    run()
    assert len(refused) <= examples / 10
