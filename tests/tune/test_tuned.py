"""Stored schedules are used by whoever compiles the same kernel on the same machine later."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import textwrap
import warnings
from dataclasses import replace

import numpy as np
import pytest

import mlc
from mlc.errors import TuningWarning
from mlc.kernel_code import naive_program, tuning_host
from mlc.schedules import tuned
from mlc.schedules.schedule import Schedule
from mlc.schedules.tuned import workload_key
from mlc.tune.database import Database
from mlc.tune.record import Record
from mlc.tune.workload import program_key

A = np.arange(24 * 16, dtype="f4").reshape(24, 16) % 7
B = np.arange(16 * 40, dtype="f4").reshape(16, 40) % 5


def product(a, b):
    return a @ b


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tuned, "_warned", set())
    with mlc.config.override(
        cache_dir=tmp_path / "cache", tuning_database=tmp_path / "own" / "t.sqlite"
    ):
        yield tmp_path


def schedule_text(function=product, *args) -> str:
    return str(mlc.jit(function).lower(*(args or (A, B))).schedule)


def tuned_record() -> Record:
    """A record that reorders the loops of the product, which the default schedule never does."""
    with mlc.config.override(tuned=False):
        compiled = mlc.jit(product).lower(A, B).compiled
    (kernel,) = compiled.module.kernels
    program, _ = naive_program(kernel)
    s = Schedule(program)
    *_, block = s.blocks()
    _, j, _ = s.loops(block)
    s.split(j, factors=[None, 5])
    host = tuning_host()
    return Record(
        key=workload_key(program, host.isa),
        target=host.target,
        family=host.family,
        name="product",
        trace=s.to_json(),
        seconds=1e-6,
        interval=(1e-6, 1e-6),
        default_seconds=2e-6,
    )


def test_what_was_tuned_is_used(place):
    default = schedule_text()
    record = tuned_record()
    assert Database().add(record)
    text = schedule_text()
    assert text != default and "[None, 5]" in text
    f = mlc.jit(product)
    np.testing.assert_array_equal(f(A, B), A @ B)
    Database().clear()
    assert schedule_text() == default


def test_keys_are_those_of_the_tuner():
    with mlc.config.override(tuned=False):
        (kernel,) = mlc.jit(product).lower(A, B).compiled.module.kernels
    program, _ = naive_program(kernel)
    assert workload_key(program, tuning_host().isa) == program_key(program)


def test_code_in_the_disk_cache_goes_with_its_trace(place):
    def from_cache():
        return mlc.jit(product).lower(A, B).compiled.from_cache

    assert [from_cache(), from_cache()] == [False, True]
    Database().add(tuned_record())
    assert [from_cache(), from_cache()] == [False, True]
    Database().clear()
    assert from_cache()
    with mlc.config.override(tuned=False):
        assert from_cache()


@pytest.mark.parametrize(
    "change", [{"target": "another machine"}, {"schema": 99}, {"key": "0" * 40}]
)
def test_what_was_tuned_elsewhere_is_not_used(change):
    default = schedule_text()
    Database().add(replace(tuned_record(), **change))
    assert schedule_text() == default


def test_settings():
    default, record = schedule_text(), tuned_record()
    Database().add(record)
    with mlc.config.override(tuned=False):
        assert schedule_text() == default
    with mlc.config.override(tuned="lock"):
        assert schedule_text() == default
    assert schedule_text() != default
    with pytest.raises(mlc.ArgumentError, match="but the choices are True, False and 'lock'"):
        mlc.config.override(tuned="yes please").__enter__()


def test_layers_are_read(place):
    default = schedule_text()
    Database(place / "shared.sqlite").add(tuned_record())
    with mlc.config.override(tuning_layers=[place / "shared.sqlite"]):
        assert schedule_text() != default


def lock_with(record: Record, **changes: object) -> str:
    entry = {"key": record.key, "family": record.family, "trace": json.loads(record.trace)}
    entry.update(changes)
    return json.dumps({"format": "mlc.lock", "schema": 1, "entries": [entry]})


def test_the_lock_file_of_a_folder_above_is_used(place, monkeypatch):
    default, record = schedule_text(), tuned_record()
    (place / "mlc.lock").write_text(lock_with(record))
    (place / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(place / "a" / "b")
    assert schedule_text() != default
    with mlc.config.override(tuned="lock"):
        assert schedule_text() != default
    (place / "a" / ".git").mkdir()  # another repository begins here
    assert schedule_text() == default
    with mlc.config.override(lock=place / "mlc.lock"):
        assert schedule_text() != default


def test_a_lock_file_that_is_named_and_missing_is_told(place):
    default = schedule_text()
    with mlc.config.override(lock=place / "none.lock"):
        with pytest.warns(TuningWarning, match="there is no lock file .*none.lock, which mlc.con"):
            assert schedule_text() == default


def test_the_lock_file_counts_before_the_database(place):
    default, record = schedule_text(), tuned_record()
    Database().add(record)
    (place / "mlc.lock").write_text(lock_with(record, trace=None))
    assert schedule_text() == default  # the lock says that the default schedule is best
    (place / "mlc.lock").write_text(lock_with(record, trace=None, family="another"))
    assert schedule_text() != default


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<<<<<<< HEAD", "is not used: Expecting value"),
        ("[]", 'is not used: it does not say "format": "mlc.lock"'),
        ('{"format": "mlc.lock", "schema": 2}', "it has schema 2, this mlc reads 1"),
        ('{"format": "mlc.lock", "schema": 1}', "is not used: it has no 'entries'"),
    ],
)
def test_a_lock_file_that_cannot_be_read_is_told_once(place, text, message):
    default = schedule_text()
    (place / "mlc.lock").write_text(text)
    with pytest.warns(TuningWarning, match=message):
        assert schedule_text() == default
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert schedule_text() == default


def test_files_that_others_may_write_are_not_used(place):
    default, record = schedule_text(), tuned_record()
    Database().add(record)
    Database().path.chmod(0o666)
    with pytest.warns(TuningWarning, match="other users may write to it"):
        assert schedule_text() == default


@pytest.mark.parametrize(
    ("old", "new"),
    [('"factors": [null, 5]', '"factors": [null, 0]'), ("split", "sideways"), ("[8, 5]", "[9, 5]")],
)
def test_a_trace_that_does_not_replay_is_told_once_and_the_default_is_used(old, new):
    default, record = schedule_text(), tuned_record()
    assert old in record.trace
    Database().add(replace(record, trace=record.trace.replace(old, new)))
    with pytest.warns(TuningWarning, match="the stored schedule of .* is not used, because it"):
        text = schedule_text()
    assert text == default
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        f = mlc.jit(product)
        np.testing.assert_array_equal(f(A, B), A @ B)


def test_steps_that_are_not_proven_are_not_taken(place):
    """Written past all checks: the lock file is edited by hand."""
    default, record = schedule_text(), tuned_record()
    trace = json.loads(record.trace)
    trace["steps"][0]["unsafe"] = True
    (place / "mlc.lock").write_text(lock_with(record, trace=trace))
    with pytest.warns(TuningWarning, match="it has steps that are not proven"):
        assert schedule_text() == default


def test_a_damaged_database_is_no_error(place):
    default = schedule_text()
    path = place / "own" / "t.sqlite"
    path.parent.mkdir()
    path.write_bytes(b"no database" * 400)
    path.chmod(0o600)
    with pytest.warns(TuningWarning, match="are not used: file is not a database"):
        assert schedule_text() == default


def test_functions_of_several_kernels():
    def f(a, b):
        c = a @ b
        return c, np.sort(c, axis=0)

    record = tuned_record()
    with mlc.config.override(tuned=False):
        default = schedule_text(f)
        kernels = mlc.jit(f).lower(A, B).compiled.kernels
    assert len(kernels) > 1
    Database().add(record)
    text = schedule_text(f)
    assert text != default and text.count("[None, 5]") == 1
    for got, wanted in zip(mlc.jit(f)(A, B), f(A, B)):
        np.testing.assert_array_equal(got, wanted)


def test_nothing_is_imported_where_nothing_is_stored(place):
    code = """
        import sys, numpy as np, mlc
        f = mlc.jit(lambda a: a + 1)
        f(np.ones(4, "f4"))
        late = [m for m in ("sqlite3", "json", "mlc.tune") if m in sys.modules]
        assert not late, late
    """
    environment = {**os.environ, "MLC_CACHE_DIR": str(place / "fresh")}
    for _ in range(2):
        subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)], check=True, env=environment, cwd=place
        )


def test_sqlite_is_imported_for_records_that_may_apply_alone(place):
    record = tuned_record()
    database = Database()
    assert database.add(replace(record, key="0" * 40))
    path = tuned.database_path()
    assert os.path.exists(f"{path}-wal")  # where the records are as yet
    assert tuned.may_hold(path, ["1" * 40, "0" * 40])
    database.close()  # which folds the log into the file
    assert not os.path.exists(f"{path}-wal")
    assert tuned.may_hold(path, ["1" * 40, "0" * 40])
    assert not tuned.may_hold(path, ["1" * 40]) and not tuned.may_hold(path, [])
    again = Database()
    again.add(replace(record, key="2" * 40))
    assert os.path.exists(f"{path}-wal")
    assert tuned.may_hold(path, ["2" * 40]) and not tuned.may_hold(path, ["1" * 40])
    again.close()
    code = """
        import sys
        import numpy as np
        import mlc
        product = mlc.jit(lambda a, b: a @ b)
        product(np.ones((24, 16), "f4"), np.ones((16, 40), "f4"))
        print([m for m in ("sqlite3", "json", "hashlib") if m in sys.modules])
    """
    environment = dict(
        os.environ, MLC_CACHE_DIR=str(place / "cache"), MLC_TUNING_DATABASE=str(path)
    )
    out = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=environment, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert out.strip() == "[]"
    path.write_bytes(b"not a database at all")
    assert tuned.may_hold(path, ["1" * 40])


def test_digests_are_those_of_hashlib() -> None:
    """They are in databases and lock files, which other Pythons read."""
    assert tuned.trace_digest("schedule") == hashlib.sha256(b"schedule").hexdigest()
