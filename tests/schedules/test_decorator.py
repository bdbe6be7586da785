"""@mlc.schedule: schedules as values that are called, composed, nested and stacked."""

from __future__ import annotations

import numpy as np
import pytest

import mlc
from mlc.errors import ArgumentError, ScheduleError
from mlc.ir.program import For, walk
from mlc.ir.structural import assert_structural_equal
from mlc.schedules.schedule import Schedule

from .samples import assert_round_trips, assert_same_results, matmul


@mlc.schedule
def tiled(s, factor=4, vector=True):
    """Columns in tiles."""
    i, j, k = s.loops("C")
    outer, inner = s.split(j, [None, factor])
    s.reorder(i, outer, k, inner)
    if vector:
        s.vectorize(inner)
    return outer


@mlc.schedule
def spread(s):
    s.parallel(s.loops("C")[0])


@mlc.schedule
def whole(s, factor=2):
    outer = tiled(s, factor, vector=False)
    s.parallel(outer)


def kinds(program) -> list[str]:
    return [n.kind.value for n in walk(program.body) if isinstance(n, For)]


def test_on_a_program_it_gives_a_program() -> None:
    program = tiled(matmul())
    assert kinds(program) == ["serial", "serial", "serial", "vectorized"]
    assert_same_results(program, matmul())
    assert tiled.__doc__ == "Columns in tiles." and tiled.__name__ == "tiled"


def test_parameters_and_conditions() -> None:
    other = tiled.with_options(factor=2, vector=False)
    assert repr(other) == "tiled(factor=2, vector=False)"
    assert [n.extent for n in walk(other(matmul()).body) if isinstance(n, For)] == [6, 4, 4, 2]
    assert_structural_equal(other(matmul()), tiled(matmul(), factor=2, vector=False))
    assert_structural_equal(other(matmul()), tiled(factor=2)(matmul(), vector=False))
    with pytest.raises(
        ArgumentError, match="'factr'; it has factor, vector; did you mean 'factor'"
    ):
        tiled.with_options(factr=2)
    with pytest.raises(ArgumentError, match="called with a program, a schedule or a function, not"):
        tiled(3)


def test_one_after_the_other() -> None:
    both = tiled >> spread
    assert both.__name__ == "tiled >> spread"
    assert kinds(both(matmul())) == ["parallel", "serial", "serial", "vectorized"]
    assert kinds((tiled.with_options(vector=False) >> spread)(matmul()))[-1] == "serial"
    with pytest.raises(TypeError):
        tiled >> 3


def test_a_schedule_within_a_schedule_is_a_composite_step() -> None:
    s = whole.on(matmul())
    assert s.source() == (
        "@mlc.schedule\n"
        "def mm_schedule(s):\n"
        "    i, j, k = s.loops('C')\n"
        "    # tiled(2, vector=False)\n"
        "    j_0, j_1 = s.split(j, [None, 2])\n"
        "    s.reorder(i, j_0, k, j_1)\n"
        "    # and then\n"
        "    s.parallel(j_0)\n"
    )
    assert_round_trips(s)


def test_a_composite_step_is_taken_whole_or_not_at_all() -> None:
    s = Schedule(matmul())
    s.unroll(s.loops("C")[2])
    before = s.program
    with pytest.raises(ScheduleError, match="only serial loops can be reordered"):
        tiled(s)
    assert s.program is before and len(s.trace) == 1
    assert s.trace[0].part_of == ()


def test_it_stands_over_a_function() -> None:
    @spread
    @tiled.with_options(factor=2)
    def product(a, b):
        return a @ b

    a, b = np.ones((2, 3)), np.ones((3, 4))
    np.testing.assert_array_equal(product(a, b), a @ b)
    assert product.__name__ == "product"
    value = product.__mlc_schedule__
    assert value is product.schedule
    assert kinds(value(matmul())) == ["parallel", "serial", "serial", "vectorized"]


def test_it_leaves_the_function_as_it_was() -> None:
    def product(a, b):
        return a @ b

    carrying = tiled(product)
    assert not hasattr(product, "schedule") and carrying.schedule.function is tiled.function


def test_what_cannot_be_a_schedule() -> None:
    with pytest.raises(ArgumentError, match="decorates a function over a schedule, not int"):
        mlc.schedule(3)
    with pytest.raises(ArgumentError, match=r"takes no schedule; write def empty\(s\)"):

        @mlc.schedule
        def empty():
            pass
