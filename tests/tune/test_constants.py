"""Captured arrays in tuning: workloads know them, and packing them is no part of what is timed."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

import mlc
from mlc.schedules.tuned import forget, remember
from mlc.tune.candidate import DEFAULT, Candidate
from mlc.tune.measure.building import native_text
from mlc.tune.measure.limits import Limits
from mlc.tune.measure.measurer import Measurer
from mlc.tune.spaces.structural import structural_space
from mlc.tune.workload import Workload, workloads_of

RNG = np.random.default_rng(0)
WEIGHTS = RNG.uniform(-1, 1, (96, 128)).astype(np.float32)
X = RNG.uniform(-1, 1, (6, 96)).astype(np.float32)
WEIGHTS.flags.writeable = False


@mlc.jit
def layer(x):
    return np.maximum(x @ WEIGHTS, 0)


@mlc.jit
def plain(x, w):
    return np.maximum(x @ w, 0)


@pytest.fixture
def workload() -> Workload:
    with mlc.config.override(tuned=False):
        (found,) = workloads_of(layer.lower(X).compiled, [X])
    return found


def packed(workload: Workload) -> Candidate:
    """What an expert does: the weights are copied into panels as a whole."""
    seeds = structural_space(workload).seeds(random.Random(0))
    (found,) = [c for c in seeds if c.origin == "contraction: expert"]
    return found


def test_captured_arrays_are_part_of_the_workload(workload):
    assert workload.constants == (1,)
    with mlc.config.override(tuned=False):
        (passed,) = workloads_of(plain.lower(X, WEIGHTS).compiled, [X, WEIGHTS])
    assert passed.constants == () and passed.key != workload.key
    assert passed.program.script().count("T.block") == workload.program.script().count("T.block")


def test_an_expert_packs_what_never_changes(workload):
    program = packed(workload).program(workload)
    assert "mlc_ahead" in native_text(program, workload.constants)[0]
    assert "mlc_ahead" not in native_text(program)[0]
    assert "mlc_ahead" in native_text(workload.default, workload.constants)[0]
    passed = replace(workload, constants=())
    assert packed(passed).trace != packed(workload).trace


@pytest.mark.parametrize("cache", ["warm", "cold"])
def test_it_is_measured_and_right(workload, cache):
    limits = Limits(sample_seconds=1e-4, rounds=2, cache=cache)
    candidate = packed(workload)
    with Measurer(workload, limits) as measurer:
        outcomes = dict(measurer.measure([DEFAULT, candidate]))
    assert [o.status for o in outcomes.values()] == ["ok", "ok"]
    assert len(outcomes[candidate].proof) > 1  # data sets, each with weights of its own


def test_it_is_used_once_it_is_known(workload):
    remember(workload.key, packed(workload).trace)
    try:
        tuned = mlc.jit(lambda x: np.maximum(x @ WEIGHTS, 0))
        assert np.allclose(tuned(X), np.maximum(X @ WEIGHTS, 0), atol=1e-5)
        compiled = tuned.lower(X).compiled
        assert compiled.kernels[0].is_tuned and "mlc_ahead" in compiled.llvm
    finally:
        forget()
