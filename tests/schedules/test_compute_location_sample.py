"""Places for blocks, drawn by chance."""

from __future__ import annotations

import pytest

from mlc.errors import ScheduleError
from mlc.schedules.schedule import Schedule
from mlc.schedules.steps.sample_compute_location import compute_locations
from tests.ir.samples import mm_relu
from tests.schedules.programs import same_results
from tests.schedules.test_compute_location import stencil
from tests.schedules.test_compute_location_inline import chain


def test_the_places_are_those_where_the_block_may_move() -> None:
    program = mm_relu()  # loops 0, 1, 2 around Y, loops 3, 4 around C
    assert compute_locations(program, "Y", reverse=False) == [-1, 3, 4]
    assert compute_locations(program, "C", reverse=True) == [-1, 0, 1]
    assert compute_locations(program, "C", reverse=False) == [-1]
    assert compute_locations(chain(), "p", reverse=False) == [-2, -1, 2, 3]


@pytest.mark.parametrize("seed", range(6))
def test_what_is_drawn_is_accepted_and_keeps_the_meaning(seed: int) -> None:
    for before, block, reverse in (
        (mm_relu(), "Y", False),
        (mm_relu(), "C", True),
        (chain(), "q", True),
        (stencil(), "p", False),
    ):
        s = Schedule(before, seed=seed)
        place = s.sample_compute_location(block, reverse)
        (s.reverse_compute_at if reverse else s.compute_at)(block, place)
        same_results(before, s.program)


def test_a_decision_is_written_into_the_trace_and_checked() -> None:
    s = Schedule(mm_relu())
    place = s.sample_compute_location("Y", decision=4)
    s.compute_at("Y", place)
    assert [v.name for v in s.loops("Y")] == ["i", "j", "k"]
    assert "s.sample_compute_location('Y', decision=4)\n    s.compute_at('Y', t)" in s.source()
    with pytest.raises(ScheduleError, match="place 9 is none of the 3 loops of 'mm_relu'"):
        s.sample_compute_location("C", decision=9)
    with pytest.raises(ScheduleError, match="block 'Y' is a reduction"):
        s.sample_compute_location("Y", decision=-2)


def test_a_place_that_was_drawn_is_not_drawn_anew() -> None:
    """-1, where the block is, is written out like all others."""
    s = Schedule(chain(), seed=0)
    s.sample_compute_location("p", decision=-1)
    assert "s.sample_compute_location('p', decision=-1)" in s.source()
    assert "-1" in s.to_json()
    assert Schedule.from_json(chain(), s.to_json()).source() == s.source()
