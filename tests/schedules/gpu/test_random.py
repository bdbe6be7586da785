"""Random programs: a schedule is always found, and hardware would run it without a fault."""

from __future__ import annotations

from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings

from mlc.schedules.defaults import gpu_folds, gpu_rows
from mlc.schedules.defaults.gpu import GpuMachine
from mlc.testing import programs

from .judge import SMALL, judged

# What is drawn and thrown away, since it is not legal, does not trace back.
pytestmark = pytest.mark.unproven

QUIET = {"deadline": None, "suppress_health_check": list(HealthCheck)}


@settings(max_examples=20, **QUIET)
@given(programs("graph"))
def test_graphs(program):
    judged(program, SMALL)


@settings(max_examples=20, **QUIET)
@given(programs("graph"))
def test_graphs_whose_rows_all_count_as_long(program):
    """What is drawn is small, so that Python can run it; the ways of long rows are taken all the
    same."""
    tiny = GpuMachine(warp=4, most_threads=16, processors=2)
    limits = mock.patch.multiple(gpu_folds, TALL=3, CHUNK=4, LINES=2)
    with limits, mock.patch.object(gpu_rows, "SHORT", 1):
        judged(program, tiny)


@settings(max_examples=15, **QUIET)
@given(programs("nest"))
def test_nests(program):
    judged(program, SMALL)
