"""One result of tuning, as a frozen value and as a line of JSON."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields
from typing import Any

from ..errors import ArgumentError
from ..ir.program import Program
from ..ir.structural import structural_key
from ..schedules.tuned import SCHEMA, trace_digest

KINDS = ("trace", "default")
_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True)
class Record:
    """A schedule for one workload on one target, and what was measured.

    ``key`` is the digest of the workload (`mlc.schedules.tuned.workload_key`), ``target`` the exact
    text of the machine (`mlc.kernel_code.tuning_target`) and ``family`` what a lock file compares.
    ``trace`` is the JSON of the schedule, empty where ``kind`` is "default": nothing was faster.
    Times are in seconds: of one call, its interval of confidence, and of the default schedule,
    measured in turns with it. ``created`` is UNIX time. ``reference_digest`` names the program
    before any schedule (`reference_digest`), ``source`` is the schedule as Python, to read.
    ``function`` ("file.py:name") and ``arguments`` ("float32[8,8] ...") say where the workload
    comes from, so that it can be checked again.
    """

    key: str
    target: str
    name: str
    trace: str
    seconds: float
    interval: tuple[float, float]
    default_seconds: float
    kind: str = "trace"
    proof: str = "proven"
    reference_digest: str = ""
    created: float = 0.0
    machine: str = ""
    versions: str = ""
    family: str = ""
    source: str = ""
    function: str = ""
    arguments: str = ""
    schema: int = SCHEMA

    def __post_init__(self) -> None:
        if reason := _fault(self):
            raise ArgumentError(f"this is no record of tuning: {reason}")

    @property
    def ratio(self) -> float:
        """Time over the default's: below 1 is faster."""
        return self.seconds / self.default_seconds

    def to_json(self) -> str:
        """The record as one line of ASCII, with sorted names; texts that are empty by default are
        left out."""
        empty = {field.name for field in fields(self) if field.default == ""} | {"trace"}
        content = {k: v for k, v in asdict(self).items() if v != "" or k not in empty}
        return json.dumps(content, sort_keys=True)


def read_record(line: str, where: str = "this line") -> Record:
    """The record that a line of JSON holds; :class:`ArgumentError` names ``where`` otherwise."""
    try:
        content = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ArgumentError(f"{where} is no record of tuning: not JSON ({error})") from None
    if not isinstance(content, dict):
        raise ArgumentError(f"{where} is no record of tuning: expected an object in braces")
    known = {field.name for field in fields(Record)}
    if unknown := sorted(content.keys() - known):
        raise ArgumentError(
            f"{where} is no record of tuning: it has {unknown[0]!r}, which this mlc does not know"
        )
    content.setdefault("trace", "")
    if isinstance(interval := content.get("interval"), list):
        content["interval"] = tuple(interval)
    try:
        return Record(**content)
    except (TypeError, ArgumentError) as error:
        reason = error.message if isinstance(error, ArgumentError) else str(error)
        reason = reason.removeprefix("this is no record of tuning: ")
        raise ArgumentError(f"{where} is no record of tuning: {reason}") from None


def reference_digest(program: Program) -> str:
    """Names a program before any schedule, up to names, on whatever machine."""
    return trace_digest(structural_key(program))[:40]


def versions() -> str:
    """What made a record: mlc, llvmlite and NumPy with their versions."""
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for name in ("mlc", "llvmlite", "numpy"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def is_proven(trace: str) -> bool:
    """Whether no step of the trace, JSON of a schedule, was taken unproven."""
    try:
        content = json.loads(trace)
        return not any(step.get("unsafe") for step in content["steps"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return False


def _fault(record: Record) -> str:
    """What is wrong with the record, or nothing."""
    for field in fields(Record):
        value = getattr(record, field.name)
        if field.type == "str" and not isinstance(value, str):
            return f"{field.name} is {value!r}, but a text is expected"
        if field.type == "float" and not _is_time(value):
            return f"{field.name} is {value!r}, but a finite number of seconds is expected"
    interval: Any = record.interval
    if not (isinstance(interval, tuple) and len(interval) == 2 and all(map(_is_time, interval))):
        return f"interval is {interval!r}, but a pair of seconds is expected"
    if not (isinstance(record.schema, int) and record.schema > 0):
        return f"schema is {record.schema!r}, but a whole number from 1 is expected"
    if len(record.key) != 40 or not set(record.key) <= _HEX:
        return f"key is {record.key!r}, but 40 hexadecimal digits are expected"
    if record.kind not in KINDS:
        return f"kind is {record.kind!r}, but one of {', '.join(KINDS)} is expected"
    if record.seconds <= 0 or record.default_seconds <= 0:
        return "seconds and default_seconds must be above zero"
    if record.kind == "trace" and not is_proven(record.trace):
        return "its trace is no JSON of a schedule in which every step is proven"
    return ""


def _is_time(value: object) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return math.isfinite(value) and value >= 0
