"""``mlc verify``: are the schedules in a lock file still legal, and still right?"""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import ArgumentError
from ..schedules.tuned import LOCK_NAME, lock_path
from ..tune.lock import read_lock, write_lock
from ..tune.record import Record
from ..tune.verify import Verifier
from .line import say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to verify."""
    parser.add_argument(
        "lock",
        nargs="?",
        type=Path,
        metavar="MLC.LOCK",
        help="The lock file; otherwise the one that holds in this folder.",
    )
    parser.add_argument(
        "--merge",
        action="store_true",
        help="If a merge left both sides in the file, first write the newer of each entry.",
    )
    parser.epilog = (
        "The functions are found through the names that the entries hold, relative to the lock "
        "file.\nThe exit code is 1 if an entry must not be used, or its function has changed."
    )


def run(chosen: argparse.Namespace) -> int:
    """A line for each entry."""
    path, records = locked(chosen.lock)
    if chosen.merge:
        records = write_lock(path, records, merge=False)
    return check(path, records, measure=False)


def locked(path: Path | None) -> tuple[Path, list[Record]]:
    """The lock file, and its records."""
    found = path or lock_path()
    if found is None:
        raise ArgumentError(
            f"there is no {LOCK_NAME} in this folder or above it; make one by "
            "`mlc tune FILE.py:FUNCTION --lock`"
        )
    return found, read_lock(found)


def check(path: Path, records: list[Record], *, measure: bool, seconds: float = 5.0) -> int:
    """Check records, and say what became of each; the exit code."""
    verifier = Verifier(path.resolve().parent, measure=measure, seconds=seconds)
    counts: dict[str, int] = {}
    for finding in verifier.check_all(records):
        counts[finding.status] = counts.get(finding.status, 0) + 1
        say(str(finding))
    summary = ", ".join(f"{count} {status}" for status, count in counts.items())
    say(f"{path}: {summary or 'no entries'}")
    return 1 if counts.keys() & {"bad", "stale"} else 0
