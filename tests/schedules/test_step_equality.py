"""Steps are keys: those that name different loops are different, on every version of Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mlc.ir.expr import Var
from mlc.schedules.steps.decompose_reduction import DecomposeReduction
from mlc.schedules.steps.parallel import Parallel
from mlc.schedules.steps.unroll import Unroll
from mlc.schedules.steps.vectorize import Vectorize

MADE = (lambda loop: DecomposeReduction("C", loop), Parallel, Unroll, Vectorize)


@pytest.mark.parametrize("make", MADE)
def test_steps_over_other_loops_are_others(make: Callable[[Var], Any]) -> None:
    i, j = Var("i"), Var("j")
    assert make(i) == make(i) and not make(i) == make(j)
    assert make(j) not in [make(i)]
