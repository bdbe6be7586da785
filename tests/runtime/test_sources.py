"""Entries of the disk cache hold as long as the files that made them are what they were."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import mlc
from mlc.runtime import cache, sources

CALL = """
import numpy as np, mlc
f = mlc.jit(lambda a, b: np.maximum(a * b + a, 0.0))
f(np.ones(1000, np.float32), np.ones(1000, np.float32))
print(mlc.__file__, f.cache_info().rows[0].from_cache)
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of two files, both loaded long ago."""
    folder = tmp_path / "package"
    folder.mkdir()
    for name in ("one.py", "two.py"):
        (folder / name).write_text(f"# {name}\n")
    monkeypatch.setattr(sources, "_PACKAGE", str(folder))
    monkeypatch.setattr(sources, "LOADED_NS", time.time_ns() + 10**9)
    loaded = {name: type(sys)(name) for name in ("mlc.one", "mlc.two", "mlc.tracer.three", "other")}
    loaded["mlc.one"].__file__ = str(folder / "one.py")
    loaded["mlc.two"].__file__ = str(folder / "two.py")
    monkeypatch.setattr(sources.sys, "modules", loaded)
    forget()
    yield folder
    forget()


def forget() -> None:
    """As another process begins."""
    sources._first_look.cache_clear()
    sources._look_at_loaded.cache_clear()
    sources._sources_of.cache_clear()


def is_current(made_by: str) -> bool:
    """As another process finds it."""
    forget()
    return sources.are_current(made_by)


def test_what_is_in_a_key_need_not_be_named(package: Path) -> None:
    made_by = sources.loaded_sources()
    assert made_by is not None and made_by.split("\n")[1:] == ["one.py", "two.py"]
    assert is_current(made_by) and is_current("")
    assert not is_current("0" * 40) and not is_current("\none.py")
    sources.sys.modules["llvmlite"] = module = type(sys)("llvmlite")
    module.__file__ = str(package.parent / "llvmlite.py")
    assert sources.loaded_sources() is None  # there is no such file
    Path(module.__file__).write_text("")
    assert sources.loaded_sources().split("\n")[1] == f"={module.__file__}"


def test_the_same_modules_are_put_together_once(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = sources.loaded_sources()
    monkeypatch.setattr(sources, "_digest", lambda states: "another")
    assert sources.loaded_sources() == first
    sources.sys.modules["mlc.four"] = module = type(sys)("mlc.four")
    module.__file__ = str(package / "two.py")
    assert sources.loaded_sources().split("\n") == ["another", "two.py", "one.py", "two.py"]


@pytest.mark.parametrize("change", ["text", "size", "older", "gone"])
def test_a_changed_file_is_noticed(package: Path, change: str) -> None:
    file = package / "two.py"
    made_by, was = sources.loaded_sources(), file.stat()
    match change:
        case "text":
            file.write_text("# TWO.py\n")
        case "size":
            file.write_text("# two.py, longer\n")
            os.utime(file, ns=(was.st_atime_ns, was.st_mtime_ns))
        case "older":
            os.utime(file, ns=(was.st_atime_ns, was.st_mtime_ns - 10**12))
        case "gone":
            file.unlink()
    assert made_by is not None and not is_current(made_by)
    if change != "gone":
        file.write_text("# two.py\n")
        os.utime(file, ns=(was.st_atime_ns, was.st_mtime_ns))
        assert is_current(made_by)


def test_files_written_since_they_were_loaded_make_no_entry(
    package: Path, monkeypatch: pytest.MonkeyPatch, cache_dir: Path
) -> None:
    monkeypatch.setattr(sources, "LOADED_NS", time.time_ns() - 10**9)
    assert sources.loaded_sources() is None
    file = package / "one.py"
    forget()
    os.utime(file, ns=(0, 0))  # the time in a file can be set; when that was done cannot
    assert sources.loaded_sources() is None
    key = cache.content_key("x")
    cache.put(key, b"image", {}, sources.loaded_sources())
    assert cache.get(key) is None
    cache.put(key, b"image", {})
    assert cache.get(key) is not None


def test_entries_of_changed_sources_are_misses_and_are_replaced(
    package: Path, cache_dir: Path
) -> None:
    key = cache.content_key("x")
    cache.put(key, b"old", {}, sources.loaded_sources())
    assert cache.get(key).image == b"old"
    (package / "one.py").write_text("# another\n")
    forget()
    assert cache.get(key) is None
    cache.put(key, b"new", {}, sources.loaded_sources())
    assert cache.get(key).image == b"new"


def test_an_edited_compiler_compiles_again(tmp_path: Path) -> None:
    copy = tmp_path / "copy" / "mlc"
    shutil.copytree(Path(mlc.__file__).parent, copy)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MLC_")}
    environment |= {"MLC_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": str(copy.parent)}

    def from_cache() -> bool:
        done = subprocess.run(
            [sys.executable, "-c", CALL], env=environment, capture_output=True, text=True,
            cwd=tmp_path, check=True,
        )  # fmt: skip
        path, found = done.stdout.split()
        assert path == str(copy / "__init__.py")
        return found == "True"

    def edit(name: str) -> None:
        with open(copy / name, "a") as file:
            file.write("\n")
        time.sleep(0.3)

    time.sleep(0.3)
    assert [from_cache(), from_cache()] == [False, True]
    edit("lower/pipeline.py")  # in place, and of no module that is loaded when nothing is compiled
    assert not from_cache()
    edit("ops/logic.py")  # what that does is in the key
    edit("schedules/defaults/contraction.py")  # which has not been asked
    assert from_cache()
