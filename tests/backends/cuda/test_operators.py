"""A sample of the operators, as CUDA kernels of the default schedule run by the processor."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

import mlc
from tests.ops.cases import Case, all_cases, check

from .conftest import needs_compiler

LAPACK = "a function of a library of the processor"
EACH = 24  # of so many rows one is run


@needs_compiler
@pytest.mark.parametrize("case", all_cases()[::EACH], ids=lambda case: case.name)
def test_operator(case: Case) -> None:
    @settings(max_examples=1, deadline=None, database=None)
    @given(case.inputs)
    def run(arrays: tuple[Any, ...]) -> None:
        try:
            results = mlc.jit(case.function, target="cuda-emulated")(*arrays)
        except mlc.UnsupportedError as problem:
            assert LAPACK in problem.message
            return
        check(case, arrays, results)

    with mlc.config.override(emulated_checks=False):
        run()
