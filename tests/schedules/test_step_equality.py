"""Steps are keys: one over the same loop is the same, on every version of Python."""

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
def test_steps_over_the_same_loop_are_the_same_key(make: Callable[[Var], Any]) -> None:
    i, j = Var("i"), Var("j")
    assert make(i) == make(i) and hash(make(i)) == hash(make(i))
    known = {make(i): 1, make(j): 2}
    assert known[make(i)] == 1 and known[make(j)] == 2
