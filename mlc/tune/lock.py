"""``mlc.lock``: tuned schedules as a text file in the user's repository.

JSON with one step of a schedule a line, sorted, so that a diff shows what changed. Who has the
repository, on a machine of the same family, gets the same schedules. The file is read by
`mlc.schedules.tuned`; this module writes, merges and checks its form.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import fields
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..config import config
from ..errors import ArgumentError
from ..schedules.tuned import LOCK_FORMAT, LOCK_NAME, SCHEMA, lock_path
from .record import Record

_HEAD = ("name", "function", "arguments", "family", "key", "reference_digest")
_FACTS = ("proof", "default_seconds", "seconds", "interval")
_ORIGIN = ("created", "target", "versions")
_DIGITS = 4  # of times: more only make the diff larger


def default_lock() -> Path:
    """The lock file that holds here, or where one would be made: in the working directory, unless
    ``mlc.config.lock`` names another."""
    return config.lock or lock_path() or Path.cwd() / LOCK_NAME


def lock_text(records: Iterable[Record]) -> str:
    """The lock file for records: of each workload and family of machines the newest one."""
    entries = [_entry_text(record) for record in _newest(records)]
    body = ",\n".join(entries)
    body = f"\n{body}\n" if body else ""
    return f'{{\n"format": "{LOCK_FORMAT}",\n"schema": {SCHEMA},\n"entries": [{body}]\n}}\n'


def check_place(path: Path) -> None:
    """:class:`ArgumentError` unless a lock file is or can be made at ``path``."""
    _check_kind(path)
    if not path.absolute().parent.is_dir():
        raise ArgumentError(
            f"the lock file {path} cannot be written: there is no folder {path.absolute().parent}"
        )


def _check_kind(path: Path) -> None:
    """What is there already must be a file: a device may have no end, and would be replaced."""
    if path.exists() and not path.is_file():
        what = "a folder" if path.is_dir() else "no ordinary file"
        raise ArgumentError(
            f"the lock file {path} is {what}; name a file, which is made if there is none"
        )


def read_lock(path: Path) -> list[Record]:
    """The records of a lock file; :class:`ArgumentError` says what is wrong with it."""
    _check_kind(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ArgumentError(f"the lock file {path} cannot be read: {error}") from None
    return parse_lock(text, str(path))


def parse_lock(text: str, where: str = "the text") -> list[Record]:
    """The records of the text of a lock file. Where a merge left both sides in the text, both are
    read, and the newer result of a workload counts."""
    if "\n<<<<<<< " in f"\n{text}":
        sides = [parse_lock(_side(text, n), f"{where}, side {n + 1} of the merge") for n in (0, 1)]
        return _newest([*sides[0], *sides[1]])
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ArgumentError(f"the lock file {where} is not JSON: {error}") from None
    if not isinstance(content, dict) or content.get("format") != LOCK_FORMAT:
        raise ArgumentError(f'the lock file {where} does not say "format": "{LOCK_FORMAT}"')
    if content.get("schema") != SCHEMA:
        raise ArgumentError(
            f"the lock file {where} has schema {content.get('schema')!r}; this mlc reads {SCHEMA}: "
            "tune anew, or use the mlc that wrote it"
        )
    entries = content.get("entries")
    if not isinstance(entries, list):
        raise ArgumentError(f"the lock file {where} has no list of entries")
    return [_record(entry, f"{where}, entry {n}") for n, entry in enumerate(entries, 1)]


def write_lock(path: Path, records: Iterable[Record], *, merge: bool = True) -> list[Record]:
    """Write records to a lock file, in place of or with ``merge`` beside those in it; what stands
    in it now. The file is replaced as a whole: nobody reads half of it."""
    _check_kind(path)
    known = read_lock(path) if merge and path.exists() else []
    text = lock_text([*known, *records])
    temporary = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise ArgumentError(f"the lock file {path} cannot be written: {error}") from None
    return parse_lock(text)


def merge_locks(*texts: str) -> str:
    """One lock file for several: the newer result of a workload counts."""
    return lock_text([r for n, t in enumerate(texts, 1) for r in parse_lock(t, f"number {n}")])


def _newest(records: Iterable[Record]) -> list[Record]:
    found: dict[tuple[str, str], Record] = {}
    for record in records:
        place = (record.key, record.family)
        if place not in found or found[place].created <= record.created:
            found[place] = record
    return sorted(found.values(), key=lambda r: (r.function, r.name, r.family, r.key))


def _side(text: str, number: int) -> str:
    """One side of the merges in a text, which may also show what both come from."""
    lines, side = [], None
    for line in text.splitlines():
        if line.startswith("<<<<<<< "):
            side = 0
        elif side is not None and line.startswith("||||||| "):
            side = 2
        elif side is not None and line == "=======":
            side = 1
        elif side is not None and line.startswith(">>>>>>> "):
            side = None
        elif side in (None, number):
            lines.append(line)
    return "\n".join(lines)


def _entry_text(record: Record) -> str:
    seen = {name: _shown(name, getattr(record, name)) for name in (*_HEAD, *_FACTS, *_ORIGIN)}
    lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in seen.items() if value]
    if record.source:
        source = ",\n".join(f"  {json.dumps(line)}" for line in record.source.splitlines())
        lines.append(f'"source": [\n{source}\n ]')
    lines.append(f'"trace": {_trace_text(record)}')
    return "{" + ",\n ".join(lines) + "}"


def _trace_text(record: Record) -> str:
    if record.kind == "default":
        return "null"
    content = json.loads(record.trace)
    steps = ",\n".join(f"   {json.dumps(step)}" for step in content.pop("steps"))
    head = "".join(f"  {json.dumps(k)}: {json.dumps(v)},\n" for k, v in content.items())
    return f'{{\n{head}  "steps": [\n{steps}\n  ]}}'


def _shown(name: str, value: Any) -> Any:
    match value:
        case float() if name == "created":
            return datetime.fromtimestamp(value, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        case int() | float():
            return float(f"{value:.{_DIGITS}g}")
        case tuple():
            return [_shown(name, part) for part in value]
    return value


def _record(entry: Any, where: str) -> Record:
    if not isinstance(entry, dict):
        raise ArgumentError(f"the lock file {where}: expected an object in braces")
    values = dict(entry)
    known = {field.name for field in fields(Record)} - {"kind", "schema"}
    if unknown := sorted(values.keys() - known):
        raise ArgumentError(f"the lock file {where}: {unknown[0]!r} is unknown to this mlc")
    trace = values.get("trace")
    values["kind"] = "trace" if trace else "default"
    try:
        values["trace"] = json.dumps(trace) if trace else ""
        values["source"] = "\n".join(values.get("source", ()))
        values["interval"] = tuple(values["interval"])
        values["created"] = _time(values.get("created"))
        return Record(**{"target": "", **values})
    except (TypeError, ValueError, KeyError) as error:
        reason = error.message if isinstance(error, ArgumentError) else repr(error)
        raise ArgumentError(f"the lock file {where}: {reason}") from None


def _time(text: Any) -> float:
    if not text:
        return 0.0
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc).timestamp()
