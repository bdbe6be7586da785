"""What holds for each file of `steps/`, and how long steps take."""

from __future__ import annotations

import time
from dataclasses import fields

import pytest

from mlc.schedules import replay
from mlc.schedules.lookup import step_names
from mlc.schedules.record import step_class
from mlc.schedules.schedule import Schedule, step_method, step_module

from . import step_examples
from .samples import assert_round_trips, assert_same_results, matmul


@pytest.mark.parametrize("name", step_names())
def test_a_step_is_one_file_with_a_class_and_a_method(name: str) -> None:
    function = getattr(step_module(name), name)
    assert "->" in (function.__doc__ or ""), f"{name} shows no program before and after"
    assert "efused" in function.__doc__ or "lways legal" in function.__doc__
    kind = step_class(name)
    assert kind.__doc__ and fields(kind) is not None
    assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert callable(step_method(name))


@pytest.mark.parametrize("name", step_names())
def test_a_step_comes_back_from_source_and_from_json(name: str) -> None:
    example = getattr(step_examples, name, None)
    assert example is not None, f"give {name} an example in step_examples.py"
    s = example()
    assert any(taken.step.name == name for taken in s.trace)
    assert_same_results(s.program, s.original)
    assert_round_trips(s)
    assert set(_statuses(s)) == {"kept"}


def _statuses(s: Schedule) -> list[str]:
    return [row.status for row in replay(s, s.original).report.rows]


def fifteen_steps() -> Schedule:
    s = Schedule(matmul(127, 128, 128))
    i, j, k = s.loops("C")
    i0, i1 = s.split(i, [None, 16])
    j0, j1 = s.split(j, [None, 8])
    k0, k1 = s.split(k, [None, 4])
    s.reorder(i0, j0, k0, i1, k1, j1)
    i2, i3 = s.split(i1, [None, 4])
    s.reorder(i0, j0, k0, i2, k1, i3, j1)
    rows = s.fuse(i0, j0)
    s.parallel(rows)
    s.vectorize(j1)
    s.unroll(i3)
    s.unroll(k1)
    s.prefetch("C", "B", k0, 2)
    s.annotate(i2, "first", 1)
    s.annotate(k0, "second", 2)
    s.annotate("C", "third", 3)
    return s


def test_fifteen_steps_take_a_few_milliseconds() -> None:
    spent = []
    for _ in range(5):
        start = time.process_time()
        s = fifteen_steps()
        spent.append(time.process_time() - start)
    assert len(s.trace) == 15
    assert min(spent) < 0.030, f"fifteen steps took {min(spent) * 1e3:.1f} ms"
