"""The tuning database: what is stored is found, by anyone, whatever happens to the file."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import warnings
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

import mlc
from mlc.errors import ArgumentError, TuningWarning
from mlc.tune import store
from mlc.tune.database import Database, layered, user_database
from mlc.tune.record import Record, read_record

TRACE = '{"format": "mlc.schedule", "steps": []}'


def record(number: int = 0, **changes: object) -> Record:
    made = Record(
        key=f"{number:040x}",
        target="machine a",
        name=f"kernel_{number}",
        trace=json.dumps({"format": "mlc.schedule", "steps": [{"step": "fuse", "n": number}]}),
        seconds=1e-3,
        interval=(0.9e-3, 1.1e-3),
        default_seconds=2e-3,
        created=1000.0 + number,
    )
    return replace(made, **changes)


@pytest.fixture(autouse=True)
def unwarned(monkeypatch):
    monkeypatch.setattr(store, "_warned", set())


@pytest.fixture
def path(tmp_path):
    return tmp_path / "tuning.sqlite"


def test_round_trip(path):
    with Database(path) as database:
        assert database.best(record().key, "machine a") is None
        assert not path.exists()  # asking makes no file
        assert database.add(record())
        assert database.best(record().key, "machine a") == record()
        assert database.best(record().key, "machine b") is None
        assert database.best(record(1).key, "machine a") is None
    assert path.stat().st_mode & 0o777 == 0o600
    assert Database(path).records() == [record()]


def test_best_is_the_fastest_against_its_own_default(path):
    database = Database(path)
    slow_day = record(seconds=2e-3, default_seconds=8e-3, trace=TRACE)
    database.add_all([record(), slow_day])
    assert database.best(record().key, "machine a") == slow_day


def test_the_newer_measurement_of_one_schedule_counts(path):
    database = Database(path)
    database.add(record(seconds=1e-3, created=5.0))
    database.add(record(seconds=3e-3, created=6.0))
    database.add(record(seconds=2e-3, created=4.0))
    assert [r.seconds for r in database.records()] == [3e-3]


def test_records_of_another_schema_do_not_apply(path):
    database = Database(path)
    database.add(record(schema=7))
    assert database.best(record().key, "machine a") is None
    assert database.records() == []


def test_text_is_sorted_and_comes_back(path, tmp_path):
    database = Database(path)
    database.add_all([record(2), record(0), record(1, reference_digest="ab")])
    text = database.export()
    names = [json.loads(line)["name"] for line in text.splitlines()]
    assert names == ["kernel_0", "kernel_1", "kernel_2"]
    other = Database(tmp_path / "other.sqlite")
    assert other.import_text(text + "\n") == 3
    assert other.export() == text
    third = Database(tmp_path / "third.sqlite")
    third.add(record(9))
    assert third.merge(other) == 3
    assert len(third) == 4


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2 is no record of tuning: not JSON (Expecting property name enclosed"),
        ("[1]", "line 2 is no record of tuning: expected an object in braces"),
        ('{"k": 1}', "line 2 is no record of tuning: it has 'k', which this mlc does not know"),
        ("{}", "line 2 is no record of tuning: Record.__init__() missing"),
    ],
)
def test_import_refuses_before_anything_is_added(path, line, message):
    database = Database(path)
    with pytest.raises(ArgumentError) as caught:
        database.import_text(f"{record().to_json()}\n{line}\n")
    assert str(caught.value).startswith(message)
    assert database.records() == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"key": "xy"}, "key is 'xy', but 40 hexadecimal digits are expected"),
        ({"seconds": float("nan")}, "seconds is nan, but a finite number of seconds is expected"),
        ({"interval": (1.0,)}, "interval is (1.0,), but a pair of seconds is expected"),
        ({"kind": "good"}, "kind is 'good', but one of trace, default is expected"),
        ({"default_seconds": 0.0}, "seconds and default_seconds must be above zero"),
        ({"name": 3}, "name is 3, but a text is expected"),
        (
            {"trace": '{"steps": [{"step": "fuse", "unsafe": true}]}'},
            "its trace is no JSON of a schedule in which every step is proven",
        ),
    ],
)
def test_records_are_checked(change, message):
    with pytest.raises(ArgumentError) as caught:
        record(**change)
    assert caught.value.message == f"this is no record of tuning: {message}"


@given(st.text(), st.text(), st.floats(1e-9, 1e9))
def test_a_record_is_one_line_that_reads_back(name, target, seconds):
    made = record(name=name, target=target, seconds=seconds)
    assert made.to_json().count("\n") == 0
    assert read_record(made.to_json()) == made


def test_eviction_by_age(path):
    database = Database(path)
    now = time.time()
    database.add_all([record(n, created=now - 100 * n) for n in range(5)])
    assert database.evict(seconds=250) == 2
    assert [r.name for r in database.records()] == ["kernel_0", "kernel_1", "kernel_2"]
    assert database.remove(record(1).key) == 1
    assert database.clear() == 2
    assert database.records() == []


def test_layers(path, tmp_path):
    lower = Database(tmp_path / "lower.sqlite")
    lower.add_all([record(0, seconds=0.5e-3), record(1, seconds=1.9e-3)])
    both = layered(Database(path), Database(lower.path, readonly=True))
    both.add(record(1))
    assert both.best(record(0).key, "machine a").seconds == 0.5e-3
    assert both.best(record(1).key, "machine a").seconds == 1e-3
    assert both.best(record(2).key, "machine a") is None
    assert [r.name for r in both.records()] == ["kernel_0", "kernel_1"]
    assert len(lower) == 2 and len(Database(path)) == 1
    assert both.export().count("\n") == 2
    with pytest.raises(ArgumentError, match="takes one database at least"):
        layered()


def test_readonly_in_a_folder_that_cannot_be_written():
    folder = Path(tempfile.mkdtemp())  # not below pytest's, which only its user may enter
    path = folder / "tuning.sqlite"
    try:
        with Database(path) as source:
            source.add(record())
        path.chmod(0o644)
        closed = folder / "closed"
        closed.mkdir(mode=0o000)
        folder.chmod(0o555)
        code = f"""
            import hashlib, os, sqlite3, urllib.parse, warnings  # while files can be read
            from mlc.tune.database import Database
            warnings.simplefilter("error")
            if os.geteuid() == 0:
                os.setuid(12345)
            database = Database({str(path)!r}, readonly=True)
            assert database.best({record().key!r}, "machine a").name == "kernel_0"
            assert sorted(os.listdir({str(folder)!r})) == ["closed", "tuning.sqlite"]
            warnings.simplefilter("ignore")
            assert Database({str(closed / "t.sqlite")!r}).records() == []
        """
        run(code)
        folder.chmod(0o755)
        with mlc.config.override(tuning_layers=[path], tuning_database=folder / "own.sqlite"):
            found = user_database().best(record().key, "machine a")
        assert found == record()
    finally:
        shutil.rmtree(folder)


def test_readonly_is_never_written(path):
    Database(path).add(record())
    database = Database(path, readonly=True)
    with pytest.warns(TuningWarning, match="kept in memory only; .* opened for reading only"):
        assert not database.add(record(1))
    assert len(Database(path)) == 1
    assert len(database) == 2  # what was found is not lost
    with pytest.raises(ArgumentError, match="opened for reading only: nothing can be removed"):
        database.clear()


DAMAGES = {
    "no database": lambda path: path.write_bytes(b"hello " * 1000),
    "torn": lambda path: path.write_bytes(path.read_bytes()[:700]),
    "zeros inside": lambda path: path.write_bytes(
        path.read_bytes()[:4096] + bytes(path.stat().st_size - 4096)
    ),
    "noise inside": lambda path: path.write_bytes(
        path.read_bytes()[:4096] + bytes(range(256)) * ((path.stat().st_size - 4096) // 256)
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_set_aside(path, damage):
    with Database(path) as database:
        database.add(record(0))
    DAMAGES[damage](path)
    database = Database(path)
    with pytest.warns(TuningWarning, match=r"cannot be read .* is called tuning.sqlite.damaged-"):
        database.add(record(1))
        database.records()
    assert record(1) in Database(path).records()
    assert len(list(path.parent.glob("tuning.sqlite.damaged-*"))) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        database.add(record(2))
        assert record(2) in Database(path).records()


def test_what_can_be_read_of_a_damaged_file_is_saved(path):
    with Database(path) as database:
        database.add_all(record(n) for n in range(200))
    data = bytearray(path.read_bytes())
    data[-2 * 4096 :] = bytes([7]) * (2 * 4096)
    path.write_bytes(data)
    with pytest.warns(TuningWarning, match="results that could be saved"):
        saved = Database(path).records()
    assert 0 < len(saved) < 200


def test_a_foreign_database_is_set_aside(path):
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE notes (text)")
        connection.execute("INSERT INTO notes VALUES ('mine')")
    connection.close()
    with pytest.warns(TuningWarning, match="not one of tuning results"):
        assert Database(path).add(record())
    (aside,) = path.parent.glob("*.damaged-*[0-9]")
    assert sqlite3.connect(aside).execute("SELECT * FROM notes").fetchall() == [("mine",)]


def test_a_file_of_a_later_mlc_is_left_alone(path):
    Database(path).add(record())
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    database = Database(path)
    with pytest.warns(TuningWarning, match="it was written by a later mlc"):
        assert not database.add(record(1))
    assert database.best(record(1).key, "machine a") == record(1)
    assert not list(path.parent.glob("*.damaged*"))


def test_a_damaged_row_is_passed_over(path):
    database = Database(path)
    database.add_all([record(0), record(1)])
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE records SET content='{' WHERE key=?", (record(0).key,))
    connection.close()
    assert Database(path).records() == [record(1)]
    assert database.records() == [record(0), record(1)]  # who wrote it knows it


def test_a_full_disk_loses_nothing(path, monkeypatch):
    database = Database(path)
    database.add(record(0))
    database.close()
    prepare = store._prepare

    def prepare_small(connection, path):
        prepare(connection, path)
        connection.execute("PRAGMA max_page_count=4").fetchall()

    monkeypatch.setattr(store, "_prepare", prepare_small)
    with pytest.warns(TuningWarning, match="in memory only; export.. has them all: .*full"):
        for n in range(1, 40):
            database.add(record(n))
    assert database.kept
    assert len(database) == 40
    assert database.export().count("\n") == 40
    assert database.best(record(39).key, "machine a") == record(39)
    monkeypatch.setattr(store, "_prepare", prepare)
    database.close()
    assert database.add(record(40))
    assert not database.kept
    assert len(Database(path)) == 41


def test_a_limit_of_the_file_size_loses_nothing(path):
    code = f"""
        import resource, warnings
        from pathlib import Path
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
        warnings.simplefilter("ignore")
        from mlc.tune.database import Database
        from mlc.tune.record import read_record
        database = Database({str(path)!r})
        lines = {[record(n).to_json() for n in range(150)]!r}
        for line in lines:
            database.add(read_record(line))
        assert database.kept, "the limit was not met"
        assert len(database) == 150
        Path({str(path.parent / "text")!r}).write_text("x")
    """
    run(code)
    with Database(path) as database:
        assert 0 < len(database) < 150


def test_no_wal_on_network_file_systems(tmp_path, monkeypatch):
    mounts = tmp_path / "mounts"
    mounts.write_text(
        f"/dev/a / ext4 rw 0 0\nserver:/x {tmp_path}/net\\040work nfs4 rw 0 0\n"
        f"/dev/b {tmp_path}/net\\040work/local xfs rw 0 0\nbroken\n"
    )
    for place, remote in {"t": False, "net work/t": True, "net work/local/t": False}.items():
        assert store.is_remote(tmp_path / place, mounts) is remote
    assert not store.is_remote(tmp_path / "t", tmp_path / "none")

    def mode(path: Path) -> str:
        Database(path).add(record())
        with closing(sqlite3.connect(path)) as connection:
            return str(connection.execute("PRAGMA journal_mode").fetchone()[0])

    assert mode(tmp_path / "a" / "t.sqlite") == "wal"
    monkeypatch.setattr(store, "is_remote", lambda path, mounts: True)
    assert mode(tmp_path / "b" / "t.sqlite") == "delete"


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    database = Database(tmp_path / "file" / "tuning.sqlite")
    with pytest.warns(TuningWarning, match="kept in memory only"):
        assert not database.add(record())
    assert database.records() == [record()]


def test_the_users_database_lies_in_a_private_folder(tmp_path):
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    with mlc.config.override(cache_dir=folder, tuning_database=None):
        database = Database()
        assert database.path == folder / "tuning-1.sqlite"
        with pytest.warns(TuningWarning, match="other users may write to it"):
            assert not database.add(record())
        assert database.records() == [record()]
    assert not list(folder.iterdir())


def test_a_file_that_goes_away_is_begun_anew(path):
    database = Database(path)
    database.add(record(0))
    shutil.rmtree(path.parent)
    assert database.add(record(1))
    assert Database(path).records() == [record(0), record(1)]  # what it wrote is written anew


def test_pickled_and_threads(path):
    database = pickle.loads(pickle.dumps(Database(path)))
    threads = [
        threading.Thread(target=lambda m=m: [database.add(record(m * 20 + n)) for n in range(20)])
        for m in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(Database(path)) == 80 and not database.kept


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_after_a_fork(path):
    database = Database(path)
    database.add(record(0))
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if database.add(record(1)) else 2
        finally:
            os._exit(status)
    assert database.add(record(2))
    assert os.waitpid(child, 0)[1] == 0
    assert len(database) == 3


def run(code: str, **options: object) -> None:
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, **options)


WRITER = """
    import sys
    from mlc.tune.database import Database
    from mlc.tune.record import read_record
    from dataclasses import replace
    first = read_record({line!r})
    number, count = int(sys.argv[1]), int(sys.argv[2])
    database = Database({path!r})
    for n in range(count):
        made = replace(first, key=f"{{number:020x}}{{n:020x}}")
        assert database.add(made), "kept in memory"
        print(n, flush=True)
"""


def writers(path: Path, count: int, each: int) -> list[subprocess.Popen[bytes]]:
    """Processes that write, and note in a file what was stored."""
    code = textwrap.dedent(WRITER.format(line=record().to_json(), path=str(path)))
    return [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", code, str(number), str(each)],
            stdout=told_path(path, number).open("w"),
        )
        for number in range(count)
    ]


def told_path(path: Path, number: int) -> Path:
    return path.with_name(f"told-{number}")


def test_many_processes_write_at_once(path):
    made = writers(path, 4, 25)
    assert [process.wait() for process in made] == [0] * 4
    assert len(Database(path)) == 100


def test_killed_writers_lose_nothing_that_was_stored(path):
    """Real processes, killed in the middle: every record whose `add` returned is there."""
    made = writers(path, 3, 100_000)
    end = time.monotonic() + 60
    while not all(told_path(path, n).stat().st_size for n in range(3)):
        assert time.monotonic() < end and not any(p.poll() for p in made)
        time.sleep(0.01)
    time.sleep(0.2)
    told = []
    for number, process in enumerate(made):
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        lines = told_path(path, number).read_text().split("\n")[:-1]
        told += [(number, int(line)) for line in lines]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = {r.key for r in Database(path).records()}
    assert {f"{number:020x}{n:020x}" for number, n in told} <= found
    assert len(found) <= len(told) + 3  # at most one each between its COMMIT and its word
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_many_processes_meet_a_damaged_file(path):
    path.write_bytes(b"this is no database, whatever else it may be" * 100)
    codes = [process.wait() for process in writers(path, 3, 10)]
    # one process sets the file aside, and with -W error fails of its warning
    assert sorted(codes) == [0, 0, 1]
    assert len(list(path.parent.glob("*.damaged-*"))) == 1
    assert len(Database(path)) >= 20
