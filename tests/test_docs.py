"""The documents keep their word: code runs, links lead somewhere, the map names every part."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
COURSE = [
    *sorted((ROOT / "docs" / "course").glob("*.md")),
    ROOT / "docs" / "schedules.md",
    ROOT / "docs" / "script.md",
    ROOT / "docs" / "tuning.md",
    ROOT / "docs" / "numpy.md",
    ROOT / "docs" / "control-flow.md",
    ROOT / "docs" / "maths.md",
    ROOT / "docs" / "dynamic-sizes.md",
    ROOT / "docs" / "testing.md",
    ROOT / "docs" / "jit.md",
    ROOT / "docs" / "expressions.md",
]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"^```python\n(.*?)^```$(?:\n\n^```text\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")
PATH = re.compile(r"`([\w/]+(?:/|\.py))`")
TARGET = re.compile(r"^make (\w+)", re.MULTILINE)


def test_the_code_in_the_readme_runs(tmp_path: Path) -> None:
    """All blocks in order, as one program, as a reader would type them."""
    blocks = FENCE.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert blocks
    program = tmp_path / "readme.py"
    program.write_text("\n".join(blocks), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(program)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.unproven
@pytest.mark.parametrize("path", COURSE, ids=lambda path: path.name)
def test_the_code_prints_what_stands_under_it(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Python in order, as one program; a text right under it is all that it prints."""
    names: dict[str, object] = {}
    blocks = CODE.findall(path.read_text(encoding="utf-8"))
    assert blocks
    for number, (code, shown) in enumerate(blocks):
        source = tmp_path / f"block{number}.py"
        source.write_text(code, encoding="utf-8")
        exec(compile(code, str(source), "exec"), names)
        printed = capsys.readouterr().out
        assert printed.rstrip() == shown.rstrip(), f"code block {number}"


def test_the_code_of_every_document_is_run() -> None:
    tests = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "tests").rglob("test_*.py"))
    coded = {path for path in DOCUMENTS if FENCE.search(path.read_text(encoding="utf-8"))}
    assert len(coded) > 12
    coded -= {*COURSE, ROOT / "README.md"}
    quoted = r'"{}"|{}\.md"'  # as a file, or at the end of a path
    assert not [p.name for p in coded if not re.search(quoted.format(p.name, p.stem), tests)]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    missing = [link for link in LINK.findall(text) if not (path.parent / link).exists()]
    assert not missing, missing


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_make_targets_exist(path: Path) -> None:
    rules = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(TARGET.findall(path.read_text(encoding="utf-8")))
    assert not {name for name in named if f"\n{name}:" not in rules}


def test_the_map_names_every_part() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    package = ROOT / "mlc"
    parts = {f"{path.parent.name}/" for path in package.glob("*/__init__.py")}
    parts |= {path.stem for path in package.glob("*.py") if not path.stem.startswith("__")}
    missing = {p for p in parts if f"`{p}`" not in text and f"`mlc.{p}`" not in text}
    assert not missing


def test_the_paths_on_the_map_exist() -> None:
    named = PATH.findall((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8"))
    places = (ROOT, ROOT / "mlc")
    gone = [name for name in named if not any((place / name).exists() for place in places)]
    assert len(named) > 20 and not gone


def test_the_index_lists_every_page() -> None:
    docs = ROOT / "docs"
    listed = set(LINK.findall((docs / "README.md").read_text(encoding="utf-8")))
    pages = {page.relative_to(docs).as_posix() for page in docs.rglob("*.md")}
    assert not {page for page in pages - listed - {"README.md"} if not page.startswith("adr/")}


def test_every_picture_is_shown() -> None:
    shown = "".join(page.read_text(encoding="utf-8") for page in DOCUMENTS)
    pictures = list((ROOT / "docs" / "pictures").iterdir())
    assert pictures and not [p.name for p in pictures if f"pictures/{p.name}" not in shown]
