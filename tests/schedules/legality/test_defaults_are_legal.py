"""What the default schedules and the lowering make is proven, not only run."""

from __future__ import annotations

from typing import Any

import pytest

from mlc.ir.program import For, LoopKind, blocks_of, walk
from mlc.lower.pipeline import lower
from mlc.schedules.defaults.cpu import default_schedule
from mlc.schedules.defaults.machine import Machine
from mlc.schedules.legality import (
    Same,
    block_violation,
    bounds_violation,
    carried_dependence,
    same_meaning,
)
from mlc.te.program import Nest

from ..test_defaults import CASES, softmax


@pytest.mark.parametrize("make", CASES, ids=lambda case: case.__name__)
@pytest.mark.parametrize(("rows", "columns"), [(7, 13), (512, 512)])
def test_parallel_loops_blocks_and_bounds(make: Any, rows: int, columns: int) -> None:
    tensors, shared, inputs, outputs = make(rows, columns)
    nests = [Nest((t,), t.op) for t in tensors]
    program = default_schedule("f", nests, shared, inputs, outputs, Machine()).program
    flat = lower(program)
    for one in (program, flat):
        assert bounds_violation(one) is None
        for loop in walk(one.body):
            if isinstance(loop, For) and loop.kind is LoopKind.PARALLEL:
                assert carried_dependence(one, loop.var) is None
    for block in blocks_of(program.body):
        assert block_violation(program, block) is None
    # Lowering writes exp2 out, which a symbolic run cannot know to be the same.
    if rows < 100 and make is not softmax:
        assert same_meaning(program, flat) == Same()
