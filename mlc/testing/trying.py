"""Every schedule that is accepted keeps what a program means: tried with many that are drawn."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..ir.notation import identifier
from ..ir.program import Program
from ..jit import jit
from ..schedules.schedule import Schedule
from .against_numpy import plain_function, require_callable, required_arguments
from .arrays import require_hypothesis
from .checking import WAYS, check_schedule, require_ways

DRAWN_SHAPE = (4, 6)  # of arguments that nobody gives


def check_schedules(
    subject: Program | Callable[..., Any],
    *args: Any,
    examples: int = 20,
    max_steps: int = 6,
    ways: Collection[str] = WAYS,
) -> None:
    """Raises AssertionError, with a test to paste, unless schedules of ``subject`` keep what it
    means.

    ``subject`` is a program, or a function written in NumPy, which is traced for the arrays
    ``args``; use small ones, as the reference interpreter runs it. Without ``args``, each argument
    that has no default is an array of 4 x 6 float32. hypothesis draws ``examples``
    schedules of up to ``max_steps`` tried steps, and each that the steps' own checks accept goes
    through :func:`check_schedule`.
    """
    require_ways("check_schedules", ways)
    require_hypothesis()
    from hypothesis import HealthCheck, given, settings

    from .strategies import schedules

    if isinstance(subject, Program):
        program = subject
    else:
        require_callable("check_schedules", subject)
        count = 0 if args else required_arguments(plain_function(subject))
        drawn = [np.ones(DRAWN_SHAPE, np.float32) for _ in range(count)]
        program = traced_program(subject, *args, *drawn)

    @settings(
        max_examples=examples, deadline=None, database=None, derandomize=True, print_blob=False,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(schedules(program, max_steps))
    def example(schedule: Schedule) -> None:
        try:
            check_schedule(program, schedule, ways)
        except AssertionError as error:
            text = f"{error}\n\n# as a test\n{pasted_schedule(program, schedule)}"
            raise AssertionError(text) from None

    example()


def traced_program(function: Callable[..., Any], *args: Any) -> Program:
    """The program of ``function`` for the arrays ``args``, before anything is scheduled: a block
    for each operator. Its outputs are what the function returns."""
    from ..schedules.decorator import schedule

    found: list[Program] = []

    def keep(s: Schedule) -> None:
        found.append(s.program)

    copies = [a.copy() if isinstance(a, np.ndarray) else a for a in args]
    jit(schedule(keep)(plain_function(function)), target="cpu")(*copies)
    if not found:
        name = getattr(function, "__name__", "the function")
        raise ArgumentError(f"{name} computes nothing that could be scheduled")
    return found[0]


def pasted_schedule(program: Program, schedule: Schedule) -> str:
    """A test that takes the steps of ``schedule`` on ``program`` and checks the outcome."""
    steps = schedule.source()
    name = next(
        line.removeprefix("def ").partition("(")[0]
        for line in steps.splitlines()
        if line.startswith("def ")
    )
    return (
        f"import numpy as np\n\nimport mlc\nimport mlc.testing\nfrom mlc import script as T\n\n\n"
        f"{program.script().strip()}\n\n\n{steps.strip()}\n\n\ndef test_means_the_same():\n"
        f"    mlc.testing.check_schedule({identifier(program.name)}, {name})\n"
    )
