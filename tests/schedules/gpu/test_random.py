"""Random programs: a schedule is always found, and hardware would run it without a fault."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings

from mlc.testing import programs

from .judge import SMALL, judged

QUIET = {"deadline": None, "suppress_health_check": list(HealthCheck)}


@settings(max_examples=40, **QUIET)
@given(programs("graph"))
def test_graphs(program):
    judged(program, SMALL)


@settings(max_examples=30, **QUIET)
@given(programs("nest"))
def test_nests(program):
    judged(program, SMALL)
