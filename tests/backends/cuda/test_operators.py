"""A sample of ``python -m tests.cuda_sweep``: kernels of the default schedule, run by the processor
and compiled for cards; and that what is wrong would be found."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np
import pytest

import mlc
from mlc.backends.cuda import functions
from mlc.errors import UnsupportedError
from mlc.testing.cuda import ARCHITECTURES
from tests.cuda_sweep import subjects
from tests.cuda_sweep.judge import GOOD, judge

from .conftest import needs_compiler

SAMPLE = [
    *subjects.names("operator")[::30],
    *subjects.names("program")[::12],
    *subjects.names("graph", 4),
    *subjects.names("numpy", 6),
]


def architectures() -> tuple[str, ...]:
    """What is compiled for: nothing where NVRTC is not installed."""
    from mlc.runtime.cuda.nvrtc import nvrtc_version

    try:
        nvrtc_version()
    except UnsupportedError:
        return ()
    return ARCHITECTURES


@needs_compiler
@pytest.mark.parametrize("number", range(len(SAMPLE)), ids=SAMPLE)
def test_sample(number: int) -> None:
    arch = architectures()
    some = arch[number % len(arch) :][:1] if arch else ()
    outcome = judge(SAMPLE[number], checks=number % 4 == 0, architectures=some)
    assert outcome.kind in GOOD, f"{outcome.kind}: {outcome.text}"


@needs_compiler
def test_what_is_wrong_is_found() -> None:
    with mock.patch.dict(functions._MATHS, {"sqrt": "cbrt"}):
        assert judge("operator/sqrt", examples=3, architectures=()).kind == "different"


@needs_compiler
def test_what_the_processor_takes_is_no_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(name: str, target: str, examples: int) -> None:
        mlc.jit(refused_on_cards, target=target)(np.arange(3.0))

    def refused_on_cards(x: Any) -> Any:
        return x + 1

    monkeypatch.setitem(subjects._RUN, "operator", run)
    problem = UnsupportedError("no kernel for this")
    with mock.patch("mlc.backends.cuda.module.kernel_text", side_effect=problem):
        assert judge("operator/any", architectures=()).kind == "refused"
    assert judge("operator/any", architectures=()).kind == "same"
