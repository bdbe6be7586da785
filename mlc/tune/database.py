"""Results of tuning in one SQLite file that many processes read and write.

The file is in WAL mode: a process that is killed in the middle leaves the file as it was before its
last unfinished write. Whatever is wrong with the file, nothing that `add` was given is lost: what
cannot be written is kept in memory, found by `best`, and part of `export`.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ..config import config
from ..errors import ArgumentError
from ..schedules.tuned import SCHEMA, database_path, distrust, trace_digest
from .record import Record, read_record
from .store import COLUMNS, INSERT, Store, UnusableError, transaction, warn_once

T = TypeVar("T")
Row = tuple[int, str, str, str, float, float, str]


class Database:
    """The results in the file at ``path``, or in the user's own (``mlc.config.tuning_database``, or
    one in the cache folder).

    The file is made by the first `add`. With ``readonly`` it is never written, wherever it lies,
    and need not be writable. Its methods may be called from any thread, and after a fork.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None, readonly: bool = False) -> None:
        self.path = Path(path).expanduser() if path is not None else database_path()
        self.readonly = readonly
        self._is_default = path is None
        self._kept: dict[tuple[object, ...], Record] = {}  # what could not be written
        self._written: dict[tuple[object, ...], Record] = {}  # what this object wrote
        self._origin = ""  # of the file that it was written to
        self._store = Store(self.path, readonly)

    def __repr__(self) -> str:
        return f"<mlc.tune.database.Database {str(self.path)!r}{', readonly' * self.readonly}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return Database, (None if self._is_default else self.path, self.readonly)

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self.records())

    @property
    def kept(self) -> list[Record]:
        """Records that are only in memory, because the file could not be written."""
        return list(self._kept.values())

    def best(self, key: str, target: str) -> Record | None:
        """The record of this workload and target that is fastest against the default schedule, of
        equal ones the newest; None if there is none. Times of different days cannot be compared,
        but each was measured in turns with the default."""
        found = self.records(key, target)
        return min(found, key=lambda r: (r.ratio, -r.created), default=None)

    def records(self, key: str | None = None, target: str | None = None) -> list[Record]:
        """The records of a workload, or all: sorted by name, key, target and ratio. Records of
        another schema and damaged ones are not among them; those that this object wrote are, until
        it removes them."""
        merged = {_identity(record): record for record in self._stored(key, target)}
        for identity, record in (*self._written.items(), *self._kept.items()):
            fits = key in (None, record.key) and target in (None, record.target)
            known = merged.get(identity)
            is_newer = known is None or known.created <= record.created
            if fits and is_newer and record.schema == SCHEMA:
                merged[identity] = record
        return sorted(merged.values(), key=_order)

    def add(self, record: Record) -> bool:
        """Store a record; whether it is on disk now. It takes the place of an older measurement of
        the same schedule. Never raises for what is wrong with the disk or the file."""
        return self.add_all([record])

    def add_all(self, records: Iterable[Record]) -> bool:
        """:meth:`add` for many at once, in one transaction."""
        for record in records:
            older = self._kept.get(_identity(record))
            if older is None or older.created <= record.created:
                self._kept[_identity(record)] = record
        waiting = dict(self._kept)
        if not waiting:
            return True
        if self.readonly:
            self._complain("it is opened for reading only", is_read=False)
        if self.readonly or not self._ask(_writer(waiting.values())):
            return False
        for identity, record in waiting.items():
            if self._kept.get(identity) is record:
                del self._kept[identity]
        self._written.update(waiting)
        return True

    def export(self) -> str:
        """All records as text: one JSON object a line, sorted, so that a diff says what changed."""
        return "".join(f"{record.to_json()}\n" for record in self.records())

    def import_text(self, text: str) -> int:
        """Add what :meth:`export` wrote; how many records that are. Raises :class:`ArgumentError`,
        before anything is added, with the number of a line that cannot be read."""
        lines = enumerate(text.splitlines(), 1)
        records = [read_record(line, f"line {n}") for n, line in lines if line.strip()]
        self.add_all(records)
        return len(records)

    def merge(self, other: Database | Layers) -> int:
        """Add all records of another database; how many those are."""
        records = other.records()
        self.add_all(records)
        return len(records)

    def evict(self, seconds: float) -> int:
        """Remove the records that are older than ``seconds``; how many those are."""
        limit = time.time() - seconds
        return self._remove("created < ?", limit, lambda record: record.created < limit)

    def clear(self) -> int:
        """Remove all records; how many those are."""
        return self._remove("1 = ?", 1, lambda record: True)

    def remove(self, key: str) -> int:
        """Remove the records of one workload; how many those are."""
        return self._remove("key = ?", key, lambda record: record.key == key)

    def size_bytes(self) -> int:
        """Bytes on disk, with SQLite's side files."""
        paths = (Path(f"{self.path}{ending}") for ending in ("", "-wal", "-shm"))
        return sum(path.stat().st_size for path in paths if os.path.exists(path))

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        self._store.close()

    def _stored(self, key: str | None, target: str | None) -> Iterator[Record]:
        if not os.path.exists(self.path):
            if self.readonly:
                self._complain("there is no such file")
            return iter(())
        where: list[str] = ["schema = ?"]
        values: list[int | str] = [SCHEMA]
        for column, value in (("key", key), ("target", target)):
            if value is not None:
                where.append(f"{column} = ?")
                values.append(value)
        query = f"SELECT {COLUMNS} FROM records WHERE {' AND '.join(where)}"
        rows = self._ask(lambda connection: connection.execute(query, values).fetchall())
        return filter(None, map(_record_of, rows or ()))

    def _remove(self, condition: str, value: object, gone: Callable[[Record], bool]) -> int:
        if self.readonly:
            raise ArgumentError(f"{self.path} is opened for reading only: nothing can be removed")
        in_memory = [identity for identity, record in self._kept.items() if gone(record)]
        for identity in in_memory:
            del self._kept[identity]
        for identity in [i for i, record in self._written.items() if gone(record)]:
            del self._written[identity]
        if not os.path.exists(self.path):
            return len(in_memory)

        def delete(connection: sqlite3.Connection) -> int:
            with transaction(connection):
                query = f"DELETE FROM records WHERE {condition}"
                count = connection.execute(query, (value,)).rowcount
            with contextlib.suppress(sqlite3.OperationalError):  # somebody else is writing
                connection.execute("VACUUM")
            return count

        return len(in_memory) + (self._ask(delete) or 0)

    def _ask(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """What ``work`` returns, or None, with a warning, if the file cannot be used."""
        try:
            if self._is_default and os.path.exists(self.path.parent):
                if reason := distrust(self.path.parent):
                    raise UnusableError(
                        f"{reason}; make the folder yours alone, or set MLC_TUNING_DATABASE"
                    )
            result = self._store.run(work)
            if self._store.origin != self._origin:
                # Another file than last time: somebody set the old one aside, or removed it.
                self._origin = self._store.origin
                if self._written and not self.readonly:
                    self._store.run(_writer(self._written.values()))
                    result = self._store.run(work)
            return result
        except (UnusableError, OSError) as error:
            self._complain(str(error))
            return None

    def _complain(self, reason: str, is_read: bool | None = None) -> None:
        is_read = self.readonly if is_read is None else is_read
        what = "are not read" if is_read else "are kept in memory only; export() has them all"
        warn_once(
            f"{self.path} {reason}", f"tuning results {what}: {self.path} is not used: {reason}"
        )


class Layers:
    """Databases asked together; only the first is written. Made by :func:`layered`."""

    def __init__(self, databases: Sequence[Database]) -> None:
        self.databases = tuple(databases)

    @property
    def first(self) -> Database:
        """The one that is written."""
        return self.databases[0]

    def best(self, key: str, target: str) -> Record | None:
        """The best of all; of equal ones that of the earlier database."""
        found = [database.best(key, target) for database in self.databases]
        return min(filter(None, found), key=lambda record: record.ratio, default=None)

    def records(self, key: str | None = None, target: str | None = None) -> list[Record]:
        """Those of all; of the same schedule the newest measurement."""
        merged: dict[tuple[object, ...], Record] = {}
        for database in self.databases:
            for record in database.records(key, target):
                known = merged.get(_identity(record))
                if known is None or known.created < record.created:
                    merged[_identity(record)] = record
        return sorted(merged.values(), key=_order)

    def add(self, record: Record) -> bool:
        """:meth:`Database.add` of the first."""
        return self.first.add(record)

    def add_all(self, records: Iterable[Record]) -> bool:
        """:meth:`Database.add_all` of the first."""
        return self.first.add_all(records)

    def export(self) -> str:
        """:meth:`Database.export` of all."""
        return "".join(f"{record.to_json()}\n" for record in self.records())


def layered(*databases: Database) -> Layers:
    """One view of several databases, of which the first is written and the others only read."""
    if not databases:
        raise ArgumentError("layered() takes one database at least: the one that is written")
    return Layers(databases)


def user_database() -> Layers:
    """The user's database over those of ``mlc.config.tuning_layers``: always the same object, so
    that what could not be written is not forgotten, and is written when that is possible again."""
    place = database_path(), config.tuning_layers
    if place not in _users:
        lower = (Database(path, readonly=True) for path in config.tuning_layers)
        _users[place] = layered(Database(), *lower)
    return _users[place]


_users: dict[tuple[Path, tuple[Path, ...]], Layers] = {}


def _writer(records: Iterable[Record]) -> Callable[[sqlite3.Connection], bool]:
    rows = [_row(record) for record in records]

    def write(connection: sqlite3.Connection) -> bool:
        with transaction(connection):
            connection.executemany(INSERT, rows)
        return True

    return write


def _identity(record: Record) -> tuple[object, ...]:
    return record.schema, record.key, record.target, trace_digest(record.trace)


def _order(record: Record) -> tuple[object, ...]:
    return record.name, record.key, record.target, record.ratio, trace_digest(record.trace)


def _row(record: Record) -> Row:
    digest = trace_digest(record.trace)
    facts = (record.schema, record.key, record.target, digest, record.ratio, record.created)
    return (*facts, record.to_json())


def _record_of(row: Row) -> Record | None:
    """The record in a row; None if it is damaged or does not belong there."""
    try:
        record = read_record(row[-1])
    except ArgumentError:
        return None
    return record if _row(record)[:4] == row[:4] else None
