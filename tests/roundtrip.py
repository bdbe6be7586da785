"""Every program that the tests make is printed, and its script must trace back to it.

A pytest plugin: it looks on while a test runs, and fails the test if a program that was made does
not come back structurally equal. Of programs that are the same but for names one is asked. By
default those alone are, up to a number of lines for each process, that bring something new: a line,
or two lines in a row, that no program before had, numbers aside; and none that is very long.
``MLC_TEST_ROUND_TRIPS=every pytest`` asks every program, which takes a few minutes more.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from mlc.errors import BoundsError, CompileError, MlcError
from mlc.ir.forms import check_blocks, check_flat
from mlc.ir.interpret import interpret
from mlc.ir.notation import identifier
from mlc.ir.program import Program
from mlc.ir.structural import structural_key
from mlc.te.extent import is_open

EVERY = os.environ.get("MLC_TEST_ROUND_TRIPS", "") == "every"
BUDGET = int(os.environ.get("MLC_TEST_ROUND_TRIP_LINES", "30000"))  # of one process
LARGEST = 250  # statements

_NUMBER = re.compile(r"\d+")


def traced_back(program: Program) -> Program:
    """The program that the script of ``program`` is."""
    from mlc import script as T

    names = {"T": T, "np": np}
    exec(compile(program.script(), "<script>", "exec"), names)
    found = names[identifier(program.name)]
    assert isinstance(found, Program)
    return found


def is_formed(program: Program) -> bool:
    """Whether the program is in one of the forms; tests make others on purpose."""
    for check in (check_blocks, check_flat):
        try:
            check(program)
            return True
        except CompileError:
            pass
    return False


def leaves_its_buffers(program: Program) -> bool:
    """Whether running ``program`` finds an index outside its buffer: it was refused rightly."""
    arrays = [np.zeros(b.shape, b.dtype.numpy) for b in program.params]
    try:
        interpret(program, *arrays)
    except BoundsError:
        return True
    return False


def difference(program: Program) -> str:
    """What the script of ``program`` traces back to instead of it; empty if it comes back."""
    if any(is_open(buffer.shape) for buffer in program.params):
        return ""  # a part of a loop that decides how long they are, and no program of its own
    try:
        again = traced_back(program)
    except Exception as problem:
        if isinstance(problem, BoundsError) and leaves_its_buffers(program):
            return ""
        # A buffer that nothing allocates has no name, or that of a function: sum, max.
        if isinstance(problem, (MlcError, NameError, TypeError)) and not is_formed(program):
            return ""
        return f"is refused: {type(problem).__name__}: {problem}"
    if structural_key(again) != structural_key(program) and is_formed(program):
        from mlc.ir.structural import assert_structural_equal

        try:
            assert_structural_equal(again, program)
        except AssertionError as problem:
            return f"traces back to another program: {problem}"
    return ""


class RoundTrips:
    """The programs made so far, and what became of them."""

    def __init__(self) -> None:
        self.made: list[Program] = []
        self.seen: set[str] = set()
        self.forms: set[tuple[str, str]] = set()
        self.checked = 0
        self.lines = 0
        self.is_checking = False
        self.is_unproven = False

    def note(self, program: Program) -> None:
        """A program was made."""
        if not self.is_checking and (EVERY or self.lines < BUDGET):
            self.made.append(program)

    def check(self) -> None:
        """Traces the new programs back."""
        made, self.made = self.made, []
        self.is_checking = True
        try:
            for program in made:
                if self.is_wanted(program):
                    self.check_one(program)
        finally:
            self.is_checking = False

    def is_wanted(self, program: Program) -> bool:
        """Whether the program is to be traced back: it has not been, and brings something new."""
        key = structural_key(program)
        if key in self.seen:
            return False
        self.seen.add(key)
        if EVERY:
            return True
        if self.lines >= BUDGET:
            return False
        lines = _NUMBER.sub("0", key).split("\n")
        forms = set(pairwise(lines))
        if len(lines) > 2 * LARGEST or forms <= self.forms:
            return False
        self.forms |= forms
        self.lines += len(lines)
        return True

    def check_one(self, program: Program) -> None:
        """Fails the test if ``program`` does not come back."""
        self.checked += 1
        if self.is_unproven:
            program = replace(program, attrs={**program.attrs, "unsafe": ("for a test",)})
        found = difference(program)
        if found:
            pytest.fail(f"the script of this program {found}\n\n{program.script()}", pytrace=False)


def pytest_configure(config: pytest.Config) -> None:
    """Declares the mark of tests whose programs are refused, rightly, if written by hand."""
    config.addinivalue_line(
        "markers", "unproven: makes loops whose iterations may depend on each other"
    )


_SPENT = pytest.StashKey[RoundTrips]()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """How many programs were traced back; with -q only where every one is."""
    trips = config.stash.get(_SPENT, None)
    if trips is not None and (EVERY or config.get_verbosity() >= 0):
        terminalreporter.write_line(
            f"{trips.checked} of {len(trips.seen)} programs were traced back, {trips.lines} lines"
        )


@pytest.fixture(scope="session")
def round_trips(pytestconfig: pytest.Config) -> Iterator[RoundTrips]:
    """Looks on from now on."""
    trips, original = RoundTrips(), Program.__init__
    pytestconfig.stash[_SPENT] = trips

    def noted(self: Program, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        trips.note(self)

    Program.__init__ = noted  # type: ignore[method-assign]
    yield trips
    Program.__init__ = original  # type: ignore[method-assign]


@pytest.fixture(autouse=True)
def programs_come_back(round_trips: RoundTrips, request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test, what it made is traced back."""
    round_trips.made.clear()
    round_trips.is_unproven = request.node.get_closest_marker("unproven") is not None
    yield
    round_trips.check()
