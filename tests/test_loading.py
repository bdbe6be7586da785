"""The package's own way to its files loads what the usual one would."""

from __future__ import annotations

import importlib
import importlib.util
import os
import py_compile
import subprocess
import sys
from collections.abc import Iterator
from importlib.machinery import BuiltinImporter, PathFinder, SourceFileLoader
from pathlib import Path

import pytest

import mlc
from mlc.loading import Finder, QuickLoader


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package in a folder, whose modules are found our way; forgotten after the test."""
    folder = tmp_path / "parcel"
    (folder / "inner").mkdir(parents=True)
    (folder / "data").mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "inner" / "__init__.py").write_text("from .. import plain\n")
    (folder / "inner" / "deep.py").write_text("from ..plain import value\n")
    (folder / "plain.py").write_text("value = 1\n\ndef fail():\n    raise ValueError\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    importlib.import_module("parcel")
    finder = Finder("parcel", str(folder))
    monkeypatch.setattr(sys, "meta_path", [finder, *sys.meta_path])
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "parcel"]:
        del sys.modules[name]


def never(*_: object) -> object:
    raise AssertionError("the usual loader was asked")


def again(name: str) -> object:
    """A module loaded anew."""
    sys.modules.pop(name, None)
    return importlib.import_module(name)


def test_modules_are_what_the_usual_way_makes(package: Path) -> None:
    for name in ("parcel.inner.deep", "parcel.inner", "parcel.plain"):
        module = again(name)
        usual = PathFinder.find_spec(name, sys.modules[name.rpartition(".")[0]].__path__)
        assert usual is not None
        spec = module.__spec__
        assert type(spec.loader) is QuickLoader
        for part in ("name", "origin", "cached", "submodule_search_locations", "has_location",
                     "parent"):  # fmt: skip
            assert getattr(spec, part) == getattr(usual, part), part
        assert (module.__file__, module.__cached__) == (usual.origin, usual.cached)
    assert sys.modules["parcel.inner.deep"].value == 1


def test_compiled_code_is_read_from_where_python_keeps_it(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    importlib.import_module("parcel.plain")  # which writes it
    monkeypatch.setattr(SourceFileLoader, "get_code", never)
    assert again("parcel.plain").value == 1
    with pytest.raises(ValueError) as caught:
        sys.modules["parcel.plain"].fail()
    assert caught.traceback[-1].path == package / "plain.py"


def test_a_changed_file_is_compiled_again(package: Path) -> None:
    assert again("parcel.plain").value == 1
    time = os.stat(package / "plain.py").st_mtime
    (package / "plain.py").write_text("value = 22\n")
    os.utime(package / "plain.py", (time, time))  # another size at the same time
    assert again("parcel.plain").value == 22
    (package / "plain.py").write_text("value = 33\n")
    os.utime(package / "plain.py", (time + 5, time + 5))
    assert again("parcel.plain").value == 33


def test_other_compiled_code_goes_the_usual_way(package: Path) -> None:
    path = str(package / "plain.py")
    cached = importlib.util.cache_from_source(path)
    kind = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(path, invalidation_mode=kind)
    (package / "plain.py").write_text("value = 4\n")
    assert again("parcel.plain").value == 1  # it says that it needs no check
    for damage in (b"", b"short", b"of another Python" * 9):
        Path(cached).write_bytes(damage)
        (package / "plain.py").write_text("value = 55\n")
        assert again("parcel.plain").value == 55


def test_code_that_was_compiled_under_another_name_tells_its_own(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(package / "plain.py")
    py_compile.compile(path, dfile="elsewhere.py")  # as `python -m compileall parcel` does
    monkeypatch.setattr(SourceFileLoader, "get_code", never)
    assert again("parcel.plain").fail.__code__.co_filename == path


def test_what_is_not_there_is_not_found(package: Path) -> None:
    for name in ("parcel.absent", "parcel.inner.absent", "parcel.plain.part"):
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module(name)
    finder = sys.meta_path[0]
    assert finder.find_spec("parcel.data") is None  # a folder that is no package of files
    assert finder.find_spec("other.plain") is None
    assert finder.find_spec("parcels") is None
    assert finder.find_spec("parcel") is None


def test_a_file_that_comes_later_is_found(package: Path) -> None:
    again("parcel.plain")
    (package / "later.py").write_text("value = 6\n")
    importlib.invalidate_caches()
    assert again("parcel.later").value == 6
    assert type(sys.modules["parcel.later"].__spec__.loader) is QuickLoader


def test_our_own_modules_come_this_way() -> None:
    spec = mlc.config.__class__.__module__
    assert type(sys.modules[spec].__spec__.loader) is QuickLoader
    ours = [finder for finder in sys.meta_path if isinstance(finder, Finder)]
    assert len(ours) == 1
    at = sys.meta_path.index(ours[0])  # before Python's own, behind what others have put there
    assert at < min(map(sys.meta_path.index, (BuiltinImporter, PathFinder)))


@pytest.mark.parametrize(("gone", "there"), [
    ("BINARY_OP", "BINARY_SUBSCR"), ("BINARY_SUBSCR", "BINARY_OP"),
])  # fmt: skip
def test_the_instructions_of_other_versions_of_python_need_not_be_there(
    gone: str, there: str
) -> None:
    """Python 3.10 has no BINARY_OP, and 3.14 no BINARY_SUBSCR."""
    change = f"opmap.pop({gone!r}, 0); opmap.setdefault({there!r}, 1)"
    code = f"import dis; from opcode import opmap; {change}; import mlc.control.forms"
    subprocess.run([sys.executable, "-c", code], check=True)
