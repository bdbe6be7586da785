"""The hypothesis strategies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError, ScheduleError
from ..ir.program import Program
from ..schedules.schedule import Schedule
from .arrays import require_hypothesis
from .choices import Choices

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

KINDS = ("any", "graph", "nest", "tiles")


def choices_of(draw: DrawFn) -> Choices:
    """Choices that hypothesis makes, and shrinks."""
    from hypothesis import strategies as st

    ranges: dict[int, Any] = {}

    def below(n: int) -> int:
        if n not in ranges:
            ranges[n] = st.integers(0, n - 1)
        return draw(ranges[n])  # type: ignore[no-any-return]

    return Choices(below)


def programs(kind: str = "any") -> SearchStrategy[Program]:
    """Small programs in block form: ``"graph"`` draws tensor expressions as `te.create_program`
    makes them, ``"nest"`` loops and blocks as written by hand, ``"tiles"`` what intrinsics mean,
    ``"any"`` all of these.

    Extents are at most 9, inputs of all dtypes; each program is one that `mlc.script` accepts.
    """
    if kind not in KINDS:
        raise ArgumentError(f"expected one of {', '.join(KINDS)}, got {kind!r}")
    require_hypothesis()
    from hypothesis import strategies as st

    from .draw import draw_program

    @st.composite
    def drawn(draw: DrawFn) -> Program:
        return draw_program(choices_of(draw), kind)

    return drawn()


def schedules(program: Program, max_steps: int = 8) -> SearchStrategy[Schedule]:
    """Schedules of ``program`` with up to ``max_steps`` tried steps, of any kind, fitting or not:
    those that were accepted are in its trace."""
    if not isinstance(program, Program):
        raise ArgumentError(
            f"mlc.testing.schedules wants a program, got {type(program).__name__}; "
            f"mlc.testing.check_schedules takes functions, too"
        )
    require_hypothesis()
    from hypothesis import strategies as st

    from .steps import draw_call

    @st.composite
    def drawn(draw: DrawFn) -> Schedule:
        choices = choices_of(draw)
        schedule = Schedule(program, seed=0)
        for _ in range(choices.between(1, max_steps)):
            call = draw_call(schedule, choices)
            try:
                call.take(schedule)
            except ScheduleError:
                continue
        return schedule

    return drawn()
