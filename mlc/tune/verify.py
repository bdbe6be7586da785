"""Checking stored schedules again: still legal, still right, still faster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..compile_device import DEVICE_TARGETS, PRECISIONS, with_precision
from ..config import config
from ..errors import MlcError
from ..ir.program import Program
from ..ir.work import statements_run
from ..schedules.schedule import Schedule
from .candidate import DEFAULT, Candidate
from .functions import load_function, parse_arguments
from .outcome import NOISE, Comparison
from .record import Record, reference_digest
from .targets import workloads_for
from .workload import Workload

if TYPE_CHECKING:
    from ..schedules.tuned import Host
    from .measure.limits import Limits

SIMULATED = 5_000  # statements: the simulator takes more than a second for more
Status = Literal["good", "bad", "stale", "unchecked"]


@dataclass(frozen=True)
class Finding:
    """What became of checking one record. ``status`` is "good"; "bad" if it must not be used or is
    slower; "stale" if the function has changed since; "unchecked" if the record does not say where
    it comes from. ``checks`` are the checks that it passed, ``detail`` says what it did not."""

    record: Record
    status: Status
    checks: tuple[str, ...] = ()
    detail: str = ""
    comparison: Comparison | None = None

    def __str__(self) -> str:
        passed = ", ".join(self.checks)
        said = "; ".join(filter(None, (passed, self.detail)))
        return f"{self.status:<9}  {self.record.name}: {said}"


@dataclass
class Verifier:
    """Checks records. ``folder`` is where relative files of functions lie; functions are loaded,
    and their kernels found, once. With ``measure`` the times are checked too."""

    folder: Path
    measure: bool = False
    seconds: float = 5.0
    limits: Limits | None = None
    _known: dict[tuple[str, str, str], list[Workload] | str] = field(default_factory=dict)

    def check_all(self, records: Iterable[Record]) -> Iterator[Finding]:
        """A finding for each record."""
        for record in records:
            yield self.check(record)

    def check(self, record: Record) -> Finding:
        """Whether the record's schedule can be taken on its program, step by step proven; whether
        its results are those of the reference, by the simulator where the program is small, and by
        machine code on harder data than that of the tuning; and, with ``measure``, whether it is no
        slower than it was, in turns with the default schedule."""
        if not record.function:
            return Finding(
                record, "unchecked", (), "it does not say what function it belongs to; tune it by "
                "`python -m mlc tune file.py:function`",
            )  # fmt: skip
        workload = self._workload(record)
        if isinstance(workload, str):
            return Finding(record, "stale", (), workload)
        if record.kind == "default":
            return Finding(record, "good", ("the default schedule",))
        return self._check(record, workload)

    def _check(self, record: Record, workload: Workload) -> Finding:
        checks: list[str] = []
        try:
            schedule = Schedule.from_json(workload.program, record.trace)
        except MlcError as error:
            return Finding(record, "bad", (), f"a step is refused: {_first_line(error)}")
        if any(taken.unsafe for taken in schedule.trace):
            return Finding(record, "bad", (), "it has a step that is not proven")
        checks.append(f"{len(schedule.trace)} steps are legal")
        if fault := _other_source(record.source, schedule.source()):
            return Finding(record, "bad", tuple(checks), fault)
        if statements_run(workload.program.body) <= SIMULATED:
            if fault := simulated_fault(workload, schedule.program):
                return Finding(record, "bad", tuple(checks), fault)
            checks.append("right in the simulator")
        return self._run(record, workload, checks)

    def _run(self, record: Record, workload: Workload, checks: list[str]) -> Finding:
        """Machine code, in a process of its own."""
        from .measure.measurer import Measurer
        from .measure.runner import FailureError

        candidate = Candidate("trace", record.trace, "record")
        try:
            with Measurer(workload, self.limits) as measurer:
                outcomes = dict(measurer.measure([candidate]))
                outcome = outcomes[candidate]
                if not outcome.is_ok:
                    detail = f"{outcome.status}: {outcome.detail}"
                    return Finding(record, "bad", tuple(checks), detail)
                checks.append(f"right on {', '.join(outcome.proof)}")
                if not self.measure:
                    return Finding(record, "good", tuple(checks))
                found = measurer.compare(candidate, DEFAULT, self.seconds)
        except (MlcError, FailureError) as error:
            return Finding(record, "bad", tuple(checks), _first_line(error))
        fault = slowdown(record, found, workload.host)
        if fault:
            return Finding(record, "bad", tuple(checks), fault, found)
        checks.append(str(found))
        return Finding(record, "good", tuple(checks), "", found)

    def _workload(self, record: Record) -> Workload | str:
        """The workload of a record, or why there is none."""
        place = record.function, record.arguments, target_of(record)
        if place not in self._known:
            self._known[place] = self._load(*place)
        found = self._known[place]
        if isinstance(found, str):
            return found
        for workload in found:
            if record.reference_digest == reference_digest(workload.program):
                return workload
            if not record.reference_digest and record.key == workload.key:
                return workload
        return (
            f"{record.function} has no such kernel any more for the arguments "
            f"{record.arguments or '()'}; tune it anew"
        )

    def _load(self, function: str, arguments: str, target: str) -> list[Workload] | str:
        try:
            loaded = load_function(function, self.folder)
            with config.override(tuned=False):
                return workloads_for(loaded, parse_arguments(arguments), {}, target or None)
        except MlcError as error:
            return f"{function} cannot be looked at: {_first_line(error)}"


def target_of(record: Record) -> str:
    """The card's target that a record belongs to, with its precision; "" for the processor."""
    target, *more = record.family.split()
    if target not in DEVICE_TARGETS:
        return ""
    precision = next((word for word in more if word in PRECISIONS), None)
    return with_precision(target, precision)


def slowdown(record: Record, found: Comparison, host: Host) -> str:
    """In what way a record's schedule is slower than it was, as a sentence, or nothing. ``host`` is
    what was measured now.

    On the machine of the record the interval of the ratio to the default must reach what was
    measured then, on any other it must not lie below the default.
    """
    low, high = found.interval
    if found.verdict == "slower":
        return f"slower than the default schedule: {found}"
    if record.target != host.target:
        return ""
    then = record.default_seconds / record.interval[1]
    if high < then / (1 + NOISE):
        return (
            f"regression: {found.ratio:.3f} times the default's speed ({low:.3f} to {high:.3f}), "
            f"was {record.default_seconds / record.seconds:.3f} (at least {then:.3f})"
        )
    return ""


def simulated_fault(workload: Workload, scheduled: Program) -> str:
    """What the simulator finds wrong with a scheduled program, as a sentence, or nothing; on whole
    numbers, whose sums are exact in any order."""
    from ..ir.interpret import interpret
    from ..simulator import simulate
    from .measure.data import WHOLE, data_sets, is_float

    inputs = data_sets(workload.arguments())[WHOLE]
    wanted = [np.zeros(b.shape, b.dtype.numpy) for b in workload.outputs]
    got = [np.zeros(b.shape, b.dtype.numpy) for b in workload.outputs]
    try:
        with np.errstate(all="ignore"):
            interpret(workload.program, *inputs, *wanted)
            report = simulate(scheduled, *inputs, *got, raise_on_findings=False)
    except MlcError as error:
        return f"the simulator refuses it: {_first_line(error)}"
    if report.findings:
        return f"the simulator says: {report.findings[0]}".partition("\n")[0]
    for number, (ours, right) in enumerate(zip(got, wanted)):
        exact = not is_float(right)
        close = np.array_equal if exact else _close
        if not close(ours, right):
            return f"the simulator gets another output {number} than the reference"
    return ""


def _close(ours: Any, right: Any) -> bool:
    scale = float(np.nanmax(np.abs(right.astype("f8")), initial=0.0))
    tolerance = 64 * float(np.finfo(np.float32).eps) * max(scale, 1.0)
    if right.dtype.itemsize < 4:
        tolerance = 0.05 * max(scale, 1.0)
    return bool(np.allclose(ours.astype("f8"), right.astype("f8"), 1e-4, tolerance, equal_nan=True))


def _other_source(text: str, source: str) -> str:
    """Where the text to read does not say what the steps do, as a sentence, or nothing."""
    if not text or text.rstrip() == source.rstrip():
        return ""
    pairs = zip_longest(text.rstrip().splitlines(), source.rstrip().splitlines(), fillvalue="")
    line, (said, done) = next((n, p) for n, p in enumerate(pairs, 1) if p[0] != p[1])
    return (
        f'"source" is not what "trace" does, which alone is used: line {line} says '
        f"{said.strip()!r}, the steps are {done.strip()!r}; tune it anew, or paste your edit "
        "above the function"
    )


def _first_line(error: Exception) -> str:
    return str(getattr(error, "message", error)).partition("\n")[0]
