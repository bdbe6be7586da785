"""The file under `mlc.tune.database`: opened, watched, and set aside when it is damaged."""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from ..errors import TuningWarning, warn
from ..schedules.tuned import LAYOUT, open_readonly

T = TypeVar("T")

APPLICATION = 0x6D6C6374  # "mlct": what SQLite's application_id of our files is
BUSY_SECONDS = 15.0
_TABLE = """
CREATE TABLE IF NOT EXISTS records (
    schema INTEGER NOT NULL,
    key TEXT NOT NULL,
    target TEXT NOT NULL,
    digest TEXT NOT NULL,    -- of the trace
    ratio REAL NOT NULL,     -- time over the default's
    created REAL NOT NULL,
    content TEXT NOT NULL,   -- the record as JSON
    PRIMARY KEY (schema, key, target, digest)
) WITHOUT ROWID
"""
_REMOTE = {
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "gpfs", "beegfs",
    "glusterfs", "fuse.sshfs", "fuse.glusterfs", "fuse.ceph",
}  # fmt: skip
_DAMAGED = ("not a database", "malformed", "unsupported file format", "no such table", "no column")
_warned: set[str] = set()


class UnusableError(Exception):
    """The file cannot be used; the text says why, as a sentence without its end."""


class DamagedError(Exception):
    """The file is damaged, or it is no database of ours."""


class Store:
    """One SQLite file, opened at the first use and anew after a fork or when the file at ``path``
    is another than it was. ``run`` raises :class:`UnusableError` and nothing else."""

    def __init__(self, path: Path, readonly: bool) -> None:
        self.path = path
        self.readonly = readonly
        self._forget()

    def _forget(self) -> None:
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._connection: sqlite3.Connection | None = None
        self._inode = -1
        self.origin = ""  # what tells the file that was used last from others at the same path

    def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What ``work`` returns. It is called again if the file turns out to be damaged, or was
        replaced in the meantime, so it must bear being done twice."""
        if self._pid != os.getpid():
            _inherited.append(self._connection)  # closing it here would touch the parent's files
            self._forget()
        with self._lock:
            for _ in range(4):
                try:
                    result = work(self._open())
                except (DamagedError, sqlite3.DatabaseError) as error:
                    self._after(error)
                    continue
                except (OSError, sqlite3.Error) as error:
                    self.close()
                    raise UnusableError(str(error)) from None
                if _inode(self.path) == self._inode:
                    return result
                self.close()  # somebody set the file aside, or removed it, while we wrote
            raise UnusableError("the file is replaced again and again")

    def _after(self, error: Exception) -> None:
        """Return where ``work`` may be tried again."""
        self.close()
        text = str(error)
        if isinstance(error, DamagedError) or any(sign in text for sign in _DAMAGED):
            if self.readonly:
                raise UnusableError(text) from None
            self._set_aside(text)
            return
        raise UnusableError(text) from None

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        if self._connection is not None and self._pid == os.getpid():
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
        self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None and _inode(self.path) == self._inode:
            return self._connection
        self.close()
        self._connection = _connect_readonly(self.path) if self.readonly else _connect(self.path)
        self._inode = _inode(self.path)
        (self.origin,) = self._connection.execute("SELECT id FROM origin").fetchone() or ("",)
        return self._connection

    def _set_aside(self, reason: str) -> None:
        """Give the damaged file another name, begin a new one, and save the rows that can be
        read."""
        try:
            with _alone(self.path):
                try:
                    connection = _connect(self.path)
                    sound = connection.execute("PRAGMA quick_check").fetchone() == ("ok",)
                    connection.close()
                except (DamagedError, sqlite3.DatabaseError):
                    sound = False
                if sound:
                    return  # another process was here first
                name = f"{self.path.name}.damaged-{time.time_ns()}"
                aside = self.path.with_name(name)
                for ending in ("", "-wal", "-shm"):
                    with contextlib.suppress(FileNotFoundError):
                        os.rename(f"{self.path}{ending}", f"{aside}{ending}")
                connection = _connect(self.path)
                try:
                    saved = _save_rows(aside, connection)
                finally:
                    connection.close()
                _remove_empty(aside)
        except (OSError, sqlite3.Error) as error:
            raise UnusableError(f"{reason}, and it cannot be set aside: {error}") from None
        warn_once(
            f"{aside}",
            f"the tuning results in {self.path} cannot be read ({reason}); the file is called "
            f"{aside.name} now and a new one is begun with {saved} results that could be saved",
        )


_inherited: list[object] = []


def warn_once(kind: str, message: str) -> None:
    """Warn, if there was no warning of this kind in this process."""
    if kind not in _warned:
        _warned.add(kind)
        warn(message, TuningWarning)


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return -1


def _connect(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Made here, so that nobody else may read it; SQLite gives its side files the same rights.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600))
    connection = sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        # Two processes that begin the file at once do not always wait for each other by themselves.
        _patiently(lambda: _prepare(connection, path))
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    if not _is_ours(connection):
        # WAL needs memory that all writers share: on a network file system they do not.
        mode = "DELETE" if is_remote(path, Path("/proc/self/mounts")) else "WAL"
        connection.execute(f"PRAGMA journal_mode={mode}")
        with transaction(connection):
            connection.execute(f"PRAGMA application_id={APPLICATION}")
            connection.execute(f"PRAGMA user_version={LAYOUT}")
            connection.execute(_TABLE)
            connection.execute("CREATE TABLE IF NOT EXISTS origin (id TEXT NOT NULL)")
            connection.execute("INSERT INTO origin VALUES (?)", (os.urandom(16).hex(),))
    connection.execute("PRAGMA synchronous=NORMAL")


def is_remote(path: Path, mounts: Path) -> bool:
    """Whether ``path`` lies on a network file system, by the table of mounts; False if unknown."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        folder = path.parent.resolve()
    except OSError:
        return False
    longest, kind = -1, ""
    for line in lines:
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        place = Path(fields[1].replace("\\040", " "))
        if folder.is_relative_to(place) and len(place.parts) >= longest:
            longest, kind = len(place.parts), fields[2]
    return kind in _REMOTE


def _is_ours(connection: sqlite3.Connection) -> bool:
    """Whether the file is one of ours (True) or empty (False)."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    layout = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if application == APPLICATION and layout > LAYOUT:
        raise OSError("it was written by a later mlc")
    if application == APPLICATION and tables:
        return True
    if application not in (0, APPLICATION) or tables:
        raise DamagedError("it is a database, but not one of tuning results")
    return False


def _connect_readonly(path: Path) -> sqlite3.Connection:
    connection = open_readonly(path)
    try:
        if not _is_ours(connection):
            raise DamagedError("it is empty")
        return connection
    except BaseException:
        connection.close()
        raise


def _patiently(work: Callable[[], None]) -> None:
    end = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            return work()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(random.uniform(0.001, 0.02))


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All that is written in the block, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # A full disk ends the transaction by itself.
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One process at a time; the lock falls with the process that holds it."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with open(f"{path}.guard", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _save_rows(damaged: Path, connection: sqlite3.Connection) -> int:
    """Copy what can be read; how many rows that are."""
    saved = 0
    with contextlib.suppress(sqlite3.DatabaseError), transaction(connection):
        with contextlib.suppress(sqlite3.DatabaseError), closing(open_readonly(damaged)) as old:
            for row in old.execute(f"SELECT {COLUMNS} FROM records"):
                connection.execute(INSERT, row)
                saved += 1
    return saved


def _remove_empty(aside: Path) -> None:
    """Remove the side files that reading left behind, if they say nothing."""
    wal = Path(f"{aside}-wal")
    if not wal.exists() or not wal.stat().st_size:
        wal.unlink(missing_ok=True)
        Path(f"{aside}-shm").unlink(missing_ok=True)


COLUMNS = "schema, key, target, digest, ratio, created, content"
# The newer measurement of the same schedule replaces the older one, and is not replaced by it.
INSERT = """
INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET ratio=excluded.ratio, created=excluded.created, content=excluded.content
WHERE excluded.created >= created
"""
