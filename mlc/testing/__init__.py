"""Random programs and random schedules, and what must hold of them: for tests with hypothesis.

::

    from hypothesis import given
    from hypothesis import strategies as st
    import mlc.testing

    @given(mlc.testing.programs().flatmap(mlc.testing.schedules))
    def test_my_pass(schedule):
        mlc.testing.check_schedule(schedule.original, schedule)

``programs()`` draws small tensor programs: graphs of tensor expressions, and loop nests as people
write them, conflicts included. ``schedules(program)`` draws steps, keeps those that are accepted,
and gives the :class:`mlc.Schedule`. ``check_schedule`` compares every form of the scheduled program
with the program as it was. hypothesis shrinks all of it.
"""

from __future__ import annotations

from .checking import check_schedule
from .strategies import programs, schedules

__all__ = ["check_schedule", "programs", "schedules"]
