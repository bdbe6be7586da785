"""Hundreds of faults, drawn by chance: no call raises, and what a process stored is there as long
as it runs."""

from __future__ import annotations

import random
import sqlite3
import warnings
from contextlib import closing
from pathlib import Path

import pytest

from mlc.tune import store
from mlc.tune.database import Database
from mlc.tune.record import Record

TRACE = '{"format": "mlc.schedule", "steps": []}'
STEPS = 80


def record(number: int) -> Record:
    return Record(
        key=f"{number:040x}",
        target="t",
        name=f"kernel {number} {'x' * (number % 700)}",
        trace=TRACE,
        seconds=1.0,
        interval=(1.0, 1.0),
        default_seconds=2.0,
        created=float(number),
    )


class World:
    """Two handles on one file, as two processes would have them; and what must be found."""

    def __init__(self, path: Path, seed: int) -> None:
        self.path = path
        self.random = random.Random(seed)
        self.databases = [Database(path), Database(path)]
        self.safe: set[str] = set()  # all that was ever added
        self.number = 0
        self.full = False
        self.faults = 0

    def add(self) -> None:
        database = self.random.choice(self.databases)
        made = [record(self.number + n) for n in range(self.random.choice((1, 1, 5)))]
        self.number += len(made)
        database.add_all(made)
        found = {r.key for r in database.records()}
        assert {r.key for r in made} <= found
        self.safe |= {r.key for r in made}

    def look(self) -> None:
        found: set[str] = set()
        for database in self.databases:
            found |= {r.key for r in database.records()}
            if self.safe:
                key = self.random.choice(sorted(self.safe))
                best = [d.best(key, "t") for d in self.databases]
                assert any(best)
        assert self.safe <= found
        text = "".join(d.export() for d in self.databases)
        assert all(key in text for key in self.safe)

    def disk_fills(self) -> None:
        self.faults += 1
        self.full = not self.full
        for database in self.databases:
            database.close()

    def damage(self) -> None:
        self.faults += 1
        data = bytearray(self.path.read_bytes()) if self.path.exists() else bytearray()
        match self.random.randrange(5):
            case 0 if data:
                for _ in range(self.random.choice((1, 30, 3000))):
                    data[self.random.randrange(len(data))] = self.random.randrange(256)
                self.path.write_bytes(data)
            case 1:
                self.path.write_bytes(data[: self.random.randrange(len(data) + 1)])
            case 2:
                self.path.write_bytes(self.random.randbytes(self.random.randrange(9000)))
            case 3:
                self.path.unlink(missing_ok=True)
            case _:
                for ending in ("", "-wal", "-shm"):
                    Path(f"{self.path}{ending}").unlink(missing_ok=True)
                with closing(sqlite3.connect(self.path)) as connection:
                    connection.execute("CREATE TABLE other (a)")
                    connection.commit()


@pytest.mark.parametrize("seed", range(3))
def test_faults_by_chance(tmp_path, monkeypatch, seed):
    world = World(tmp_path / "t.sqlite", seed)
    prepare = store._prepare

    def prepare_limited(connection: sqlite3.Connection, path: Path) -> None:
        prepare(connection, path)
        if world.full:
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            connection.execute(f"PRAGMA max_page_count={pages}").fetchall()

    monkeypatch.setattr(store, "_prepare", prepare_limited)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(STEPS):
            act = world.random.choices(
                (world.add, world.look, world.damage, world.disk_fills), (6, 3, 3, 1)
            )
            act[0]()
        assert world.faults > 10
        world.full = False
        for database in world.databases:
            database.close()
        for _ in range(3):  # the first may find the damage that is left
            world.add()
        assert all(database.add_all([]) for database in world.databases)
        assert not any(database.kept for database in world.databases)
        world.look()
