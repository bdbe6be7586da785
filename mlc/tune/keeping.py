"""From the result of tuning to records, in the user's database and in a lock file."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .candidate import STORED
from .database import Database, Layers, user_database
from .functions import arguments_text, function_text
from .lock import read_lock, write_lock
from .record import Record, reference_digest, versions

if TYPE_CHECKING:
    from .result import KernelResult, Trial, TuningResult

_BEHIND = 1.001  # times the best: what lost is taken to be that slow


def keep_result(
    result: TuningResult,
    database: Database | Layers | Literal[False] | None = None,
    lock: Path | None = None,
    *,
    function: str = "",
    arguments: str = "",
) -> list[Record]:
    """Store what tuning found, in the user's database unless another or False is given, and in the
    lock file if there is one; what was stored. Later compilations in any process use it."""
    records = records_of(result.kernels, function, arguments)
    if result.interrupted:
        # That nothing faster was found so far does not mean that the default is best.
        records = [record for record in records if record.kind != "default"]
    if database is not False:
        place = user_database() if database is None else database
        outdone = outdone_records(place, records, result.kernels)
        place.add_all([*records, *outdone])
    if lock is not None:
        known = read_lock(lock) if lock.exists() else []
        before = {(record.key, record.family): record for record in known}
        write_lock(lock, [r for r in records if is_better(r, before.get((r.key, r.family)))])
    return records


def outdone_records(
    database: Database | Layers, records: Iterable[Record], kernels: Iterable[KernelResult]
) -> list[Record]:
    """Earlier results that lost against ``records`` when they were tried once more, but had been
    measured to be faster on their day: as just behind. What is named best is what is used."""
    tried_again = {k.workload.key for k in kernels if any(map(_is_stored, k.trials))}
    found = []
    for best in records:
        if best.key not in tried_again:
            continue
        for old in database.records(best.key, best.target):
            if old.trace != best.trace and old.ratio <= best.ratio:
                factor = _BEHIND * best.ratio * old.default_seconds / old.seconds
                low, high = old.interval
                times = (low * factor, high * factor)
                seconds = old.seconds * factor
                found.append(replace(old, seconds=seconds, interval=times, created=best.created))
    return found


def _is_stored(trial: Trial) -> bool:
    return trial.candidate.origin == STORED


def is_better(record: Record, before: Record | None) -> bool:
    """Whether a record is to take the place of another in a lock file: if it is the same schedule
    measured again, or a faster one. A short search that found less does not undo a long one."""
    if before is None or before.trace == record.trace:
        return True
    return record.ratio < before.ratio


def records_of(
    kernels: Iterable[KernelResult], function: str = "", arguments: str = ""
) -> list[Record]:
    """A record for each kernel that was measured: of the best schedule, be it the default."""
    made = (record_of(kernel, function, arguments) for kernel in kernels)
    return [record for record in made if record is not None]


def record_of(kernel: KernelResult, function: str = "", arguments: str = "") -> Record | None:
    """The record of one kernel; None if its default schedule was not measured, or if the best was
    measured on a machine of another kind: its times say nothing about this one."""
    from .pasting import decided, kernel_schedule

    default = kernel.default_seconds
    if not default:
        return None
    host, best = kernel.workload.host, kernel.best
    is_default = best.kind == "default"
    ratio, (low, high) = kernel.speedup.ratio, kernel.speedup.interval
    trial = next((t for t in kernel.trials if t.candidate == best), None)
    if trial is not None and trial.outcome.target not in ("", host.isa):
        return None
    sets = trial.outcome.proof if trial is not None else ()
    return Record(
        key=kernel.workload.key,
        target=host.target,
        family=host.family,
        name=kernel.name,
        trace="" if is_default else decided(best.trace),
        kind=best.kind,
        seconds=default / ratio,
        interval=(default / high, default / low),
        default_seconds=default,
        proof=f"steps proven; right on {', '.join(sets)}" if sets else "steps proven",
        reference_digest=reference_digest(kernel.workload.program),
        created=time.time(),
        machine="" if trial is None else trial.outcome.machine,
        versions=versions(),
        source="" if is_default else str(kernel_schedule(best, kernel.workload)).rstrip(),
        function=function,
        arguments=arguments,
    )


def origin_of(what: Any, arguments: Iterable[Any], folder: Path) -> tuple[str, str]:
    """What `keep_result` is told of a function that was tuned: its place and its arguments as text,
    both empty where they cannot be found again."""
    function, text = function_text(what, folder), arguments_text(list(arguments))
    return (function, text) if function else ("", "")
