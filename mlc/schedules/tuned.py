"""Schedules that tuning found before: which one a kernel gets, if any.

They come from the user's lock file (``mlc.lock``) and from the tuning databases. Where neither file
exists, asking takes a few looks at the file system and no import. A trace found is a list of steps
that are checked when they are replayed: whatever stands in those files, no wrong code can come of
it. Files that others may write to are not read all the same.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import config
from ..errors import MlcError, TuningWarning, warn

if TYPE_CHECKING:
    import sqlite3

    from ..ir.program import Program
    from .schedule import Schedule

SCHEMA = 1  # of what is stored: records of another schema never apply
LAYOUT = 1  # of the table in a database; part of the file's default name
LOCK_NAME = "mlc.lock"
LOCK_FORMAT = "mlc.lock"
Tuned = dict[str, str]  # traces, the JSON of schedules, by workload key
_LARGE = 1 << 22  # bytes of a database that SQLite finds its way in faster
_warned: set[str] = set()
_session: Tuned = {}  # what this process found itself; empty where the default is best


class Host:
    """What stored results are compared with: ``isa`` is part of every key, ``target`` the exact
    machine of database records, ``family`` what lock files name."""

    __slots__ = ("family", "isa", "target")  # `import mlc` waits for a dataclass to be made

    def __init__(self, isa: str, target: str, family: str) -> None:
        self.isa = isa
        self.target = target
        self.family = family


def workload_key(program: Program, isa: str, constants: Iterable[int] = ()) -> str:
    """What tuning knows a program by, 40 hexadecimal digits: its normal form, without names, the
    instruction set, and which params are arrays that the function captured."""
    from ..ir.structural import structural_key

    captured = "".join(f"\nconstant {n}" for n in constants)
    return _digest(f"{structural_key(program)}\n{isa}{captured}")[:40]


def trace_digest(trace: str) -> str:
    """64 hexadecimal digits for the text of a trace."""
    return _digest(trace)


def _digest(text: str) -> str:
    return str(_sha256()(text.encode()).hexdigest())


@cache
def _sha256() -> Any:
    """The function of `hashlib`, without OpenSSL, which that loads; first calls wait for it."""
    for module in ("_sha2", "_sha256", "hashlib"):
        with contextlib.suppress(ImportError):
            return import_module(module).sha256
    raise ImportError("this Python has no sha256")


def has_records() -> bool:
    """Whether there is any file that could hold a tuned schedule, and the user wants it used."""
    if not config.tuned:
        return False
    if _session or lock_path() is not None:
        return True
    return config.tuned is True and any(map(os.path.exists, _databases()))


def lock_path() -> Path | None:
    """The lock file that holds here: the configured one, or the nearest ``mlc.lock`` from the
    working directory upwards, no further than the root of a git checkout."""
    if config.lock is not None:
        if os.path.exists(config.lock):
            return config.lock
        _warn_once(
            f"missing {config.lock}",
            f"there is no lock file {config.lock}, which mlc.config.lock or MLC_LOCK names; no "
            "schedules are taken from it",
        )
        return None
    try:
        folder = os.getcwd()
    except OSError:
        return None
    while True:
        path = os.path.join(folder, LOCK_NAME)
        if os.path.isfile(path):
            return Path(path)
        parent = os.path.dirname(folder)
        if parent == folder or os.path.exists(os.path.join(folder, ".git")):
            return None
        folder = parent


def database_path() -> Path:
    """The file of the user's own results."""
    return config.tuning_database or config.cache_dir / f"tuning-{LAYOUT}.sqlite"


def _databases() -> tuple[Path, ...]:
    return database_path(), *config.tuning_layers


def tuned_traces(keys: Iterable[str], host: Host) -> Tuned:
    """The best known trace of each workload that has one. What the lock file says about a workload
    holds, be it that the default schedule is best; else the record that is fastest against the
    default counts; what this process found itself comes before both. Never raises for what is wrong
    with a file."""
    return {key: trace for key, trace in known_traces(keys, host).items() if trace}


def remember(key: str, trace: str) -> None:
    """Makes ``trace``, or the default schedule if it is empty, the one that all that is compiled
    from here on in this process gets for the workload."""
    _session[key] = trace


def forget() -> None:
    """What this process found itself does not count any more."""
    _session.clear()


def known_traces(keys: Iterable[str], host: Host) -> Tuned:
    """As :func:`tuned_traces`, with an empty trace where the default schedule is known to be the
    best."""
    if not config.tuned:
        return {}
    wanted = list(dict.fromkeys(keys))
    found: Tuned = {}
    path = lock_path()
    if path is not None:
        entries = locked_traces(path, host.family)
        found.update((key, entries[key]) for key in wanted if key in entries)
    found.update((key, _session[key]) for key in wanted if _session.get(key))
    if config.tuned is True:
        rest = [key for key in wanted if key not in found]
        ratios: dict[str, float] = {}
        for path in _databases() if rest else ():
            if os.path.exists(path):
                for key, ratio, trace in _stored(path, rest, host.target):
                    if ratio < ratios.get(key, float("inf")):
                        ratios[key], found[key] = ratio, trace
    for key in wanted:  # that nothing faster was found here hides no result of another day
        if key in _session:
            found.setdefault(key, "")
    return found


def tuned_schedule(program: Program, trace: str, name: str) -> Schedule | None:
    """The steps of ``trace`` taken on ``program``, each checked again and each coming out as it did
    when it was stored; None, with a warning, if one does not."""
    from .replaying import replay

    try:
        if '"unsafe"' in trace:
            raise ValueError("it has steps that are not proven")
        schedule = replay(trace, program, strict=True).schedule
        _compare_sizes(trace, schedule)
        return schedule
    except (MlcError, ValueError, TypeError, KeyError, RecursionError) as error:
        reason = str(getattr(error, "message", error)).partition("\n")[0]
        _warn_once(
            trace,
            f"the stored schedule of {name} is not used, because it does not fit this mlc any "
            f"more: {reason}; the default schedule is used; tune it again",
        )
        return None


def _compare_sizes(trace: str, schedule: Schedule) -> None:
    """Raises ValueError unless each step made loops as long as when it was stored."""
    from .record import read_json, record_trace

    pairs = zip(read_json(trace).steps, record_trace(schedule.trace).steps, strict=True)
    for number, (then, now) in enumerate(pairs, 1):
        before, after = ([m for m in made if isinstance(m, int)] for made in (then.made, now.made))
        if before != after:
            raise ValueError(f"step {number} ({now.name}) makes {after}, was {before}")


def locked_traces(path: Path, family: str) -> Tuned:
    """What the lock file at ``path`` says for this family of machines: a trace by key, empty where
    the default schedule is best."""
    import json

    try:
        if reason := distrust(path, group=True):
            raise ValueError(reason)
        if not path.is_file():
            raise ValueError("it is no ordinary file")
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or content.get("format") != LOCK_FORMAT:
            raise ValueError(f'it does not say "format": "{LOCK_FORMAT}"')
        if content.get("schema") != SCHEMA:
            raise ValueError(f"it has schema {content.get('schema')!r}, this mlc reads {SCHEMA}")
        return {
            str(entry["key"]): json.dumps(entry["trace"]) if entry.get("trace") else ""
            for entry in content["entries"]
            if entry["family"] == family
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        what = f"it has no {error}" if isinstance(error, KeyError) else error
        _warn_once(f"{path}", f"the lock file {path} is not used: {what}")
        return {}


def _stored(path: Path, keys: list[str], target: str) -> list[tuple[str, float, str]]:
    """(key, time over the default's, trace) of the best sound record of each key."""
    try:
        if not distrust(path) and not may_hold(path, keys):
            return []
    except OSError:
        pass  # which is met again, and told
    import json
    import sqlite3
    from contextlib import closing

    query = (
        "SELECT ratio, content FROM records WHERE schema = ? AND key = ? AND target = ? "
        "ORDER BY ratio, created DESC LIMIT 8"
    )
    found = []
    try:
        if reason := distrust(path):
            raise OSError(reason)
        with closing(open_readonly(path)) as connection:
            for key in keys:
                for ratio, text in connection.execute(query, (SCHEMA, key, target)):
                    try:
                        content = json.loads(text)
                        if content["key"] == key and content["target"] == target:
                            found.append((key, float(ratio), str(content.get("trace", ""))))
                            break
                    except (ValueError, TypeError, KeyError):
                        continue  # a damaged row
    except (OSError, sqlite3.Error) as error:
        _warn_once(f"{path}", f"the tuning results in {path} are not used: {error}")
    return found


def may_hold(path: Path, keys: Iterable[str]) -> bool:
    """Whether a database can have a record of one of ``keys``, found out in a fraction of the time
    that SQLite takes to be imported.

    A key begins its row, and so lies in one piece where the row does: in the file, or in the log
    beside it. The log is read first: what leaves it is in the file by then."""
    log = f"{path}-wal"
    pages = b""
    if os.path.exists(log):
        with contextlib.suppress(FileNotFoundError):  # folded into the file just now
            pages = _content(log)
    content = _content(path)
    readable = content[:16] == b"SQLite format 3\0" and content[56:60] == b"\0\0\0\1"  # UTF-8
    small = content[16:18] == b"\2\0"  # pages of 512 bytes, which a row may leave within its key
    if not readable or small or max(len(pages), len(content)) > _LARGE:
        return True
    return any(key.encode() in content or key.encode() in pages for key in keys)


def _content(path: str | Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(_LARGE + 1)


def open_readonly(path: Path) -> sqlite3.Connection:
    """A connection to a database that changes nothing in it, and that needs no side files where
    the folder does not allow them."""
    import sqlite3

    address = path.absolute().as_uri()
    for options in ("mode=ro", "mode=ro&immutable=1"):
        connection = sqlite3.connect(
            f"{address}?{options}",
            uri=True,
            timeout=2.0,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            return connection
        except sqlite3.Error as error:
            connection.close()
            if not isinstance(error, sqlite3.OperationalError) or "immutable" in options:
                raise
    raise AssertionError("unreachable")


def distrust(path: Path, group: bool = False) -> str:
    """Why a file or folder is not to be trusted, or nothing. With ``group`` those of its group may
    write to it, as is usual for files in a repository."""
    if not hasattr(os, "geteuid"):
        return ""
    status = path.stat()
    if os.geteuid() != 0 and status.st_uid not in (0, os.geteuid()):
        return "it belongs to another user"
    if status.st_mode & (stat.S_IWOTH | (0 if group else stat.S_IWGRP)):
        return "other users may write to it: take that right from them (chmod)"
    return ""


def _warn_once(kind: str, message: str) -> None:
    if kind not in _warned:
        _warned.add(kind)
        warn(message, TuningWarning)
